//! SIGTERM: nobody new comes in, who is idle is told to go, who is in the middle of a message
//! ends it and gets the 250; then the server ends well.

use std::process::Command;

use postroom_tests::{Line, Server, eventually, python, run};

const COUNT: &str = r#"
import imaplib, ssl, sys
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context())
client.login("ann@abc.test", "secret")
client.select("INBOX", readonly=True)
print(client.fetch("1:*", "(BODY.PEEK[TEXT])")[1][0][1].decode())
"#;

#[test]
fn sigterm_lets_open_sessions_end() {
    let mut server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let address = server.address("mx");
    let mut idle = Line::smtp(address);
    let mut busy = Line::smtp(address);
    assert_eq!(busy.command("MAIL FROM:<joe@example.org>").code, 250);
    assert_eq!(busy.command("RCPT TO:<ann@abc.test>").code, 250);
    assert_eq!(busy.command("DATA").code, 354);
    busy.write(b"Subject: hello\r\n\r\nhalf ");

    let pid = server.pid().to_string();
    run(Command::new("kill").args(["-TERM", &pid]), b"").ok();
    eventually("nobody new comes in", || {
        Line::try_connect(address).is_err()
    });
    let told = idle.reply();
    assert_eq!(told.code, 421, "{told:?}");
    assert!(idle.rest().is_empty());

    busy.write(b"and half\r\n");
    let reply = busy.command(".");
    assert_eq!(reply.code, 250, "{reply:?}");
    let ended = busy.reply();
    assert_eq!(ended.code, 421, "{ended:?}");
    assert_eq!(server.terminate(), Some(0));

    server.launch();
    let body = python(COUNT, &[&server.port("imaps")]).ok();
    assert_eq!(body.trim_end(), "half and half");
}
