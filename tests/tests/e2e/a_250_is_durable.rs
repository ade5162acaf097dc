//! What the kernel was asked for, in its order: for every 250 after DATA an fdatasync of the
//! journal began after the last write of that message and returned before the reply was written.
//!
//! Killing the process proves little here, since the page cache outlives it; so the server runs
//! under strace. What is stored is encrypted, so a write does not show whose message it has. But a
//! connection sends one message after the other: what makes one durable lies between the reply
//! before and its own.

use std::collections::HashMap;

use postroom_tests::{Line, Server, ServerOptions, program};

const CALLS: &str =
    "trace=write,pwrite64,writev,pwritev,pwritev2,fdatasync,fsync,sendto,sendmsg,mmap";
const CONNECTIONS: usize = 4;
const MESSAGES: usize = 6;
/// Beyond what travels in a journal record (256 KiB): such a body has a file of its own.
const LARGE_BYTES: usize = 400 * 1024;

/// One system call, with the places of its begin and its end in the order of the trace.
#[derive(Debug)]
struct Call {
    name: String,
    /// What `-yy` says of the descriptor: a path, or `TCP:[here->there]`.
    target: String,
    arguments: String,
    began: usize,
    ended: usize,
    result: i64,
}

impl Call {
    fn is_sync(&self) -> bool {
        matches!(self.name.as_str(), "fdatasync" | "fsync") && self.result == 0
    }

    fn is_write(&self) -> bool {
        !matches!(self.name.as_str(), "fdatasync" | "fsync" | "mmap")
    }

    fn is_of_journal(&self) -> bool {
        self.target.contains("/store/journal/")
    }
}

/// Joins `<unfinished ...>` with `resumed`, per thread.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    for (place, line) in trace.lines().enumerate() {
        // "THREAD TIME rest": the thread is padded with spaces.
        let (thread, rest) = line.split_once(' ').unwrap_or_default();
        let (_, rest) = rest.trim_start().split_once(' ').unwrap_or_default();
        let (began, text) = if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            assert!(
                open.insert(thread, (place, begin.to_owned())).is_none(),
                "a thread is in two calls: {line}"
            );
            continue;
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let (_, end) = resumed.split_once(" resumed>").expect("strace says so");
            let (began, begin) = open.remove(thread).expect("a call began");
            (began, begin + end)
        } else {
            (place, rest.to_owned())
        };
        calls.extend(call(&text, began, place));
    }
    calls
}

/// Reads `name(9</path>, …) = result`; other lines (signals, exits) are no calls.
fn call(text: &str, began: usize, ended: usize) -> Option<Call> {
    let (head, result) = text.rsplit_once(" = ")?;
    let (name, arguments) = head.split_once('(')?;
    let target = arguments
        .split_once('<')
        .map(|(_, rest)| target(rest))
        .unwrap_or_default();
    Some(Call {
        name: name.to_owned(),
        target,
        arguments: arguments.to_owned(),
        began,
        ended,
        result: result.split(' ').next()?.parse().unwrap_or(-1),
    })
}

/// What stands between `<` and its `>`; a socket's own text has `->` in it.
fn target(rest: &str) -> String {
    let end = rest
        .match_indices('>')
        .map(|(at, _)| at)
        .find(|at| *at == 0 || rest.as_bytes()[at - 1] != b'-')
        .unwrap_or(rest.len());
    rest[..end].to_owned()
}

fn token(connection: usize, message: usize) -> String {
    format!("token-{connection}-{message}-end@example.org")
}

/// A message with its token at the end too: the last of it that is written.
fn message(token: &str, bytes: usize) -> String {
    let filler = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    format!(
        "Subject: {token}\r\n\r\n{}{token}\r\n",
        filler.repeat(bytes / filler.len())
    )
}

