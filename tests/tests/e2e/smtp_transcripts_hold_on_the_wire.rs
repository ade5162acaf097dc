//! The transcripts of SMTP sessions, which the pure session is tested with, over real sockets and
//! real TLS against the real server. What the client sends and what it must be told are the
//! file's; only the id of an accepted message is the server's own.

use std::path::PathBuf;

use postroom_tests::{Server, ServerOptions, python};
use serde_json::{Value, json};

/// Speaks each script: bytes out, lines in. Extensions that a file's listener does not have are
/// passed over.
const SPEAK: &str = r#"
import json, re, socket, ssl, sys
EXTRA = {"STARTTLS", "DSN"}
context = ssl._create_unverified_context()

def speak(port, implicit, script):
    connection = socket.create_connection(("127.0.0.1", port), 60)
    if implicit:
        connection = context.wrap_socket(connection)
    file = connection.makefile("rb")
    def line():
        try:
            return file.readline().decode("latin-1").rstrip("\r\n")
        except ConnectionResetError:
            return ""
    for number, (kind, text) in enumerate(script):
        if kind == "C":
            try:
                connection.sendall(bytes.fromhex(text))
            except OSError:
                pass  # closed already: seen at the next line
        elif kind in ("S", "S*"):
            got = line()
            while got[4:] in EXTRA and got[4:] != text[4:]:
                got = line()
            same = got[:3] == text[:3] and (
                got[4:] == text[4:] or kind == "S*" and re.fullmatch(r"2\.0\.0 Accepted as q[0-9a-z]+", got[4:]))
            if not same:
                return f"step {number}: {got!r}, not {text!r}"
        elif kind == "TLS":
            file.close()
            connection = context.wrap_socket(connection)
            file = connection.makefile("rb")
        elif kind == "CLOSE":
            got = line()
            if got != "":
                return f"step {number}: {got!r} instead of the end"
        elif kind == "BROKEN":
            connection.shutdown(socket.SHUT_RDWR)
            return None
    connection.close()
    return None

wrong = []
for name, port, implicit, script in json.loads(sys.argv[1]):
    trouble = speak(port, implicit, script)
    if trouble:
        wrong.append(f"{name}: {trouble}")
assert not wrong, "\n".join(wrong)
"#;

struct Transcript {
    name: String,
    mode: String,
    tls: String,
    limits: String,
    script: Vec<(&'static str, String)>,
}

/// The files that are for the real server.
fn transcripts() -> Vec<Transcript> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/transcripts/smtp"));
    let mut read = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("it is text");
        if text.lines().any(|line| line == "@world scripted") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        read.push(parse(&name, &text));
    }
    read.sort_by(|one, other| one.name.cmp(&other.name));
    read
}

fn parse(name: &str, text: &str) -> Transcript {
    let mut transcript = Transcript {
        name: name.to_owned(),
        mode: "mx".to_owned(),
        tls: "none".to_owned(),
        limits: String::new(),
        script: Vec::new(),
    };
    let mut is_accepted_next = false;
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let mut step = |kind, text: &str| transcript.script.push((kind, text.to_owned()));
        match word {
            "@mode" => transcript.mode = rest.to_owned(),
            "@tls" => transcript.tls = rest.to_owned(),
            "@limit" => transcript.limits += &format!("{}\n", rest.replacen(' ', " = ", 1)),
            "C:" => send(
                &mut transcript.script,
                [unescape(rest), b"\r\n".to_vec()].concat(),
            ),
            "C-" => send(&mut transcript.script, unescape(rest)),
            "S:" if is_accepted_next && rest.starts_with("250") => step("S*", rest),
            "S:" => step("S", &latin1(&unescape(rest))),
            "TLS" => step("TLS", ""),
            "CLOSE" => step("CLOSE", ""),
            "BROKEN" => step("BROKEN", ""),
            "" | "#" | "ASK" | ">" | "BODY:" | "BODY-" | "DISCARD" | "STARTTLS" => {}
            other => panic!("{name}: '{other}' is for the pure session only; mark the file"),
        }
        is_accepted_next = match word {
            "ASK" => rest.starts_with("end "),
            ">" => is_accepted_next,
            _ => false,
        };
    }
    transcript
}

/// What follows one another goes out in one segment.
fn send(script: &mut Vec<(&'static str, String)>, bytes: Vec<u8>) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    match script.last_mut() {
        Some(("C", before)) => before.push_str(&hex),
        _ => script.push(("C", hex)),
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// `\r`, `\xHH` and so on, and `{12*ab}`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let repeated = rest.find('}').filter(|_| c == '{').and_then(|end| {
            let (count, text) = rest[1..end].split_once('*')?;
            Some((unescape(text).repeat(count.parse().ok()?), end + 1))
        });
        let (bytes, length) = match (c, repeated) {
            (_, Some(repeated)) => repeated,
            ('\\', _) => escaped(rest),
            (c, _) => (c.to_string().into_bytes(), c.len_utf8()),
        };
        out.extend(bytes);
        rest = &rest[length..];
    }
    out
}

fn escaped(rest: &str) -> (Vec<u8>, usize) {
    let byte = |text: &str| u8::from_str_radix(text, 16).expect("two hexadecimal digits");
    match rest.as_bytes()[1] {
        b'r' => (vec![b'\r'], 2),
        b'n' => (vec![b'\n'], 2),
        b't' => (vec![b'\t'], 2),
        b'0' => (vec![0], 2),
        b'x' => (vec![byte(&rest[2..4])], 4),
        other => (vec![other], 2),
    }
}

/// A server whose directory has the people of the transcripts.
fn server(limits: &str) -> Server {
    let server = Server::start_with(ServerOptions {
        keys: "hostname = \"mx.abc.test\"\n".to_owned(),
        tables: format!(
            "[login]\ndefault_domain = \"abc.test\"\n[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\n{limits}"
        ),
        ..ServerOptions::default()
    });
    for domain in ["abc.test", "xyz.test"] {
        server.domain(domain);
    }
    server.user("ann@abc.test", &[]);
    server.user("bob@xyz.test", &[]);
    server
}

#[test]
fn smtp_transcripts_hold_on_the_wire() {
    let transcripts = transcripts();
    assert!(transcripts.len() >= 9, "the files are there");
    let mut limits: Vec<&str> = transcripts.iter().map(|one| &*one.limits).collect();
    limits.sort_unstable();
    limits.dedup();
    for limits in limits {
        let server = server(limits);
        let meant = transcripts.iter().filter(|one| one.limits == limits);
        let scripts: Vec<Value> = meant
            .map(|one| {
                let service = match (&*one.mode, &*one.tls) {
                    ("mx", "none" | "available") => "mx",
                    ("submission", "available") => "smtp",
                    ("submission", "implicit") => "smtps",
                    other => panic!("{}: there is no such listener: {other:?}", one.name),
                };
                let port = server.address(service).port();
                json!([one.name, port, one.tls == "implicit", one.script])
            })
            .collect();
        python(SPEAK, &[&json!(scripts).to_string()]).ok();
    }
}
