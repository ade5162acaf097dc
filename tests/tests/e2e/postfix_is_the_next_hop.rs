//! Postfix, as it is installed, takes the mail that goes out: pipelined, in one transaction, with
//! 8-bit bytes as they are, and delivers it into mailboxes.

use std::path::{Path, PathBuf};
use std::process::Command;

use postroom_tests::{Line, Ran, Server, ServerOptions, eventually, program, run};

/// A Postfix of its own, with its configuration, queue and port in a temporary folder.
struct Postfix {
    folder: tempfile::TempDir,
    port: u16,
}

impl Postfix {
    fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("postroom-postfix-")
            .tempdir()
            .expect("a temporary folder");
        let port = free_port();
        let at = |part: &str| folder.path().join(part);
        for part in ["etc", "queue", "data", "mail"] {
            std::fs::create_dir(at(part)).expect("the folder is ours");
        }
        // Postfix works as its own user, who must reach all of it.
        let owned = [at("data"), at("mail")];
        let shown: Vec<String> = owned
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        run(Command::new("chown").arg("postfix").args(&shown), b"").ok();
        run(Command::new("chmod").arg("755").arg(folder.path()), b"").ok();
        let user = run(Command::new("id").args(["-u", "postfix"]), b"").ok();
        let group = run(Command::new("id").args(["-g", "postfix"]), b"").ok();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\nmail_owner = postfix\nsetgid_group = postdrop\n\
             myhostname = next.far.test\nmydestination =\nmynetworks = 192.0.2.0/24\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\n\
             virtual_mailbox_domains = far.test\nvirtual_mailbox_base = {mail}\nvirtual_mailbox_maps = static:box/\n\
             virtual_minimum_uid = 1\nvirtual_uid_maps = static:{user}\nvirtual_gid_maps = static:{group}\n\
             smtputf8_enable = yes\nmaillog_file = {mail}/log\nmaillog_file_prefixes = {mail}\nsmtpd_banner = $myhostname ESMTP\nalias_maps =\nlocal_recipient_maps =\nsmtpd_relay_restrictions = reject_unauth_destination\n",
            queue = at("queue").display(),
            data = at("data").display(),
            mail = at("mail").display(),
            user = user.trim(),
            group = group.trim(),
        );
        let master = format!(
            "127.0.0.1:{port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nqmgr unix n - n 300 1 qmgr\nrewrite unix - - n - - trivial-rewrite\n\
             bounce unix - - n - 0 bounce\ndefer unix - - n - 0 bounce\ntrace unix - - n - 0 bounce\nproxymap unix - - n - - proxymap\n\
             virtual unix - n n - - virtual\nerror unix - - n - - error\nretry unix - - n - - error\nanvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n\
             showq unix n - n - - showq\nflush unix n - n 1000? 0 flush\ntlsmgr unix - - n 1000? 1 tlsmgr\nscache unix - - n - 1 scache\n"
        );
        std::fs::write(at("etc/main.cf"), main).expect("the folder is ours");
        std::fs::write(at("etc/master.cf"), master).expect("the folder is ours");
        let postfix = Self { folder, port };
        postfix.command("start").ok();
        postfix
    }

    fn command(&self, what: &str) -> Ran {
        run(
            Command::new(program("postfix"))
                .arg("-c")
                .arg(self.path("etc"))
                .arg(what),
            b"",
        )
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// What lies in the mailbox.
    fn letters(&self) -> Vec<Vec<u8>> {
        let entries = std::fs::read_dir(self.path("mail/box/new"));
        let paths = entries.into_iter().flatten().flatten();
        paths
            .map(|entry| std::fs::read(entry.path()).expect("it is whole in `new`"))
            .collect()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("mail/log")).unwrap_or_default()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        self.command("stop");
        if std::thread::panicking() {
            eprintln!("--- Postfix ---\n{}", self.log());
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[test]
fn postfix_takes_what_goes_out() {
    assert!(
        Path::new("/usr/sbin/postfix").exists(),
        "'postfix' is not installed: apt-get install --no-install-recommends postfix"
    );
    let postfix = Postfix::start();
    let server = Server::start_with(ServerOptions {
        keys: "trusted_networks = [\"127.0.0.1\"]\n".to_owned(),
        tables: format!(
            "[[route]]\ndomain = \"far.test\"\nchannel = \"smtp\"\nhost = \"127.0.0.1:{port}\"\n[[route]]\ndomain = \".far.test\"\nchannel = \"smtp\"\nhost = \"127.0.0.1:{port}\"\n",
            port = postfix.port
        ),
        ..ServerOptions::default()
    });
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    let message =
        "From: ann@abc.test\r\nSubject: to Postfix\r\n\r\n.leading dot\r\n..\r\ngr\u{fc}n\r\n";
    let to = ["bob@far.test", "carl@far.test"];
    for _ in 0..3 {
        let mut line = Line::smtp(server.address("mx"));
        assert_eq!(
            line.command("MAIL FROM:<ann@abc.test> BODY=8BITMIME").code,
            250
        );
        for recipient in to {
            assert_eq!(line.command(&format!("RCPT TO:<{recipient}>")).code, 250);
        }
        assert_eq!(line.command("DATA").code, 354);
        for text in message.split_inclusive("\r\n") {
            if text.starts_with('.') {
                line.write(b".");
            }
            line.write(text.as_bytes());
        }
        assert_eq!(line.command(".").code, 250);
    }
    eventually("Postfix has delivered all", || postfix.letters().len() == 6);
    server.delivered();
    let wanted = ".leading dot\n..\ngr\u{fc}n\n".as_bytes();
    for letter in postfix.letters() {
        assert!(
            letter.ends_with(wanted),
            "{}",
            String::from_utf8_lossy(&letter)
        );
    }
    let log = postfix.log();
    assert_eq!(
        log.matches(": client=").count(),
        3,
        "one transaction for both: {log}"
    );

    // What it refuses comes back with its words.
    let reply = Line::smtp(server.address("mx")).send(
        "ann@abc.test",
        &["bad@elsewhere.far.test"],
        "From: ann@abc.test\r\n\r\nx\r\n",
    );
    assert_eq!(reply.code, 250, "{reply:?}");
    server.delivered();
    let inbox = server.messages("ann@abc.test", "INBOX");
    let report = String::from_utf8_lossy(&inbox[0]).into_owned();
    assert!(report.contains("Relay access denied"), "{report}");
    assert!(report.contains("Status: 5.7.1"), "{report}");
}
