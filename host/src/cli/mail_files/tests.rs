//! Files of other programs, as they are found.

use std::fs;
use std::path::Path;

use super::{MailFiles, Source, header, header_date, with_crlf};
use crate::moving::{MessageFacts, Reader};

/// What an archive of these files has.
fn read(files: &MailFiles) -> (Vec<(MessageFacts, Vec<u8>)>, Vec<String>) {
    let mut archive = Vec::new();
    let source = Source::open(files).expect("it can be read");
    let skipped = source
        .write(&mut archive, &|| {})
        .expect("a vector takes all");
    let mut reader = Reader::new(&archive[..]).expect("it is whole");
    let mut found = Vec::new();
    while let Some(item) = reader.next().expect("it is whole") {
        let bytes = reader.read_all(&item, 1 << 20).expect("it is whole");
        if item.path.starts_with("mail/") {
            found.push((item.facts().expect("they are ours"), bytes));
        }
    }
    (found, skipped.into_iter().map(|(name, _)| name).collect())
}

fn maildir(path: &Path) -> MailFiles {
    MailFiles {
        maildir: Some(path.to_owned()),
        mbox: None,
        mailbox: None,
    }
}

fn file(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("it has one")).expect("the folder is ours");
    fs::write(path, text).expect("the folder is ours");
}

#[test]
fn a_maildir_has_flags_folders_and_keywords() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path();
    file(path, "new/1.a.host", "Subject: new\n\nx\n");
    file(path, "cur/2.b.host:2,FRSab", "Subject: cur\n\nx\n");
    file(path, "cur/3.c.host:2,DTP", "Subject: draft\r\n\r\nx\r\n");
    file(path, "tmp/9.z.host", "Subject: half\n");
    file(path, "dovecot-keywords", "0 $Work\n1 later\n");
    file(path, ".Sent.2020/cur/4.d.host:2,S", "Subject: sent\n\nx\n");
    file(path, "Caf&AOk-/cur/5.e.host:2,", "Subject: fs\n\nx\n");
    file(path, "cur/6.f.host:2,", "");
    let (found, skipped) = read(&maildir(path));
    let names: Vec<_> = found
        .iter()
        .map(|(facts, bytes)| {
            let subject = header(bytes, "subject").unwrap_or_default();
            (
                facts.mailbox.as_str(),
                subject,
                facts.flags.join(" "),
                facts.keywords.join(" "),
            )
        })
        .collect();
    let row = |mailbox, subject: &str, flags: &str, keywords: &str| {
        (
            mailbox,
            subject.to_owned(),
            flags.to_owned(),
            keywords.to_owned(),
        )
    };
    assert_eq!(
        names,
        [
            row("INBOX", "new", "", ""),
            row("INBOX", "cur", "\\Flagged \\Answered \\Seen", "$Work later"),
            row("INBOX", "draft", "\\Draft \\Deleted", "$Forwarded"),
            row("Sent/2020", "sent", "\\Seen", ""),
            row("Café", "fs", "", ""),
        ]
    );
    assert_eq!(skipped.len(), 1);
    assert!(skipped[0].ends_with("6.f.host:2,"), "{skipped:?}");
    assert_eq!(found[0].1, b"Subject: new\r\n\r\nx\r\n");
}

#[test]
fn nobodys_files_but_those_in_the_maildir_are_read() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let outside = folder.path().join("other");
    let path = folder.path().join("Maildir");
    file(&outside, "cur/1.other:2,", "Subject: secret\n\nx\n");
    file(&path, "new/1.own", "Subject: own\n\nx\n");
    let secret = outside.join("cur/1.other:2,");
    let link = |to: &Path, name: &str| symlink(to, path.join(name)).expect("the folder is ours");
    link(&secret, "new/2.link");
    link(Path::new("1.own"), "new/3.inside");
    link(&outside.join("cur"), "cur");
    link(&outside, ".Other");
    fs::create_dir_all(path.join(".Half/new")).expect("the folder is ours");
    link(&outside.join("cur"), ".Half/cur");
    let pipe = path.join("new/4.pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("the folder is ours");
    let (found, skipped) = read(&maildir(&path));
    let subjects: Vec<_> = found
        .iter()
        .filter_map(|(_, bytes)| header(bytes, "subject"))
        .collect();
    assert_eq!(subjects, ["own"]);
    let ends = ["2.link", "3.inside", "4.pipe", "Maildir/cur", ".Half/cur"];
    assert_eq!(skipped.len(), ends.len(), "{skipped:?}");
    for (name, end) in skipped.iter().zip(ends) {
        assert!(name.ends_with(end), "{skipped:?}");
    }

    let mbox = |path: &Path| {
        Source::open(&MailFiles {
            maildir: None,
            mbox: Some(path.to_owned()),
            mailbox: None,
        })
    };
    link(&secret, "mbox");
    for odd in [path.join("mbox"), pipe, path.join("new")] {
        assert!(mbox(&odd).is_err(), "{}", odd.display());
    }
}

