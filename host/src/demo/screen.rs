//! What the demo says: plain words, a little colour, and a count of what did not turn out as told.

use std::io::{IsTerminal as _, Write as _};

/// Columns of a text; a terminal has at least 80.
const WIDTH: usize = 80;

/// Characters that are shown of what was seen instead of what was told.
const SEEN: usize = 600;

/// Colours by ANSI number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Bold,
    Dim,
    Red,
    Green,
    Cyan,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Cyan => "1;36",
        }
    }
}

/// The terminal, or the pipe, behind standard output.
#[derive(Debug)]
pub(super) struct Screen {
    coloured: bool,
    sections: usize,
    checks: usize,
    failures: Vec<String>,
}

impl Screen {
    /// With colours where a terminal shows them and nobody asked for none (`NO_COLOR`).
    pub(super) fn open() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            coloured: wanted && able,
            sections: 0,
            checks: 0,
            failures: Vec::new(),
        }
    }

    /// The first line.
    pub(super) fn title(&self, text: &str) {
        self.put(&self.paint(Colour::Cyan, text));
    }

    /// A numbered heading.
    pub(super) fn section(&mut self, text: &str) {
        self.sections += 1;
        let line = format!("{}. {text}", self.sections);
        self.put("");
        self.put(&self.paint(Colour::Cyan, &line));
    }

    /// A heading without a number.
    pub(super) fn heading(&self, text: &str) {
        self.put("");
        self.put(&self.paint(Colour::Cyan, text));
    }

    /// Plain words.
    pub(super) fn say(&self, text: &str) {
        for line in wrapped(text, WIDTH - 3) {
            self.put(&format!("   {line}"));
        }
    }

    /// A line as it is: a table, a command to copy.
    pub(super) fn line(&self, text: &str) {
        self.put(&format!("   {text}"));
    }

    /// A command line that was run.
    pub(super) fn command(&self, words: &[&str]) {
        for line in command_lines(words) {
            self.put(&format!("   {}", self.paint(Colour::Bold, &line)));
        }
    }

    /// What the other side answered.
    pub(super) fn answer(&self, text: &str) {
        for line in wrapped(text, WIDTH - 7) {
            self.put(&format!("       {}", self.paint(Colour::Dim, &line)));
        }
    }

    /// A step, and whether it did what `text` tells. `seen` is shown where it did not.
    pub(super) fn check(&mut self, is_so: bool, text: &str, seen: &str) {
        self.checks += 1;
        let mark = if is_so {
            self.paint(Colour::Green, "✓")
        } else {
            self.failures.push(text.to_owned());
            self.paint(Colour::Red, "✗")
        };
        for (index, line) in wrapped(text, WIDTH - 5).iter().enumerate() {
            let mark = if index == 0 { mark.as_str() } else { " " };
            self.put(&format!("   {mark} {line}"));
        }
        if !is_so {
            let seen: String = seen.chars().take(SEEN).collect();
            let told = format!("This did not turn out as told. Seen: {seen}");
            for line in wrapped(&told, WIDTH - 7) {
                self.put(&format!("       {}", self.paint(Colour::Red, &line)));
            }
        }
    }

    /// The sum of all checks.
    ///
    /// # Errors
    /// Some step did not turn out as told.
    pub(super) fn verdict(&self) -> anyhow::Result<()> {
        self.put("");
        let (failed, checks) = (self.failures.len(), self.checks);
        if failed == 0 {
            let text = format!("All {checks} checks turned out as told.");
            self.put(&self.paint(Colour::Green, &text));
            return Ok(());
        }
        anyhow::bail!(
            "{failed} of {checks} checks did not turn out as told:\n  {}",
            self.failures.join("\n  ")
        )
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{}m{text}\x1b[0m", colour.code())
        } else {
            text.to_owned()
        }
    }

    /// A reader that went away (`postroom demo | head`) ends nothing.
    fn put(&self, line: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// Words in lines of at most `width` characters; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// A command line in lines that a shell takes; an option stays beside its value.
fn command_lines(words: &[&str]) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in words {
        match parts.last_mut() {
            Some(option) if option.starts_with("--") && !option.contains(' ') => {
                option.push(' ');
                option.push_str(&quoted(word));
            }
            _ => parts.push(quoted(word)),
        }
    }
    let mut lines = Vec::new();
    let mut line = String::from("$ postroom");
    for part in parts {
        let first = part.lines().next().map_or(0, |line| line.chars().count());
        if line.chars().count() + 1 + first > WIDTH - 5 {
            lines.push(format!("{line} \\"));
            line = String::from("   ");
        }
        line.push(' ');
        // A value of several lines is one for a shell too, in its quotes.
        line.push_str(&part.replace('\n', "\n    "));
    }
    lines.push(line);
    lines
        .iter()
        .flat_map(|line| line.lines().map(str::to_owned))
        .collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/@=,:+".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{command_lines, quoted, wrapped};

    #[test]
    fn an_option_stays_beside_its_value() {
        let words = ["user", "add", "bob@abc.test", "--option", "mailbox"];
        assert_eq!(
            command_lines(&words),
            ["$ postroom user add bob@abc.test --option mailbox"]
        );
        let long = "a".repeat(50);
        assert_eq!(
            command_lines(&["plugin", "install", "--config", &long]),
            [
                "$ postroom plugin install \\".to_owned(),
                format!("    --config {long}")
            ]
        );
    }

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("indivisible", 3), ["indivisible"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("ann@abc.test"), "ann@abc.test");
        assert_eq!(quoted("I'm away"), "'I'\\''m away'");
        assert_eq!(quoted(""), "''");
    }
}
