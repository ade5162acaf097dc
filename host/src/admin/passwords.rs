//! Passwords made by the server.

/// Twenty characters of 32 kinds: 100 bits, without letters that look alike. None begins with
/// `-`, which a command line would take for an option.
pub(super) fn make() -> Result<String, super::ApiError> {
    const KINDS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
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
        let made: Vec<String> = (0..200)
            .map(|_| super::make().expect("random bytes"))
            .collect();
        for (index, password) in made.iter().enumerate() {
            assert_eq!(password.len(), 20);
            assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            assert!(!made[..index].contains(password));
        }
    }
}
