//! Ordinary programs send a message in each way there is, and read it in each way there is; what
//! comes out is what went in, byte for byte.

use std::path::Path;
use std::process::Command;

use blake3::Hash;
use postroom_tests::{Ran, Server, program, python, run};

/// Dots, an empty line, a long line, no ASCII, and something that looks like a mailbox file's
/// separator: all that a careless client or server changes.
const BODY: &str = "\r\n.\r\n..two\r\n.three\r\n\r\nFrom here on\r\n\u{e4}\u{20ac}\u{1f4ee} and \
                    a tab\tand a space \r\n\r\n.\r\nthe end\r\n";

const HEAD: &str = "From: ann@abc.test\r\nTo: bob@abc.test\r\nSubject: ordinary\r\n\
                    MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                    Content-Transfer-Encoding: 8bit\r\n";

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
submission, submissions, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
message = open(path, "rb").read()
context = ssl._create_unverified_context()
def over(client):
    with client:
        client.login("ann@abc.test", "secret")
        assert client.sendmail("ann@abc.test", ["bob@abc.test"], message, ["BODY=8BITMIME"]) == {}
client = smtplib.SMTP("127.0.0.1", submission)
client.starttls(context=context)
over(client)
over(smtplib.SMTP_SSL("127.0.0.1", submissions, context=context))
"#;

const IMAPLIB: &str = r#"
import imaplib, ssl, sys
plain, tls, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl._create_unverified_context()
def over(client, path):
    with client:
        client.login("bob@abc.test", "secret")
        client.select("INBOX", readonly=True)
        open(path, "wb").write(client.fetch("1", "(BODY[])")[1][0][1])
client = imaplib.IMAP4("127.0.0.1", plain)
client.starttls(context)
over(client, path + ".starttls")
over(imaplib.IMAP4_SSL("127.0.0.1", tls, ssl_context=context), path + ".tls")
"#;

const POPLIB: &str = r#"
import poplib, ssl, sys
plain, tls, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
context = ssl._create_unverified_context()
def over(client, path):
    client.user("bob@abc.test")
    client.pass_("secret")
    assert client.stat()[0] == 1
    open(path, "wb").write(b"".join(line + b"\r\n" for line in client.retr(1)[1]))
    client.quit()
client = poplib.POP3("127.0.0.1", plain)
client.stls(context)
over(client, path + ".starttls")
over(poplib.POP3_SSL("127.0.0.1", tls, context=context), path + ".tls")
"#;

fn server() -> Server {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server.user("bob@abc.test", &[]);
    std::fs::write(server.path("message.eml"), message()).expect("the folder is ours");
    server
}

/// A server with one message for bob.
fn server_with_mail() -> Server {
    let server = server();
    curl(&server, &server.url("smtps", "smtps", ""), SEND).ok();
    server.delivered();
    server
}

const SEND: &[&str] = &[
    "--user",
    "ann@abc.test:secret",
    "--mail-from",
    "ann@abc.test",
    "--mail-rcpt",
    "bob@abc.test",
    "--upload-file",
    "message.eml",
];

const READ: &[&str] = &["--user", "bob@abc.test:secret"];

fn message() -> String {
    format!("{HEAD}{BODY}")
}

trait Urls {
    fn url(&self, scheme: &str, service: &str, path: &str) -> String;
    fn certificate(&self) -> String;
}

impl Urls for Server {
    /// With the name that the certificate has.
    fn url(&self, scheme: &str, service: &str, path: &str) -> String {
        format!("{scheme}://mail.site.test:{}/{path}", self.port(service))
    }

    fn certificate(&self) -> String {
        self.path("data/tls/certificate.pem").display().to_string()
    }
}

/// Runs curl, which checks certificate and name, and never goes on in the clear.
fn curl(server: &Server, url: &str, arguments: &[&str]) -> Ran {
    let port = url.rsplit(':').next().unwrap_or_default();
    let port = port.split('/').next().unwrap_or_default();
    let mut command = Command::new(program("curl"));
    command
        .current_dir(server.path(""))
        .args(["--silent", "--show-error", "--ssl-reqd", "--max-time", "60"])
        .args(["--cacert", &server.certificate()])
        .args(["--resolve", &format!("mail.site.test:{port}:127.0.0.1")])
        .args(arguments)
        .arg(url);
    run(&mut command, b"")
}

/// The hash of what is behind the header, with line ends as on the wire: programs that write
/// files write the line ends of files.
fn hash(message: &[u8]) -> Hash {
    let text = String::from_utf8(message.to_vec()).expect("it was UTF-8 when it was sent");
    let wire = text.replace("\r\n", "\n").replace('\n', "\r\n");
    let (_, body) = wire.split_once("\r\n\r\n").expect("it has a header");
    blake3::hash(body.as_bytes())
}

#[track_caller]
fn assert_same(what: &str, path: &Path) {
    let read = std::fs::read(path).unwrap_or_else(|error| panic!("{what}: {error}"));
    let shown = String::from_utf8_lossy(&read);
    assert_eq!(hash(&read), hash(message().as_bytes()), "{what}: {shown}");
    assert!(shown.contains("Subject: ordinary"), "{what}: {shown}");
}

