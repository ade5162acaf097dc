//! What an exchange ends in.

use mail::Secret;

use crate::SaslError;

/// Longest login name or authorization identity in bytes. RFC 4616 §2 wants 255 to pass.
pub const IDENTITY_BYTES: usize = 1024;
/// Longest password in bytes: bounds what is hashed.
pub const PASSWORD_BYTES: usize = 1024;

/// Who somebody says to be, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// In whose name the session shall run (`authzid`, RFC 4616 §2); `None` is the own name,
    /// also where the client spelled the own name out. Whoever checks the password must also
    /// check that `login` may act for this one, or refuse.
    pub authorization: Option<String>,
    /// Whose password it is (`authcid`).
    pub login: String,
    /// The password.
    pub password: Secret<String>,
}

impl Credentials {
    /// Checked credentials, for instance from IMAP LOGIN or POP3 USER and PASS, which are held
    /// to the same rules.
    ///
    /// # Errors
    /// [`SaslError::Empty`], [`SaslError::TooLong`], or [`SaslError::Malformed`] for NUL in any
    /// part and for control characters in a name.
    pub fn new(
        authorization: Option<String>,
        login: String,
        password: String,
    ) -> Result<Self, SaslError> {
        let authorization =
            authorization.filter(|identity| !identity.is_empty() && *identity != login);
        for identity in authorization.iter().chain([&login]) {
            check(identity, IDENTITY_BYTES)?;
            // A name ends up in logs and in look-ups; no real one holds these.
            if identity.chars().any(char::is_control) {
                return Err(SaslError::Malformed);
            }
        }
        check(&password, PASSWORD_BYTES)?;
        Ok(Self {
            authorization,
            login,
            password: Secret::new(password),
        })
    }
}

fn check(text: &str, longest: usize) -> Result<(), SaslError> {
    if text.is_empty() {
        return Err(SaslError::Empty);
    }
    if text.len() > longest {
        return Err(SaslError::TooLong);
    }
    if text.contains('\0') {
        Err(SaslError::Malformed)
    } else {
        Ok(())
    }
}
