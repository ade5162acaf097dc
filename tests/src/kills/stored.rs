//! What a server has of a person's mail, read by IMAP.

use std::collections::HashMap;

use super::load::sha256;
use super::shared::Shared;
use crate::{Ran, python};

/// Prints uid, id, hash of the sender's own part, and flags of every message of INBOX.
const READER: &str = r#"
import hashlib, imaplib, re, ssl, sys
with imaplib.IMAP4_SSL("127.0.0.1", int(sys.argv[1]), ssl_context=ssl._create_unverified_context()) as client:
    client.login(sys.argv[2], "secret")
    client.select("INBOX", readonly=True)
    uids = client.uid("SEARCH", "ALL")[1][0].split()
    assert [int(uid) for uid in uids] == sorted({int(uid) for uid in uids}), uids
    for start in range(0, len(uids), 50):
        some = b",".join(uids[start:start + 50]).decode()
        for part in client.uid("FETCH", some, "(FLAGS BODY.PEEK[])")[1]:
            if isinstance(part, tuple):
                uid = re.search(rb"UID (\d+)", part[0]).group(1).decode()
                flags = re.search(rb"FLAGS \(([^)]*)\)", part[0]).group(1).decode().split()
                flags = ",".join(sorted(flag for flag in flags if flag != "\\Recent"))
                own = part[1][part[1].index(b"Message-ID: <"):]
                print(uid, own[13:].split(b">")[0].decode(), hashlib.sha256(own).hexdigest(), flags)
"#;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stored {
    pub(super) id: String,
    pub(super) uid: u32,
    /// Of what the sender wrote.
    pub(super) hash: String,
    /// By name, with commas between.
    pub(super) flags: String,
}

impl Stored {
    /// As it is expected of a message that begins with its id.
    pub(super) fn expected(id: &str, text: &str, flags: &str) -> Self {
        Self {
            id: id.to_owned(),
            uid: 0,
            hash: sha256(text.as_bytes()),
            flags: flags.to_owned(),
        }
    }
}

/// What a server that stays up has.
///
/// # Panics
/// It does not say.
#[track_caller]
pub(super) fn read(port: &str, user: &str) -> Vec<Stored> {
    parse(&python(READER, &[port, user]).ok())
}

/// What a server has that may be killed meanwhile: it is asked again then.
///
/// # Errors
/// It did not say, and nobody killed it.
pub(super) fn read_again(shared: &Shared, user: &str) -> Result<Vec<Stored>, Ran> {
    loop {
        let kills = shared.kills();
        let Some(ports) = shared.ports() else {
            return Ok(Vec::new());
        };
        let ran = python(READER, &[&ports.imaps, user]);
        if ran.code == 0 {
            return Ok(parse(&ran.out));
        }
        if shared.kills() == kills {
            return Err(ran);
        }
    }
}

/// Hashes by id.
pub(super) fn by_id(stored: Vec<Stored>) -> HashMap<String, Vec<String>> {
    let mut found: HashMap<String, Vec<String>> = HashMap::new();
    for one in stored {
        found.entry(one.id).or_default().push(one.hash);
    }
    found
}

fn parse(text: &str) -> Vec<Stored> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        Some(Stored {
            uid: words.next()?.parse().ok()?,
            id: words.next()?.to_owned(),
            hash: words.next()?.to_owned(),
            flags: words.next()?.to_owned(),
        })
    };
    text.lines().filter_map(line).collect()
}
