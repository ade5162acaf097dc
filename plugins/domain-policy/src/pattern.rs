//! Patterns of addresses.

/// Which addresses are meant. Without case; an empty address is the null sender.
///
/// ```text
/// pattern = "*" / "<>" / local "@" domain / local "@" / "@" domain / "." domain
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Self {
        Self(pattern.trim().to_lowercase())
    }

    /// Does it match an address in lower case?
    fn matches_lower(&self, address: &str) -> bool {
        let pattern = self.0.as_str();
        if pattern == "*" {
            return true;
        }
        if address.is_empty() || pattern == "<>" {
            return address.is_empty() && pattern == "<>";
        }
        let Some((local, domain)) = address.rsplit_once('@') else {
            return false;
        };
        if pattern.starts_with('.') {
            return domain.ends_with(pattern);
        }
        match pattern.rsplit_once('@') {
            Some(("", wanted)) => domain == wanted,
            Some((wanted, "")) => local == wanted,
            Some((wanted_local, wanted_domain)) => local == wanted_local && domain == wanted_domain,
            None => false,
        }
    }
}

/// Does one of the patterns match the address?
pub(crate) fn any(patterns: &[Pattern], address: &str) -> bool {
    if patterns.is_empty() {
        return false;
    }
    let address = address.to_lowercase();
    patterns
        .iter()
        .any(|pattern| pattern.matches_lower(&address))
}

#[cfg(test)]
mod tests;
