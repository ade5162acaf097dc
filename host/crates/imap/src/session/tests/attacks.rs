//! The attacks on IMAP, by their numbers in the catalogue.

use mail::{Session as _, Step, limits};

use super::script::{Chunks, Client};
use super::world::{PLAIN, World};
use crate::ask::LoginOutcome;
use crate::{Flags, Keywords, StartTls};

fn plaintext() -> Client {
    Client::new(&World::new(), false, StartTls::Offered)
}

fn tls() -> Client {
    let mut client = Client::new(&World::new(), true, StartTls::Offered);
    client.take();
    client
}

fn selected() -> Client {
    let mut client = Client::signed_in(&World::new());
    client.send(b"s SELECT INBOX\r\n", Chunks::Together);
    client.take();
    client
}

#[test]
fn i01_plaintext_behind_starttls_is_never_executed() {
    for behind in ["b LOGIN ann secret\r\n", "b NOOP\r\n", "x", "\r\n"] {
        let mut client = plaintext();
        client.take();
        client.send(
            format!("a STARTTLS\r\n{behind}").as_bytes(),
            Chunks::Together,
        );
        assert_eq!(
            client.take(),
            "a OK Begin the TLS handshake\r\n[tls residue]\r\n",
            "{behind:?}"
        );
        assert!(client.host.asked.is_empty());
    }
}

#[test]
fn i01_nothing_from_before_the_handshake_counts() {
    let mut client = plaintext();
    // Two failures, were they counted, would leave one.
    client.send(
        b"a LOGIN x y\r\nb LOGIN x y\r\nc STARTTLS\r\n",
        Chunks::Together,
    );
    client.take();
    client.send(
        b"d LOGIN x y\r\ne LOGIN x y\r\nf LOGIN ann secret\r\n",
        Chunks::Together,
    );
    assert!(client.take().contains("f OK "));
}

#[test]
fn i02_literals_before_sign_in_stay_small() {
    for header in [
        "{4294967295}",
        "{1000000000000000000000000000000}",
        "{9000}",
        "{8192}",
        "{18446744073709551616}",
    ] {
        let mut client = tls();
        client.send(format!("a LOGIN {header}\r\n").as_bytes(), Chunks::Together);
        assert_eq!(
            client.take(),
            "a BAD [TOOBIG] The literal is too big\r\n",
            "{header}"
        );
    }
    // Many small ones.
    let mut client = tls();
    client.send(b"a LOGIN", Chunks::Together);
    for _ in 0..1000 {
        client.send(
            format!(" {{100+}}\r\n{}", "x".repeat(100)).as_bytes(),
            Chunks::Together,
        );
    }
    let got = client.take();
    assert!(client.closed, "{got}");
    assert!(got.starts_with("a BAD [TOOBIG]"), "{got}");
}

#[test]
fn i03_large_literals_sent_at_once_end_the_connection() {
    for (mut client, command) in [
        (tls(), "LOGIN"),
        (selected(), "SELECT"),
        (selected(), "APPEND INBOX"),
        (selected(), "APPEND"),
    ] {
        client.send(
            format!("a {command} {{4097+}}\r\nb NOOP\r\n").as_bytes(),
            Chunks::Together,
        );
        let got = client.take();
        assert!(
            got.starts_with("a BAD [TOOBIG]") && client.closed,
            "{command}: {got}"
        );
        assert!(!got.contains("b OK"), "{command}");
    }
    let mut client = selected();
    client.send(
        format!("a SELECT {{4096+}}\r\n{}\r\n", "x".repeat(4096)).as_bytes(),
        Chunks::Together,
    );
    assert!(client.take().starts_with("a NO [NONEXISTENT]"));
    // A flood of small ones.
    client.send(b"a SEARCH", Chunks::Together);
    client.send(" {1+}\r\nx".repeat(10_000).as_bytes(), Chunks::Of(4096));
    assert!(client.closed);
}

#[test]
fn i04_endless_commands_take_constant_memory() {
    for (mut client, limit) in [
        (tls(), limits::IMAP_PREAUTH),
        (selected(), limits::IMAP_LINE),
    ] {
        client.send(b"a NOOP ", Chunks::Together);
        let piece = vec![b'('; 4096];
        let mut taken = 0;
        while !client.closed {
            client.send(&piece, Chunks::Together);
            taken += piece.len();
            assert!(taken < 64 * 1024 * 1024);
        }
        assert!(
            taken <= limit + piece.len(),
            "{taken} bytes of one line were taken"
        );
        assert!(client.take().contains("* BYE"));
    }
    let mut client = selected();
    client.send(
        format!("a NOOP {}\r\n", "{".repeat(10_000)).as_bytes(),
        Chunks::Together,
    );
    assert!(client.take().starts_with("a BAD"));
}

#[test]
fn i05_an_append_that_breaks_off_leaves_nothing() {
    let mut client = selected();
    client.send(b"a APPEND Sent {1000}\r\nSubject: x\r\n", Chunks::Together);
    assert_eq!(client.take(), "+ Send it\r\n");
    mail::Session::handle_closed(&mut client.session, mail::CloseReason::Broken);
    client.pump();
    assert_eq!(client.host.discarded, 12);
    assert!(client.closed);
}

