//! The API over HTTPS: the command line and curl as clients of it, tokens, and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use postroom_tests::{
    Line, Ran, Server, ServerOptions, binary, eventually, fixture, program, python, run,
};
use serde_json::{Value, json};

/// abc.test with its administrator ann and with bob, and xyz.test with zoe. Every password is
/// `secret`.
fn site(options: ServerOptions) -> Server {
    let server = Server::start_with(options);
    server.ok(&["domain", "add", "abc.test", "--admin", "ann@abc.test"]);
    server.domain("xyz.test");
    for person in ["ann@abc.test", "bob@abc.test", "zoe@xyz.test"] {
        server.user(person, &[]);
    }
    server
}

fn url(server: &Server) -> String {
    format!("https://{}", server.address("http"))
}

fn certificate(server: &Server) -> String {
    let path = server.path("data/tls/certificate.pem");
    path.display().to_string()
}

/// The command line on another machine, as far as one can tell: no data directory, no socket.
struct Afar<'a> {
    server: &'a Server,
    login: &'static str,
    password: Option<&'static str>,
}

impl Afar<'_> {
    fn command(&self) -> Command {
        // In a session of its own: there is no terminal to ask at.
        let mut command = Command::new(program("setsid"));
        command
            .arg("--wait")
            .arg(binary())
            .args(["--server", &url(self.server), "--as", self.login])
            .args(["--cafile", &certificate(self.server)])
            .env("XDG_STATE_HOME", self.server.path("state"))
            .current_dir(std::env::temp_dir());
        if let Some(password) = self.password {
            let file = self.server.path(&format!("password-of-{}", self.login));
            std::fs::write(&file, format!("{password}\n")).expect("the folder is ours");
            command.env("POSTROOM_PASSWORD_FILE", file);
        }
        command
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, b"")
    }

    #[track_caller]
    fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        run(self.command().args(arguments), input)
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], words: &[&str]) {
        let out = self.run(arguments).ok();
        for word in words {
            assert!(out.contains(word), "{arguments:?}: {word}: {out}");
        }
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        let out = self.run(&[&["--json"], arguments].concat()).ok();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// The words that a command is refused with.
    #[track_caller]
    fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        for word in words {
            assert!(ran.err.contains(word), "{arguments:?}: {word}: {ran:?}");
        }
        ran.err
    }
}

fn ann(server: &Server) -> Afar<'_> {
    Afar {
        server,
        login: "ann@abc.test",
        password: Some("secret"),
    }
}

/// What curl gets: the HTTP status and the body.
#[track_caller]
fn curl(server: &Server, token: Option<&str>, path: &str, more: &[&str]) -> (u16, Value) {
    let mut command = Command::new(program("curl"));
    command
        .args([
            "-sS",
            "-w",
            "\n%{http_code}",
            "--cacert",
            &certificate(server),
        ])
        .args(more);
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let out = run(command.arg(format!("{}{path}", url(server))), b"").ok();
    let (body, status) = out.rsplit_once('\n').expect("a status");
    let body = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {out}"));
    (status.parse().expect("a status"), body)
}

fn log_in(server: &Server, login: &str, password: &str) -> (u16, Value) {
    let body = json!({ "login": login, "password": password }).to_string();
    curl(server, None, "/v1/login", &["--json", &body])
}

fn token(server: &Server, login: &str) -> String {
    let (status, body) = log_in(server, login, "secret");
    assert_eq!(status, 200, "{body}");
    body["token"].as_str().expect("a token").to_owned()
}

