//! Who gets in, and that nobody can tell why somebody does not: every refusal of a protocol has
//! the same words.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use postroom_tests::{Line, Server, eventually, python};
use serde_json::{Value, json};

/// Signs in once for each line of its argument, each time as another client, and prints what the
/// server said: code or condition and words, without tags.
const CLIENT: &str = r#"
import base64, json, socket, ssl, sys
context = ssl._create_unverified_context()

class Session:
    def __init__(self, protocol, tls, port, source):
        self.socket = socket.create_connection(("127.0.0.1", port), 60, (source, 0))
        if tls == "implicit":
            self.start_tls()
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()
        if tls == "start":
            command, last = {"imap": ("s STARTTLS", "s "), "pop3": ("STLS", "+OK"), "smtp": ("STARTTLS", "220 ")}[protocol]
            if protocol == "smtp":
                self.ask("EHLO client.example", "250 ")
            said = self.ask(command, last)
            assert said.startswith(("s OK", "+OK", "220 ")), said
            self.start_tls()
            self.file = self.socket.makefile("rb")

    def start_tls(self):
        self.socket = context.wrap_socket(self.socket)

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def ask(self, command, last=""):
        self.socket.sendall(command.encode() + b"\r\n")
        line = self.line()
        while line and not line.startswith((last, "-ERR")):
            line = self.line()
        return line

    def sign_in(self, protocol, user, password):
        if protocol == "imap":
            return self.ask(f'a LOGIN "{user}" "{password}"', "a ")[2:]
        if protocol == "pop3":
            self.ask(f"USER {user}")
            return self.ask(f"PASS {password}")
        self.ask("EHLO client.example", "250 ")
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.ask(f"AUTH PLAIN {token}")

if __name__ == "__main__":
    for number, (protocol, tls, port, user, password) in enumerate(json.loads(sys.argv[1])):
        # Failures of one client would slow down the next.
        session = Session(protocol, tls, port, f"127.0.{sys.argv[2]}.{number + 1}")
        print(session.sign_in(protocol, user, password), flush=True)
"#;

/// Opens INBOX, says so in a file, and waits for the server to end the session.
const STAYING: &str = r#"
import imaplib, poplib, ssl, sys
context = ssl._create_unverified_context()
pop = poplib.POP3_SSL("127.0.0.1", int(sys.argv[2]), context=context)
pop.user("ann@abc.test")
pop.pass_("secret")
client = imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context)
client.login("ann@abc.test", "secret")
client.select("INBOX")
client.send(b"i IDLE\r\n")
assert client.readline().startswith(b"+")
open(sys.argv[3], "w").close()
client.sock.settimeout(30)
pop.sock.settimeout(30)
print(client.file.read().decode() + pop.file.read().decode())
"#;

/// Listener, protocol, and how TLS begins there.
const WAYS: &[(&str, &str, &str)] = &[
    ("imap", "imap", "start"),
    ("imaps", "imap", "implicit"),
    ("pop3", "pop3", "start"),
    ("pop3s", "pop3", "implicit"),
    ("smtp", "smtp", "start"),
    ("smtps", "smtp", "implicit"),
];

fn start() -> Server {
    let server = Server::start();
    server.domain("abc.test");
    server.domain("xyz.test");
    server.domain("empty.test");
    server.user("ann@abc.test", &["uid=ann"]);
    server.user("ann@xyz.test", &["uid=ann"]);
    server
}

/// What a listener says to a login, each from a client of its own. `round` is another each time.
fn sign_in(server: &Server, round: u8, logins: &[(&str, &str, &str)]) -> Vec<String> {
    let logins: Vec<Value> = logins
        .iter()
        .map(|(service, user, password)| {
            let (_, protocol, tls) = WAYS
                .iter()
                .find(|(name, _, _)| name == service)
                .expect("a listener of the table");
            json!([
                protocol,
                tls,
                server.address(service).port(),
                user,
                password
            ])
        })
        .collect();
    let out = python(CLIENT, &[&json!(logins).to_string(), &round.to_string()]).ok();
    let replies: Vec<String> = out.lines().map(str::to_owned).collect();
    assert_eq!(replies.len(), logins.len(), "{out}");
    replies
}

fn is_in(reply: &str) -> bool {
    reply.starts_with("OK") || reply.starts_with("+OK") || reply.starts_with("235 ")
}

/// Who of `WAYS` gets in as `user`, in its order.
fn open_ways(server: &Server, round: u8, user: &str) -> Vec<&'static str> {
    let logins: Vec<_> = WAYS
        .iter()
        .map(|(name, _, _)| (*name, user, "secret"))
        .collect();
    let replies = sign_in(server, round, &logins);
    WAYS.iter()
        .zip(replies)
        .filter(|(_, reply)| is_in(reply))
        .map(|((name, _, _), _)| *name)
        .collect()
}

#[test]
fn logging_in_takes_the_login_way() {
    let server = start();
    let every: Vec<&str> = WAYS.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(open_ways(&server, 1, "ann@abc.test"), every);
    assert_eq!(open_ways(&server, 2, "ann+xyz.test"), every);
}

