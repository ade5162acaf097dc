use mail::{EmailId, Timestamp, UidValidity};

use super::*;
use crate::ask::{InternalDate, Row};

fn row(uid: u32, flags: Flags) -> Row {
    Row {
        uid: Uid(uid),
        modseq: ModSeq(1),
        email: EmailId(u64::from(uid)),
        size: 100,
        date: InternalDate {
            at: Timestamp(0),
            offset_minutes: 0,
        },
        flags,
        keywords: Keywords::NONE,
    }
}

fn view(uids: &[u32]) -> View {
    View::new(Selected {
        mailbox: MailboxId(1),
        mode: Mode::ReadWrite,
        uid_validity: UidValidity(1),
        uid_next: Uid(100),
        modseq: ModSeq(1),
        uids: uids.iter().map(|&uid| Uid(uid)).collect(),
        first_unseen: None,
        keywords: Keywords::NONE,
    })
}

fn told(view: &mut View, expunges: Expunges) -> Vec<String> {
    let mut out = Output::default();
    let mut updates = view.updates(expunges);
    let mut text = String::new();
    while !updates.write(view, &mut out) {
        text.push_str(&String::from_utf8(out.take()).unwrap());
    }
    text.push_str(&String::from_utf8(out.take()).unwrap());
    text.lines()
        .map(|line| line.trim_start_matches("* ").to_owned())
        .collect()
}

