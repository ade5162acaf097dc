//! `postroom sendmail`, as programs call it: by its own name too, with exit codes they know.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use postroom_tests::{Server, ServerOptions, Sink, binary, program, run};

fn server(sink: &Sink) -> Server {
    let server = Server::start_with(ServerOptions {
        tables: sink.route("far.test"),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

#[test]
fn recipients_of_the_header_get_it_and_bcc_stays_secret() {
    let sink = Sink::start();
    let server = server(&sink);
    let message = b"To: Ann <ann@abc.test>\nBcc: far@far.test\nSubject: hello\n\none\n.\ntwo\n";
    let ran = server.postroom_with(&["sendmail", "-t", "-i", "-f", "cron@abc.test"], message);
    assert_eq!(ran.code, 0, "{ran:?}");
    let letter = sink.letter_for("far@far.test");
    assert!(
        letter.mail.starts_with("MAIL FROM:<cron@abc.test>"),
        "{letter:?}"
    );
    server.delivered();
    let inbox = server.messages("ann@abc.test", "INBOX");
    assert_eq!(inbox.len(), 1);
    for text in [
        letter.text(),
        String::from_utf8_lossy(&inbox[0]).into_owned(),
    ] {
        assert!(!text.contains("Bcc") && !text.contains("To: far"), "{text}");
        assert!(text.contains("\r\nFrom: cron@abc.test\r\n"), "{text}");
        assert!(
            text.contains("\r\nDate: ") && text.contains("\r\nMessage-ID: <"),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\none\r\n.\r\ntwo\r\n"), "{text}");
    }
}

#[test]
fn run_as_sendmail_it_is_sendmail() {
    let sink = Sink::start();
    let server = server(&sink);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let link = folder.path().join("sendmail");
    std::os::unix::fs::symlink(binary(), &link).expect("the folder is ours");
    let mut command = Command::new(&link);
    command
        .env("POSTROOM_CONFIG", server.path("postroom.toml"))
        .args(["-oi", "-odb", "ann@abc.test"]);
    let ran = run(&mut command, b"Subject: by another name\n\nhello\n");
    assert_eq!(ran.code, 0, "{ran:?}");
    server.delivered();
    let inbox = server.messages("ann@abc.test", "INBOX");
    let text = String::from_utf8_lossy(&inbox[0]).into_owned();
    assert!(text.contains("Subject: by another name"), "{text}");
    assert!(
        text.contains("@mail.site.test>"),
        "who runs it is the sender: {text}"
    );
}

/// Another user of this machine, who may read neither the configuration nor the data.
#[test]
fn every_user_hands_in_mail_as_itself() {
    let sink = Sink::start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("ours");
    let socket = folder.path().join("sendmail.sock");
    let options = |more: &str| ServerOptions {
        tables: format!(
            "{}[sendmail]\nsocket = \"{}\"\n{more}\n",
            sink.route("far.test"),
            socket.display()
        ),
        ..ServerOptions::default()
    };
    let server = Server::start_with(options(""));
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    // What an ordinary user may read: where the socket is.
    let config = folder.path().join("postroom.toml");
    let text = format!(
        "data = \"nowhere\"\n[sendmail]\nsocket = \"{}\"\n",
        socket.display()
    );
    std::fs::write(&config, text).expect("ours");
    let copy = folder.path().join("sendmail");
    std::fs::copy(binary(), &copy).expect("ours");
    let handed = |arguments: &[&str], message: &str| {
        let mut command = Command::new(program("setpriv"));
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&copy)
            .args(arguments)
            .env("POSTROOM_CONFIG", &config)
            .current_dir(folder.path());
        run(&mut command, message.as_bytes())
    };
    let nobody = |arguments: &[&str]| handed(arguments, "Subject: from nobody\n\nhello\n");
    for own in [
        &["-i", "ann@abc.test"][..],
        &["-f", "nobody", "ann@abc.test"],
        &["-f", "nobody@mail.site.test", "ann@abc.test"],
    ] {
        let ran = nobody(own);
        assert_eq!(ran.code, 0, "{own:?}: {ran:?}");
    }
    for forged in ["ann@abc.test", "root", "<>", "postmaster@mail.site.test"] {
        let ran = nobody(&["-f", forged, "ann@abc.test"]);
        assert_eq!(ran.code, 77, "{forged}: {ran:?}");
        assert!(ran.err.contains("nobody@mail.site.test only"), "{ran:?}");
    }
    for forged in ["From: Ann <ann@abc.test>", "Sender: root"] {
        let ran = handed(
            &["ann@abc.test"],
            &format!("{forged}\nSubject: x\n\nhello\n"),
        );
        assert_eq!(ran.code, 77, "{forged}: {ran:?}");
        assert!(ran.err.contains("nobody@mail.site.test only"), "{ran:?}");
    }
    server.delivered();
    let inbox = server.messages("ann@abc.test", "INBOX");
    assert_eq!(inbox.len(), 3);
    let text = String::from_utf8_lossy(&inbox[0]).into_owned();
    assert!(
        text.contains("Return-Path: <nobody@mail.site.test>"),
        "{text}"
    );
    let trace = server.ok(&["trace", "nobody@mail.site.test"]);
    assert!(trace.contains("handed in by nobody (uid 65534)"), "{trace}");
    // Nothing else is behind the socket.
    let socket_path = socket.to_str().expect("UTF-8");
    let curl = run(
        Command::new(program("curl")).args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--unix-socket",
            socket_path,
            "http://postroom/v1/domains",
        ]),
        b"",
    );
    assert_eq!(curl.out, "404", "{curl:?}");
    drop(server);

    let free = Server::start_with(options("any_sender = [\"nobody\"]"));
    free.domain("abc.test");
    free.user("ann@abc.test", &[]);
    let ran = handed(
        &["-f", "shop@abc.test", "ann@abc.test"],
        "From: Shop <shop@abc.test>\nSubject: x\n\nhello\n",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn exit_codes_are_those_of_sysexits() {
    let sink = Sink::start();
    let mut server = server(&sink);
    let hello = &b"Subject: x\n\nhello\n"[..];
    let cases: [(&[&str], &[u8], i32, &str); 5] = [
        (&["sendmail", "-bs"], hello, 64, "-bs"),
        (&["sendmail", "-t"], hello, 65, "no recipients"),
        (&["sendmail", "a b@c"], hello, 65, "not an address"),
        (&["sendmail", "nobody@abc.test"], hello, 67, "5.1.1"),
        // All or nothing: Ann gets nothing where another recipient is refused.
        (
            &["sendmail", "ann@abc.test", "nobody@abc.test"],
            hello,
            67,
            "5.1.1",
        ),
    ];
    for (arguments, input, code, part) in cases {
        let ran = server.postroom_with(arguments, input);
        assert_eq!(ran.code, code, "{arguments:?} {ran:?}");
        assert!(ran.err.contains(part), "{arguments:?} {ran:?}");
    }
    assert!(server.messages("ann@abc.test", "INBOX").is_empty());
    server.kill();
    let ran = server.postroom_with(&["sendmail", "ann@abc.test"], hello);
    assert_eq!(ran.code, 75, "nobody answers: {ran:?}");
}
