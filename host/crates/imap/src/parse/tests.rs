use super::*;
use crate::ask::{InternalDate, StoreMode};
use crate::command::{Effect, FlagCommand, Item, Label, Report, SectionItem, StatusItem, Wrapping};
use crate::section::{FieldChoice, Section, SectionText};
use crate::sequence::{Bound, SequenceSet};
use crate::{Flags, Keyword};

fn parse(text: &str) -> Result<Command, ParseError> {
    parse_command(text.as_bytes(), Stage::Selected, Names::Utf7)
}

fn check(text: &str, expected: Command) {
    assert_eq!(parse(text), Ok(expected), "{text}");
}

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn set(numbers: &[u32]) -> SequenceSet {
    SequenceSet(
        numbers
            .iter()
            .map(|&number| (Bound::Number(number), Bound::Number(number)))
            .collect(),
    )
}

#[test]
fn tags() {
    assert_eq!(split_tag(b"a1 NOOP"), Some(("a1".to_owned(), &b"NOOP"[..])));
    assert_eq!(
        split_tag(b"A.]-1 x y"),
        Some(("A.]-1".to_owned(), &b"x y"[..]))
    );
    for bad in [
        "",
        "a",
        " a",
        "a+ x",
        "(a x",
        "* NOOP",
        "\"a\" NOOP",
        "é NOOP",
        "a\0 x",
    ] {
        assert_eq!(split_tag(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn states() {
    for (text, before, authenticated, selected) in [
        ("NOOP", true, true, true),
        ("LOGIN a b", true, false, false),
        ("STARTTLS", true, false, false),
        ("NAMESPACE", false, true, true),
        ("SELECT x", false, true, true),
        ("IDLE", false, true, true),
        ("FETCH 1 UID", false, false, true),
        ("UID FETCH 1 UID", false, false, true),
        ("CHECK", false, false, true),
    ] {
        let stages = [
            Stage::NotAuthenticated,
            Stage::Authenticated,
            Stage::Selected,
        ];
        let allowed = stages.map(|stage| {
            parse_command(text.as_bytes(), stage, Names::Utf7) != Err(ParseError::State)
        });
        assert_eq!(allowed, [before, authenticated, selected], "{text}");
    }
}

#[test]
fn strings() {
    let login = |login: &str, password: &str| {
        Ok(Command::Login {
            login: login.to_owned(),
            password: password.to_owned(),
        })
    };
    let parse = |text: &str| parse_command(text.as_bytes(), Stage::NotAuthenticated, Names::Utf7);
    assert_eq!(parse("login ann secret"), login("ann", "secret"));
    assert_eq!(
        parse("LOGIN \"a \\\"n\\\\n\" {4}\r\n(}\" "),
        login("a \"n\\n", "(}\" ")
    );
    assert_eq!(parse("LOGIN {3+}\r\nann \"\""), login("ann", ""));
    assert_eq!(parse("LOGIN a]b \"grüße\""), login("a]b", "grüße"));
    for bad in [
        "LOGIN ann",
        "LOGIN  ann x",
        "LOGIN ann x ",
        "LOGIN ann \"x",
        "LOGIN ann \"x\\y\"",
        "LOGIN ann {9}\r\nx",
        "LOGIN ann {1}x",
        "LOGIN ann {3}\r\na\0b",
        "LOGIN (ann) x",
        "LOGIN ann x{1}\r\ny",
    ] {
        assert!(matches!(parse(bad), Err(ParseError::Syntax(_))), "{bad:?}");
    }
    let not_utf8 = parse_command(b"LOGIN ann \"\xff\"", Stage::NotAuthenticated, Names::Utf7);
    assert!(matches!(not_utf8, Err(ParseError::Syntax(_))));
}

#[test]
fn fetch_items() {
    let fetch = |items: &[Item]| Command::Fetch {
        numbering: Numbering::Sequence,
        set: set(&[1]),
        items: items.to_vec(),
        changed_since: None,
    };
    let body = |part: &[u32], text, effect, partial| {
        let section = Section {
            part: part.to_vec(),
            text,
        };
        Item::Section(SectionItem {
            section,
            effect,
            partial,
            label: Label::Body,
        })
    };
    use Effect::{Peeks, SetsSeen};
    use SectionText::{All, Header, Mime, Text};
    check(
        "FETCH 1 fast",
        fetch(&[Item::Flags, Item::InternalDate, Item::Size]),
    );
    check("fetch 1 (Flags UID)", fetch(&[Item::Flags, Item::Uid]));
    check("FETCH 1 BODY", fetch(&[Item::Body]));
    check("FETCH 1 BODY[]", fetch(&[body(&[], All, SetsSeen, None)]));
    check(
        "FETCH 1 body.peek[1.2.mime]",
        fetch(&[body(&[1, 2], Mime, Peeks, None)]),
    );
    check(
        "FETCH 1 BODY[HEADER]<7.9>",
        fetch(&[body(&[], Header, SetsSeen, Some((7, 9)))]),
    );
    check(
        "FETCH 1 BODY.PEEK[4.TEXT]",
        fetch(&[body(&[4], Text, Peeks, None)]),
    );
    let names = vec!["DATE".to_owned(), "x-y".to_owned()];
    let fields = SectionText::Fields {
        choice: FieldChoice::Others,
        names,
    };
    check(
        "FETCH 1 BODY[3.HEADER.FIELDS.NOT (DATE \"x-y\")]",
        fetch(&[body(&[3], fields, SetsSeen, None)]),
    );
    for bad in [
        "FETCH 1",
        "FETCH 1 ()",
        "FETCH 1 (FLAGS",
        "FETCH 1 (FLAGS  UID)",
        "FETCH 1 (FAST)",
        "FETCH 1 BODY[0]",
        "FETCH 1 BODY[1.]",
        "FETCH 1 BODY[.1]",
        "FETCH 1 BODY[MIME]",
        "FETCH 1 BODY[HEADER.1]",
        "FETCH 1 BODY[HEADER.FIELDS]",
        "FETCH 1 BODY[HEADER.FIELDS ()]",
        "FETCH 1 BODY[HEADER.FIELDS (a:b)]",
        "FETCH 1 BODY[]<1>",
        "FETCH 1 BODY[]<1.0>",
        "FETCH 1 BODY[]<-1.2>",
        "FETCH 1 BODY[]<1.99999999999999999999>",
        "FETCH 1 RFC822.PEEK",
        "FETCH 1 FLAGS[1]",
        "FETCH 1 BINARY[1]",
    ] {
        assert!(
            matches!(parse(bad), Err(ParseError::Syntax(_))),
            "{bad}: {:?}",
            parse(bad)
        );
    }
    assert_eq!(parse("FETCH x FLAGS"), Err(ParseError::MessageSet));
    let deep = format!("FETCH 1 BODY[{}1]", "1.".repeat(60));
    assert!(matches!(parse(&deep), Err(ParseError::Syntax(_))));
    // UID FETCH tells the UID, once.
    let items = |text| match parse(text) {
        Ok(Command::Fetch { items, .. }) => items,
        other => panic!("{other:?}"),
    };
    assert_eq!(items("UID FETCH 1 FLAGS"), [Item::Uid, Item::Flags]);
    assert_eq!(items("UID FETCH 1 (FLAGS UID)"), [Item::Flags, Item::Uid]);
}

#[test]
fn store_and_status() {
    let store = |mode, flags, keywords: &[&str], report| {
        let keywords = keywords
            .iter()
            .map(|word| Keyword::parse(word).unwrap())
            .collect();
        let change = FlagCommand {
            mode,
            flags,
            keywords,
            report,
            unchanged_since: None,
        };
        Command::Store {
            numbering: Numbering::Uid,
            set: set(&[1, 7]),
            change,
        }
    };
    check(
        "UID STORE 1,7 FLAGS ()",
        store(StoreMode::Replace, Flags::NONE, &[], Report::Told),
    );
    check(
        "uid store 1,7 +flags.silent (\\seen $A b)",
        store(StoreMode::Add, Flags::SEEN, &["$A", "b"], Report::Silent),
    );
    check(
        "UID STORE 1,7 -FLAGS \\Draft x",
        store(StoreMode::Remove, Flags::DRAFT, &["x"], Report::Told),
    );
    check(
        "STATUS Work/Plans (UNSEEN unseen MESSAGES)",
        Command::Status {
            name: name("Work/Plans"),
            items: vec![StatusItem::Unseen, StatusItem::Messages],
        },
    );
    for bad in [
        "STORE 1 +-FLAGS ()",
        "STORE 1 FLAGS",
        "STORE 1 FLAGS (a,(b))",
        "STORE 1 FLAGS (\\)",
        "STORE 1 *FLAGS ()",
        "STORE 1 FLAGS.LOUD ()",
    ] {
        assert!(
            matches!(parse(bad), Err(ParseError::Syntax(_))),
            "{bad}: {:?}",
            parse(bad)
        );
    }
}

#[test]
fn append_prefixes() {
    let append = |text: &str| parse_append(text.as_bytes(), Names::Utf7);
    let message = |name: &str, flags, date| AppendPrefix::Message {
        tag: "a".to_owned(),
        command: Ok(AppendCommand {
            name: MailboxName::parse(name).unwrap(),
            flags,
            keywords: crate::Keywords::NONE,
            date,
            wrapping: Wrapping::Plain,
        }),
    };
    assert_eq!(
        append("a APPEND INBOX {5}\r\n"),
        message("INBOX", Flags::NONE, None)
    );
    assert_eq!(
        append("a append \"a b\" () {5+}\r\n"),
        message("a b", Flags::NONE, None)
    );
    let date = InternalDate {
        at: mail::Timestamp(0),
        offset_minutes: 0,
    };
    assert_eq!(
        append("a APPEND {1}\r\nx (\\Seen) \" 1-Jan-1970 00:00:00 +0000\" {5}\r\n"),
        message("x", Flags::SEEN, Some(date))
    );
    for other in [
        "a APPEND {1}\r\n",
        "a APPEND {1+}\r\n",
        "a LOGIN {1}\r\n",
        "a {1}\r\n",
        "{1}\r\n",
        "a APPENDX x {1}\r\n",
    ] {
        assert_eq!(append(other), AppendPrefix::NotYet, "{other:?}");
    }
    for bad in [
        "a APPEND x y {5}\r\n",
        "a APPEND x \"never\" {5}\r\n",
        "a APPEND x (\\Seen {5}\r\n",
        "a APPEND x ~{5}\r\n",
    ] {
        assert!(
            matches!(
                append(bad),
                AppendPrefix::Message {
                    command: Err(_),
                    ..
                }
            ),
            "{bad:?}"
        );
    }
}

#[test]
fn i04_nesting_is_bounded() {
    for text in [
        format!("SEARCH {}ALL{}", "(".repeat(33), ")".repeat(33)),
        format!("SEARCH {}", "(".repeat(1000)),
        format!("SEARCH {}ALL", "NOT ".repeat(200)),
        format!("SEARCH {}ALL ALL", "OR ".repeat(200)),
    ] {
        assert_eq!(parse(&text), Err(ParseError::TooDeep), "{:.30}", text);
    }
    let fits = format!("SEARCH {}ALL{}", "(".repeat(32), ")".repeat(32));
    assert!(parse(&fits).is_ok());
    // The address book of one client: one OR for each address.
    let many = format!(
        "SEARCH {}FROM z",
        (0..90)
            .map(|n| format!("OR FROM a{n} "))
            .collect::<String>()
    );
    assert!(parse(&many).is_ok());
}

#[test]
fn i07_search_keys_are_bounded() {
    let keys = |count: usize| format!("SEARCH{}", " SEEN".repeat(count));
    assert!(parse(&keys(1000)).is_ok());
    assert_eq!(parse(&keys(1001)), Err(ParseError::Limit));
    assert_eq!(parse(&keys(10_000)), Err(ParseError::Limit));
}

#[test]
fn condstore_is_read_where_it_stands() {
    let since = |number| Some(mail::ModSeq(number));
    let enables = |text: &str| parse(text).is_ok_and(|command| command.enables_condstore());
    for text in [
        "SELECT INBOX (CONDSTORE)",
        "EXAMINE INBOX (condstore)",
        "STATUS INBOX (MESSAGES HIGHESTMODSEQ)",
        "FETCH 1 (FLAGS MODSEQ)",
        "FETCH 1 FLAGS (CHANGEDSINCE 1)",
        "STORE 1 (UNCHANGEDSINCE 0) FLAGS ()",
        "SEARCH MODSEQ 1",
        "SEARCH MODSEQ \"/flags/\\\\draft\" all 1",
        "SEARCH OR MODSEQ 1 SEEN",
        "ENABLE X CONDSTORE",
    ] {
        assert!(enables(text), "{text}");
    }
    for text in [
        "SELECT INBOX",
        "FETCH 1 FLAGS",
        "SEARCH ALL",
        "ENABLE UTF8=ACCEPT",
    ] {
        assert!(parse(text).is_ok() && !enables(text), "{text}");
    }
    let Ok(Command::Fetch {
        items,
        changed_since,
        ..
    }) = parse("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 9223372036854775807)")
    else {
        panic!("it is a FETCH");
    };
    assert_eq!(changed_since, since(i64::MAX as u64));
    assert_eq!(items, [Item::Uid, Item::Flags, Item::ModSeq]);
    let Ok(Command::Store { change, .. }) =
        parse("STORE 1 (UNCHANGEDSINCE 12) +FLAGS.SILENT \\Seen")
    else {
        panic!("it is a STORE");
    };
    assert_eq!(change.unchanged_since, since(12));
    for text in [
        "SELECT INBOX (QRESYNC (1 2))",
        "SELECT INBOX CONDSTORE",
        "FETCH 1 FLAGS (CHANGEDSINCE)",
        "FETCH 1 FLAGS (CHANGEDSINCE -1)",
        "FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
        "FETCH 1 FLAGS (VANISHED)",
        "STORE 1 (UNCHANGEDSINCE x) FLAGS ()",
        "SEARCH MODSEQ \"/notes/x\" all 1",
        "SEARCH MODSEQ \"/flags/x\" mine 1",
    ] {
        assert!(matches!(parse(text), Err(ParseError::Syntax(_))), "{text}");
    }
}

#[test]
fn names_are_utf8_where_that_is_enabled() {
    let select = |text: &str, names| match parse_command(text.as_bytes(), Stage::Selected, names) {
        Ok(Command::Select { name, .. }) => name.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!(select("SELECT \"Caf&AOk-\"", Names::Utf7), "Café");
    assert_eq!(select("SELECT \"Café\"", Names::Utf8), "Café");
    assert_eq!(select("SELECT \"Caf&AOk-\"", Names::Utf8), "Caf&AOk-");
    assert_eq!(select("SELECT \"You & me\"", Names::Utf8), "You & me");
}

#[test]
fn search_strings_are_in_the_charset() {
    let search = |bytes: &[u8]| match parse_command(bytes, Stage::Selected, Names::Utf7) {
        Ok(Command::Search { query, .. }) => Ok(query.texts.to_vec()),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    };
    let body = |text: &str| Ok(vec![crate::TextKey::Body(text.to_owned())]);
    assert_eq!(search("SEARCH BODY \"schön\"".as_bytes()), body("schön"));
    assert_eq!(
        search(b"SEARCH CHARSET ISO-8859-1 BODY \"sch\xf6n\""),
        body("schön")
    );
    assert_eq!(
        search(b"SEARCH CHARSET iso-8859-15 BODY \"\xa4\""),
        body("€")
    );
    assert_eq!(
        search(b"SEARCH CHARSET \"KOI8-R\" BODY \"\xcd\xc9\xd2\""),
        body("мир")
    );
    assert!(matches!(
        search(b"SEARCH CHARSET UTF-8 BODY \"sch\xf6n\""),
        Err(ParseError::Syntax(_))
    ));
    for name in ["KLINGON", "\"\"", &"x".repeat(300)] {
        let command = format!("SEARCH CHARSET {name} ALL");
        assert_eq!(
            search(command.as_bytes()),
            Err(ParseError::Charset),
            "{name}"
        );
    }
    // RFC 6855 §3.
    let enabled = parse_command(b"SEARCH CHARSET UTF-8 ALL", Stage::Selected, Names::Utf8);
    assert!(enabled.is_err_and(ParseError::is_bad));
}
