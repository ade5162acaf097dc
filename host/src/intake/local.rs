//! Mail that is handed in on this machine (`postroom sendmail`): made whole, then the same steps
//! as any other.
//!
//! All or nothing: where one recipient is refused nothing is sent, and who hands it in is told.

use std::collections::{BTreeMap, BTreeSet};

use mail::header::{HeaderBuilder, HeaderError};
use mail::message::{AddressListEntry, Header, Message};
use mail::{
    Body, Direction, Domain, Envelope, ForwardPath, Localpart, Mailbox, Reply, ReversePath, limits,
    words,
};
use routing::Sender;

use super::context::{Fate, MessageContext, Mode, RecipientContext, StepSentence, Transaction};
use super::steps::{run_message, run_recipient};
use crate::listen::reply_to;
use crate::site::{self, Site};

/// What is handed in.
pub(crate) struct Local<'a> {
    /// Which user of this machine hands it in, for the trace.
    pub(crate) by: Option<String>,
    /// May From and Sender of the message name this address?
    pub(crate) is_own: &'a (dyn Fn(&str) -> bool + Sync),
    /// The envelope sender; empty or `<>` for none. Without a domain it is one of this server.
    pub(crate) from: &'a str,
    /// The name beside the sender in a From that is added.
    pub(crate) name: &'a str,
    /// Recipients beside those of the header.
    pub(crate) recipients: Vec<String>,
    /// Are To, Cc and Bcc recipients too? Bcc is taken out then.
    pub(crate) from_header: bool,
    /// The message with any line ends.
    pub(crate) message: &'a [u8],
}

/// Why it was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// From or Sender names somebody else, or nobody that can be read.
    NotOwn(String),
    /// It makes no sense as it is.
    Invalid(String),
    /// A step said no, now or for good.
    Reply(Reply),
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A message that is ready to be taken.
#[derive(Debug, PartialEq, Eq)]
struct Ready {
    reverse_path: ReversePath,
    recipients: Vec<Mailbox>,
    message: Vec<u8>,
}

/// Takes the message; the id of its envelope.
///
/// # Errors
/// [`Refusal`]; nothing is sent then.
pub(crate) async fn submit(site: &Site, local: &Local<'_>) -> Result<String, Refusal> {
    let id = site.store.envelope_id();
    let ready = make_whole(local, &site.hostname, &id.to_string(), site::now())?;
    let size = ready.message.len() as u64;
    let settings = site.settings();
    let limits = &settings.config.limits;
    if size > limits.message_bytes {
        let bytes = limits.message_bytes.to_string();
        return Err(Refusal::Reply(
            words::MESSAGE_TOO_BIG.reply_with(&[("bytes", &bytes)]),
        ));
    }
    if ready.recipients.len() > limits.recipients {
        let most = limits.recipients;
        return Err(Refusal::Invalid(format!(
            "a message has at most {most} recipients; send it in parts"
        )));
    }
    let mut transaction = transaction(id, &ready);
    for recipient in &ready.recipients {
        let mut context = RecipientContext {
            site,
            transaction: &mut transaction,
            path: ForwardPath::Mailbox(recipient.clone()),
            routed: None,
            fate: Fate::default(),
            sentences: Vec::new(),
        };
        let (step, reply) = run_recipient(&mut context).await;
        if !reply.code().is_positive() {
            let domain = context.domain();
            let domain = domain.as_ref().map(|domain| &domain.name);
            site.metrics.refuse(domain, step);
            return Err(Refusal::Reply(reply));
        }
    }
    let body = tokio::task::block_in_place(|| {
        let mut writer = site.store.begin_body()?;
        writer.write(&ready.message)?;
        writer.finish()
    });
    let mut context = MessageContext {
        site,
        transaction: &mut transaction,
        body: body.map_err(|error| Refusal::Reply(reply_to(&error)))?,
        rulings: BTreeMap::new(),
        undeliverable: Vec::new(),
        message_id: None,
        sentences: local
            .by
            .iter()
            .map(|by| StepSentence::new("local", by.clone()))
            .collect(),
    };
    let (step, reply) = run_message(&mut context).await;
    tracing::info!(envelope = %id, step, reply = %reply, "local message answered");
    if reply.code().is_positive() {
        Ok(id.to_string())
    } else {
        Err(Refusal::Reply(reply))
    }
}

