//! Names of shared mailboxes.

/// The level below which all shared mailboxes are.
const ROOT: &str = "Shared Folders";

/// Longest name in bytes.
const LENGTH: usize = 200;

/// The value of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// The whole name of the mailbox.
    Mailbox(String),
    /// Nothing there.
    Unset,
    /// No mailbox can have it, with the reason.
    Wrong(String),
}

/// Reads it.
///
/// ```text
/// value = ["Shared Folders/"] name      ; one level
/// ```
pub(crate) fn read(value: Option<&str>) -> Name {
    let value = value.map(str::trim).unwrap_or_default();
    let name = value
        .strip_prefix(ROOT)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(value);
    if name.is_empty() {
        return Name::Unset;
    }
    if name.len() > LENGTH
        || name.contains(|c: char| c == '/' || c.is_control())
        || name.trim() != name
    {
        return Name::Wrong(format!(
            "'{}' is not the name of a shared mailbox",
            name.escape_debug()
        ));
    }
    Name::Mailbox(format!("{ROOT}/{name}"))
}

#[cfg(test)]
mod tests;
