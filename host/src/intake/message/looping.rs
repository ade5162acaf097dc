//! Step `loop`: has the message been here, or nearly everywhere, before?
//!
//! A message that goes round as a whole is refused. One that was here before for some of its
//! recipients is taken for the others: whoever the mark names has got the message then.

use mail::message::Message;
use mail::{Mailbox, limits, words};
use routing::Target;

use super::super::context::{Flow, MessageContext, Taken};
use super::super::trace;
use crate::listen::reply_to;

pub(crate) async fn run(context: &mut MessageContext<'_>) -> Flow {
    let head = match context.body.read(0, limits::HEADER_BYTES) {
        Ok(head) => head,
        Err(error) => return Flow::Answer(reply_to(&error)),
    };
    context.message_id = trace::message_id(&head);
    let reply = words::MAIL_LOOP.reply();
    let marks = Marks::of(&head);
    let recipients = &mut context.transaction.recipients;
    let left: Vec<_> = recipients.iter().map(|taken| marks.left(taken)).collect();
    if marks.are_too_many() || left.iter().all(Vec::is_empty) {
        return Flow::Answer(reply);
    }
    let mut lost = Vec::new();
    for (taken, left) in recipients.iter_mut().zip(left) {
        let of_targets = taken.targets.iter().map(address_of);
        let gone: Vec<_> = match left.is_empty() {
            true => vec![taken.address.clone()],
            false => of_targets
                .filter(|address| marks.name(address))
                .cloned()
                .collect(),
        };
        lost.extend(gone.iter().map(|address| taken.failed(address, &reply)));
        taken.targets = left;
    }
    recipients.retain(|taken| !taken.targets.is_empty());
    // Who they are stands with each of them: a domain need not read of another's recipients.
    let count = lost.len();
    context.undeliverable.extend(lost);
    match count {
        0 => Flow::Next(String::new()),
        count => Flow::Next(format!("it was here before for {count} of its recipients")),
    }
}

/// RFC 5321 §6.3: too many `Received`; RFC 9228 §4: our own mark for the same address.
pub(crate) fn goes_round(head: &[u8], recipient: &Mailbox) -> bool {
    let marks = Marks::of(head);
    marks.are_too_many() || marks.name(recipient)
}

/// Where a message has been, as its header says.
struct Marks {
    hops: usize,
    /// Keys of the addresses in `Delivered-To`.
    delivered: Vec<String>,
}

impl Marks {
    fn of(head: &[u8]) -> Self {
        let message = Message::new(head);
        let header = message.header();
        let delivered = header
            .all("Delivered-To")
            .filter_map(|field| Mailbox::parse(field.text().trim()).ok())
            .map(|mailbox| mailbox.key())
            .collect();
        Self {
            hops: header.hops(),
            delivered,
        }
    }

    fn are_too_many(&self) -> bool {
        self.hops > limits::RECEIVED_HOPS || self.delivered.len() > limits::INTERNAL_HOPS
    }

    fn name(&self, address: &Mailbox) -> bool {
        self.delivered.contains(&address.key())
    }

    /// The targets of a recipient that do not go round; none where nobody behind it gets mail.
    fn left(&self, taken: &Taken) -> Vec<Target> {
        if self.name(&taken.address) {
            return Vec::new();
        }
        let left: Vec<_> = taken
            .targets
            .iter()
            .filter(|target| !self.name(address_of(target)))
            .cloned()
            .collect();
        let gets_mail = |target: &Target| match target {
            Target::Refused { reply, .. } => reply.0.code().is_transient(),
            _ => true,
        };
        if left.iter().any(gets_mail) {
            left
        } else {
            Vec::new()
        }
    }
}

fn address_of(target: &Target) -> &Mailbox {
    match target {
        Target::Mailbox { address, .. }
        | Target::Option { address, .. }
        | Target::Remote { address, .. }
        | Target::Refused { address, .. } => address,
    }
}

#[cfg(test)]
mod tests {
    use mail::{Mailbox, RecipientId, words};
    use routing::{NextHop, StoredReply, Target};

    use super::{Marks, goes_round};
    use crate::intake::context::{Fate, Taken};

    #[test]
    fn l01_l02_loops_are_seen() {
        let ann = mailbox("ann@abc.test");
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
            assert_eq!(goes_round(head.as_bytes(), &ann), expected, "{head}");
        }
    }

    fn mailbox(address: &str) -> Mailbox {
        Mailbox::parse(address).expect("valid")
    }

    fn remote(address: &str) -> Target {
        Target::Remote {
            address: mailbox(address),
            channel: "smtp".to_owned(),
            next_hop: NextHop::Mx { exchange: None },
        }
    }

    fn dead(address: &str) -> Target {
        Target::Refused {
            address: mailbox(address),
            reply: StoredReply(words::UNKNOWN_USER.reply_with(&[("address", address)])),
        }
    }

    /// Only what was here before is left out, wherever the recipient leads.
    #[test]
    fn l02_what_a_list_leads_to_is_left_out_one_by_one() {
        let marks = Marks::of(b"Delivered-To: ann@abc.test\r\n\r\n");
        let (ann, bob) = (remote("ann@abc.test"), remote("bob@abc.test"));
        let gone = dead("gone@abc.test");
        let cases = [
            (
                "list@abc.test",
                vec![ann.clone(), bob.clone()],
                vec![bob.clone()],
            ),
            ("list@abc.test", vec![ann.clone(), gone.clone()], vec![]),
            (
                "list@abc.test",
                vec![bob.clone(), gone.clone()],
                vec![bob.clone(), gone],
            ),
            ("ann@abc.test", vec![bob], vec![]),
        ];
        for (address, targets, expected) in cases {
            let taken = Taken {
                id: RecipientId(1),
                original: address.to_owned(),
                address: mailbox(address),
                domain: None,
                targets,
                is_for_postmaster: false,
                fate: Fate::default(),
                sentences: Vec::new(),
            };
            assert_eq!(marks.left(&taken), expected, "{taken:?}");
        }
    }
}
