//! What other sessions do arrives while a client idles; and what POP3 deletes is deleted at QUIT
//! only, by the one session that has the maildrop.
//!
//! The promise is one second. The test waits five for each, since the machine that runs it is
//! shared; a client that polled would need far more.

use postroom_tests::{Server, python};

const IDLE: &str = r#"
import imaplib, smtplib, socket, ssl, sys
mx, imaps = int(sys.argv[1]), int(sys.argv[2])
context = ssl._create_unverified_context()

class Idler:
    def __init__(self):
        plain = socket.create_connection(("127.0.0.1", imaps), 30)
        self.socket = context.wrap_socket(plain)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.command("a LOGIN ann@abc.test secret")
        self.command("b SELECT INBOX")
        self.idle()
    def command(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        tag, seen = line.split()[0].encode(), []
        while not seen or not seen[-1].startswith(tag):
            seen.append(self.file.readline())
            assert seen[-1], seen
        assert seen[-1].split()[1] == b"OK", seen
        return seen
    def idle(self):
        self.socket.sendall(b"i IDLE\r\n")
        assert self.file.readline().startswith(b"+")
        # What happens to the mailbox from here on is pushed, each within five seconds.
        self.socket.settimeout(5)
    def hears(self, *all):
        seen = []
        while not all or not any(all_in(line, all) for line in seen):
            line = self.file.readline()
            assert line and not line.startswith(b"i "), seen
            seen.append(line)
        return seen

def all_in(line, words):
    return all(word in line for word in words)

def other():
    client = imaplib.IMAP4_SSL("127.0.0.1", imaps, ssl_context=context)
    client.login("ann@abc.test", "secret")
    client.select("INBOX")
    return client

def deliver(subject):
    with smtplib.SMTP("127.0.0.1", mx) as client:
        client.sendmail("joe@example.org", ["ann@abc.test"], f"Subject: {subject}\r\n\r\nhello\r\n")

idler = Idler()
deliver("first")
idler.hears(b"* 1 EXISTS")
deliver("second")
idler.hears(b"* 2 EXISTS")

client = other()
client.store("2", "+FLAGS", r"(\Flagged \Seen)")
idler.hears(b"* 2 FETCH", rb"\Flagged", rb"\Seen")
client.store("2", "-FLAGS", r"(\Flagged)")
assert not any(rb"\Flagged" in line for line in idler.hears(b"* 2 FETCH", rb"\Seen"))
client.store("1", "+FLAGS", r"(\Deleted)")
idler.hears(b"* 1 FETCH", rb"\Deleted")
client.expunge()
idler.hears(b"* 1 EXPUNGE")
# The number that is left is that of the other message.
client.store("1", "+FLAGS", r"(\Answered)")
idler.hears(b"* 1 FETCH", rb"\Answered")
client.append("INBOX", None, None, b"Subject: third\r\n\r\n")
idler.hears(b"* 2 EXISTS")

# DONE ends it, and the session goes on with the numbers it was told.
idler.socket.sendall(b"DONE\r\n")
while not (line := idler.file.readline()).startswith(b"i OK"):
    assert line.startswith(b"*"), line
assert any(b"Subject: second" in line for line in idler.command("c FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
"#;

const POP3: &str = r#"
import poplib, smtplib, ssl, sys
mx, pop3s = int(sys.argv[1]), int(sys.argv[2])
context = ssl._create_unverified_context()

def enter():
    client = poplib.POP3_SSL("127.0.0.1", pop3s, context=context, timeout=30)
    client.user("ann@abc.test")
    client.pass_("secret")
    return client

def enter_when_free():
    # The server hears of a dropped connection when it hears of it.
    for attempt in range(2000):
        try:
            return enter()
        except poplib.error_proto as error:
            assert b"[IN-USE]" in error.args[0], error
    raise AssertionError("a dropped connection keeps the maildrop")

with smtplib.SMTP("127.0.0.1", mx) as client:
    for subject in ["first", "second", "third"]:
        client.sendmail("joe@example.org", ["ann@abc.test"], f"Subject: {subject}\r\n\r\nhello\r\n")

client = enter()
ids = client.uidl()[1]
assert client.stat()[0] == 3, client.stat()
client.dele(1)
client.dele(2)
assert client.stat()[0] == 1
try:
    enter()
    raise AssertionError("two sessions have one maildrop")
except poplib.error_proto as error:
    assert error.args[0].startswith(b"-ERR [IN-USE]"), error
# Gone without QUIT: nothing was deleted.
client.sock.close()
client.file.close()

client = enter_when_free()
assert client.uidl()[1] == ids, (client.uidl(), ids)
client.dele(1)
client.rset()
client.dele(2)
assert client.quit().startswith(b"+OK")

client = enter_when_free()
left = [line.split()[1] for line in client.uidl()[1]]
assert left == [ids[0].split()[1], ids[2].split()[1]], (left, ids)
for number, subject in [(1, b"Subject: first"), (2, b"Subject: third")]:
    assert subject in client.retr(number)[1]
client.quit()
"#;

fn server() -> Server {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

#[test]
fn idle_hears_of_other_sessions() {
    let server = server();
    python(IDLE, &[&server.port("mx"), &server.port("imaps")]).ok();
}

#[test]
fn pop3_deletes_at_quit_only() {
    let server = server();
    python(POP3, &[&server.port("mx"), &server.port("pop3s")]).ok();
}