fn transaction(id: mail::EnvelopeId, ready: &Ready) -> Transaction {
    let is_utf8 = |mailbox: &Mailbox| mailbox.is_utf8();
    let head = Message::new(&ready.message).header().raw();
    Transaction {
        envelope: Envelope {
            id,
            reverse_path: ready.reverse_path.clone(),
            direction: Direction::Submission,
            authenticated: None,
            peer: None,
            helo: String::new(),
            encrypted: false,
            received: site::now(),
            body: match ready.message.is_ascii() {
                true => Body::SevenBit,
                false => Body::EightBitMime,
            },
            utf8: !head.is_ascii()
                || ready.recipients.iter().any(is_utf8)
                || ready.reverse_path.mailbox().is_some_and(is_utf8),
            envid: None,
        },
        sender: Sender::Internal,
        hop: mail::trace::Hop::Inside,
        submitter: None,
        declared_size: None,
        mode: Mode::Real,
        recipients: Vec::new(),
        hooks: BTreeMap::new(),
        group: None,
    }
}

/// The message with CRLF and with From, Date and Message-ID (RFC 5322 §3.6, RFC 6409 §8).
fn make_whole(
    local: &Local<'_>,
    host: &Domain,
    id: &str,
    now: mail::Timestamp,
) -> Result<Ready, Refusal> {
    let text = with_crlf(local.message);
    let text = without_separator(&text);
    let message = Message::new(text);
    let header = message.header();
    // A text that begins with no field has no header at all.
    let has_header = header
        .fields()
        .next()
        .is_none_or(|field| !field.name().is_empty());
    let reverse_path = match local.from.trim_matches(['<', '>']) {
        "" => ReversePath::Null,
        address => ReversePath::Mailbox(complete(address, host)?),
    };
    let mut recipients = Vec::new();
    for recipient in &local.recipients {
        recipients.push(complete(recipient, host)?);
    }
    let mut added = HeaderBuilder::new();
    let has = |name: &str| has_header && header.has(name);
    if !has("from") {
        let mailbox = match &reverse_path {
            ReversePath::Mailbox(mailbox) => mailbox.clone(),
            ReversePath::Null => complete("postmaster", host)?,
        };
        added.addresses("From", &[(local.name, &mailbox)])?;
    }
    if !has("date") {
        added.date("Date", now)?;
    }
    if !has("message-id") {
        added.structured("Message-ID", &format!("<{id}@{host}>"))?;
    }
    let mut whole = added.finish();
    if has_header {
        check_authors(local, header, host)?;
        for field in header.fields() {
            let is = |name: &str| field.name().eq_ignore_ascii_case(name);
            if local.from_header && (is("to") || is("cc") || is("bcc")) {
                recipients.extend(of_field(&field.addresses(), host)?);
            }
            if !(local.from_header && is("bcc")) {
                whole.extend_from_slice(field.raw());
            }
        }
    }
    if !whole.ends_with(b"\r\n") {
        whole.extend_from_slice(b"\r\n");
    }
    whole.extend_from_slice(b"\r\n");
    let body_offset = if has_header { header.body_offset() } else { 0 };
    whole.extend_from_slice(&text[body_offset..]);
    if !whole.ends_with(b"\r\n") {
        whole.extend_from_slice(b"\r\n");
    }
    let mut seen = BTreeSet::new();
    recipients.retain(|recipient| seen.insert(recipient.key()));
    if recipients.is_empty() {
        return Err(Refusal::Invalid(
            "it has no recipients: name them, or use -t with To, Cc or Bcc in the message"
                .to_owned(),
        ));
    }
    Ok(Ready {
        reverse_path,
        recipients,
        message: whole,
    })
}

/// Whoever is shown as the one who wrote or sent it is who hands it in (RFC 5322 §3.6.2,
/// RFC 6409 §8.1).
fn check_authors(local: &Local<'_>, header: &Header<'_>, host: &Domain) -> Result<(), Refusal> {
    let not_own = |text: String| Err(Refusal::NotOwn(text));
    for field in header.fields() {
        let is = |name: &str| field.name().eq_ignore_ascii_case(name);
        if !is("from") && !is("sender") {
            continue;
        }
        let entries = field.addresses();
        if is("from") && is_of_cron(&entries) {
            continue;
        }
        // What is no address for us may be one for a reader: it may see what we pass over.
        let is_clear = entries.len() < limits::HEADER_ADDRESSES
            && at_signs(field.raw_value()) <= entries.len();
        let named = of_field(&entries, host);
        let (true, Ok(named)) = (is_clear, named) else {
            return not_own(field.text().trim().to_owned());
        };
        if named.is_empty() {
            return not_own(field.text().trim().to_owned());
        }
        for address in named {
            let address = address.to_string();
            if !(local.is_own)(&address) {
                return not_own(address);
            }
        }
    }
    Ok(())
}

