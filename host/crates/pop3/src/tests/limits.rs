//! Bounds, time, and answers that make no sense.

use std::time::Duration;

use mail::{CloseReason, EmailId, Session as _, Step, Uid};

use super::transcript::{Run, text, transport};
use crate::{Answer, Ask, Event, Row};

/// Up to the question that opens the maildrop.
fn signed_in() -> Run {
    let mut run = Run::new(true, "");
    run.session
        .handle_input(b"USER anna@abc.test\r\nPASS correct horse\r\n", run.now);
    loop {
        match run.session.poll_step() {
            Step::Ask(Ask::Authenticate(_)) => run.session.handle_answer(Answer::SignedIn, run.now),
            Step::Ask(Ask::OpenMaildrop) => return run,
            Step::Write(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_list_of_any_length_goes_out_in_pieces() {
    let mut run = signed_in();
    let rows = (1..=100_000).map(|number| Row {
        uid: Uid(number),
        email: EmailId(number.into()),
        size: 1,
    });
    run.session
        .handle_answer(Answer::Maildrop(rows.collect()), run.now);
    run.session
        .handle_input(b"LIST\r\nUIDL\r\nSTAT\r\n", run.now);
    let (mut all, mut longest) = (Vec::new(), 0);
    loop {
        match run.session.poll_step() {
            Step::Write(bytes) => {
                longest = longest.max(bytes.len());
                all.extend(bytes);
            }
            Step::NeedInput => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(longest <= 32 * 1024, "{longest} bytes at once");
    let all = text(&all);
    assert!(all.contains("\r\n100000 1\r\n.\r\n+OK The unique ids follow\r\n1 m1\r\n"));
    assert!(all.ends_with("\r\n100000 m186a0\r\n.\r\n+OK 100000 100000\r\n"));
}

#[test]
fn i04_a_line_without_end_is_never_held() {
    let mut run = Run::new(true, "");
    run.advance();
    run.output.clear();
    for _ in 0..1000 {
        run.session.handle_input(&[b'x'; 16 * 1024], run.now);
        run.advance();
    }
    assert_eq!(text(&run.output), "-ERR The line is too long\r\n");
    run.session.handle_input(b"\r\nQUIT\r\n", run.now);
    run.advance();
    assert!(text(&run.output).contains("closes the connection"));
}

#[test]
fn every_command_sets_the_idle_time_anew() {
    let mut run = Run::new(true, "");
    run.session
        .handle_input(b"USER anna@abc.test\r\nPASS correct horse\r\n", run.now);
    run.advance();
    for _ in 0..3 {
        run.now += Duration::from_secs(599);
        run.session.handle_input(b"NOOP\r\n", run.now);
        run.advance();
        assert_eq!(
            run.session.poll_timeout(),
            Some(run.now + Duration::from_secs(600))
        );
    }
}

#[test]
fn whoever_does_not_sign_in_has_a_minute_a_line_and_three_for_all() {
    let mut run = Run::new(true, "");
    let began = run.now;
    let due = |run: &Run| run.session.poll_timeout().expect("there is always one") - began;
    assert_eq!(due(&run), Duration::from_secs(60));
    // Half a line does not count.
    run.now += Duration::from_secs(50);
    run.session.handle_input(b"CA", run.now);
    run.advance();
    assert_eq!(due(&run), Duration::from_secs(60));
    for seconds in [110, 160, 180, 180] {
        run.session.handle_input(b"PA\r\nCA", run.now);
        run.advance();
        assert_eq!(due(&run), Duration::from_secs(seconds));
        run.now += Duration::from_secs(50);
    }
}

#[test]
fn a_person_who_may_no_longer_be_there_is_told_so_and_nothing_is_deleted() {
    let mut run = Run::new(true, "");
    run.session.handle_input(
        b"USER anna@abc.test\r\nPASS correct horse\r\nDELE 1\r\n",
        run.now,
    );
    run.advance();
    run.output.clear();
    run.session.handle_event(Event::Revoked, run.now);
    run.session.handle_input(b"QUIT\r\n", run.now);
    run.advance();
    assert_eq!(
        text(&run.output),
        "-ERR [AUTH] Access to this account has ended\r\n"
    );
    assert!(run.closed && run.house.deleted.is_empty());
}

#[test]
fn shutdown_says_so_and_deletes_nothing() {
    let mut run = Run::new(true, "");
    run.session.handle_input(
        b"USER anna@abc.test\r\nPASS correct horse\r\nDELE 1\r\n",
        run.now,
    );
    run.advance();
    run.output.clear();
    run.session.handle_closed(CloseReason::Shutdown);
    run.advance();
    assert_eq!(
        text(&run.output),
        "-ERR [SYS/TEMP] The server is stopping\r\n"
    );
    assert!(run.closed);
    assert!(run.house.deleted.is_empty());
}

#[test]
fn an_answer_that_fits_no_question_ends_the_session() {
    for answer in [Answer::Opened, Answer::Deleted, Answer::SignedIn] {
        let mut run = signed_in();
        run.session.handle_answer(answer, run.now);
        run.advance();
        assert_eq!(
            text(&run.output),
            "-ERR [SYS/TEMP] Something failed here; try again later\r\n"
        );
        assert!(run.closed);
    }
}

/// RFC 2595 §4: what was said before TLS counts for nothing.
#[test]
fn s06_a_handshake_forgets_what_was_said_before() {
    let mut run = Run::new(false, "");
    run.session.handle_input(b"STLS\r\n", run.now);
    while run.session.poll_step() != (Step::StartTls { residue: false }) {}
    // It came while the handshake was going on; it was never encrypted.
    run.session
        .handle_input(b"CAPA\r\nUSER anna@abc.test\r\n", run.now);
    run.session.handle_transport(transport(true), run.now);
    run.session.handle_input(b"PASS correct horse\r\n", run.now);
    run.advance();
    assert_eq!(text(&run.output), "-ERR Not in this state\r\n");
}

#[test]
fn while_an_answer_is_awaited_nothing_is_executed() {
    let mut run = signed_in();
    run.session.handle_input(b"QUIT\r\n", run.now);
    assert_eq!(run.session.poll_step(), Step::NeedInput);
    run.session.handle_answer(Answer::InUse, run.now);
    run.advance();
    assert!(text(&run.output).starts_with("-ERR [IN-USE]"));
    assert!(run.closed);
}
