//! How long things took.

use std::time::Duration;

/// Every single duration: a run has at most some hundred thousand, so nothing is rounded away.
#[derive(Debug, Clone, Default)]
pub(crate) struct Latencies {
    all: Vec<Duration>,
}

impl Latencies {
    pub(crate) fn record(&mut self, took: Duration) {
        self.all.push(took);
    }

    pub(crate) fn merge(&mut self, mut other: Self) {
        self.all.append(&mut other.all);
    }

    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Sorted once, asked often.
    pub(crate) fn percentiles(&self) -> Percentiles {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        let at = |share: f64| nearest_rank(&sorted, share);
        Percentiles {
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            max: at(1.0),
        }
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<T: IntoIterator<Item = Duration>>(all: T) -> Self {
        Self {
            all: all.into_iter().collect(),
        }
    }
}

/// What is reported of [`Latencies`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Percentiles {
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
}

/// The smallest value that is at least as large as `share` of all; zero of none.
fn nearest_rank(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted
        .get(rank.max(1) - 1)
        .copied()
        .unwrap_or(Duration::ZERO)
}

/// As milliseconds with as many digits as it deserves.
pub(crate) fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2}"),
        ..100.0 => format!("{milliseconds:.1}"),
        _ => format!("{milliseconds:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: impl IntoIterator<Item = u64>) -> Percentiles {
        let mut latencies = Latencies::default();
        for value in milliseconds {
            latencies.record(Duration::from_millis(value));
        }
        latencies.percentiles()
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let found = of((1..=100).rev());
        let expected = [50, 90, 99, 100].map(Duration::from_millis);
        assert_eq!([found.p50, found.p90, found.p99, found.max], expected);
        let found = of([7]);
        let expected = [7; 4].map(Duration::from_millis);
        assert_eq!([found.p50, found.p90, found.p99, found.max], expected);
        assert_eq!(of([]), Percentiles::default());
    }

    #[test]
    fn merged_runs_count_as_one() {
        let mut one = Latencies::default();
        one.record(Duration::from_millis(1));
        let mut two = Latencies::default();
        two.record(Duration::from_millis(9));
        one.merge(two);
        assert_eq!(one.count(), 2);
        assert_eq!(one.percentiles().max, Duration::from_millis(9));
    }
}
