//! One message: MAIL, RCPT, DATA, the text, and what the server said to each.

use std::collections::VecDeque;

use mail::{Body, Class, EnhancedStatus, Mailbox, Outcome, Reply, ReversePath, words};

use super::link::Link;
use super::ready::Ready;
use super::state::State;
use super::stuffing::DotEncoder;
use super::types::{Message, Protocol};

/// Commands sent before their replies are read, where the server takes that (RFC 2920). The
/// replies of so many fit into any socket buffer, so that neither side waits for the other.
const PIPELINED: usize = 100;

/// A message, and what is known of its recipients.
#[derive(Debug)]
pub(super) struct Transaction {
    message: Message,
    outcomes: Vec<Option<Outcome>>,
    /// Recipients that the server took, by their place.
    accepted: VecDeque<usize>,
}

impl Transaction {
    fn new(message: Message) -> Self {
        let outcomes = vec![None; message.recipients.len()];
        Self {
            message,
            outcomes,
            accepted: VecDeque::new(),
        }
    }

    /// Gives everyone who has none yet this outcome.
    fn settle(&mut self, outcome: &Outcome) {
        for open in self.outcomes.iter_mut().filter(|open| open.is_none()) {
            *open = Some(outcome.clone());
        }
    }

    /// Hands the outcomes out. Everyone has one by now; whoever had none would be tried again.
    fn report(mut self, link: &mut Link) {
        self.settle(&link.outcome(&words::REMOTE_GARBAGE, &[]));
        link.report(self.outcomes.into_iter().flatten().collect());
    }

    /// Ends transaction and connection; everyone who has no outcome yet gets this one.
    pub(super) fn give_up(mut self, outcome: &Outcome, link: &mut Link) -> State {
        self.settle(outcome);
        self.report(link);
        link.close(outcome)
    }

    /// Settles what the server cannot take at all, so that nothing reaches it changed.
    fn settle_unsendable(&mut self, link: &Link) {
        let offers = &link.offers;
        let sender = self.message.reverse_path.mailbox();
        if !offers.utf8 && (self.message.utf8 || sender.is_some_and(Mailbox::is_utf8)) {
            self.settle(&link.outcome(&words::REMOTE_NO_UTF8, &[]));
        }
        if !offers.eight_bit && self.message.body == Body::EightBitMime {
            self.settle(&link.outcome(&words::REMOTE_NO_8BIT, &[]));
        }
        if let (Some(size), Some(size_max)) = (self.message.size, offers.size_max)
            && size > size_max
        {
            let bytes = size_max.to_string();
            self.settle(&link.outcome(&words::MESSAGE_TOO_BIG, &[("bytes", &bytes)]));
        }
        for (recipient, outcome) in self.message.recipients.iter().zip(&mut self.outcomes) {
            if !offers.utf8 && recipient.is_utf8() && outcome.is_none() {
                *outcome = Some(link.outcome(&words::REMOTE_NO_UTF8, &[]));
            }
        }
    }

    fn mail_line(&self, link: &Link) -> String {
        let path = &self.message.reverse_path;
        let mut line = format!("MAIL FROM:{path}");
        if let Some(size) = self.message.size.filter(|_| link.offers.size) {
            line.push_str(&format!(" SIZE={size}"));
        }
        if self.message.body == Body::EightBitMime {
            line.push_str(" BODY=8BITMIME");
        }
        let needs_utf8 = self.message.utf8
            || matches!(path, ReversePath::Mailbox(mailbox) if mailbox.is_utf8())
            || self.message.recipients.iter().any(Mailbox::is_utf8);
        if needs_utf8 && link.offers.utf8 {
            line.push_str(" SMTPUTF8");
        }
        line
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Reset,
    Mail,
    /// By place in the message.
    Recipient(usize),
    Data,
}

impl Command {
    const fn name(self) -> &'static str {
        match self {
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Recipient(_) => "RCPT",
            Self::Data => "DATA",
        }
    }
}