#[test]
fn equal_names_and_passwords_open_each_its_own_domain() {
    let server = start();
    let mut line = Line::smtp(server.address("mx"));
    let message = "Subject: for ann of xyz\r\n\r\nhello\r\n";
    assert_eq!(
        line.send("joe@example.org", &["ann@xyz.test"], message)
            .code,
        250
    );
    let count = |user: &str| {
        let script = "import imaplib, ssl, sys\n\
            client = imaplib.IMAP4_SSL('127.0.0.1', int(sys.argv[1]), ssl_context=ssl._create_unverified_context())\n\
            client.login(sys.argv[2], 'secret')\n\
            print(client.select('INBOX', readonly=True)[1][0].decode())\n";
        python(script, &[&server.port("imaps"), user]).ok()
    };
    assert_eq!(count("ann@abc.test"), "0\n");
    assert_eq!(count("ann+abc.test"), "0\n");
    assert_eq!(count("ann@xyz.test"), "1\n");
    assert_eq!(count("ann+xyz.test"), "1\n");
}

#[test]
fn every_refusal_has_the_same_words() {
    let server = start();
    server.user("asleep@abc.test", &["state=inactive"]);
    server.user("gone@abc.test", &["state=deleted"]);
    server.user("none@abc.test", &["services=-ALL:ALL"]);
    server.domain("closed.test");
    server.user("ann@closed.test", &[]);
    server.ok(&["domain", "set", "closed.test", "services=-ALL:ALL"]);
    server.domain("asleep.test");
    server.user("ann@asleep.test", &[]);
    server.ok(&["domain", "set", "asleep.test", "state=inactive"]);
    let refused = [
        ("ann@abc.test", "wrong"),
        ("nobody@abc.test", "secret"),
        ("ann@empty.test", "secret"),
        ("ann@nowhere.test", "secret"),
        ("ann+nowhere.test", "secret"),
        // Without a default domain a bare name is nobody's.
        ("ann", "secret"),
        ("ann@abc.test@xyz.test", "wrong"),
        ("asleep@abc.test", "secret"),
        ("gone@abc.test", "secret"),
        ("none@abc.test", "secret"),
        ("ann@closed.test", "secret"),
        ("ann@asleep.test", "secret"),
    ];
    let words = [
        ("imaps", "NO [AUTHENTICATIONFAILED] "),
        ("imap", "NO [AUTHENTICATIONFAILED] "),
        ("pop3s", "-ERR [AUTH] "),
        ("pop3", "-ERR [AUTH] "),
        ("smtps", "535 5.7.8 "),
        ("smtp", "535 5.7.8 "),
    ];
    for (round, (service, begin)) in (10..).zip(words) {
        let logins: Vec<_> = refused
            .map(|(user, password)| (service, user, password))
            .into();
        let replies: BTreeSet<String> = sign_in(&server, round, &logins).into_iter().collect();
        assert_eq!(replies.len(), 1, "{service}: {replies:?}");
        assert!(
            replies.iter().all(|reply| reply.starts_with(begin)),
            "{replies:?}"
        );
    }
}

#[test]
fn services_are_allowed_by_domain_and_by_person() {
    let server = start();
    // Rules of the domain, rules of the person, and where ann gets in.
    let cases: &[(&str, &str, &[&str])] = &[
        ("+imaps:ALL$+smtps:ALL", "", &["imaps", "smtps"]),
        ("-imap,pop3:ALL$-smtp:ALL", "", &["imaps", "pop3s", "smtps"]),
        // An allow that matches wins over a deny.
        (
            "-imap,pop:ALL$+imap:ALL",
            "",
            &["imap", "imaps", "pop3s", "smtp", "smtps"],
        ),
        ("+imaps,pops:ALL", "+pops,smtps:ALL", &["pop3s"]),
        ("", "-ALL:ALL EXCEPT 192.0.2.0/24", &[]),
        ("-ALL:192.0.2.0/24", "+imap:LOCAL", &["imap"]),
    ];
    for (round, (domain, person, expected)) in (30..).zip(cases) {
        server.ok(&["domain", "set", "abc.test", &format!("services={domain}")]);
        server.ok(&["user", "set", "ann@abc.test", &format!("services={person}")]);
        assert_eq!(
            open_ways(&server, round, "ann@abc.test"),
            *expected,
            "domain '{domain}', person '{person}'"
        );
    }
}

