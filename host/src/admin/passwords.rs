//! Passwords made by the server.

/// Twenty characters of 32 kinds: 100 bits, without letters that look alike.
pub(super) fn make() -> Result<String, super::ApiError> {
    const KINDS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";
    let mut bytes = [0_u8; 20];
    crate::site::random(&mut bytes)
        .map_err(|_| super::ApiError::unavailable("the system gives no random bytes; try again"))?;
    Ok(bytes
        .iter()
        .map(|byte| char::from(KINDS[usize::from(byte % 32)]))
        .collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn passwords_are_long_and_differ() {
        let first = super::make().expect("random bytes");
        let second = super::make().expect("random bytes");
        assert_eq!(first.len(), 20);
        assert_ne!(first, second);
    }
}
