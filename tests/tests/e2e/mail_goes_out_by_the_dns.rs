//! Mail to other domains: by MX in its order, a next hop that is busy for a while, one that is
//! dead for good; over connections that are used again.

use postroom_tests::{Dns, Line, NameServer, Server, ServerOptions, Sink, eventually, python};

const MESSAGE: &str = "From: ann@abc.test\r\nSubject: out\r\n\r\nhello\r\n";

/// A server for `abc.test` that finds mail hosts at `port`, from which loopback may relay.
fn server(names: &NameServer, port: u16, limits: &str) -> Server {
    let keys = format!("{}trusted_networks = [\"127.0.0.1\"]\n", names.key());
    let limits = if limits.is_empty() {
        String::new()
    } else {
        format!(
            "[limits]\nconnections_per_address = 1000\ndisk_reserve_bytes = 1048576\ndisk_reserve_percent = 0\n{limits}\n"
        )
    };
    let server = Server::start_with(ServerOptions {
        keys,
        tables: format!(
            "{limits}[[channel]]\nname = \"smtp\"\nport = {port}\nallow_private_mx = true\n"
        ),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    server
}

fn send(server: &Server, recipients: &[&str]) {
    let reply = Line::smtp(server.address("mx")).send("ann@abc.test", recipients, MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[test]
fn hosts_are_tried_in_the_order_of_mx() {
    let names = NameServer::start(&[(
        "far.test",
        Dns::Hosts(&[
            (30, "last", [127, 0, 0, 4]),
            (10, "dead", [127, 0, 0, 2]),
            (20, "refuses", [127, 0, 0, 3]),
        ]),
    )]);
    let last = Sink::start_at("127.0.0.4:0".parse().expect("an address"));
    let refuses = Sink::start_at(format!("127.0.0.3:{}", last.port()).parse().expect("one"));
    refuses.answer("greeting", "421 4.3.2 Not now");
    let server = server(&names, last.port(), "");
    send(&server, &["x@far.test", "y@far.test"]);
    let letter = last.letter_for("x@far.test");
    server.delivered();
    assert_eq!(
        letter.rcpt,
        ["RCPT TO:<x@far.test>", "RCPT TO:<y@far.test>"],
        "one transaction for both"
    );
    assert_eq!((refuses.connections(), last.letters().len()), (1, 1));

    // The best one is there again: the others are not asked.
    let best = Sink::start_at(format!("127.0.0.2:{}", last.port()).parse().expect("one"));
    for number in 0..5 {
        send(&server, &["x@far.test"]);
        eventually("it arrives at the best", || {
            best.letters().len() == number + 1
        });
    }
    assert_eq!((refuses.connections(), last.letters().len()), (1, 1));
    assert_eq!(best.connections(), 1, "one connection for all");
}

#[test]
fn a_busy_next_hop_gets_it_after_a_restart() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    let sink = Sink::start();
    sink.answer("RCPT", "451 4.7.1 Greylisted, come back");
    let mut server = server(&names, sink.port(), "retry_seconds = [3600]");
    send(&server, &["x@far.test"]);
    let last = |server: &Server| server.json(&["queue", "list"])[0]["last"].clone();
    eventually("it was tried", || {
        last(&server)
            .as_str()
            .is_some_and(|text| text.contains("Greylisted"))
    });
    assert_eq!(server.terminate(), Some(0));
    server.launch();
    assert!(
        last(&server)
            .as_str()
            .is_some_and(|text| text.contains("Greylisted"))
    );
    assert_eq!(server.json(&["queue", "list"])[0]["attempts"], 1);
    sink.answer_well();
    server.ok(&["queue", "retry", "all"]);
    sink.letter_for("x@far.test");
    server.delivered();
    assert_eq!(sink.letters().len(), 1);
}

const REPORT: &str = r#"
import email, sys
report = email.message_from_bytes(bytes.fromhex(sys.argv[1]))
action, status, recipients = sys.argv[2], sys.argv[3], sys.argv[4].split(",")
assert report.get_content_type() == "multipart/report", report.get_content_type()
assert report.get_param("report-type") == "delivery-status"
assert report["Auto-Submitted"] == "auto-replied"
assert report["Return-Path"] == "<>", report["Return-Path"]
text, machine, returned = report.get_payload()
assert text.get_content_type() == "text/plain"
assert machine.get_content_type() == "message/delivery-status"
groups = machine.get_payload()
assert groups[0]["Reporting-MTA"] == "dns; mail.site.test", groups[0]
assert [group["Final-Recipient"] for group in groups[1:]] == ["rfc822; " + r for r in recipients], groups
for group in groups[1:]:
    assert group["Action"] == action and group["Status"] == status, group
    assert (action == "delayed") == ("Will-Retry-Until" in group), group
expected = "text/rfc822-headers" if action == "delayed" else "message/rfc822"
assert returned.get_content_type() == expected, returned.get_content_type()
assert "Subject: out" in str(returned), returned
"#;

fn check_report(bytes: &[u8], action: &str, status: &str, recipients: &str) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    python(REPORT, &[&hex, action, status, recipients]).ok();
}

/// The times of the queue, made short: a delay is told once, then it is given up with a report.
#[test]
fn a_dead_host_ends_in_a_report() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    // Taken and closed again, so that nobody listens there.
    let port = Sink::start().port();
    let limits = "retry_seconds = [1]\ndelay_notice_seconds = 1\nqueue_life_seconds = 6";
    let server = server(&names, port, limits);
    send(&server, &["x@far.test"]);
    let inbox = || server.messages("ann@abc.test", "INBOX");
    eventually("the delay is told", || inbox().len() == 1);
    eventually("it is given up", || inbox().len() == 2);
    server.delivered();
    let inbox = inbox();
    assert_eq!(inbox.len(), 2, "each once");
    check_report(&inbox[0], "delayed", "4.4.1", "x@far.test");
    check_report(&inbox[1], "failed", "5.4.7", "x@far.test");
}

/// L09: those who fail together are in one report.
#[test]
fn l09_refusals_of_one_message_are_one_report() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    let sink = Sink::start();
    sink.answer("RCPT TO:<good", "250 2.1.5 Fine");
    sink.answer("RCPT", "550 5.1.1 Nobody here");
    let server = server(&names, sink.port(), "");
    send(&server, &["x@far.test", "good@far.test", "y@far.test"]);
    server.delivered();
    let inbox = server.messages("ann@abc.test", "INBOX");
    assert_eq!(inbox.len(), 1);
    check_report(&inbox[0], "failed", "5.1.1", "x@far.test,y@far.test");
    assert_eq!(sink.letters().len(), 1);
}