enum Happens {
    /// New or changed messages.
    Rows(&'static [(u32, Flags)]),
    Gone(&'static [u32]),
    Tell(Expunges, &'static [&'static str]),
}
use Expunges::{Told, Withheld};
use Happens::{Gone, Rows, Tell};

/// What a client of a mailbox with UIDs 10, 20, 30, 40 is told.
fn check(story: &[Happens]) {
    let mut view = view(&[10, 20, 30, 40]);
    // What a client that only believes what it is told thinks there is.
    let mut client = vec![10, 20, 30, 40];
    for (step, happens) in story.iter().enumerate() {
        match happens {
            Rows(rows) => view.apply(Changes {
                rows: rows.iter().map(|&(uid, flags)| row(uid, flags)).collect(),
                ..Changes::default()
            }),
            Gone(uids) => view.apply(Changes {
                expunged: uids.iter().map(|&uid| Uid(uid)).collect(),
                ..Changes::default()
            }),
            Tell(expunges, expected) => {
                let lines = told(&mut view, *expunges);
                assert_eq!(lines, *expected, "step {step}");
                for line in &lines {
                    let mut words = line.split(' ');
                    let number: usize = words.next().unwrap().parse().unwrap();
                    match words.next() {
                        Some("EXPUNGE") => drop(client.remove(number - 1)),
                        Some("EXISTS") => {
                            client = view.uids().iter().map(|uid| uid.0).collect();
                        }
                        _ => {}
                    }
                }
                let known: Vec<u32> = view.uids().iter().map(|uid| uid.0).collect();
                assert_eq!(client, known, "step {step}: the numbers part");
            }
        }
    }
}

#[test]
fn i19_numbers_stay_until_the_expunge_is_told() {
    check(&[
        Gone(&[20]),
        Tell(Withheld, &[]),
        Rows(&[(50, Flags::SEEN)]),
        Tell(Withheld, &["5 EXISTS"]),
        Tell(Told, &["2 EXPUNGE"]),
        Tell(Told, &[]),
    ]);
}

#[test]
fn expunges_are_numbered_one_after_the_other() {
    check(&[
        Gone(&[10, 20, 40]),
        Tell(Told, &["1 EXPUNGE", "1 EXPUNGE", "2 EXPUNGE"]),
    ]);
    check(&[
        Gone(&[10]),
        Gone(&[30]),
        Tell(Told, &["1 EXPUNGE", "2 EXPUNGE"]),
    ]);
    check(&[Gone(&[10, 20, 30, 40]), Tell(Told, &["1 EXPUNGE"; 4])]);
}

#[test]
fn what_the_client_never_knew_is_not_told() {
    // Came and went between two looks.
    check(&[Rows(&[(50, Flags::NONE)]), Gone(&[50]), Tell(Told, &[])]);
    check(&[
        Rows(&[(50, Flags::NONE), (60, Flags::NONE)]),
        Gone(&[50, 10]),
        Tell(Told, &["1 EXPUNGE", "4 EXISTS"]),
    ]);
    // A UID that was never there, and one twice.
    check(&[Gone(&[99, 30, 30]), Gone(&[30]), Tell(Told, &["3 EXPUNGE"])]);
    check(&[
        Gone(&[30]),
        Tell(Told, &["3 EXPUNGE"]),
        Gone(&[30]),
        Tell(Told, &[]),
    ]);
}

#[test]
fn where_the_log_is_too_short_what_exists_tells() {
    let mut view = view(&[10, 20, 30, 40]);
    let existing = Some([20, 40, 50].into_iter().map(Uid).collect());
    view.apply(Changes {
        rows: vec![row(50, Flags::NONE)],
        existing,
        ..Changes::default()
    });
    assert_eq!(
        told(&mut view, Told),
        ["1 EXPUNGE", "2 EXPUNGE", "3 EXISTS"]
    );
}

#[test]
fn flags_are_told_once_under_the_new_numbers() {
    check(&[
        Rows(&[(30, Flags::SEEN)]),
        Gone(&[10]),
        Tell(Told, &["1 EXPUNGE", "2 FETCH (UID 30 FLAGS (\\Seen))"]),
        Tell(Told, &[]),
    ]);
    check(&[
        Rows(&[(30, Flags::SEEN)]),
        Gone(&[10]),
        Tell(Withheld, &["3 FETCH (UID 30 FLAGS (\\Seen))"]),
        Tell(Told, &["1 EXPUNGE"]),
    ]);
    // To and fro between two looks is told as it ended; what goes with its message is not.
    check(&[
        Rows(&[(30, Flags::NONE)]),
        Tell(Told, &["3 FETCH (UID 30 FLAGS ())"]),
    ]);
    check(&[
        Rows(&[(30, Flags::SEEN)]),
        Gone(&[30]),
        Tell(Told, &["3 EXPUNGE"]),
    ]);
}

fn flags(uid: u32, modseq: u64, flags: Flags) -> FlagChange {
    FlagChange {
        uid: Uid(uid),
        modseq: ModSeq(modseq),
        flags,
        keywords: Keywords::NONE,
    }
}

/// Others, or this session, changed the flags of 20 by this sequence.
fn look(view: &mut View, modseq: u64, flags: Flags) {
    let mut changed = row(20, flags);
    changed.modseq = ModSeq(modseq);
    view.apply(Changes {
        modseq: ModSeq(modseq),
        rows: vec![changed],
        ..Changes::default()
    });
}

#[test]
fn what_this_session_changed_is_not_told_twice() {
    let nothing = Vec::<String>::new();
    let mut view = view(&[10, 20]);
    view.set_flags(&flags(20, 5, Flags::SEEN));
    look(&mut view, 5, Flags::SEEN);
    assert_eq!(told(&mut view, Told), nothing);
    assert_eq!(view.modseq, ModSeq(5));
    // Others were later.
    view.set_flags(&flags(20, 6, Flags::NONE));
    look(&mut view, 7, Flags::DRAFT);
    assert_eq!(told(&mut view, Told), ["2 FETCH (UID 20 FLAGS (\\Draft))"]);
    // Others were earlier, and this session was silent.
    look(&mut view, 8, Flags::FLAGGED);
    view.set_flags(&flags(20, 9, Flags::FLAGGED | Flags::SEEN));
    look(&mut view, 9, Flags::FLAGGED | Flags::SEEN);
    assert_eq!(told(&mut view, Told), nothing);
    // What is known is known up to the next look, and no longer.
    assert_eq!(view.known, BTreeSet::new());
}

#[test]
fn what_a_command_showed_is_not_told_again() {
    let nothing = Vec::<String>::new();
    let mut view = view(&[10, 20]);
    view.flags_told(&flags(20, 5, Flags::SEEN));
    look(&mut view, 5, Flags::SEEN);
    assert_eq!(told(&mut view, Told), nothing);
    look(&mut view, 6, Flags::NONE);
    view.flags_told(&flags(20, 6, Flags::NONE));
    assert_eq!(told(&mut view, Told), nothing);
    look(&mut view, 7, Flags::SEEN);
    view.flags_told(&flags(20, 6, Flags::NONE));
    assert_eq!(told(&mut view, Told), ["2 FETCH (UID 20 FLAGS (\\Seen))"]);
}

#[test]
fn new_keywords_are_introduced() {
    let mut view = view(&[10]);
    let mut changed = row(10, Flags::NONE);
    changed.keywords = [Keyword::parse("$Label").unwrap()].into_iter().collect();
    view.apply(Changes {
        rows: vec![changed],
        ..Changes::default()
    });
    let flags = "FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label)";
    assert_eq!(
        told(&mut view, Told),
        [flags, "1 FETCH (UID 10 FLAGS ($Label))"]
    );
}

#[test]
fn a_long_story_is_told_in_pieces() {
    let uids: Vec<u32> = (1..=20_000).collect();
    let mut view = view(&uids);
    view.mark_gone(
        &uids
            .iter()
            .step_by(2)
            .map(|&uid| Uid(uid))
            .collect::<Vec<_>>(),
    );
    let mut updates = view.updates(Told);
    let (mut out, mut pieces, mut lines) = (Output::default(), 0, 0);
    loop {
        let done = updates.write(&view, &mut out);
        let piece = out.take();
        assert!(piece.len() < crate::output::WRITE_AT + 100);
        pieces += 1;
        lines += piece.split(|&byte| byte == b'\n').count() - 1;
        if done {
            break;
        }
    }
    assert!(pieces > 3);
    assert_eq!((lines, view.uids().len()), (10_000, 10_000));
}
