//! Step `loop`: has the message been here, or nearly everywhere, before?

use mail::message::Message;
use mail::{Mailbox, limits, words};

use super::super::context::{Flow, MessageContext};
use crate::listen::reply_to;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let head = match context.body.read(0, limits::HEADER_BYTES) {
        Ok(head) => head,
        Err(error) => return Flow::Answer(reply_to(&error)),
    };
    let addresses = context
        .transaction
        .recipients
        .iter()
        .map(|taken| &taken.address);
    if goes_round(&head, addresses) {
        Flow::Answer(words::MAIL_LOOP.reply())
    } else {
        Flow::Next(String::new())
    }
}

/// RFC 5321 §6.3: too many `Received`; RFC 9228 §4: our own mark for the same address.
pub(crate) fn goes_round<'a>(
    head: &[u8],
    mut recipients: impl Iterator<Item = &'a Mailbox>,
) -> bool {
    let message = Message::new(head);
    let header = message.header();
    if header.hops() > limits::RECEIVED_HOPS {
        return true;
    }
    let marks: Vec<String> = header
        .all("Delivered-To")
        .filter_map(|field| Mailbox::parse(field.text().trim()).ok())
        .map(|mailbox| mailbox.key())
        .collect();
    marks.len() > limits::INTERNAL_HOPS
        || recipients.any(|recipient| marks.contains(&recipient.key()))
}

#[cfg(test)]
mod tests {
    use super::goes_round;

    #[test]
    fn l01_l02_loops_are_seen() {
        let ann = mail::Mailbox::parse("ann@abc.test").expect("valid");
        let fifty = "Received: x\r\n".repeat(50);
        let cases = [
            ("Subject: x\r\n\r\n".to_owned(), false),
            (format!("{fifty}\r\n"), false),
            (format!("{fifty}Received: y\r\n\r\n"), true),
            ("Delivered-To: Ann@ABC.test\r\n\r\n".to_owned(), true),
            ("Delivered-To: bob@abc.test\r\n\r\n".to_owned(), false),
            (
                format!("{}\r\n", "Delivered-To: bob@abc.test\r\n".repeat(11)),
                true,
            ),
        ];
        for (head, expected) in cases {
            assert_eq!(
                goes_round(head.as_bytes(), [&ann].into_iter()),
                expected,
                "{head}"
            );
        }
    }
}
