//! SEARCH where only the bytes of messages can tell.

use std::sync::{Arc, LazyLock};

use imap::ask::Refusal;
use imap::{Answer, Shape, TextKey, TextNeed, match_text};
use mail::message::Header;
use mail::{MailboxId, Uid, limits};
use store::{Content, Error};
use tokio::sync::Semaphore;

use super::account::{Account, Answered, OrRefusal};

/// I07: all searches together keep half of the processors busy, and none of the threads that
/// serve connections. Whoever waits has its turn in order, some messages at a time.
static LOOKING: LazyLock<Semaphore> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Semaphore::new((processors / 2).max(1))
});

impl Account {
    pub(super) async fn search(
        &mut self,
        mailbox: MailboxId,
        uids: &[Uid],
        keys: Arc<[TextKey]>,
    ) -> Answered {
        let contents = self.store.contents(&self.access, mailbox, uids);
        let contents = contents.or_refusal()?;
        // Nobody closes it.
        let _turn = LOOKING.acquire().await.map_err(|_| Refusal::Unavailable)?;
        let looked = tokio::task::spawn_blocking(move || look(&contents, &keys)).await;
        let matches = looked.unwrap_or_else(|error| {
            tracing::error!(%error, "looking through messages failed");
            Err(Error::Damaged("looking through messages failed".to_owned()))
        });
        Ok(Answer::Matches(matches.or_refusal()?))
    }
}

fn look(contents: &[(Uid, Content)], keys: &[TextKey]) -> store::Result<Vec<(Uid, Vec<bool>)>> {
    let need = TextNeed::of(keys);
    let verdicts = contents.iter().map(|(uid, content)| {
        let raw = match need {
            TextNeed::Header => header(content)?,
            TextNeed::Message => content.read_all()?,
        };
        Ok((*uid, match_text(keys, &raw)))
    });
    verdicts.collect()
}

/// The bytes up to the end of the header, perhaps a few more.
fn header(content: &Content) -> store::Result<Vec<u8>> {
    let mut length = Shape::HEADER_PIECE;
    loop {
        let mut raw = content.read(0, length)?;
        let all = raw.len() as u64 >= content.size();
        let end = Header::parse(&raw).body_offset();
        if end < raw.len() || all || raw.len() > limits::HEADER_BYTES {
            raw.truncate(end);
            return Ok(raw);
        }
        length *= 4;
    }
}
