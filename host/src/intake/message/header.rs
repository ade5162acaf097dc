//! Step `header`: is the header section within its limits, and the nesting of the message?

use mail::message::Message;
use mail::words;

use super::super::context::{Flow, MessageContext};
use crate::listen::reply_to;

/// Bytes that are looked at for nesting: deeper levels come first in a message that is made to
/// hurt, and later readers treat what is too deep as opaque anyway.
const LOOKED_AT: usize = 1024 * 1024;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let bytes = match context.body.read(0, LOOKED_AT) {
        Ok(bytes) => bytes,
        Err(error) => return Flow::Answer(reply_to(&error)),
    };
    let message = Message::new(&bytes);
    if !message.header_is_within_limits() {
        return Flow::Answer(words::HEADER_TOO_BIG.reply());
    }
    if message.structure().is_cut() {
        return Flow::Answer(words::MIME_TOO_DEEP.reply());
    }
    Flow::Next(String::new())
}