/// `From: root (Cron Daemon)`: cron writes so, and hands it in as the user whose work it was. A
/// name without a domain is nobody's address.
fn is_of_cron(entries: &[AddressListEntry]) -> bool {
    matches!(entries, [AddressListEntry::Address(address)]
        if address.domain.is_empty() && *address.localpart == *b"root")
}

/// The `@` outside of quoted strings and comments (RFC 5322 §3.2): as many addresses may be seen.
fn at_signs(value: &[u8]) -> usize {
    let (mut signs, mut depth, mut is_quoted, mut is_escaped) = (0, 0_usize, false, false);
    for &byte in value {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted || depth > 0 => is_escaped = true,
            b'"' if depth == 0 => is_quoted = !is_quoted,
            b'(' if !is_quoted => depth += 1,
            b')' if !is_quoted => depth = depth.saturating_sub(1),
            b'@' if !is_quoted && depth == 0 => signs += 1,
            _ => {}
        }
    }
    // What is not closed, each reader ends where it likes.
    match is_quoted || depth > 0 {
        true => usize::MAX,
        false => signs,
    }
}

fn of_field(entries: &[AddressListEntry], host: &Domain) -> Result<Vec<Mailbox>, Refusal> {
    let mut found = Vec::new();
    for entry in entries {
        let AddressListEntry::Address(address) = entry else {
            continue;
        };
        let localpart = String::from_utf8_lossy(&address.localpart);
        let domain = String::from_utf8_lossy(&address.domain);
        found.push(match domain.is_empty() {
            true => complete(&localpart, host)?,
            false => complete(&format!("{localpart}@{domain}"), host)?,
        });
    }
    Ok(found)
}

/// An address without a domain is one of this server.
fn complete(address: &str, host: &Domain) -> Result<Mailbox, Refusal> {
    let address = address.trim().trim_matches(['<', '>']);
    let parsed = match Localpart::parse(address) {
        Ok(localpart) if !address.contains('@') => {
            return Ok(Mailbox::new(localpart, host.clone()));
        }
        _ => Mailbox::parse(address),
    };
    parsed.map_err(|error| Refusal::Invalid(format!("'{address}' is not an address: {error}")))
}