#[test]
fn an_mbox_is_read_in_its_variants() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("mbox");
    let text = "From ann@abc.test Thu Jan  1 00:00:10 2015\nStatus: RO\nX-Status: AF\nX-Keywords: $Work later\nContent-Length: 999999\nSubject: one\n\n>From here\n>>From there\nFrom nowhere\n\nFrom bob@abc.test Thu Jan  1 00:00:20 2015\nSubject: two\n\nsame\n\nFrom bob@abc.test Thu Jan  1 00:00:20 2015\nSubject: two\n\nsame\n\n";
    fs::write(&path, text).expect("the folder is ours");
    let files = MailFiles {
        maildir: None,
        mbox: Some(path.clone()),
        mailbox: Some("Old/Mail".to_owned()),
    };
    let (found, skipped) = read(&files);
    assert_eq!(skipped, [""; 0]);
    let (one, bytes) = &found[0];
    assert_eq!(one.mailbox, "Old/Mail");
    assert_eq!(one.date.map(|date| date.seconds()), Some(1_420_070_410));
    assert_eq!(one.flags, ["\\Seen", "\\Answered", "\\Flagged"]);
    assert_eq!(one.keywords, ["$Work", "later"]);
    let expected = "Content-Length: 999999\r\nSubject: one\r\n\r\nFrom here\r\n>From there\r\nFrom nowhere\r\n";
    assert_eq!(String::from_utf8_lossy(bytes), expected);
    let copies: Vec<_> = found[1..].iter().map(|(facts, _)| facts.copy).collect();
    assert_eq!(copies, [0, 1], "two of the same are two");

    fs::write(&path, "Subject: no mbox\n\n").expect("the folder is ours");
    let refused = Source::open(&files).and_then(|source| source.write(&mut Vec::new(), &|| {}));
    assert!(refused.is_err());
}

#[test]
fn a_line_of_any_length_is_read_in_pieces() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("mbox");
    let from = "From ann@abc.test Thu Jan  1 00:00:10 2015\n";
    // A piece ends before what looks like a line of its own.
    let long = format!("{}>From x", "x".repeat(64 * 1024));
    let text = format!("{from}Subject: one\n\n{long}\n\n{from}Subject: two\n\nx\n");
    fs::write(&path, text).expect("the folder is ours");
    let (found, skipped) = read(&MailFiles {
        maildir: None,
        mbox: Some(path),
        mailbox: None,
    });
    assert_eq!((found.len(), skipped.len()), (2, 0));
    let expected = format!("Subject: one\r\n\r\n{long}\r\n");
    assert_eq!(String::from_utf8_lossy(&found[0].1), expected);
}

#[test]
fn dates_are_read_with_their_offset() {
    let date = |text: &str| header_date(format!("Date: {text}\r\n\r\n").as_bytes());
    let found = date("Thu, 1 Jan 2015 05:30:10 +0530 (IST)").expect("a date");
    assert_eq!((found.0.seconds(), found.1), (1_420_070_410, 330));
    assert_eq!(date("some day"), None);
}

#[test]
fn line_ends_become_crlf() {
    for (from, to) in [
        ("a\nb\n", "a\r\nb\r\n"),
        ("a\r\nb\r\n", "a\r\nb\r\n"),
        ("a\r\r\nb", "a\r\nb"),
        ("a\rb", "ab"),
        ("", ""),
    ] {
        assert_eq!(with_crlf(from.as_bytes()), to.as_bytes(), "{from:?}");
    }
}

#[test]
fn a_field_is_found_unfolded_and_not_in_the_body() {
    let message = b"Subject: one\r\n two\r\nStatus : RO\r\n\r\nDate: no\r\n";
    assert_eq!(header(message, "subject").as_deref(), Some("one two"));
    assert_eq!(header(message, "STATUS").as_deref(), Some("RO"));
    assert_eq!(header(message, "date"), None);
}

#[test]
fn what_is_exported_is_for_the_caller_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("new");
    let files = maildir(&path);
    let mut target = super::Target::open(&files).expect("it is new");
    let mut writer = crate::moving::Writer::new(Vec::new()).expect("a vector takes all");
    for (number, mailbox) in ["INBOX", "a.b", "a_b"].iter().enumerate() {
        let facts = MessageFacts {
            mailbox: (*mailbox).to_owned(),
            label: String::new(),
            date: None,
            offset: 0,
            flags: Vec::new(),
            keywords: vec![format!("$of{number}")],
            copy: 0,
        };
        let bytes = format!("Subject: {mailbox}\r\n\r\nx\r\n");
        let bytes = crate::moving::ArchiveBytes::Here(bytes.as_bytes());
        writer
            .put("mail/1.eml", &facts, &bytes)
            .expect("a vector takes all");
    }
    let archive = writer.finish().expect("a vector takes all");
    let mut reader = Reader::new(&archive[..]).expect("it is whole");
    while let Some(item) = reader.next().expect("it is whole") {
        target.put(&mut reader, &item).expect("the folder is ours");
    }
    target.finish().expect("the folder is ours");
    let mut folders = vec![path.clone()];
    let mut count = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it is ours") {
            let entry = entry.expect("it is ours");
            let meta = entry.metadata().expect("it is ours");
            let mode = meta.permissions().mode() & 0o777;
            if meta.is_dir() {
                assert_eq!(mode, 0o700, "{}", entry.path().display());
                folders.push(entry.path());
            } else {
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                count += 1;
            }
        }
    }
    assert_eq!(count, 6, "a message and keywords in each");
    let (found, _) = read(&files);
    let keywords: Vec<_> = found
        .iter()
        .map(|(facts, bytes)| {
            let subject = header(bytes, "subject").unwrap_or_default();
            (subject, facts.keywords.join(" "))
        })
        .collect();
    let row = |subject: &str, keyword: &str| (subject.to_owned(), keyword.to_owned());
    assert_eq!(
        keywords,
        [row("INBOX", "$of0"), row("a.b", "$of1"), row("a_b", "$of2")]
    );
}
