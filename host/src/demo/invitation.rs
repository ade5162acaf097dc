//! How to go on with an own client.

use super::people::{ADMINISTRATOR, People};
use super::screen::Screen;
use super::stage::Folder;

/// Host, ports, passwords, and lines to copy.
pub(super) fn show(screen: &Screen, people: &People, folder: &Folder) {
    let ports = &people.ports;
    let host = ports.smtp.ip();
    screen.heading("Your turn: the server goes on until Ctrl-C, then its folder is removed.");
    screen.line(&format!("Host      {host}"));
    screen.line(&format!(
        "SMTP      {} for strangers, without login",
        ports.smtp.port()
    ));
    for (name, plain, tls) in [
        ("Sending", ports.submission, ports.submissions),
        ("IMAP", ports.imap, ports.imaps),
        ("POP3", ports.pop3, ports.pop3s),
    ] {
        let (plain, tls) = (plain.port(), tls.port());
        screen.line(&format!("{name:<8}  {plain} with STARTTLS, {tls} with TLS"));
    }
    screen.line(&format!("Metrics   http://{}/metrics", ports.metrics));
    screen.say("The certificate is self-signed: let your client take it.");

    screen.heading("Names and passwords");
    for person in people.everybody() {
        screen.line(&format!("{:<16}  {}", person.address, person.password));
    }

    screen.heading("Write a letter to ann, and read it");
    screen.line("printf 'From: me@example.org\\nSubject: Hello\\n\\nHello ann\\n' \\");
    screen.line("  | curl -sS --crlf -T - --mail-from me@example.org \\");
    screen.line(&format!(
        "    --mail-rcpt ann@abc.test smtp://{host}:{}",
        ports.smtp.port()
    ));
    let ann = people.everybody().first();
    let user = ann.map_or_else(String::new, |ann| {
        format!("{}:{}", ann.address, ann.password)
    });
    screen.line(&format!("curl -sSk -u {user} \\"));
    screen.line(&format!(
        "    'imaps://{host}:{}/INBOX;MAILINDEX=*'",
        ports.imaps.port()
    ));
    screen.line(&format!("curl -sSk -u {user} \\"));
    screen.line(&format!("    pop3s://{host}:{}/1", ports.pop3s.port()));

    screen.heading("Administer it, in another terminal");
    screen.line(&format!(
        "export POSTROOM_DATA={}",
        folder.path().join("data").display()
    ));
    let program = std::env::current_exe()
        .map_or_else(|_| "postroom".to_owned(), |path| path.display().to_string());
    screen.line(&format!("alias postroom={program}"));
    screen.line("postroom explain nobody@abc.test");
    screen.line("postroom plugin list abc.test");
    screen.say("The same from afar, as the administrator of abc.test (ann's password is above):");
    screen.line(&format!(
        "postroom --server https://{} --as {ADMINISTRATOR} --insecure user list abc.test",
        ports.https
    ));
}
