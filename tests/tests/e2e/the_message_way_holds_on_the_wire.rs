//! Every row of `message_way.tsv`, taken three times: over SMTP, by `postroom explain`, and, for
//! mail that is made on this host, by a real forward. The directory comes from the command line,
//! DNS from a real name server, which also shows that nobody asks it where a row says so.

use std::collections::BTreeMap;

use postroom_tests::{Dns, Line, NameServer, Server, ServerOptions, eventually, python};
use serde_json::{Value, json};

const ROWS: &str = include_str!("../../message_way.tsv");
const DIRECTORY: &str = include_str!("../../message_way_directory.txt");

const DOMAINS: &[(&str, Dns)] = &[
    ("remote.test", Dns::Found),
    ("nomail.test", Dns::NullMx),
    ("slow.test", Dns::Servfail),
    // There, so that only the row's own rule refuses what must not be relayed.
    ("sub.abc.test", Dns::Found),
    ("a.routed.test", Dns::Found),
];

/// Trusted is who connects from here.
const TRUSTED: &str = "127.0.0.2";

/// Asks for each recipient on its own connection of the right kind; one line of JSON a row.
const CLIENT: &str = r#"
import json, smtplib, ssl, sys
mx, submission = int(sys.argv[1]), int(sys.argv[2])
context = ssl._create_unverified_context()

def connect(sender):
    if sender == "authenticated":
        client = smtplib.SMTP("127.0.0.1", submission, "client.example")
        client.starttls(context=context)
        client.login("ann@abc.test", "secret")
        return client, "ann@abc.test"
    source = ("127.0.0.2", 0) if sender == "trusted" else ("127.0.0.1", 0)
    return smtplib.SMTP("127.0.0.1", mx, "client.example", source_address=source), "joe@example.org"

clients = {}
for number, (name, sender, recipient) in enumerate(json.loads(sys.argv[3])):
    # After 20 recipients that are not here the server hangs up (S15).
    if number % 10 == 0:
        clients.clear()
    if sender not in clients:
        clients[sender] = connect(sender)
    client, own = clients[sender]
    client.command_encoding = "utf-8"
    client.ehlo_or_helo_if_needed()
    code, text = client.docmd(f"MAIL FROM:<{own}> SMTPUTF8")
    assert code == 250, (name, code, text)
    code, text = client.docmd(f"RCPT TO:<{recipient}>")
    print(json.dumps([name, code, text.decode("utf-8")]))
    # An open relay would say 354 here although every recipient was refused.
    if code != 250:
        after, text = client.docmd("DATA")
        assert after in (503, 554), (name, after, text)
    client.rset()
"#;

#[derive(Debug, Clone, Copy)]
struct Row<'a> {
    name: &'a str,
    sender: &'a str,
    recipient: &'a str,
    dns: &'a str,
    code: &'a str,
    enhanced: &'a str,
    step: &'a str,
    targets: &'a str,
}

fn rows() -> Vec<Row<'static>> {
    let lines = ROWS.lines().filter(|line| is_meant(line));
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let [name, sender, recipient, dns, code, enhanced, step, targets] = columns[..] else {
                panic!("not a row: {line}")
            };
            Row {
                name,
                sender,
                recipient,
                dns,
                code,
                enhanced,
                step,
                targets,
            }
        })
        .collect()
}

fn is_meant(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// Splits as a shell does.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        let word = words.last_mut().expect("there is always one");
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => word.push(c),
        }
    }
    words
}

fn start(names: &NameServer) -> Server {
    let server = Server::start_with(ServerOptions {
        keys: format!(
            "{}postmaster = \"hostmaster@site.test\"\ntrusted_networks = [\"{TRUSTED}\"]\n",
            names.key()
        ),
        tables: "[[program]]\nlabel = \"archive\"\npath = \"/bin/true\"\n\
                 [[route]]\ndomain = \".routed.test\"\nchannel = \"smtp\"\nhost = \"[192.0.2.25]:25\"\n"
            .to_owned(),
        ..ServerOptions::default()
    });
    for line in DIRECTORY.lines().filter(|line| is_meant(line)) {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        server.ok(&words);
    }
    let passwd = &["user", "passwd", "ann@abc.test", "--password-stdin"];
    assert_eq!(server.postroom_with(passwd, b"secret\n").code, 0);
    server
}

/// Code and enhanced status of a reply.
fn codes(reply: &str) -> (String, String) {
    let mut words = reply.split(' ').map(str::to_owned);
    (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    )
}

