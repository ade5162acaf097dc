//! Messages that are handed in are in memory until they are taken. So many bytes of one user, and
//! of all: beyond it a message is put off, and its sender still has it.
//!
//! One message is always taken, whatever `limits.message_bytes` says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::StatusCode;
use http_body_util::BodyExt as _;
use mail::{limits, words};

use super::ApiError;

/// What a message takes while it is made whole: as it came, with CRLF, and whole.
const COPIES: u64 = 3;

/// Bytes by user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held(Arc<Mutex<HashMap<u32, u64>>>);

/// A message in memory, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
    _share: Share,
}

impl Held {
    /// Reads a body of at most `most` bytes.
    pub(super) async fn read(
        &self,
        uid: u32,
        mut body: Body,
        most: u64,
    ) -> Result<Message, ApiError> {
        let mut share = Share {
            held: self.clone(),
            uid,
            bytes: 0,
        };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let broken = |_| ApiError::new(StatusCode::BAD_REQUEST, "the connection broke");
            let Ok(data) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            if bytes.len() as u64 + data.len() as u64 > most {
                let most = most.to_string();
                let text = words::MESSAGE_TOO_BIG.text_with(&[("bytes", &most)]);
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            if !share.grow(COPIES * data.len() as u64) {
                return Err(ApiError::unavailable(words::CLI_SENDMAIL_MUCH.text()));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Message {
            bytes,
            _share: share,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, u64>> {
        // Each use is one addition or subtraction: a panic cannot leave half of one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one message counts.
#[derive(Debug)]
struct Share {
    held: Held,
    uid: u32,
    bytes: u64,
}

impl Share {
    /// Counts more; `false`: there is too much beside it.
    fn grow(&mut self, more: u64) -> bool {
        let mut held = self.held.lock();
        let all: u64 = held.values().sum();
        let own = held.get(&self.uid).copied().unwrap_or_default();
        let fits = |bytes: u64, most: u64| bytes == self.bytes || bytes + more <= most;
        if !fits(own, limits::HANDED_IN_USER) || !fits(all, limits::HANDED_IN_ALL) {
            return false;
        }
        *held.entry(self.uid).or_default() += more;
        self.bytes += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.held.lock();
        if let Some(own) = held.get_mut(&self.uid) {
            *own -= self.bytes;
            if *own == 0 {
                held.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::{ApiError, Body, COPIES, Held, StatusCode, limits};

    fn status(refused: ApiError) -> StatusCode {
        refused.into_response().status()
    }

    fn body(bytes: u64) -> Body {
        Body::from(vec![b'x'; usize::try_from(bytes).expect("a length")])
    }

    #[tokio::test]
    async fn one_user_and_all_users_hold_so_much_and_no_more() {
        let held = Held::default();
        let part = limits::HANDED_IN_USER / COPIES / 2;
        let read = async |uid| held.read(uid, body(part), part).await;
        let first = read(1).await.expect("there is room");
        let second = read(1).await.expect("there is room");
        let refused = read(1).await.expect_err("one user has so much");
        assert_eq!(status(refused), StatusCode::SERVICE_UNAVAILABLE);
        let mut others = Vec::new();
        let refused = loop {
            match read(2 + others.len() as u32).await {
                Ok(message) => others.push(message),
                Err(refused) => break refused,
            }
        };
        assert_eq!(status(refused), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            2 + others.len() as u64,
            limits::HANDED_IN_ALL / COPIES / part
        );
        drop((first, others));
        assert!(read(1).await.is_ok());
        drop(second);
        assert!(held.lock().is_empty());
    }

    #[tokio::test]
    async fn one_message_is_taken_whatever_its_size() {
        let held = Held::default();
        let large = limits::HANDED_IN_ALL / COPIES + 1;
        let message = held.read(1, body(large), large).await;
        let message = message.expect("nothing else is held");
        assert_eq!(message.bytes.len() as u64, large);
        drop(message);
        let refused = held.read(1, body(11), 10).await.expect_err("too large");
        assert_eq!(status(refused), StatusCode::PAYLOAD_TOO_LARGE);
        assert!(held.lock().is_empty());
    }
}
