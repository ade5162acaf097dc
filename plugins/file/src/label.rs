//! Labels: all that a domain can say of a file.

/// Longest label in bytes.
const LENGTH: usize = 64;

/// The value of the attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Label {
    /// The operator may have mapped it.
    Named(String),
    /// Nothing there.
    Unset,
    /// It can never be mapped.
    Wrong,
}

/// Reads it.
///
/// ```text
/// value = ["file:"] label
/// label = (ALPHA / DIGIT) *63(ALPHA / DIGIT / "-" / "_" / ".")
/// ```
pub(crate) fn read(value: Option<&str>) -> Label {
    let value = value.map(str::trim).unwrap_or_default();
    let label = value.strip_prefix("file:").unwrap_or(value);
    if label.is_empty() {
        return Label::Unset;
    }
    let is_label = label.len() <= LENGTH
        && label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_label {
        Label::Named(label.to_owned())
    } else {
        Label::Wrong
    }
}

#[cfg(test)]
mod tests;
