//! Labels: all that a domain can say of a program.

/// Longest label in bytes.
const LENGTH: usize = 64;

/// The value of the attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Label {
    /// It may stand in the operator's list.
    Named(String),
    /// Nothing there.
    Unset,
    /// It can never stand in the list, with the reason.
    Wrong(String),
}

/// Reads it.
///
/// ```text
/// label = (ALPHA / DIGIT) *63(ALPHA / DIGIT / "-" / "_" / ".")
/// ```
pub(crate) fn read(value: Option<&str>) -> Label {
    let value = value.map(str::trim).unwrap_or_default();
    if value.is_empty() {
        return Label::Unset;
    }
    let is_label = value.len() <= LENGTH
        && value.starts_with(|c: char| c.is_ascii_alphanumeric())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if is_label {
        Label::Named(value.to_owned())
    } else {
        Label::Wrong(
            "The value is no label: paths, arguments and shell text are not run".to_owned(),
        )
    }
}

#[cfg(test)]
mod tests;
