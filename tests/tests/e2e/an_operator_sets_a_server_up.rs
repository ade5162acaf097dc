//! From nothing to a configured server: `init`, `check`, manual pages, completions; and changes
//! by SIGHUP while it runs.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use postroom_tests::{Line, Ran, Server, ServerOptions, binary, eventually, program, run};
use serde_json::Value;

#[track_caller]
fn postroom(folder: &Path, arguments: &[&str]) -> Ran {
    run(
        Command::new(binary())
            .current_dir(folder)
            .env_remove("POSTROOM_CONFIG")
            .args(arguments),
        b"",
    )
}

fn hang_up(server: &Server) {
    let pid = server.pid().to_string();
    run(Command::new("kill").args(["-HUP", &pid]), b"").ok();
}

/// Replaces text in the server's configuration.
fn edit(server: &Server, from: &str, to: &str) {
    let path = server.path("postroom.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).expect("it is ours");
}

#[test]
fn a_first_file_is_written_tried_and_not_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let init = ["init", "--hostname", "mail.abc.test"];
    let out = postroom(folder.path(), &init).ok();
    assert!(out.contains("Next: postroom check"), "{out}");
    let path = folder.path().join("postroom.toml");
    let written = std::fs::read_to_string(&path).expect("it was written");
    assert!(
        written.contains("\nhostname = \"mail.abc.test\"\n"),
        "{written}"
    );
    assert!(
        written.contains("\n#message_bytes = 52428800\n"),
        "{written}"
    );

    let again = postroom(folder.path(), &init);
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.err.contains("postroom init --force"), "{again:?}");
    let bad = postroom(folder.path(), &["init", "--hostname", "a b"]);
    assert!(bad.err.contains("is not a host name"), "{bad:?}");
}

