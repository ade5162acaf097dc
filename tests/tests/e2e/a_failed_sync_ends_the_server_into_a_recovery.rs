//! F03: fdatasync fails. What waited for it gets 451 and no 250, everybody else too, the server
//! says so loudly and ends with exit code 74; started again it has all that it acknowledged, and
//! takes mail.

use postroom_tests::{Line, Server, injected};

/// Syncs of one thread that go well; the sequencer makes one for each commit.
const GOOD: u32 = 40;

fn message(number: usize) -> String {
    format!("From: joe@example.org\r\nSubject: {number}\r\n\r\nhello\r\n")
}

#[test]
fn a_failed_sync_ends_the_server_into_a_recovery() {
    let under = injected("fdatasync", &format!("error=EIO:when={GOOD}+"), None);
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    assert_eq!(server.terminate(), Some(0));
    server.set_under(&under);
    server.launch();

    let to = ["ann@abc.test"];
    let mut line = Line::smtp(server.address("mx"));
    let mut other = Line::smtp(server.address("mx"));
    let mut acknowledged = Vec::new();
    let refused = loop {
        let number = acknowledged.len();
        assert!(number < 100, "no sync ever failed");
        let reply = line.send("joe@example.org", &to, &message(number));
        match reply.code {
            250 => acknowledged.push(number),
            _ => break reply,
        }
    };
    assert_eq!(refused.code, 451, "{refused:?}");
    let after = other.send("joe@example.org", &to, &message(998));
    // The server may be on its way out.
    assert!([451, 421, 0].contains(&after.code), "{after:?}");
    drop((line, other));
    assert_eq!(server.exit_code(), 74, "{}", server.log());
    assert!(
        server.log().contains("the store stopped"),
        "{}",
        server.log()
    );

    server.set_under(&[]);
    server.launch();
    let reply = Line::smtp(server.address("mx")).send("joe@example.org", &to, &message(999));
    assert_eq!(reply.code, 250, "{reply:?}");
    let stored = server.messages("ann@abc.test", "INBOX");
    for number in acknowledged.iter().chain([&999]) {
        let subject = format!("Subject: {number}\r\n");
        let is_there = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).contains(&subject);
        assert_eq!(
            stored.iter().filter(|bytes| is_there(bytes)).count(),
            1,
            "message {number}"
        );
    }
    let refused = |bytes: &&Vec<u8>| String::from_utf8_lossy(bytes).contains("Subject: 998\r\n");
    assert_eq!(stored.iter().filter(refused).count(), 0, "refused and kept");
}