/// Begins a message.
pub(super) fn begin(message: Message, is_dirty: bool, link: &mut Link) -> State {
    let mut transaction = Transaction::new(message);
    transaction.settle_unsendable(link);
    let open = transaction
        .outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| outcome.is_none());
    let recipients: Vec<usize> = open.map(|(place, _)| place).collect();
    if recipients.is_empty() {
        transaction.report(link);
        return Ready::after_message(is_dirty, link);
    }
    let mut unsent = VecDeque::with_capacity(recipients.len() + 3);
    if is_dirty {
        unsent.push_back(Command::Reset);
    }
    unsent.push_back(Command::Mail);
    unsent.extend(recipients.into_iter().map(Command::Recipient));
    unsent.push_back(Command::Data);
    ExpectEnvelopeReply {
        transaction,
        unsent,
        sent: VecDeque::new(),
    }
    .go_on(link)
}

/// Commands are under way.
#[derive(Debug)]
pub(super) struct ExpectEnvelopeReply {
    transaction: Transaction,
    unsent: VecDeque<Command>,
    sent: VecDeque<Command>,
}

impl ExpectEnvelopeReply {
    /// Sends what may be sent, or ends where nothing is left.
    fn go_on(mut self, link: &mut Link) -> State {
        let window = if link.offers.pipelining { PIPELINED } else { 1 };
        while self.sent.len() < window
            && let Some(command) = self.unsent.pop_front()
        {
            // All replies are there and nobody is to get the message.
            let is_known = self.sent.is_empty();
            if command == Command::Data && is_known && self.transaction.accepted.is_empty() {
                break;
            }
            self.send(command, link);
        }
        match self.sent.front() {
            None => {
                self.transaction.report(link);
                Ready::after_message(true, link)
            }
            Some(Command::Data) => {
                link.wait(link.config.timeouts.data);
                State::EnvelopeReply(self)
            }
            Some(_) => {
                link.wait_for_command();
                State::EnvelopeReply(self)
            }
        }
    }

    fn send(&mut self, command: Command, link: &mut Link) {
        let line = match command {
            Command::Reset => "RSET".to_owned(),
            Command::Mail => self.transaction.mail_line(link),
            Command::Recipient(place) => {
                format!("RCPT TO:<{}>", self.transaction.message.recipients[place])
            }
            Command::Data => "DATA".to_owned(),
        };
        link.command(&line);
        self.sent.push_back(command);
    }

    /// `has_more` says that bytes follow the reply.
    pub(super) fn handle_reply(mut self, reply: &Reply, has_more: bool, link: &mut Link) -> State {
        if reply.code().number() == 421 {
            let outcome = link.reply_outcome(reply);
            return self.transaction.give_up(&outcome, link);
        }
        let is_positive = reply.code().number() / 100 == 2;
        match self.sent.pop_front() {
            None => return self.give_up_garbage(link),
            Some(Command::Reset) => {}
            Some(Command::Mail) if is_positive => {}
            Some(Command::Mail) => {
                self.transaction.settle(&refusal(reply, link));
                self.unsent.clear();
            }
            Some(Command::Recipient(place)) => self.settle_recipient(place, reply, link),
            Some(Command::Data) if reply.code().number() == 354 => {
                return self.begin_text(has_more, link);
            }
            Some(Command::Data) => self.transaction.settle(&refusal(reply, link)),
        }
        self.go_on(link)
    }

    fn settle_recipient(&mut self, place: usize, reply: &Reply, link: &Link) {
        if self.transaction.outcomes[place].is_some() {
            // MAIL was refused, and this came along with it.
            return;
        }
        if reply.code().number() / 100 == 2 {
            self.transaction.accepted.push_back(place);
        } else {
            self.transaction.outcomes[place] = Some(recipient_refusal(reply, link));
        }
    }