#[test]
fn ordinary_clients_send_every_byte() {
    let server = server();
    // It ends the last line itself.
    let unended = message().trim_end().to_owned();
    std::fs::write(server.path("message.swaks"), unended).expect("the folder is ours");
    let swaks = |arguments: &[&str]| {
        let mut command = Command::new(program("swaks"));
        command
            .current_dir(server.path(""))
            .args(["--server", "127.0.0.1", "--from", "ann@abc.test"])
            .args(["--to", "bob@abc.test", "--data", "@message.swaks"])
            .args(["--auth-user", "ann@abc.test", "--auth-password", "secret"])
            .args(arguments);
        run(&mut command, b"").ok();
    };
    let (submission, submissions) = (server.port("smtp"), server.port("smtps"));
    swaks(&["--port", &submission, "--tls", "--auth", "PLAIN"]);
    swaks(&["--port", &submission, "--tls", "--auth", "LOGIN"]);
    swaks(&["--port", &submissions, "--tls-on-connect", "--auth"]);
    for url in [
        server.url("smtp", "smtp", ""),
        server.url("smtps", "smtps", ""),
    ] {
        curl(&server, &url, SEND).ok();
    }
    let path = server.path("message.eml").display().to_string();
    python(SMTPLIB, &[&submission, &submissions, &path]).ok();
    server.delivered();

    let stored = server.messages("bob@abc.test", "INBOX");
    assert_eq!(stored.len(), 7);
    for (number, message) in stored.iter().enumerate() {
        assert!(
            message.ends_with(BODY.as_bytes()),
            "message {}: {}",
            number + 1,
            String::from_utf8_lossy(message)
        );
    }
}

#[test]
fn curl_reads_what_was_sent() {
    let server = server_with_mail();
    for (scheme, service, path) in [
        ("imap", "imap", "INBOX;MAILINDEX=1"),
        ("imaps", "imaps", "INBOX;MAILINDEX=1"),
        ("pop3", "pop3", "1"),
        ("pop3s", "pop3s", "1"),
    ] {
        let url = server.url(scheme, service, path);
        let file = format!("{service}.eml");
        curl(&server, &url, &[READ, &["--output", &file]].concat()).ok();
        assert_same(&url, &server.path(&file));
    }
}

#[test]
fn python_reads_what_was_sent() {
    let server = server_with_mail();
    for (script, plain, tls) in [(IMAPLIB, "imap", "imaps"), (POPLIB, "pop3", "pop3s")] {
        let path = server.path(plain).display().to_string();
        python(script, &[&server.port(plain), &server.port(tls), &path]).ok();
        assert_same("after STARTTLS", &server.path(&format!("{plain}.starttls")));
        assert_same("under TLS", &server.path(&format!("{plain}.tls")));
    }
}

#[test]
fn fetchmail_reads_what_was_sent() {
    let server = server_with_mail();
    for (protocol, service, tls) in [
        ("POP3", "pop3s", "ssl"),
        ("POP3", "pop3", "sslproto TLS1.2+"),
        ("IMAP", "imaps", "ssl"),
        ("IMAP", "imap", "sslproto TLS1.2+"),
    ] {
        let home = server.path(&format!("fetchmail-{service}"));
        std::fs::create_dir(&home).expect("the folder is ours");
        let (rules, file) = (home.join("rc"), home.join("message"));
        let text = format!(
            "poll 127.0.0.1 protocol {protocol} port {} user \"bob@abc.test\" password \"secret\" \
             {tls} sslcertfile \"{}\" sslcommonname \"mail.site.test\" keep fetchall mda \"cat > {}\"\n",
            server.port(service),
            server.certificate(),
            file.display(),
        );
        std::fs::write(&rules, text).expect("the folder is ours");
        // It reads no file with passwords that others may read.
        run(Command::new("chmod").arg("600").arg(&rules), b"").ok();
        let mut command = Command::new(program("fetchmail"));
        command
            .args(["--nodetach", "--timeout", "60", "--fetchmailrc"])
            .arg(&rules)
            .env("FETCHMAILHOME", &home);
        run(&mut command, b"").ok();
        assert_same(service, &file);
    }
}

#[test]
fn mbsync_reads_what_was_sent_and_tells_the_flags() {
    let server = server_with_mail();
    for folder in ["mail", "mail/cur", "mail/new", "mail/tmp"] {
        std::fs::create_dir(server.path(folder)).expect("the folder is ours");
    }
    let here = server.path("").display().to_string();
    let text = format!(
        "IMAPStore far\nHost 127.0.0.1\nPort {}\nUser bob@abc.test\nPass secret\nSSLType IMAPS\n\
         CertificateFile {}\n\nMaildirStore near\nInbox {here}mail\n\nChannel inbox\nFar :far:INBOX\n\
         Near :near:INBOX\nSync All\nSyncState {here}sync-state\n",
        server.port("imaps"),
        server.certificate(),
    );
    std::fs::write(server.path("mbsyncrc"), text).expect("the folder is ours");
    let mbsync = |direction: &str| {
        let mut command = Command::new(program("mbsync"));
        command
            .arg("--config")
            .arg(server.path("mbsyncrc"))
            .args([direction, "inbox"]);
        run(&mut command, b"").ok();
    };
    mbsync("--pull");
    let new: Vec<_> = std::fs::read_dir(server.path("mail/new"))
        .expect("the folder is ours")
        .map(|entry| entry.expect("it can be read"))
        .collect();
    assert_eq!(new.len(), 1, "nobody saw it yet");
    assert_same("mbsync", &new[0].path());

    // What a mail program does when the message is read and marked.
    let name = new[0].file_name().into_string().expect("it is ASCII");
    let name = name.split(":2,").next().unwrap_or_default();
    let seen = server.path(&format!("mail/cur/{name}:2,FS"));
    std::fs::rename(new[0].path(), seen).expect("the folder is ours");
    mbsync("--push");
    let script = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("bob@abc.test", "secret")
    client.select("INBOX", readonly=True)
    flags = client.fetch("1", "(FLAGS)")[1][0]
    assert rb"\Seen" in flags and rb"\Flagged" in flags, flags
"#;
    python(script, &[&server.port("imaps")]).ok();
}
