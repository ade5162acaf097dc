//! F13: every fdatasync takes 200 ms more. Sixteen senders wait for their 250, and all get it:
//! those who wait together share a sync.

use postroom_tests::{Line, Server, ServerOptions, injected};

const SENDERS: usize = 16;
const MESSAGES: usize = 5;

#[test]
fn slow_syncs_slow_senders_and_fail_none() {
    let server = Server::start_with(ServerOptions {
        under: injected("fdatasync", "delay_enter=200000", None),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let address = server.address("mx");
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                let mut line = Line::smtp(address);
                for number in 0..MESSAGES {
                    let text = format!("Subject: {sender}-{number}\r\n\r\nhello\r\n");
                    let reply = line.send("joe@example.org", &["ann@abc.test"], &text);
                    assert_eq!(reply.code, 250, "{sender}-{number}: {reply:?}");
                }
            });
        }
    });
    assert_eq!(
        server.messages("ann@abc.test", "INBOX").len(),
        SENDERS * MESSAGES
    );
}