#[test]
fn i06_output_is_bounded_however_much_is_asked_for() {
    let world = World::new();
    let large = format!("{PLAIN}{}", "x".repeat(1_000_000));
    for _ in 0..20 {
        world.borrow_mut().put(
            "Sent",
            large.as_bytes(),
            Flags::NONE,
            Keywords::NONE,
            internal_date(),
        );
    }
    let mut client = Client::signed_in(&world);
    client.send(b"s SELECT Sent\r\n", Chunks::Together);
    client.take();
    let items = ["BODY[]"; 5].join(" ");
    client.send(
        format!("a FETCH 1:* ({items})\r\n").as_bytes(),
        Chunks::Together,
    );
    assert!(client.received.len() > 100_000_000);
    assert!(
        client.largest_write < 64 * 1024,
        "{} bytes in one piece",
        client.largest_write
    );
    client.received.clear();
    // Small answers in great number come in pieces too.
    let many = ["ENVELOPE BODYSTRUCTURE"; 300].join(" ");
    client.send(
        format!("b FETCH 1:* ({many})\r\n").as_bytes(),
        Chunks::Together,
    );
    assert!(client.received.len() > 1_000_000);
    assert!(client.largest_write <= limits::OUTPUT_BUFFER);
}

fn internal_date() -> crate::ask::InternalDate {
    crate::ask::InternalDate {
        at: mail::Timestamp(0),
        offset_minutes: 0,
    }
}

#[test]
fn i07_a_search_that_is_too_much_is_refused() {
    let world = World::new();
    for _ in 0..70_000 {
        world
            .borrow_mut()
            .put("Sent", b"", Flags::NONE, Keywords::NONE, internal_date());
    }
    let mut client = Client::signed_in(&world);
    client.send(b"s SELECT Sent\r\n", Chunks::Together);
    client.take();
    let keys = "SEEN ".repeat(999);
    client.send(
        format!("a SEARCH {keys}SEEN\r\n").as_bytes(),
        Chunks::Together,
    );
    assert_eq!(
        client.take(),
        "a NO [LIMIT] That is more than is allowed\r\n"
    );
    client.send(
        b"b UID SEARCH 1:10 SUBJECT x\r\nc SEARCH ALL\r\n",
        Chunks::Together,
    );
    let got = client.take();
    assert!(got.starts_with("* SEARCH\r\nb OK"));
    // A text is looked for in few messages at a time, and only where it can matter.
    let asked = client
        .host
        .asked
        .iter()
        .filter(|ask| ask.starts_with("SearchText"));
    assert_eq!(asked.count(), 1);
    assert!(client.largest_write < 64 * 1024);
}

#[test]
fn i14_pipelined_commands_wait_their_turn() {
    let mut client = selected();
    let commands: String = (0..10_000).map(|n| format!("a{n} NOOP\r\n")).collect();
    client.send(commands.as_bytes(), Chunks::Together);
    let got = client.take();
    assert_eq!(got.lines().count(), 10_000);
    assert!(got.ends_with("a9999 OK NOOP done\r\n"));
    assert!(client.largest_write < 64 * 1024);
}

#[test]
fn i15_what_may_not_be_seen_is_not_there() {
    for command in [
        "SELECT {}",
        "EXAMINE {}",
        "STATUS {} (MESSAGES UIDNEXT)",
        "LIST \"\" {}",
        "LSUB \"\" {}",
        "DELETE {}",
        "RENAME {} Elsewhere",
        "UNSUBSCRIBE {}",
        "COPY 1 {}",
        "MOVE 1 {}",
        "UID COPY 1 {}",
        "APPEND {} {5}",
    ] {
        let answers = ["Secret", "Nothing"].map(|name| {
            let mut client = selected();
            let quoted = format!("\"Shared Folders/{name}\"");
            client.send(
                format!("a {}\r\n", command.replacen("{}", &quoted, 1)).as_bytes(),
                Chunks::Together,
            );
            client.take()
        });
        assert_eq!(answers[0], answers[1], "{command}");
        assert!(
            answers[0].contains("a NO") || answers[0].contains("a OK"),
            "{command}: {}",
            answers[0]
        );
    }
}

#[test]
fn a03_no_password_is_asked_for_before_tls() {
    let mut client = plaintext();
    let greeting = client.take();
    assert!(greeting.contains("LOGINDISABLED") && !greeting.contains("AUTH=PLAIN"));
    client.send(
        b"a LOGIN ann secret\r\nb AUTHENTICATE PLAIN AGFubgBzZWNyZXQ=\r\n",
        Chunks::Together,
    );
    assert!(client.host.asked.is_empty());
    assert_eq!(client.take().matches("NO [PRIVACYREQUIRED]").count(), 2);
}

