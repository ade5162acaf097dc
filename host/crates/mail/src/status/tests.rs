use proptest::prelude::*;

use super::{Class, EnhancedStatus, Reply, ReplyCode};

#[test]
fn statuses_are_read_and_written() {
    for text in ["2.0.0", "4.2.1", "5.1.10", "5.999.999"] {
        assert_eq!(text.parse::<EnhancedStatus>().unwrap().to_string(), text);
    }
    for text in [
        "", "5", "5.1", "5.1.", "5.1.1.1", "3.0.0", "1.0.0", "5.1000.0", "5.-1.0", "5.+1.0",
        "a.b.c", "5.1.1 ", "50.1.1",
    ] {
        assert!(text.parse::<EnhancedStatus>().is_err(), "{text:?}");
    }
    let status = EnhancedStatus::new(Class::Permanent, 1, 5000).with_class(Class::Transient);
    assert_eq!(
        (status.to_string().as_str(), status.class()),
        ("4.1.999", Class::Transient)
    );
}

#[test]
fn codes() {
    assert_eq!([199, 600, 0].map(ReplyCode::new), [None; 3]);
    for (code, positive, transient, permanent) in [
        (250, true, false, false),
        (354, true, false, false),
        (450, false, true, false),
        (599, false, false, true),
    ] {
        let code = ReplyCode::new(code).unwrap();
        assert_eq!(
            (code.is_positive(), code.is_transient(), code.is_permanent()),
            (positive, transient, permanent)
        );
    }
}

/// RFC 5321 §4.2.1, RFC 2034 §4.
#[test]
fn wire_form() {
    let status = EnhancedStatus::new(Class::Permanent, 7, 1);
    for (reply, wire) in [
        (Reply::plain(220, "mx ready"), "220 mx ready\r\n"),
        (
            Reply::plain(250, "mx\nPIPELINING\nSIZE 5"),
            "250-mx\r\n250-PIPELINING\r\n250 SIZE 5\r\n",
        ),
        (Reply::new(550, status, "no"), "550 5.7.1 no\r\n"),
        (
            Reply::new(550, status, "no\nreally"),
            "550-5.7.1 no\r\n550 5.7.1 really\r\n",
        ),
        (Reply::new(99, status, "x"), "451 5.7.1 x\r\n"),
        (
            Reply::new(550, status, "a\r\n250 b\0\u{85}"),
            "550-5.7.1 a\r\n550 5.7.1 250 b\r\n",
        ),
        (Reply::plain(250, ""), "250 \r\n"),
    ] {
        assert_eq!(String::from_utf8(reply.wire()).unwrap(), wire);
    }
    assert_eq!(
        Reply::new(550, status, "a\nb").to_string(),
        "550 5.7.1 a / b"
    );
}

proptest! {
    #[test]
    fn status_round_trip(class in 0..3_usize, subject in 0..1000_u16, detail in 0..1000_u16) {
        let class = [Class::Success, Class::Transient, Class::Permanent][class];
        let status = EnhancedStatus::new(class, subject, detail);
        prop_assert_eq!(status.to_string().parse::<EnhancedStatus>(), Ok(status));
    }

    /// Whatever the text, a peer sees lines with our code and nothing else.
    #[test]
    fn no_text_forges_a_line(text in "(.|[\r\n]){0,100}") {
        let reply = Reply::plain(550, text);
        let wire = String::from_utf8(reply.wire()).unwrap();
        prop_assert!(wire.ends_with("\r\n"));
        prop_assert!(wire.split_terminator("\r\n").all(|line| line.starts_with("550")));
        prop_assert!(!wire.replace("\r\n", "").contains(['\r', '\n']));
    }
}
