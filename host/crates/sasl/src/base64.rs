//! Base64 as the protocols carry it: one line, standard alphabet, padded, bounded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{RESPONSE_BASE64_BYTES, SaslError};

/// Decodes one response. Refuses missing padding, stray bits after the end and anything over
/// [`RESPONSE_BASE64_BYTES`] before a byte is allocated for it.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, SaslError> {
    if text.len() > RESPONSE_BASE64_BYTES {
        return Err(SaslError::TooLong);
    }
    STANDARD.decode(text).map_err(|_| SaslError::Base64)
}

/// Encodes a challenge or a response.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