/// Every line end, CRLF, LF or CR, as CRLF.
fn with_crlf(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut previous = 0;
    for &byte in text {
        match byte {
            b'\n' if previous == b'\r' => {}
            b'\n' | b'\r' => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
        previous = byte;
    }
    out
}

/// Without the `From ` line that mailbox files have before a message.
fn without_separator(text: &[u8]) -> &[u8] {
    if !text.starts_with(b"From ") {
        return text;
    }
    let end = text.windows(2).position(|pair| pair == b"\r\n");
    end.map_or(text, |end| &text[end + 2..])
}

#[cfg(test)]
mod tests {
    use mail::{Domain, Timestamp};

    use super::{Local, Ready, Refusal, make_whole};

    fn made(local: &Local<'_>) -> Result<Ready, Refusal> {
        let host = Domain::parse("mail.site.test").expect("a domain of the test");
        make_whole(local, &host, "e1", Timestamp(0))
    }

    fn local<'a>(message: &'a [u8], recipients: &[&str], from_header: bool) -> Local<'a> {
        Local {
            by: None,
            is_own: &|_| true,
            from: "root",
            name: "",
            recipients: recipients.iter().map(|to| (*to).to_owned()).collect(),
            from_header,
            message,
        }
    }

    fn to(ready: &Ready) -> Vec<String> {
        ready.recipients.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_missing_is_added() {
        let ready = made(&local(
            b"Subject: x\n\nhello\n.\nyou",
            &["ann@abc.test"],
            false,
        ));
        let ready = ready.expect("it is whole now");
        let text = String::from_utf8(ready.message.clone()).expect("ASCII");
        assert_eq!(
            text,
            "From: root@mail.site.test\r\nDate: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-ID: <e1@mail.site.test>\r\nSubject: x\r\n\r\nhello\r\n.\r\nyou\r\n"
        );
        assert_eq!(to(&ready), ["ann@abc.test"]);
        assert_eq!(ready.reverse_path.to_string(), "<root@mail.site.test>");
    }

    #[test]
    fn what_is_there_stays() {
        let message = b"From root Thu Jan  1\nFROM: Ann <a@abc.test>\nDate: now\nMessage-Id: <1@x>\nBcc: b@abc.test\n\n";
        let ready = made(&local(message, &["c@abc.test"], false)).expect("whole");
        let text = String::from_utf8(ready.message).expect("ASCII");
        assert_eq!(
            text,
            "FROM: Ann <a@abc.test>\r\nDate: now\r\nMessage-Id: <1@x>\r\nBcc: b@abc.test\r\n\r\n"
        );
    }

    #[test]
    fn recipients_come_from_the_header_and_bcc_goes() {
        let message = b"To: Ann <ann@abc.test>, friends: bob@xyz.test, carl@xyz.test;\r\nBcc: secret@abc.test,\r\n ann@ABC.test\r\nCc: root\r\n\r\nx\r\n";
        let ready = made(&local(message, &["extra@abc.test"], true)).expect("whole");
        assert_eq!(
            to(&ready),
            [
                "extra@abc.test",
                "ann@abc.test",
                "bob@xyz.test",
                "carl@xyz.test",
                "secret@abc.test",
                "root@mail.site.test"
            ]
        );
        let text = String::from_utf8(ready.message).expect("ASCII");
        assert!(
            !text.contains("secret") && text.contains("Cc: root"),
            "{text}"
        );
    }

    #[test]
    fn a_text_without_header_is_a_body() {
        let ready = made(&local(b"just a line\nTo: x\n", &["ann@abc.test"], true)).expect("whole");
        let text = String::from_utf8(ready.message.clone()).expect("ASCII");
        assert!(text.ends_with("\r\n\r\njust a line\r\nTo: x\r\n"), "{text}");
        assert_eq!(to(&ready), ["ann@abc.test"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let nobody = made(&local(b"Subject: x\n\n", &[], true));
        assert!(matches!(nobody, Err(Refusal::Invalid(text)) if text.contains("no recipients")));
        let bad = made(&local(b"Subject: x\n\n", &["a b@@c"], false));
        assert!(matches!(bad, Err(Refusal::Invalid(text)) if text.contains("a b@@c")));
    }

    #[test]
    fn l05_a_name_cannot_add_a_field() {
        let mut forged = local(b"\n", &["ann@abc.test"], false);
        forged.name = "x\r\nBcc: evil@x.test";
        assert!(matches!(made(&forged), Err(Refusal::Invalid(_))));
    }

    #[test]
    fn from_and_sender_name_who_hands_it_in() {
        let is_own = |address: &str| address == "joe@mail.site.test";
        let made_by_joe = |message: &[u8]| {
            made(&Local {
                is_own: &is_own,
                from: "joe",
                ..local(message, &["ann@abc.test"], false)
            })
        };
        for own in [
            &b"Subject: x\n\n"[..],
            b"From: joe\n\n",
            b"From: Joe <joe@mail.site.test>\nSender: joe\n\n",
            b"Subject: x\n\nFrom: ann@abc.test\n",
            b"From: root (Cron Daemon)\n\n",
            b"From: \"Joe @ work\" <joe@mail.site.test> (not ann@abc.test)\n\n",
        ] {
            assert!(made_by_joe(own).is_ok(), "{}", String::from_utf8_lossy(own));
        }
        for (foreign, named) in [
            (&b"From: ann@abc.test\n\n"[..], "ann@abc.test"),
            (b"from : Ann <ann@abc.test>\n\n", "ann@abc.test"),
            (b"From: joe, ann@abc.test\n\n", "ann@abc.test"),
            (b"From: joe\nFrom: ann@abc.test\n\n", "ann@abc.test"),
            (b"From: joe\nSender: root\n\n", "root@mail.site.test"),
            (
                b"From: Ann <ann@abc.test> <joe@mail.site.test>\n\n",
                "ann@abc.test",
            ),
            (
                b"From: ann@abc.test <joe@mail.site.test>\n\n",
                "ann@abc.test",
            ),
            (
                b"From: \"joe <joe@mail.site.test>, ann@abc.test\n\n",
                "ann@abc.test",
            ),
            (b"From: root@abc.test\n\n", "root@abc.test"),
            (b"From: ann at abc.test\n\n", ""),
            (b"From: <ann@abc.test\n\n", "ann@abc.test"),
            (b"From:\n\n", ""),
        ] {
            let refused = made_by_joe(foreign);
            let text = String::from_utf8_lossy(foreign);
            let Err(Refusal::NotOwn(found)) = refused else {
                panic!("{text}: {refused:?}");
            };
            assert!(found.contains(named), "{text}: {found}");
        }
    }
}