#[test]
fn a_domain_that_becomes_inactive_ends_its_sessions() {
    let server = start();
    let marker = server.path("in");
    std::thread::scope(|scope| {
        let staying = scope.spawn(|| {
            let marker = marker.display().to_string();
            let (imap, pop3) = (server.port("imaps"), server.port("pop3s"));
            let ran = python(STAYING, &[&imap, &pop3, &marker]);
            (Instant::now(), ran)
        });
        eventually("the client is in", || marker.exists());
        let set = Instant::now();
        server.ok(&["domain", "set", "abc.test", "state=inactive"]);
        let (ended, ran) = staying.join().expect("the client did well");
        let said = ran.ok();
        assert_eq!(
            said.replace('\r', ""),
            "* BYE [UNAVAILABLE] Access to this account has ended\n\
             -ERR [AUTH] Access to this account has ended\n\n"
        );
        // The promise of the directory, not a measurement.
        assert!(ended.duration_since(set) < Duration::from_secs(10));
    });
    assert_eq!(open_ways(&server, 50, "ann@abc.test"), Vec::<&str>::new());
    assert_eq!(open_ways(&server, 51, "ann@xyz.test").len(), WAYS.len());
    server.ok(&["domain", "set", "abc.test", "state=active"]);
    assert_eq!(open_ways(&server, 52, "ann@abc.test").len(), WAYS.len());
}

#[test]
fn a03_nobody_signs_in_before_tls() {
    let server = start();
    // "\0ann@abc.test\0secret"
    let token = "AGFubkBhYmMudGVzdABzZWNyZXQ=";

    let mut smtp = Line::connect(server.address("smtp"));
    assert_eq!(smtp.reply().code, 220);
    let offered = smtp.command("EHLO client.example");
    assert!(!offered.text.contains("AUTH"), "{offered:?}");
    assert!(offered.text.contains("STARTTLS"), "{offered:?}");
    assert_eq!(smtp.command(&format!("AUTH PLAIN {token}")).code, 538);
    assert_eq!(smtp.command("AUTH LOGIN").code, 538);
    assert_eq!(smtp.command("MAIL FROM:<ann@abc.test>").code, 530);

    let mut imap = Line::connect(server.address("imap"));
    let greeting = imap.line();
    assert!(greeting.starts_with("* OK"), "{greeting}");
    imap.write(b"a CAPABILITY\r\n");
    let offered = imap.line();
    assert!(offered.contains(" LOGINDISABLED"), "{offered}");
    assert!(!offered.contains("AUTH="), "{offered}");
    assert!(imap.line().starts_with("a OK"));
    for command in [
        "b LOGIN ann@abc.test secret".to_owned(),
        format!("b AUTHENTICATE PLAIN {token}"),
    ] {
        imap.write(format!("{command}\r\n").as_bytes());
        let reply = imap.line();
        assert!(reply.starts_with("b NO [PRIVACYREQUIRED]"), "{reply}");
    }

    let mut pop3 = Line::connect(server.address("pop3"));
    assert!(pop3.line().starts_with("+OK"));
    pop3.write(b"CAPA\r\n");
    let mut offered = Vec::new();
    while offered.last().is_none_or(|line| line != ".") {
        offered.push(pop3.line());
    }
    assert!(offered.contains(&"STLS".to_owned()), "{offered:?}");
    assert!(
        !offered
            .iter()
            .any(|line| line.starts_with("USER") || line.starts_with("SASL")),
        "{offered:?}"
    );
    for command in [
        "USER ann@abc.test".to_owned(),
        format!("AUTH PLAIN {token}"),
    ] {
        pop3.write(format!("{command}\r\n").as_bytes());
        let reply = pop3.line();
        assert!(reply.starts_with("-ERR"), "{reply}");
    }
}

/// Signs in to submission and prints the answer to each sender.
const SENDERS: &str = r#"
import smtplib, ssl, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1])) as client:
    client.starttls(context=ssl._create_unverified_context())
    client.login("ann@abc.test", "secret")
    for sender in sys.argv[2:]:
        code, text = client.docmd(f"MAIL FROM:<{sender}>")
        print(code, text.decode()[:5])
        client.rset()
"#;

#[test]
fn s23_nobody_sends_as_somebody_else() {
    let server = Server::start();
    server.ok(&["domain", "add", "abc.test", "--alias", "abc-alias.test"]);
    server.domain("xyz.test");
    server.user("ann@abc.test", &[]);
    server.ok(&[
        "user",
        "set",
        "ann@abc.test",
        "alternates=ann.smith@abc.test",
    ]);
    server.user("bob@abc.test", &[]);
    server.user("ann@xyz.test", &[]);
    let senders = [
        ("ann@abc.test", "250 2.1.0"),
        ("ANN@ABC.test", "250 2.1.0"),
        ("ann.smith@abc.test", "250 2.1.0"),
        ("ann@abc-alias.test", "250 2.1.0"),
        ("bob@abc.test", "553 5.7.1"),
        ("ann@xyz.test", "553 5.7.1"),
        ("nobody@abc.test", "553 5.7.1"),
        ("joe@example.org", "553 5.7.1"),
        ("", "553 5.7.1"),
    ];
    let port = server.port("smtp");
    let arguments: Vec<&str> = std::iter::once(port.as_str())
        .chain(senders.map(|(sender, _)| sender))
        .collect();
    let out = python(SENDERS, &arguments).ok();
    let expected: Vec<&str> = senders.map(|(_, reply)| reply).into();
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}