#[test]
fn an_administrator_does_the_work_from_afar() {
    let server = site(ServerOptions::default());
    let ann = ann(&server);
    ann.says(&["status"], &["ann@abc.test", "administrator", "abc.test"]);
    let status = ann.json(&["status"]);
    assert_eq!(status["domains"], json!(["abc.test"]));
    assert!(status.get("data").is_none(), "{status}");

    let made = ann.json(&["user", "add", "carl@abc.test"]);
    let password = made["password"].as_str().expect("one was made").to_owned();
    ann.says(&["user", "list", "abc.test"], &["carl@abc.test", "mailbox"]);
    ann.says(
        &[
            "user",
            "set",
            "carl@abc.test",
            "options=mailbox,forward",
            "forward-to=bob@abc.test",
        ],
        &["Changed carl@abc.test"],
    );
    ann.says(
        &["group", "add", "team@abc.test", "--member", "carl@abc.test"],
        &["Added"],
    );
    ann.says(
        &["alias", "add", "sales@abc.test", "carl@abc.test"],
        &["Added"],
    );
    let ran = ann.run_with(
        &["user", "passwd", "carl@abc.test", "--password-stdin"],
        b"another one\n",
    );
    assert_eq!(ran.code, 0, "{ran:?}");

    let policy = r#"{"denied_senders": ["@casino.example"]}"#;
    ann.says(
        &[
            "plugin",
            "bind",
            "abc.test",
            "domain-policy",
            "--config",
            policy,
        ],
        &["Bound domain-policy@", "plugin deploy abc.test"],
    );
    ann.says(
        &["plugin", "install", &fixture("swap-v1")],
        &["plugin bind abc.test swap"],
    );
    assert!(ann.json(&["plugin", "deploy", "abc.test"])["generation"].is_u64());
    ann.says(&["plugin", "list"], &["swap", "abc.test", "domain-policy"]);
    assert!(!server.ok(&["plugin", "list"]).contains("swap"));
    let mut stranger = Line::smtp(server.address("mx"));
    let reply = stranger.send("luck@casino.example", &["carl@abc.test"], "\r\n");
    assert_eq!(reply.code, 550, "{reply:?}");
    ann.says(
        &["explain", "carl@abc.test", "--from", "luck@casino.example"],
        &["550 5.7.1", "domain-policy"],
    );
    ann.says(
        &["domain", "audit", "abc.test"],
        &["add user carl@abc.test", "administrator"],
    );
    ann.says(
        &["user", "remove", "carl@abc.test"],
        &["Removed carl@abc.test and the mail"],
    );

    // Another domain is not there.
    for (command, object) in [
        (["domain", "show"], "xyz.test"),
        (["user", "list"], "xyz.test"),
        (["user", "show"], "zoe@xyz.test"),
        (["plugin", "list"], "xyz.test"),
        (["explain", "--from=x@example.org"], "zoe@xyz.test"),
        (["explain", "--login"], "zoe@xyz.test"),
    ] {
        let [first, second] = command;
        let foreign = ann.refused(&[first, second, object], 3, &["there is no"]);
        let missing = object.replace("xyz.test", "nowhere.test");
        let absent = ann.refused(&[first, second, &missing], 3, &["nowhere.test"]);
        assert_eq!(foreign.replace("xyz.test", "nowhere.test"), absent);
    }
    assert_eq!(
        ann.json(&["domain", "list"]).as_array().map(Vec::len),
        Some(1)
    );
    ann.refused(&["domain", "add", "new.test"], 1, &["only the operator"]);
    ann.refused(
        &["domain", "set", "abc.test", "state=inactive"],
        1,
        &["only the operator"],
    );
    ann.refused(&["stop"], 1, &["only the operator"]);

    // The operator may be afar, too.
    server.ok(&["user", "set", "bob@abc.test", "roles=site"]);
    let bob = Afar {
        login: "bob@abc.test",
        ..ann
    };
    bob.says(&["domain", "add", "new.test"], &["Added new.test"]);
    assert_eq!(
        bob.json(&["domain", "list"]).as_array().map(Vec::len),
        Some(3)
    );
    bob.says(&["status"], &["listeners"]);

    // T05: what was said in confidence is in no line of the log; who did what is.
    let log = server.log();
    for secret in ["secret", "another one", &password, "postroom_"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    for line in [
        "signed in",
        "login zoe@xyz.test",
        "not within reach",
        "/v1/domains/abc.test/plugins/deploy",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
}

#[test]
fn the_command_line_says_what_is_wrong_with_the_way_to_a_server() {
    let server = site(ServerOptions::default());
    let right = ann(&server);
    let wrong = Afar {
        password: Some("wrong"),
        ..right
    };
    wrong.refused(&["status"], 1, &["wrong", "postroom explain --login"]);
    let nobody = Afar {
        password: None,
        ..right
    };
    nobody.refused(
        &["status"],
        1,
        &["POSTROOM_PASSWORD_FILE", "postroom login"],
    );
    let said = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env("XDG_STATE_HOME", server.path("state"))
            .env(
                "POSTROOM_PASSWORD_FILE",
                server.path("password-of-ann@abc.test"),
            );
        run(&mut command, b"")
    };
    right.says(&["status"], &["ann@abc.test"]);
    let url = url(&server);
    let line = ["--server", &url, "--as", "ann@abc.test", "status"];
    let untrusted = said(&line);
    assert_eq!(untrusted.code, 1, "{untrusted:?}");
    for word in ["is not trusted", "--cafile", "--insecure"] {
        assert!(untrusted.err.contains(word), "{word}: {untrusted:?}");
    }
    let insecure = said(&[&["--insecure"], &line[..]].concat());
    assert_eq!(insecure.code, 0, "{insecure:?}");
    assert!(insecure.err.contains("whoever answers"), "{insecure:?}");
    for (arguments, code, word) in [
        (
            &["--server", &url, "--insecure", "status"][..],
            1,
            "--as ADDRESS",
        ),
        (
            &[
                "--server",
                "http://127.0.0.1:1",
                "--as",
                "a@b.test",
                "status",
            ],
            1,
            "TLS only",
        ),
        (
            &[
                "--server",
                "https://127.0.0.1:1",
                "--insecure",
                "--as",
                "a@b.test",
                "status",
            ],
            5,
            "listen.https",
        ),
        (&["--as", "a@b.test", "status"], 1, "--server URL"),
        (&["login"], 1, "--server URL"),
    ] {
        let ran = said(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(word), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_token_is_kept_and_ends() {
    let mut server = site(ServerOptions::default());
    let quiet = |server: &Server, arguments: &[&str]| {
        let ann = Afar {
            server,
            login: "ann@abc.test",
            password: None,
        };
        ann.run(arguments)
    };
    let sign_in = |server: &Server, password: &[u8]| {
        let ann = Afar {
            server,
            login: "ann@abc.test",
            password: None,
        };
        ann.run_with(&["login", "--password-stdin"], password)
    };
    let signed_in = sign_in(&server, b"secret\n");
    assert_eq!(signed_in.code, 0, "{signed_in:?}");
    assert!(!signed_in.out.contains("postroom_"), "{signed_in:?}");
    assert!(
        signed_in.out.contains("Signed in to https://127.0.0.1:"),
        "{signed_in:?}"
    );
    let file = server.path("state/postroom/tokens.json");
    let mode = std::fs::metadata(&file)
        .expect("it is kept")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = std::fs::read_to_string(&file).expect("it is ours");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let kept = kept[0]["token"].as_str().expect("a token").to_owned();

    assert_eq!(quiet(&server, &["user", "list", "abc.test"]).code, 0);
    // Another's password does not end it, the own does.
    server.ok(&["user", "passwd", "bob@abc.test"]);
    assert_eq!(quiet(&server, &["status"]).code, 0);
    let renewed = server.postroom_with(
        &["user", "passwd", "ann@abc.test", "--password-stdin"],
        b"secret two\n",
    );
    assert_eq!(renewed.code, 0, "{renewed:?}");
    let ended = quiet(&server, &["status"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.err.contains("postroom login"), "{ended:?}");
    assert_eq!(curl(&server, Some(&kept), "/v1/status", &[]).0, 401);

    // So does a state that lets nobody in, and a service that is taken away.
    for (off, on) in [
        (
            ["user", "set", "ann@abc.test", "state=inactive"],
            ["user", "set", "ann@abc.test", "state="],
        ),
        (
            ["domain", "set", "abc.test", "state=disabled"],
            ["domain", "set", "abc.test", "state=active"],
        ),
        (
            ["domain", "set", "abc.test", "services=-http:ALL"],
            ["domain", "set", "abc.test", "services="],
        ),
    ] {
        assert_eq!(sign_in(&server, b"secret two\n").code, 0);
        assert_eq!(quiet(&server, &["status"]).code, 0);
        server.ok(&off);
        assert_eq!(quiet(&server, &["status"]).code, 1, "{off:?}");
        assert_eq!(sign_in(&server, b"secret two\n").code, 1, "{off:?}");
        server.ok(&on);
        assert_eq!(
            quiet(&server, &["status"]).code,
            1,
            "{on:?}: what has ended stays so"
        );
    }
    // And signing out, and a restart.
    assert_eq!(sign_in(&server, b"secret two\n").code, 0);
    assert_eq!(quiet(&server, &["logout"]).code, 0);
    assert_eq!(quiet(&server, &["status"]).code, 1);
    assert_eq!(quiet(&server, &["logout"]).code, 1);
    let (_, body) = log_in(&server, "ann@abc.test", "secret two");
    let token = body["token"].as_str().expect("a token").to_owned();
    assert_eq!(server.terminate(), Some(0));
    server.launch();
    assert_eq!(curl(&server, Some(&token), "/v1/status", &[]).0, 401);
    let log = server.log();
    for secret in [&kept, "secret two"] {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_token_ends_at_its_time() {
    let limits = "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\ntoken_seconds = 2\n";
    let server = site(ServerOptions {
        tables: limits.to_owned(),
        ..ServerOptions::default()
    });
    let token = token(&server, "ann@abc.test");
    eventually("the token ends", || {
        curl(&server, Some(&token), "/v1/status", &[]).0 == 401
    });
    let (status, body) = curl(&server, Some(&token), "/v1/domains", &[]);
    assert_eq!(status, 401);
    let error = body["error"].as_str().unwrap_or_default();
    assert!(error.contains("sign in again"), "{body}");
}

#[test]
fn curl_is_a_client_like_any_other() {
    let server = site(ServerOptions::default());
    let (status, body) = log_in(&server, "ann@abc.test", "secret");
    assert_eq!(
        (status, &body["role"]),
        (200, &json!("administrator")),
        "{body}"
    );
    let token = body["token"].as_str().expect("a token").to_owned();
    let ask = |path: &str, more: &[&str]| curl(&server, Some(&token), path, more);
    let (status, body) = ask("/v1/domains", &[]);
    assert_eq!((status, &body[0]["name"]), (200, &json!("abc.test")));
    let (status, body) = ask("/v1", &[]);
    let routes = body.as_array().map(Vec::len);
    assert!(
        status == 200 && routes.is_some_and(|count| count > 30),
        "{body}"
    );
    let carl = r#"{"mail": "carl@abc.test", "password": "a good one"}"#;
    assert_eq!(ask("/v1/users", &["--json", carl]).0, 200);
    assert_eq!(ask("/v1/users", &["--json", carl]).0, 409);
    assert_eq!(ask("/v1/users/carl@abc.test", &["-X", "DELETE"]).0, 200);

    // Whatever is wrong, the answer has one shape.
    let large = server.path("large");
    std::fs::write(&large, vec![b' '; 1024 * 1024 + 1]).expect("the folder is ours");
    let large = format!("@{}", large.display());
    let login = |body: &str| curl(&server, None, "/v1/login", &["--json", body]);
    let long = json!({ "login": "ann@abc.test", "password": "x".repeat(5000) }).to_string();
    for (answer, status) in [
        (curl(&server, None, "/v1/status", &[]), 401),
        (curl(&server, Some("postroom_00"), "/v1/status", &[]), 401),
        (
            curl(&server, None, "/v1/status", &["-u", "ann@abc.test:secret"]),
            401,
        ),
        (ask("/v1/nosuch", &[]), 404),
        (ask("/v1/domains/abc.test/users", &["-X", "DELETE"]), 405),
        (ask("/v1/users", &["--json", "{"]), 400),
        (ask("/v1/users", &["--json", "[]"]), 422),
        (
            ask(
                "/v1/users",
                &["--json", r#"{"mail": "x@abc.test", "colour": 1}"#],
            ),
            422,
        ),
        (ask("/v1/users", &["-d", carl]), 415),
        (ask("/v1/users/%ff", &[]), 400),
        (ask("/v1/users/carl", &[]), 422),
        (
            ask("/v1/explain-login/ann@abc.test?service=telnet", &[]),
            400,
        ),
        (ask("/v1/users", &["--json", &large]), 413),
        (
            ask("/v1/plugins", &["--data-binary", "x", "-X", "POST"]),
            422,
        ),
        (login("{"), 400),
        (login(r#"{"login": "ann@abc.test"}"#), 422),
        (login(&long), 413),
        (log_in(&server, "ann@abc.test", ""), 401),
        (log_in(&server, "nobody@abc.test", "secret"), 401),
        (log_in(&server, "ann@nowhere.test", "secret"), 401),
    ] {
        assert_eq!(answer.0, status, "{}", answer.1);
        let error = answer.1["error"].as_str().unwrap_or_default();
        assert!(!error.is_empty() && answer.1.as_object().map(serde_json::Map::len) == Some(1));
    }
    let (wrong, unknown) = (
        log_in(&server, "ann@abc.test", "no"),
        log_in(&server, "eve@abc.test", "no"),
    );
    assert_eq!(wrong, unknown, "a refusal tells nothing");
    let mut command = Command::new(program("curl"));
    command.args(["-sSik", &format!("{}/v1/status", url(&server))]);
    let head = run(&mut command, b"").ok().to_lowercase();
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert!(head.contains("cache-control: no-store"), "{head}");
    assert_eq!(ask("/v1/logout", &["-X", "POST"]).0, 200);
    assert_eq!(ask("/v1/status", &[]).0, 401);
    let log = server.log();
    assert!(
        !log.contains(&token) && !log.contains("a good one"),
        "{log}"
    );
}

#[test]
fn people_look_after_themselves() {
    let server = site(ServerOptions::default());
    let token = token(&server, "bob@abc.test");
    let ask = |path: &str, more: &[&str]| curl(&server, Some(&token), path, more);
    let own = "/v1/users/bob@abc.test";
    assert_eq!(ask(own, &[]).1["mail"], "bob@abc.test");
    let away =
        r#"{"delivery_options": ["mailbox", "autoreply"], "autoreply": {"text": "I am away."}}"#;
    assert_eq!(ask(own, &["-X", "PATCH", "--json", away]).0, 200);
    assert_eq!(ask("/v1/explain/bob@abc.test", &[]).0, 200);
    assert_eq!(
        ask(own, &["-X", "PATCH", "--json", r#"{"quota_bytes": -1}"#]).0,
        403
    );
    assert_eq!(ask("/v1/domains/abc.test/users", &[]).0, 403);
    assert_eq!(ask("/v1/users/ann@abc.test", &[]).0, 404);
    assert_eq!(ask("/v1/domains", &[]), (200, json!([])));

    let path = format!("{own}/password");
    let set = |body: &str| ask(&path, &["--json", body]);
    let (status, body) = set(r#"{"password": "a new password"}"#);
    assert!(
        status == 422
            && body["error"]
                .as_str()
                .is_some_and(|text| text.contains("old")),
        "{body}"
    );
    assert_eq!(
        set(r#"{"password": "a new password", "old": "guessed"}"#).0,
        403
    );
    assert_eq!(
        set(r#"{"password": "a new password", "old": "secret"}"#).0,
        200
    );
    assert_eq!(
        ask(own, &[]).0,
        401,
        "with a new password one signs in anew"
    );
    assert_eq!(log_in(&server, "bob@abc.test", "secret").0, 401);
    assert_eq!(log_in(&server, "bob@abc.test", "a new password").0, 200);

    // By the command line, which gives the old one along.
    let bob = Afar {
        server: &server,
        login: "bob@abc.test",
        password: Some("a new password"),
    };
    let ran = bob.run_with(
        &["user", "passwd", "bob@abc.test", "--password-stdin"],
        b"the third one\n",
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(log_in(&server, "bob@abc.test", "the third one").0, 200);
    let log = server.log();
    for secret in ["a new password", "guessed", "the third one", &token] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn guessing_is_slowed_down_and_explained() {
    let server = site(ServerOptions::default());
    let right = || log_in(&server, "bob@abc.test", "secret").0;
    assert_eq!(log_in(&server, "ann@abc.test", "secret").0, 200);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| log_in(&server, "bob@abc.test", "guess"));
        }
    });
    assert_eq!(right(), 401, "the password is not looked at");
    let explain = |arguments: &[&str]| {
        let client = [
            "explain",
            "--login",
            "bob@abc.test",
            "--client",
            "127.0.0.1",
        ];
        server.json(&[&client, arguments].concat())
    };
    let told = explain(&["--service", "http"]);
    assert!(
        told["answer"]
            .as_str()
            .is_some_and(|answer| answer.contains("too many")),
        "{told}"
    );
    // What was known stays in.
    assert_eq!(log_in(&server, "ann@abc.test", "secret").0, 200);

    let steps = |login: &str, service: &str| {
        let told = server.json(&["explain", "--login", login, "--service", service]);
        let steps = told["steps"].as_array().cloned().unwrap_or_default();
        let last = steps.last().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (
            text(&told["answer"]),
            text(&last["step"]),
            text(&last["text"]),
        )
    };
    server.ok(&["domain", "set", "xyz.test", "services=+imaps:ALL"]);
    server.ok(&["user", "set", "zoe@xyz.test", "mail-state=inactive"]);
    for (login, service, answer, step, text) in [
        (
            "ann@abc.test",
            "imap",
            "let in, if",
            "password",
            "not looked at",
        ),
        (
            "ann@nowhere.test",
            "imap",
            "refused at domain",
            "domain",
            "'ann@nowhere.test'",
        ),
        (
            "eve@abc.test",
            "imap",
            "refused at person",
            "person",
            "postroom user list abc.test",
        ),
        (
            "zoe@xyz.test",
            "http",
            "refused at domain-services",
            "domain-services",
            "+imaps:ALL",
        ),
        (
            "zoe@xyz.test",
            "imaps",
            "refused at person-state",
            "person-state",
            "mail is inactive",
        ),
    ] {
        let told = steps(login, service);
        assert!(told.0.starts_with(answer), "{login}: {told:?}");
        assert_eq!(told.1, step, "{login}: {told:?}");
        assert!(told.2.contains(text), "{login}: {told:?}");
    }
    let shown = server.ok(&["explain", "--login", "eve@abc.test"]);
    assert!(
        shown.contains("refused at person") && shown.contains("imaps"),
        "{shown}"
    );
}

/// Types a password at a terminal, and shows what the terminal shows.
const TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
typed = False
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not typed and b"Password of ann@abc.test: " in seen:
        # The question is asked before typing is hidden: wait until it is.
        import termios
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            pass
        os.write(terminal, b"secret\n")
        typed = True
_, status = os.waitpid(pid, 0)
print(seen.decode())
print("typed" if typed else "not asked", os.waitstatus_to_exitcode(status))
"#;

#[test]
fn a_password_is_asked_for_without_showing_it() {
    let server = site(ServerOptions::default());
    let (url, cafile) = (url(&server), certificate(&server));
    let binary = binary().display().to_string();
    let arguments = [
        &binary,
        "--server",
        &url,
        "--as",
        "ann@abc.test",
        "--cafile",
        &cafile,
        "status",
    ];
    let seen = python(TERMINAL, &arguments).ok();
    assert!(seen.ends_with("typed 0\n"), "{seen}");
    assert!(
        seen.contains("administrator") && !seen.contains("secret"),
        "{seen}"
    );
}

/// Keeps a connection open and idle, then asks the server to stop.
const IDLE: &str = r#"
import http.client, os, signal, ssl, sys
port, pid = int(sys.argv[1]), int(sys.argv[2])
context = ssl._create_unverified_context()
context.set_alpn_protocols(["h2", "http/1.1"])
client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=30)
client.request("GET", "/v1/status")
answer = client.getresponse()
answer.read()
print(answer.status, client.sock.selected_alpn_protocol(), client.sock.version())
os.kill(pid, signal.SIGTERM)
print(len(client.sock.recv(100)))
"#;

#[test]
fn an_idle_client_does_not_hold_the_server_up() {
    let mut server = site(ServerOptions::default());
    let pid = server.pid().to_string();
    let seen = python(IDLE, &[&server.port("http"), &pid]).ok();
    assert_eq!(seen, "401 http/1.1 TLSv1.3\n0\n");
    assert_eq!(server.terminate(), Some(0));
}
