//! The host of the tests: three people and three messages.

use std::fs;
use std::path::{Path, PathBuf};

use mail::{EmailId, Uid};
use sasl::Credentials;

use crate::{Answer, Ask, Progress, Retrieve, Row, Stuffer};

pub(super) const HOST: &str = "mail.abc.test";
const PASSWORD: &str = "correct horse";

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/transcripts/pop3")
}

pub(super) struct House {
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) deleted: Vec<Uid>,
    part: String,
}

impl House {
    /// `part` is the `host:` line of a transcript.
    pub(super) fn new(part: &str) -> Self {
        let messages = (1..=3).map(|number| {
            let file = folder().join(format!("messages/{number}.eml"));
            let text = fs::read_to_string(file).expect("a message of the transcripts");
            text.replace('\n', "\r\n").into_bytes()
        });
        Self {
            messages: messages.collect(),
            deleted: Vec::new(),
            part: part.to_owned(),
        }
    }

    pub(super) fn rows(&self) -> Vec<Row> {
        let rows = self
            .messages
            .iter()
            .zip(1u32..)
            .map(|(message, number)| Row {
                uid: Uid(number * 10),
                email: EmailId(u64::from(number) + 0xab0),
                size: message.len() as u64,
            });
        rows.collect()
    }

    pub(super) fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Authenticate(credentials) => sign_in(&credentials),
            Ask::OpenMaildrop => Answer::Maildrop(self.rows()),
            Ask::Open { uid: Uid(20) } if self.part == "message 2 is gone" => Answer::Gone,
            Ask::Open { uid: Uid(20) } if self.part == "message 2 is damaged" => Answer::Damaged,
            Ask::Open { .. } => Answer::Opened,
            Ask::Delete { .. } if self.part == "deletion fails" => Answer::Unavailable,
            Ask::Delete { uids } => {
                self.deleted = uids;
                Answer::Deleted
            }
        }
    }

    /// As the session sees it; who signed in decides what the maildrop says.
    pub(super) fn answer_as(&mut self, ask: Ask, signed_in: &mut String) -> Answer {
        if let Ask::Authenticate(credentials) = &ask {
            signed_in.clone_from(&credentials.login);
        }
        if ask == Ask::OpenMaildrop && signed_in == "otto@abc.test" {
            return Answer::InUse;
        }
        self.answer(ask)
    }

    /// What goes over the wire for a `Send`, from pieces of `piece` bytes.
    pub(super) fn stream(&self, retrieve: Retrieve, piece: usize) -> Vec<u8> {
        let message = &self.messages[retrieve.uid.0 as usize / 10 - 1];
        let (mut stuffer, mut out) = (Stuffer::new(retrieve.extent), Vec::new());
        for piece in message.chunks(piece) {
            if stuffer.push(piece, &mut out) == Progress::Enough {
                break;
            }
        }
        stuffer.finish(&mut out);
        out
    }
}

fn sign_in(credentials: &Credentials) -> Answer {
    let right = credentials.password.expose_secret() == PASSWORD;
    match credentials.login.as_str() {
        "una@abc.test" => Answer::Unavailable,
        "anna@abc.test" | "otto@abc.test" if right => Answer::SignedIn,
        _ => Answer::Refused,
    }
}
