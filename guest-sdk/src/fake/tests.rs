use super::{Effect, Host};
use crate::log::Level;
use crate::{
    Context, Data, Deliver, Message, Outcome, Rcpt, Start, Verdict, clock, config, file, kv, log,
    mailbox, program, submit,
};

const MESSAGE: &str = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n from afar\r\nX-Two: one\r\nx-two: two\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n\
    --b\r\nContent-Type: application/x-thing; name=\"a.bin\"\r\nContent-Disposition: attachment; filename=\"a.bin\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n";

struct Probe;

impl Rcpt for Probe {
    fn rcpt(context: &Context<'_>, recipient: &str) -> Verdict {
        assert_eq!(
            context.all("recipient").last().map(String::as_str),
            Some(recipient)
        );
        kv::set(recipient, b"seen", Some(60));
        if context.all("recipient").len() > 2 {
            Verdict::defer(452, "4.5.3", "Too many")
        } else {
            Verdict::proceed()
        }
    }
}

#[test]
fn facts_recipients_and_kv_are_kept_between_calls() {
    let mut host = Host::new();
    assert_eq!(host.rcpt::<Probe>("a@abc.test"), Verdict::proceed());
    assert_eq!(host.rcpt::<Probe>("b@abc.test"), Verdict::proceed());
    assert!(host.rcpt::<Probe>("c@abc.test").is_refusal());
    // A refused recipient is none, but kv is kept with a refusal.
    assert!(host.rcpt::<Probe>("d@abc.test").is_refusal());
    assert_eq!(host.kv_value("c@abc.test"), Some(&b"seen"[..]));
    host.advance_seconds(60);
    assert_eq!(host.kv_value("c@abc.test"), None);
}

impl Data for Probe {
    fn data(context: &Context<'_>, message: &Message<'_>) -> Verdict {
        assert_eq!(
            message.header("SUBJECT").as_deref(),
            Some("Grüße from afar")
        );
        assert_eq!(message.headers("x-TWO"), ["one", "two"]);
        assert_eq!(
            message.raw_headers()[1],
            ("X-Two".to_owned(), b" one".to_vec())
        );
        assert_eq!(message.pieces().flatten().count() as u64, message.size());
        assert_eq!(message.raw(message.size() - 2, 10), b"\r\n");
        let parts = message.parts();
        let seen: Vec<_> = parts
            .iter()
            .map(|part| (part.path(), part.media_type(), part.name()))
            .collect();
        assert_eq!(
            seen,
            [
                ("1".to_owned(), "text/plain".to_owned(), None),
                (
                    "2".to_owned(),
                    "application/x-thing".to_owned(),
                    Some("a.bin".to_owned())
                ),
            ]
        );
        assert_eq!(parts[0].text().trim_end(), "café");
        assert_eq!(parts[1].bytes(), [0, 1, 2]);
        assert_eq!(parts[1].disposition().as_deref(), Some("attachment"));
        message.prepend_header("X-Seen", "yes").unwrap();
        for (name, value) in [
            ("X-Bad", "a\r\nBcc: b"),
            ("X:", "a"),
            ("", "a"),
            ("Received", "x"),
            ("X", "\u{2028}"),
        ] {
            assert!(
                message.prepend_header(name, value).is_err(),
                "{name}: {value}"
            );
        }
        if context.get("helo").is_some() {
            Verdict::reject(550, "5.7.1", "no")
        } else {
            Verdict::proceed()
        }
    }
}

#[test]
fn the_message_is_read_and_edited() {
    let mut host = Host::new().message(MESSAGE);
    assert_eq!(host.data::<Probe>(), Verdict::proceed());
    let edit = Effect::Prepended {
        name: "X-Seen".to_owned(),
        value: "yes".to_owned(),
    };
    assert_eq!(host.effects(), [edit]);
}

#[test]
fn a_refusal_drops_the_edits() {
    let mut host = Host::new().message(MESSAGE).fact("helo", "there");
    assert!(host.data::<Probe>().is_refusal());
    assert_eq!(host.effects(), []);
}

impl Deliver for Probe {
    fn deliver(context: &Context<'_>, message: &Message<'_>) -> Outcome {
        log::info("delivering");
        assert_eq!(clock::now_ms(), 1_767_225_600_000);
        assert_eq!(
            context.setting("MAILforwardingADDRESS").as_deref(),
            Some("x@far.test")
        );
        context.remember("was", "here");
        assert_eq!(context.recall("was").as_deref(), Some("here"));
        let draft = submit::Draft::new();
        assert!(draft.sender("someone@else.test").is_err());
        draft.recipient("x@far.test").unwrap();
        draft.header("Subject", "Hello").unwrap();
        assert!(
            draft
                .header("Subject", "Hello\r\nBcc: all@far.test")
                .is_err()
        );
        draft.text("Hi").unwrap();
        draft.send().unwrap();
        submit::forward(message, "", &context.settings("mailForwardingAddress")).unwrap();
        mailbox::append(message, "Shared Folders/all", &["\\Seen"]).unwrap();
        assert!(mailbox::append(message, "Nowhere", &[]).is_err());
        file::append_mbox("archive", message).unwrap();
        assert!(file::append("../etc", b"x").is_err());
        assert!(program::run("rm", message).is_err());
        match program::run("count", message).unwrap().exit_code {
            Some(0) => Outcome::done("all of it"),
            Some(75) => Outcome::deferred("4.3.0", "later"),
            _ => Outcome::failed("5.3.0", "no"),
        }
    }
}

fn delivery() -> Host {
    Host::new()
        .fact("sender", "ann@far.test")
        .setting("mailForwardingAddress", "x@far.test")
        .mailbox("Shared Folders/all")
        .file("archive")
        .message(MESSAGE)
}

#[test]
fn a_delivery_leaves_its_effects_when_it_is_done() {
    let mut host = delivery().program("count", 0, "1");
    assert_eq!(host.deliver::<Probe>(), Outcome::done("all of it"));
    assert_eq!(host.effects().len(), 4);
    assert_eq!(host.programs_run(), ["count"]);
    assert_eq!(host.log_lines(), [(Level::Info, "delivering".to_owned())]);

    let mut host = delivery().program("count", 75, "");
    assert_eq!(host.deliver::<Probe>(), Outcome::deferred("4.3.0", "later"));
    assert_eq!(host.effects(), []);
}

impl Start for Probe {
    fn start() -> Result<(), String> {
        assert_eq!(config::get("name").as_deref(), Some("x"));
        assert_eq!(config::number("size"), Some(3));
        assert!(config::is_set("on") && !config::is_set("off"));
        assert_eq!(config::all("list"), ["a", "1"]);
        assert_eq!(config::all("name"), ["x"]);
        assert_eq!(config::get("missing"), None);
        assert!(kv::compare_and_set("k", None, b"1", None));
        assert!(!kv::compare_and_set("k", None, b"2", None));
        assert!(kv::compare_and_set("k", Some(b"1"), b"2", None));
        kv::remove("gone");
        if kv::get("k").as_deref() == Some(b"2") {
            Ok(())
        } else {
            Err("no".to_owned())
        }
    }
}

#[test]
fn configuration_and_kv_answer_as_the_host_does() {
    let mut host = Host::new()
        .config(r#"{"name": "x", "size": 3, "on": true, "list": ["a", 1]}"#)
        .kv("gone", b"1");
    assert_eq!(host.start::<Probe>(), Ok(()));
    assert_eq!(host.kv_value("gone"), None);
}

crate::export!(Probe: Rcpt, Data, Deliver, Start);