#[test]
fn check_names_what_fails_and_the_next_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("it is bound").port();
    let config = format!(
        "hostname = 'mail.abc.test'\ndns = ['127.0.0.1:9']\n[listen]\nsmtp = ['127.0.0.1:{port}']\n\
         submission = []\nsubmissions = []\nimap = []\nimaps = []\npop3 = []\npop3s = []\nhttps = []\nmetrics = []\n\
         [tls]\ncertificate = 'none.pem'\nkey = 'none.pem'\n[limits]\ndisk_reserve_bytes = 1\ndisk_reserve_percent = 0\n"
    );
    std::fs::write(folder.path().join("postroom.toml"), config).expect("the folder is ours");
    let ran = postroom(folder.path(), &["check", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let found: Vec<Value> = serde_json::from_str(&ran.out).expect("it is JSON");
    let of = |check: &str| {
        found
            .iter()
            .find(|finding| finding["check"] == check)
            .unwrap_or_else(|| panic!("no finding of {check}: {found:?}"))
    };
    let ports = of("ports");
    assert_eq!(ports["state"], "failed");
    let next = ports["next"].as_str().expect("a command");
    assert!(
        next.contains(&format!("ss -ltnp 'sport = :{port}'")),
        "{next}"
    );
    let certificate = of("certificate");
    assert_eq!(certificate["state"], "failed");
    assert!(
        certificate["text"]
            .as_str()
            .is_some_and(|text| text.contains("none.pem"))
    );
    assert_eq!(of("dns")["state"], "failed", "nobody answers at port 9");
    assert_eq!(of("disk")["state"], "ok");
    assert_eq!(of("config")["state"], "ok");

    let human = postroom(folder.path(), &["check"]);
    assert_eq!(human.code, 1);
    assert!(human.out.contains("FAILED   ports"), "{human:?}");
    assert!(human.err.is_empty(), "{human:?}");

    std::fs::write(folder.path().join("postroom.toml"), "hostnam = 'x'").expect("ours");
    let ran = postroom(folder.path(), &["check"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("did you mean 'hostname'"), "{ran:?}");
}

#[test]
fn a_running_server_s_ports_are_its_own() {
    let server = Server::start();
    // Its ports are chosen by the system; the check gets the ones it really has.
    let path = server.path("postroom.toml");
    let text = std::fs::read_to_string(&path).expect("it is there");
    let smtp = server.address("mx").to_string();
    let text = text.replacen(
        "smtp = [\"127.0.0.1:0\"]",
        &format!("smtp = [\"{smtp}\"]"),
        1,
    );
    let other = server.path("check.toml");
    std::fs::write(&other, text).expect("ours");
    let mut command = Command::new(binary());
    command
        .arg("--config")
        .arg(&other)
        .args(["check", "--json"]);
    let found: Vec<Value> = serde_json::from_str(&run(&mut command, b"").out).expect("JSON");
    let ports = found.iter().find(|finding| finding["check"] == "ports");
    assert_eq!(ports.expect("a finding")["state"], "ok", "{found:?}");
}

#[test]
fn manual_and_completions_know_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    postroom(folder.path(), &["man", "man1"]).ok();
    for page in ["postroom.1", "postroom-domain-add.1", "postroom-check.1"] {
        let text = std::fs::read_to_string(folder.path().join("man1").join(page)).expect(page);
        assert!(text.contains(".TH postroom"), "{page}: {text}");
        assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let script = postroom(folder.path(), &["completions", "bash"]).ok();
    let path = folder.path().join("postroom.bash");
    std::fs::write(&path, &script).expect("the folder is ours");
    // Asked as bash asks it: what can follow `postroom domain`?
    let ask = "source ./postroom.bash; COMP_WORDS=(postroom domain ''); COMP_CWORD=2; \
               _postroom postroom '' domain; echo \"${COMPREPLY[@]}\"";
    let mut command = Command::new(program("bash"));
    let out = run(command.current_dir(folder.path()).args(["-c", ask]), b"").ok();
    for word in ["add", "list", "show", "set", "remove"] {
        assert!(
            out.split_whitespace().any(|found| found == word),
            "{word}: {out}"
        );
    }
}

#[test]
fn a_hangup_brings_new_limits_without_closing_anything() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let mut open = Line::smtp(server.address("mx"));
    edit(&server, "[limits]\n", "[limits]\nmessage_bytes = 70000\n");
    hang_up(&server);
    eventually("a new session announces the new size", || {
        let mut line = Line::connect(server.address("mx"));
        line.reply();
        line.command("EHLO client.example")
            .text
            .contains("SIZE 70000")
    });
    let kept = open.send(
        "joe@example.org",
        &["ann@abc.test"],
        "Subject: a\r\n\r\nb\r\n",
    );
    assert_eq!(kept.code, 250, "the open session goes on");

    // A mistake changes nothing, and is said.
    edit(&server, "message_bytes = 70000", "mesage_bytes = 80000");
    hang_up(&server);
    eventually("the mistake is logged", || {
        server.log().contains("did you mean 'message_bytes'")
    });
    let mut line = Line::connect(server.address("mx"));
    line.reply();
    let greeting = line.command("EHLO client.example");
    assert!(greeting.text.contains("SIZE 70000"), "{greeting:?}");

    // What only a start can change is named.
    edit(&server, "mesage_bytes = 80000", "message_bytes = 90000");
    edit(&server, "mail.site.test", "other.site.test");
    hang_up(&server);
    eventually("the new size is announced", || {
        let mut line = Line::connect(server.address("mx"));
        line.reply();
        line.command("EHLO client.example")
            .text
            .contains("SIZE 90000")
    });
    let log = server.log();
    assert!(log.contains("in force from the next start on"), "{log}");
    let mut line = Line::connect(server.address("mx"));
    assert!(line.reply().text.contains("mail.site.test"));
}

/// Makes a certificate for a name.
fn certificate(folder: &Path, name: &str) {
    let subject = format!("/CN={name}");
    let alternative = format!("subjectAltName=DNS:{name}");
    let mut command = Command::new(program("openssl"));
    command.current_dir(folder).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "30",
        "-keyout",
        "key.pem",
        "-out",
        "chain.pem",
        "-subj",
        &subject,
        "-addext",
        &alternative,
    ]);
    run(&mut command, b"").ok();
}

/// The subject of the certificate that clients get.
fn served(server: &Server) -> String {
    let mut command = Command::new(program("openssl"));
    let address = server.address("imaps").to_string();
    command.args([
        "s_client",
        "-connect",
        &address,
        "-servername",
        "mail.site.test",
    ]);
    let ran = run(&mut command, b"a LOGOUT\r\n");
    let found = ran.out.lines().find(|line| line.starts_with("subject="));
    found.unwrap_or_default().to_owned()
}

#[test]
fn n13_a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    certificate(folder.path(), "one.site.test");
    let tables = format!(
        "[tls]\ncertificate = \"{0}/chain.pem\"\nkey = \"{0}/key.pem\"\n",
        folder.path().display()
    );
    let server = Server::start_with(ServerOptions {
        tables,
        ..ServerOptions::default()
    });
    assert!(served(&server).contains("one.site.test"));
    certificate(folder.path(), "two.site.test");
    hang_up(&server);
    eventually("the renewed certificate is served", || {
        served(&server).contains("two.site.test")
    });
    std::fs::write(folder.path().join("chain.pem"), "broken").expect("ours");
    hang_up(&server);
    eventually("the broken one is reported", || {
        server.log().contains("a certificate cannot be used")
    });
    assert!(
        served(&server).contains("two.site.test"),
        "the old one stays"
    );
}
