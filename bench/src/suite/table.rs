//! Figures as Markdown.

use std::fmt::Write as _;

use super::rounds::Runs;
use crate::latency::milliseconds;

const HEAD: &str = "\
| | messages/s | lowest to highest | p50 ms | p90 ms | p99 ms | max ms | server CPU ms/message | generator CPU ms/message | errors |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

/// One line for each.
pub(super) fn table(rows: &[&Runs]) -> String {
    let mut text = HEAD.to_owned();
    for runs in rows {
        text.push_str(&row(runs));
    }
    text
}

fn row(runs: &Runs) -> String {
    let (Some(median), Some((low, high))) = (runs.median(), runs.range()) else {
        let why = runs
            .trouble()
            .unwrap_or_default()
            .replace(['|', '\n', '\r'], " ");
        let why: String = why.chars().take(120).collect();
        let text = format!("not measured {why}");
        return format!("| {} | {} | | | | | | | | |\n", runs.label, text.trim_end());
    };
    let of = median.latencies.percentiles();
    let [p50, p90, p99, max] = [of.p50, of.p90, of.p99, of.max].map(milliseconds);
    let server = median.server_ms().map_or_else(|| "?".to_owned(), fine);
    let generator = fine(median.generator_ms());
    format!(
        "| {} | **{}** | {} to {} | {p50} | {p90} | {p99} | {max} | {server} | {generator} | {} |\n",
        runs.label,
        whole(median.rate()),
        whole(low),
        whole(high),
        runs.errors()
    )
}

/// What one has to the other, as a sentence; that it was not measured where it was not.
pub(super) fn ratio(own: &Runs, other: &Runs, missing: Option<&str>) -> String {
    let mut text = format!("\n{} to {}: ", own.label, other.label);
    match (own.ratio(other), missing) {
        (Some(ratio), _) => {
            let _ = write!(text, "**{ratio:.2}x**");
        }
        (None, reason) => text.push_str(reason.unwrap_or("not measured")),
    }
    text.push('\n');
    text
}

/// A number with thousands apart; with a digit behind the point where it is small.
pub(super) fn whole(value: f64) -> String {
    if value < 99.5 {
        return format!("{value:.1}").trim_end_matches(".0").to_owned();
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds as small as they are here.
pub(super) fn fine(milliseconds: f64) -> String {
    if milliseconds < 0.1 {
        format!("{milliseconds:.4}")
    } else {
        format!("{milliseconds:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_apart() {
        let cases = [
            (7.0, "7"),
            (7.44, "7.4"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, expected) in cases {
            assert_eq!(whole(value), expected);
        }
    }

    #[test]
    fn a_peer_that_is_not_there_has_no_ratio() {
        let (own, other) = (Runs::new("Postroom"), Runs::new("Postfix"));
        let text = ratio(&own, &other, Some("not measured: apt install postfix"));
        assert_eq!(
            text,
            "\nPostroom to Postfix: not measured: apt install postfix\n"
        );
        assert!(table(&[&own]).contains("| Postroom | not measured |"));
    }
}
