//! F06: the process may open few files. Sessions that are there go on, new ones wait without the
//! server spinning, and are taken when others have ended.

use postroom_tests::{Line, Server, ServerOptions, eventually};

const FILES: &str = "--nofile=160";
const CONNECTIONS: usize = 200;

#[test]
fn too_few_files_slow_accepting_and_harm_no_session() {
    let server = Server::start_with(ServerOptions {
        under: vec!["prlimit".to_owned(), FILES.to_owned()],
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let address = server.address("mx");
    let mut first = Line::smtp(address);
    // The system takes them all; the server cannot.
    let rest: Vec<Line> = (0..CONNECTIONS).map(|_| Line::connect(address)).collect();
    eventually("accepting fails", || server.log().contains("accept failed"));
    for number in 0..3 {
        let text = format!("Subject: {number}\r\n\r\nhello\r\n");
        let reply = first.send("joe@example.org", &["ann@abc.test"], &text);
        assert_eq!(reply.code, 250, "{number}: {reply:?}");
    }
    let pauses = server.log().matches("accept failed").count();
    assert!(pauses < 100, "it spins: {pauses} tries");
    drop(rest);
    eventually("new sessions are taken again", || {
        Line::try_connect(address).is_ok_and(|mut line| line.reply().code == 220)
    });
    assert_eq!(server.messages("ann@abc.test", "INBOX").len(), 3);
}