/// L08: a report that cannot be delivered is kept aside and counted; nobody is told.
#[test]
fn l08_a_bounce_that_fails_makes_no_bounce() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    let sink = Sink::start();
    sink.answer("RCPT", "550 5.1.1 Nobody here");
    let server = server(&names, sink.port(), "");
    let reply = Line::smtp(server.address("mx")).send("joe@far.test", &["x@far.test"], MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
    eventually("the report is kept aside", || {
        let rows = server.json(&["queue", "list"]);
        let rows = rows.as_array().expect("a list").clone();
        rows.len() == 1
            && rows[0]["state"]
                .as_str()
                .is_some_and(|state| state.starts_with("parked"))
            && rows[0]["recipient"] == "joe@far.test"
    });
    assert!(sink.letters().is_empty());
    let metrics = postroom_tests::run(
        std::process::Command::new(postroom_tests::program("curl")).args([
            "-sS",
            &format!("http://{}/metrics", server.address("metrics")),
        ]),
        b"",
    )
    .ok();
    assert!(
        metrics.contains("postroom_undeliverable_reports_total 1"),
        "{metrics}"
    );

    // Mail without a sender that fails is simply over.
    let reply = Line::smtp(server.address("mx")).send("", &["y@far.test"], MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
    server.delivered();
    assert_eq!(
        server.json(&["queue", "list"]).as_array().map(Vec::len),
        Some(1)
    );
}

/// N03: a record that leads to this machine is not followed unless the operator wants it.
#[test]
fn n03_private_mail_hosts_are_refused() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    let sink = Sink::start();
    let keys = format!("{}trusted_networks = [\"127.0.0.1\"]\n", names.key());
    let server = Server::start_with(ServerOptions {
        keys,
        tables: format!("[[channel]]\nname = \"smtp\"\nport = {}\n", sink.port()),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    send(&server, &["x@far.test"]);
    eventually("it comes back", || {
        !server.messages("ann@abc.test", "INBOX").is_empty()
    });
    let inbox = server.messages("ann@abc.test", "INBOX");
    check_report(&inbox[0], "failed", "5.4.6", "x@far.test");
    assert_eq!(sink.connections(), 0);
}

/// S22: a message that the next hop cannot take as it is comes back; it is never changed.
#[test]
fn s22_what_the_next_hop_cannot_take_comes_back() {
    let names = NameServer::start(&[("far.test", Dns::Hosts(&[(10, "mx", [127, 0, 0, 1])]))]);
    let sink = Sink::start();
    sink.answer("EHLO", "250 sink.test");
    let server = server(&names, sink.port(), "");
    for (parameters, status) in [("SMTPUTF8", "5.6.7"), ("BODY=8BITMIME", "5.6.3")] {
        let mut line = Line::smtp(server.address("mx"));
        let mail = line.command(&format!("MAIL FROM:<ann@abc.test> {parameters}"));
        assert_eq!(mail.code, 250, "{mail:?}");
        assert_eq!(line.command("RCPT TO:<x@far.test>").code, 250);
        assert_eq!(line.command("DATA").code, 354);
        line.write("From: ann@abc.test\r\nSubject: gr\u{fc}n\r\n\r\nx\r\n".as_bytes());
        assert_eq!(line.command(".").code, 250);
        let is_told = || {
            let inbox = server.messages("ann@abc.test", "INBOX");
            let texts = inbox.iter().map(|bytes| String::from_utf8_lossy(bytes));
            texts
                .into_iter()
                .any(|text| text.contains(&format!("Status: {status}")))
        };
        eventually("it comes back", is_told);
    }
    assert!(sink.letters().is_empty());
}