/// Sends all messages of one connection; the client's port.
fn send(server: &Server, connection: usize) -> u16 {
    let mut line = Line::smtp(server.address("mx"));
    for number in 0..MESSAGES {
        let token = token(connection, number);
        let bytes = if number == 2 { LARGE_BYTES } else { 2000 };
        let reply = line.send(&token, &["ann@abc.test"], &message(&token, bytes));
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    line.local_port()
}

/// The replies to end of data on the connection of a client's port, in order.
fn replies(calls: &[Call], port: u16) -> Vec<&Call> {
    let peer = format!("->127.0.0.1:{port}]");
    calls
        .iter()
        .filter(|call| call.is_write() && call.target.contains(&peer))
        .filter(|call| call.arguments.contains("\"250 2.0.0 Accepted as"))
        .collect()
}

/// Between `after` and `reply` some file for which `of` holds was written, and after its last
/// write of that time synced.
fn assert_synced(
    calls: &[Call],
    after: usize,
    reply: &Call,
    what: &str,
    of: impl Fn(&Call) -> bool,
) {
    let writes: Vec<&Call> = calls
        .iter()
        .filter(|call| call.is_write() && of(call))
        .filter(|call| call.began > after && call.ended < reply.began)
        .collect();
    let synced = writes.iter().any(|write| {
        calls.iter().any(|call| {
            call.is_sync()
                && call.target == write.target
                && call.began > write.ended
                && call.ended < reply.began
        })
    });
    assert!(
        synced,
        "250 without a write of {what} that was synced before it\n{writes:?}\n{reply:?}"
    );
}

#[test]
fn a_250_is_durable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace");
    program("strace");
    let under = [
        "strace",
        "-f",
        "-tt",
        "-yy",
        "-s",
        "1000000",
        "--seccomp-bpf",
        "-e",
        CALLS,
        "-o",
    ];
    let mut under: Vec<String> = under.map(str::to_owned).into();
    under.push(file.display().to_string());
    let mut server = Server::start_with(ServerOptions {
        under,
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    // The first alone: nobody else's sync is there to be taken for its own.
    let mut ports = vec![send(&server, 0)];
    ports.extend(std::thread::scope(|scope| {
        let server = &server;
        let senders: Vec<_> = (1..CONNECTIONS)
            .map(|connection| scope.spawn(move || send(server, connection)))
            .collect();
        senders
            .into_iter()
            .map(|sender| sender.join().expect("the sender did well"))
            .collect::<Vec<u16>>()
    }));
    // The tracer keeps signals from itself and ends with the server.
    server.ok(&["stop"]);
    server.terminate();

    let trace = std::fs::read(&file).expect("strace wrote it");
    let calls = calls(&String::from_utf8_lossy(&trace));
    assert!(
        !calls.iter().any(|call| call.name == "mmap"
            && call.arguments.contains("MAP_SHARED")
            && call.arguments.contains("PROT_WRITE")
            && call.arguments.contains("/store/journal/")),
        "the journal is written by calls that are seen"
    );
    let stored = |call: &&Call| call.target.contains("/store/");
    let shown = calls.iter().filter(stored);
    let shown = shown
        .filter(|call| call.arguments.contains("token-"))
        .count();
    assert_eq!(shown, 0, "what is stored is encrypted");
    for port in ports {
        let replies = replies(&calls, port);
        assert_eq!(replies.len(), MESSAGES, "every 250 is in the trace");
        let mut after = 0;
        for (number, reply) in replies.into_iter().enumerate() {
            assert_synced(&calls, after, reply, "the journal", Call::is_of_journal);
            if number == 2 {
                assert_synced(&calls, after, reply, "its body's file", |call| {
                    call.target.contains("/store/bodies/")
                });
            }
            after = reply.ended;
        }
    }
}

#[test]
fn a_trace_is_read_in_the_order_of_the_calls() {
    let trace = "\
7     10:00:00.000001 pwrite64(9</d/store/journal/1.seg>, \"a = (b)\", 7, 64 <unfinished ...>
8     10:00:00.000002 sendto(4<TCP:[127.0.0.1:25->127.0.0.1:99]>, \"250 x\", 5, 0, NULL, 0) = 5
7     10:00:00.000003 <... pwrite64 resumed>) = 7
7     10:00:00.000004 fdatasync(9</d/store/journal/1.seg>) = -1 EIO (Input/output error)
7     10:00:00.000005 +++ exited with 0 +++
";
    let read: Vec<_> = calls(trace)
        .into_iter()
        .map(|call| (call.name, call.target, call.began, call.ended, call.result))
        .collect();
    let journal = "/d/store/journal/1.seg".to_owned();
    let socket = "TCP:[127.0.0.1:25->127.0.0.1:99]".to_owned();
    assert_eq!(
        read,
        [
            ("sendto".to_owned(), socket, 1, 1, 5),
            ("pwrite64".to_owned(), journal.clone(), 0, 2, 7),
            ("fdatasync".to_owned(), journal, 3, 3, -1),
        ]
    );
}