#[test]
fn a05_sign_in_data_of_any_shape_is_refused() {
    for response in [
        "",
        "=",
        "====",
        "AAAA",
        "AGFubg==",
        "\u{fc}",
        &"QUFB".repeat(4000),
        "AGFubgBzZWNyAGV0",
        "/////w==",
    ] {
        let mut client = tls();
        client.send(
            format!("a AUTHENTICATE PLAIN\r\n{response}\r\n").as_bytes(),
            Chunks::Together,
        );
        let got = client.take();
        assert!(
            got.starts_with("+ \r\na BAD") || got.starts_with("+ \r\na NO"),
            "{response}: {got}"
        );
        assert!(client.host.asked.is_empty(), "{response}");
    }
}

#[test]
fn failed_logins_and_wrong_commands_end_the_connection() {
    let mut client = tls();
    client.host.world.borrow_mut().login = LoginOutcome::Refused;
    client.send(
        "a LOGIN ann secret\r\n".repeat(10).as_bytes(),
        Chunks::Together,
    );
    assert_eq!(
        client.take().matches("AUTHENTICATIONFAILED").count(),
        limits::LOGIN_FAILURES
    );
    assert!(client.closed);

    let mut client = tls();
    client.send(
        "GET / HTTP/1.1\r\n".repeat(100).as_bytes(),
        Chunks::Together,
    );
    assert_eq!(
        client.take().matches("GET BAD").count(),
        limits::BAD_COMMANDS
    );
    assert!(client.closed);
}

#[test]
fn an_idle_session_is_small() {
    // The bound of the design is 8 KiB for a connection with a mailbox selected. Of its messages
    // it has their UIDs, 8 bytes for each gap among them; allow for 100.
    let bytes = size_of::<crate::ImapSession>() + size_of::<crate::view::View>() + 100 * 8;
    assert!(bytes < 4 * 1024, "{bytes}");
}

#[test]
fn i07_a_long_search_lets_others_have_their_turn() {
    let world = World::new();
    for _ in 0..5000 {
        world
            .borrow_mut()
            .put("Sent", b"", Flags::NONE, Keywords::NONE, internal_date());
    }
    let mut client = Client::signed_in(&world);
    client.send(b"s SELECT Sent\r\n", Chunks::Together);
    client.take();
    let keys = "UNSEEN ".repeat(998);
    client.send(
        format!("a SEARCH {keys}KEYWORD $None\r\n").as_bytes(),
        Chunks::Together,
    );
    assert_eq!(client.take(), "* SEARCH\r\na OK SEARCH done\r\n");
    // Whoever answers for rows lets others have their turn too.
    let is_turn = |ask: &&String| *ask == "Pause" || ask.starts_with("Rows");
    let turns = client.host.asked.iter().filter(is_turn);
    assert!(turns.count() >= 4, "five millions of looks in one go");
}

#[test]
fn i07_looking_through_endless_text_is_refused() {
    let world = World::new();
    let mut client = Client::signed_in(&world);
    client.send(b"s SELECT INBOX\r\n", Chunks::Together);
    client.take();
    // Some messages of 4 GiB each, as their rows say.
    let row = |uid: u32| crate::ask::Row {
        uid: mail::Uid(uid),
        modseq: mail::ModSeq(u64::from(uid)),
        email: mail::EmailId(u64::from(uid)),
        size: 4 << 30,
        date: internal_date(),
        flags: Flags::NONE,
        keywords: Keywords::NONE,
    };
    let rows: Vec<_> = (10..30).map(row).collect();
    let changes = crate::ask::Changes {
        modseq: mail::ModSeq(100),
        rows: rows.clone(),
        ..crate::ask::Changes::default()
    };
    client
        .session
        .handle_event(crate::Event::Changed, client.now);
    client.session.handle_input(b"n NOOP\r\n", client.now);
    loop {
        match client.session.poll_step() {
            Step::Ask(crate::Ask::Changes { .. }) => break,
            Step::Write(_) => {}
            other => panic!("{other:?}"),
        }
    }
    client
        .session
        .handle_answer(crate::Answer::Changes(changes), client.now);
    client.pump();
    client.take();
    client
        .session
        .handle_input(b"a SEARCH BODY x\r\n", client.now);
    let Step::Ask(crate::Ask::Rows { .. }) = client.session.poll_step() else {
        panic!("rows say how large messages are");
    };
    client
        .session
        .handle_answer(crate::Answer::Rows(rows), client.now);
    client.pump();
    assert_eq!(
        client.take(),
        "a NO [LIMIT] That is more than is allowed\r\n"
    );
}

/// What is not offered cannot be turned against us: no bytes are ever inflated.
#[test]
fn i11_compression_is_not_offered() {
    let mut client = Client::signed_in(&World::new());
    client.send(b"a CAPABILITY\r\nb COMPRESS DEFLATE\r\n", Chunks::Together);
    let got = client.take();
    assert!(!got.contains("COMPRESS"), "{got}");
    assert!(got.contains("b BAD This command is not known\r\n"), "{got}");
}
