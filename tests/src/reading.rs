//! What a server has, read from outside.

use crate::{Server, eventually, python};

const READ: &str = r#"
import imaplib, ssl, sys
port, user, mailbox = int(sys.argv[1]), sys.argv[2], sys.argv[3]
with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=ssl._create_unverified_context()) as client:
    client.login(user, "secret")
    status, found = client.select('"' + mailbox + '"', readonly=True)
    assert status == "OK", found
    if found != [b"0"]:
        for part in client.fetch("1:*", "(BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                print(part[1].hex())
"#;

impl Server {
    /// Every message of a mailbox, as IMAP gives it.
    #[track_caller]
    pub fn messages(&self, user: &str, mailbox: &str) -> Vec<Vec<u8>> {
        let hex = python(READ, &[&self.port("imaps"), user, mailbox]).ok();
        hex.lines().map(bytes_of).collect()
    }

    /// Waits until nothing is left to deliver; parked rows aside.
    #[track_caller]
    pub fn delivered(&self) {
        eventually("the queue is empty", || {
            let rows = self.json(&["queue", "list"]);
            let rows = rows.as_array().expect("it is a list");
            rows.iter().all(|row| {
                row["state"]
                    .as_str()
                    .unwrap_or_default()
                    .starts_with("parked")
            })
        });
    }
}

/// Hexadecimal digits to bytes.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("Python prints digits");
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::try_from(digit(pair[0]) * 16 + digit(pair[1])).expect("two digits"))
        .collect()
}
