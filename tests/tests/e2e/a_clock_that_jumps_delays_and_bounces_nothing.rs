//! F08: the system's clock jumps a year ahead, a year back and right again while mail waits and
//! flows. What waits is tried at its usual pace, nothing is given up and nobody is told a delay of
//! a year, people sign in, and the dates of new mail are right.

use std::collections::BTreeMap;

use postroom_tests::{
    Line, Server, ServerOptions, Sink, SystemClock, eventually, eventually_some, python,
};

const LIMITS: &str = "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\nretry_seconds = [1]\n";

/// The distance of the newest message's date to now, in seconds.
const DISTANCE: &str = r#"
import imaplib, ssl, sys, time
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.select("INBOX", readonly=True)
    date = imaplib.Internaldate2tuple(client.fetch("*", "(INTERNALDATE)")[1][0])
    print(abs(int(time.mktime(date) - time.time())))
"#;

/// Attempts by row of all that waits.
fn attempts(server: &Server) -> BTreeMap<String, u64> {
    let rows = server.json(&["queue", "list"]);
    let rows = rows.as_array().expect("it is a list").iter();
    rows.map(|row| (row["id"].to_string(), row["attempts"].as_u64().unwrap_or(0)))
        .collect()
}

/// Mail in, mail out, and a sign-in.
fn use_it(server: &Server, name: &str) {
    let text = format!("Subject: {name}\r\n\r\nhello\r\n");
    let reply = Line::smtp(server.address("mx")).send("joe@example.org", &["ann@abc.test"], &text);
    assert_eq!(reply.code, 250, "{name}: {reply:?}");
    let to = format!("{name}@far.test");
    let ran = server.postroom_with(
        &["sendmail", "-i", "-f", "ann@abc.test", &to],
        b"Subject: out\n\nhello\n",
    );
    assert_eq!(ran.code, 0, "{name}: {ran:?}");
    let distance = eventually_some("the date is read", || {
        let said = python(DISTANCE, &[&server.port("imaps")]).ok();
        said.trim().parse::<u64>().ok()
    });
    assert!(distance < 24 * 3600, "{name}: wrong by {distance} s");
}

#[test]
fn a_clock_that_jumps_delays_and_bounces_nothing() {
    let clock = SystemClock::start();
    let sink = Sink::start();
    sink.answer("RCPT", "451 4.3.0 Busy");
    let mut server = Server::start_with(ServerOptions {
        tables: format!("{LIMITS}{}", sink.route("far.test")),
        under: clock.under(),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let names = ["right", "ahead", "back", "again"];
    for (name, offset) in names.into_iter().zip(["+0", "+365d", "-365d", "+0"]) {
        clock.set(offset);
        let before = attempts(&server);
        use_it(&server, name);
        eventually(&format!("all is tried again: {name}"), || {
            let mut after = attempts(&server).into_iter();
            after.all(|(id, count)| count >= before.get(&id).map_or(0, |count| *count) + 2)
        });
    }
    assert_eq!(attempts(&server).len(), names.len(), "all of it waits");
    sink.answer_well();
    for name in names {
        let _ = sink.letter_for(&format!("{name}@far.test"));
    }
    let inbox = server.messages("ann@abc.test", "INBOX");
    assert_eq!(inbox.len(), names.len(), "no report of anything");
    assert_eq!(server.terminate(), Some(0));
}
