//! Patterns of addresses.

/// Does an address match a pattern? Without case; an empty address is the null sender.
///
/// ```text
/// pattern = "*" / "<>" / local "@" domain / local "@" / "@" domain / "." domain
/// ```
pub(crate) fn matches(pattern: &str, address: &str) -> bool {
    let pattern = pattern.trim().to_lowercase();
    if pattern == "*" {
        return true;
    }
    if address.is_empty() || pattern == "<>" {
        return address.is_empty() && pattern == "<>";
    }
    let address = address.to_lowercase();
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    if pattern.starts_with('.') {
        return domain.ends_with(&pattern);
    }
    match pattern.rsplit_once('@') {
        Some(("", wanted)) => domain == wanted,
        Some((wanted, "")) => local == wanted,
        Some((wanted_local, wanted_domain)) => local == wanted_local && domain == wanted_domain,
        None => false,
    }
}

#[cfg(test)]
mod tests;
