//! Mutt, driven by its own key names in a terminal of its own: reads, marks, files, deletes.

use postroom_tests::{Server, program, python};

const FILL: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    client.create('"K&APw-che"')
    for subject in ["first", "second", "third"]:
        text = f"From: bob@abc.test\r\nTo: ann@abc.test\r\nSubject: {subject}\r\nMessage-ID: <{subject}@abc.test>\r\n\r\nthe {subject} text\r\n"
        status, answer = client.append("INBOX", None, None, text.encode())
        assert status == "OK", answer
"#;

/// Runs mutt in a terminal until it ends by itself, and prints what the terminal showed.
const TERMINAL: &str = r#"
import os, pty, select, sys, time
child, terminal = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm", LANG="C.UTF-8", LC_ALL="C.UTF-8", HOME=sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])
shown, end = b"", time.monotonic() + 60
while time.monotonic() < end:
    if select.select([terminal], [], [], 1)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
else:
    os.kill(child, 9)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.stdout.buffer.write(shown)
sys.exit(status)
"#;

const LOOK: &str = r#"
import imaplib, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login("ann@abc.test", "secret")
    for mailbox in ["INBOX", '"K&APw-che"']:
        client.select(mailbox, readonly=True)
        found = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1]
        for part in found:
            if isinstance(part, tuple):
                flags = part[0].decode()
                print(mailbox, part[1].split()[1].decode(), r"\Flagged" in flags, r"\Seen" in flags)
"#;

fn mutt(server: &Server, keys: &str) -> String {
    let here = server.path("").display().to_string();
    let rules = format!(
        "set my_account = 'imaps://ann%40abc.test@127.0.0.1:{}/'\n\
         set imap_user = 'ann@abc.test'\nset imap_pass = 'secret'\nset folder = $my_account\n\
         set spoolfile = '+INBOX'\nset certificate_file = '{here}data/tls/certificate.pem'\n\
         set ssl_verify_host = no\nset imap_condstore = yes\n\
         set header_cache = '{here}cache'\nset delete = yes\nset move = no\nset confirmappend = no\n\
         set confirmcreate = no\nset sort = subject\nset wait_key = no\nset mail_check = 0\n\
         set sleep_time = 0\nset auto_tag = no\nset resolve = no\nset quit = yes\n\
         push '{keys}'\n",
        server.port("imaps"),
    );
    std::fs::write(server.path("muttrc"), rules).expect("the folder is ours");
    let (mutt, rules) = (program("mutt"), server.path("muttrc"));
    let ran = python(
        TERMINAL,
        &[
            &here,
            &mutt.display().to_string(),
            "-n",
            "-F",
            &rules.display().to_string(),
        ],
    );
    assert_eq!(ran.code, 0, "{}{}\n{}", ran.out, ran.err, server.log());
    ran.out
}

#[test]
fn mutt_reads_marks_and_files() {
    let server = Server::start();
    server.domain("abc.test");
    server.user("ann@abc.test", &[]);
    python(FILL, &[&server.port("imaps")]).ok();
    let read = server.path("read");
    let pipe = format!("<pipe-message>cat > {}<enter>", read.display());
    let shown = mutt(
        &server,
        "<search>~s first<enter><display-message><exit>PIPE\
         <search>~s second<enter><flag-message>\
         <search>~s third<enter><save-message>=Küche<enter>\
         <sync-mailbox><quit>"
            .replace("PIPE", &pipe)
            .as_str(),
    );
    let read = std::fs::read_to_string(read).expect("mutt wrote it");
    assert!(read.contains("the first text"), "{read}");
    assert_eq!(
        python(LOOK, &[&server.port("imaps")]).ok(),
        "INBOX first False True\nINBOX second True False\n\"K&APw-che\" third False False\n",
        "{shown}"
    );
    // Once more from its cache, by what changed since; the search is the server's.
    let shown = mutt(
        &server,
        "<limit>=b second<enter><delete-message><limit>all<enter><sync-mailbox><quit>",
    );
    assert_eq!(
        python(LOOK, &[&server.port("imaps")]).ok(),
        "INBOX first False True\n\"K&APw-che\" third False False\n",
        "{shown}"
    );
}
