//! The shortest way through everything, with Python's own clients.

use postroom_tests::{Server, python};

const CLIENT: &str = r#"
import imaplib, poplib, smtplib, ssl, sys
smtp, imap, pop = (int(port) for port in sys.argv[1:4])
context = ssl._create_unverified_context()
body = b"From: joe@example.org\r\nTo: ann@abc.test\r\nSubject: hello\r\n\r\n.dots\r\n..\r\nbye\r\n"
with smtplib.SMTP("127.0.0.1", smtp) as client:
    client.sendmail("joe@example.org", ["ann@abc.test"], body)
with imaplib.IMAP4_SSL("127.0.0.1", imap, ssl_context=context) as client:
    client.login("ann@abc.test", "secret")
    assert client.select("INBOX")[1] == [b"1"]
    by_imap = client.fetch("1", "(BODY[])")[1][0][1]
client = poplib.POP3_SSL("127.0.0.1", pop, context=context)
client.user("ann@abc.test")
client.pass_("secret")
by_pop3 = b"".join(line + b"\r\n" for line in client.retr(1)[1])
client.quit()
assert by_imap.endswith(body), by_imap
assert by_imap == by_pop3, (by_imap, by_pop3)
assert by_imap.startswith(b"Return-Path: <joe@example.org>\r\nDelivered-To: ann@abc.test\r\nReceived: "), by_imap
"#;

#[test]
fn mail_goes_in_by_smtp_and_out_by_imap_and_pop3() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    python(
        CLIENT,
        &[
            &server.port("mx"),
            &server.port("imaps"),
            &server.port("pop3s"),
        ],
    )
    .ok();
}