fn over_smtp(server: &Server, rows: &[Row<'_>]) -> BTreeMap<String, (String, String)> {
    let asked: Vec<Value> = rows
        .iter()
        .map(|row| json!([row.name, row.sender, row.recipient]))
        .collect();
    let asked = json!(asked).to_string();
    let out = python(CLIENT, &[&server.port("mx"), &server.port("smtp"), &asked]).ok();
    out.lines()
        .map(|line| {
            let (name, code, text): (String, u16, String) =
                serde_json::from_str(line).expect("the client writes JSON");
            (name, codes(&format!("{code} {text}")))
        })
        .collect()
}

/// What `explain` says is wrong with a row, if anything.
fn differs_explained(server: &Server, row: &Row<'_>) -> Option<String> {
    let mut arguments = vec!["--json", "explain", row.recipient];
    if row.sender == "authenticated" {
        arguments.extend(["--authenticated", "ann@abc.test"]);
    }
    let ran = server.postroom(&arguments);
    if row.step == "parse" {
        return (ran.code == 0).then(|| format!("{}: explained: {ran:?}", row.name));
    }
    let explained: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    let answer = codes(explained["answer"].as_str().unwrap_or_default());
    let steps = explained["steps"].as_array().cloned().unwrap_or_default();
    let step = steps
        .iter()
        .filter_map(|step| step["step"].as_str()?.strip_prefix("route."))
        .next_back()
        .unwrap_or_default()
        .to_owned();
    let targets = explained["targets"]
        .as_array()
        .map_or(0, |targets| targets.len());
    let expected_targets = match row.targets {
        "-" => 0,
        some => some.split(' ').count(),
    };
    let is_as_said = answer == (row.code.to_owned(), row.enhanced.to_owned())
        && step == row.step
        && targets == expected_targets;
    (!is_as_said).then(|| format!("{}: explained: {ran:?}", row.name))
}

/// Reads the whole INBOX of a person.
const INBOX: &str = r#"
import imaplib, ssl, sys
context = ssl._create_unverified_context()
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=context) as client:
    client.login(sys.argv[2], "secret")
    if client.select("INBOX", readonly=True)[1] != [b"0"]:
        for part in client.fetch("1:*", "(BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                print(part[1].decode())
"#;

/// Sends mail to a person that forwards it to the row's recipient, and waits for what becomes of
/// it: mail made on this host takes the same steps.
fn forwarded_as_said(server: &Server, row: &Row<'_>) {
    let person = format!("{}@bare.test", row.name);
    let to = format!("forward-to={}", row.recipient);
    server.ok(&[
        "user",
        "add",
        &person,
        "--option",
        "forward",
        "--attribute",
        &to,
    ]);
    let sender = format!("from-{person}");
    server.user(&sender, &[]);
    let mut line = Line::smtp(server.address("mx"));
    let message = format!("Subject: {}\r\n\r\nonward\r\n", row.name);
    assert_eq!(line.send(&sender, &[&person], &message).code, 250);
    eventually(&format!("{} is answered as the row says", row.name), || {
        let queue = server.json(&["queue", "list"]);
        let rows = queue.as_array().cloned().unwrap_or_default();
        let of_row = |entry: &&Value| entry["recipient"] == row.recipient;
        let queued = rows.iter().find(of_row);
        let last = queued.and_then(|entry| entry["last"].as_str());
        match &row.code[..1] {
            // It leaves by the channel. The name server's addresses are none that the DNS may name
            // for a mail host, so the first attempt, which may be over already, is the last.
            "2" => {
                let tried = || {
                    let inbox = python(INBOX, &[&server.port("imaps"), &sender]).ok();
                    inbox.contains("Status: 5.4.6") && inbox.contains(row.recipient)
                };
                queued.map_or_else(tried, |entry| entry["channel"] == "smtp")
            }
            // It waits with the words of the refusal, to take the same steps again.
            "4" => {
                let words = format!("{} takes no mail for the moment", row.recipient);
                queued.is_some_and(|entry| entry["channel"] == "route")
                    && last.is_some_and(|last| last == words)
            }
            _ => {
                let inbox = python(INBOX, &[&server.port("imaps"), &sender]).ok();
                let status = format!("Status: {}", row.enhanced);
                inbox.contains(&status) && inbox.contains(row.recipient) && queued.is_none()
            }
        }
    });
}

#[test]
fn the_message_way_holds_on_the_wire() {
    let names = NameServer::start(DOMAINS);
    let server = start(&names);
    let rows = rows();
    assert!(rows.len() > 100, "the table is there");
    let (internal, wire): (Vec<Row<'_>>, Vec<Row<'_>>) =
        rows.iter().partition(|row| row.sender == "internal");

    let mut wrong = Vec::new();
    // First those for whom nobody asks DNS, so that a question by one of them is seen.
    let (silent, asking): (Vec<Row<'_>>, Vec<Row<'_>>) =
        wire.iter().partition(|row| row.dns == "-");
    for group in [&silent, &asking] {
        let replies = over_smtp(&server, group);
        for row in group {
            let expected = (row.code.to_owned(), row.enhanced.to_owned());
            if replies.get(row.name) != Some(&expected) {
                wrong.push(format!(
                    "{}: {:?}, not {expected:?}",
                    row.name,
                    replies.get(row.name)
                ));
            }
            let domain = row.recipient.rsplit('@').next().unwrap_or_default();
            if names.was_asked(domain) != (row.dns != "-") {
                wrong.push(format!(
                    "{}: DNS asked about {domain}: {}",
                    row.name,
                    names.was_asked(domain)
                ));
            }
        }
    }
    let explainable = |row: &&Row<'_>| row.sender != "trusted" && row.recipient != "Postmaster";
    wrong.extend(
        wire.iter()
            .filter(explainable)
            .filter_map(|row| differs_explained(&server, row)),
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(internal.len(), 4);
    for row in &internal {
        forwarded_as_said(&server, row);
    }
}