    fn begin_text(self, has_more: bool, link: &mut Link) -> State {
        if has_more {
            // A verdict on a text that was not sent yet.
            return self.give_up_garbage(link);
        }
        if self.transaction.accepted.is_empty() {
            // RFC 2920 §3.1: DATA went out with the recipients, and the server wants a text
            // although it took none of them. An empty one.
            link.write(b".\r\n");
            link.wait(link.config.timeouts.end);
            return State::EndReply(ExpectEndReply {
                transaction: self.transaction,
            });
        }
        link.wait(link.config.timeouts.block);
        State::Body(ExpectBody {
            transaction: self.transaction,
            encoder: DotEncoder::new(),
        })
    }

    fn give_up_garbage(self, link: &mut Link) -> State {
        let outcome = link.outcome(&words::REMOTE_GARBAGE, &[]);
        self.transaction.give_up(&outcome, link)
    }

    pub(super) fn phase(&self) -> &'static str {
        self.sent.front().map_or("MAIL", |command| command.name())
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

/// What a reply that is not the positive one says.
fn refusal(reply: &Reply, link: &Link) -> Outcome {
    if reply.code().is_positive() {
        link.outcome(&words::REMOTE_GARBAGE, &[])
    } else {
        link.reply_outcome(reply)
    }
}

/// RFC 5321 §4.5.3.1.10: 552 to RCPT may mean "too many recipients", which is no failure.
fn recipient_refusal(reply: &Reply, link: &Link) -> Outcome {
    let too_many = EnhancedStatus::new(Class::Permanent, 5, 3);
    let is_too_many =
        reply.code().number() == 552 && reply.enhanced().is_none_or(|status| status == too_many);
    if is_too_many {
        link.session_outcome(reply)
    } else {
        refusal(reply, link)
    }
}

/// The server awaits the text.
#[derive(Debug)]
pub(super) struct ExpectBody {
    transaction: Transaction,
    encoder: DotEncoder,
}

impl ExpectBody {
    /// The server speaks before the text is complete: it does not want it, or is confused.
    pub(super) fn handle_reply(self, reply: &Reply, link: &mut Link) -> State {
        let outcome = refusal(reply, link);
        self.transaction.give_up(&outcome, link)
    }

    pub(super) fn handle_body(mut self, piece: &[u8], link: &mut Link) -> State {
        let bytes = self.encoder.encode(piece);
        if !bytes.is_empty() {
            link.write(&bytes);
        }
        link.wait(link.config.timeouts.block);
        State::Body(self)
    }

    pub(super) fn handle_body_end(self, link: &mut Link) -> State {
        link.write(self.encoder.finish());
        link.wait(link.config.timeouts.end);
        State::EndReply(ExpectEndReply {
            transaction: self.transaction,
        })
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }
}

/// The final dot was sent.
#[derive(Debug)]
pub(super) struct ExpectEndReply {
    transaction: Transaction,
}

impl ExpectEndReply {
    pub(super) fn handle_reply(mut self, reply: &Reply, link: &mut Link) -> State {
        let outcome = if reply.code().number() / 100 == 3 {
            link.outcome(&words::REMOTE_GARBAGE, &[])
        } else {
            link.reply_outcome(reply)
        };
        if reply.code().number() == 421 {
            return self.transaction.give_up(&outcome, link);
        }
        // RFC 2033 §4.2: LMTP answers for each accepted recipient, in their order.
        if link.config.protocol == Protocol::Lmtp {
            if let Some(place) = self.transaction.accepted.pop_front() {
                self.transaction.outcomes[place] = Some(outcome);
            }
            if !self.transaction.accepted.is_empty() {
                link.wait(link.config.timeouts.end);
                return State::EndReply(self);
            }
        } else {
            self.transaction.settle(&outcome);
        }
        self.transaction.report(link);
        Ready::after_message(false, link)
    }

    pub(super) fn into_transaction(self) -> Transaction {
        self.transaction
    }
}
