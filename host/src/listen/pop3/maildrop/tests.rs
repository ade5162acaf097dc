use std::sync::Arc;

use mail::{DomainId, PersonId, Tenant};
use store::{Config, Error, Memory, NewMessage, Piece, Place, Store};

use super::{Maildrop, Maildrops, OpenError};

const ANNA: PersonId = PersonId(1);
const OTTO: PersonId = PersonId(2);

fn tenant() -> Tenant {
    Tenant::vouch(DomainId(1))
}

/// A store with these messages in Anna's INBOX.
async fn store(messages: &[&str]) -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Memory::new(Config::default()).expect("in memory"));
    let access = mail::Access::system(tenant());
    let new = |text: &&str| NewMessage::new(vec![Piece::Private(text.as_bytes().to_vec())]);
    let messages = messages.iter().map(new).collect();
    let operation = store.operation_id();
    store
        .append(&access, operation, Place::Inbox(ANNA), messages)
        .await
        .expect("appended");
    store
}

async fn sizes(maildrops: &Maildrops, store: &Arc<dyn Store>) -> Vec<u64> {
    let (_, rows) = Maildrop::open(maildrops, Arc::clone(store), tenant(), ANNA)
        .await
        .expect("nobody has it");
    rows.iter().map(|row| row.size).collect()
}

#[tokio::test]
async fn i21_one_session_at_a_time_and_the_next_when_it_ends() {
    let (maildrops, store) = (Maildrops::default(), store(&["one\r\n"]).await);
    let open = |person| Maildrop::open(&maildrops, Arc::clone(&store), tenant(), person);
    let first = open(ANNA).await.expect("nobody has it");
    assert!(matches!(open(ANNA).await, Err(OpenError::InUse)));
    let other = open(OTTO).await.expect("another person's");
    drop(first);
    let again = open(ANNA).await.expect("it was given back");
    drop((other, again));
    assert!(maildrops.open().is_empty());
}

#[tokio::test]
async fn i21_only_what_was_marked_is_deleted() {
    let (maildrops, store) = (
        Maildrops::default(),
        store(&["one\r\n", "two..\r\n", "three..\r\n"]).await,
    );
    let (maildrop, rows) = Maildrop::open(&maildrops, Arc::clone(&store), tenant(), ANNA)
        .await
        .expect("nobody has it");
    assert_eq!(
        rows.iter().map(|row| row.size).collect::<Vec<_>>(),
        [5, 7, 9]
    );
    maildrop
        .delete(vec![rows[0].uid, rows[2].uid])
        .await
        .expect("deleted");
    drop(maildrop);
    assert_eq!(sizes(&maildrops, &store).await, [7]);
}

#[tokio::test]
async fn unique_ids_are_the_same_in_every_session() {
    let (maildrops, store) = (Maildrops::default(), store(&["one\r\n", "two\r\n"]).await);
    let open = || Maildrop::open(&maildrops, Arc::clone(&store), tenant(), ANNA);
    let (first, before) = open().await.expect("nobody has it");
    first.delete(vec![before[0].uid]).await.expect("deleted");
    drop(first);
    let (_second, after) = open().await.expect("nobody has it");
    assert_eq!(after, before[1..]);
}

#[tokio::test]
async fn a_message_that_somebody_else_removed_is_not_found() {
    let (maildrops, store) = (Maildrops::default(), store(&["one\r\n"]).await);
    let (maildrop, rows) = Maildrop::open(&maildrops, Arc::clone(&store), tenant(), ANNA)
        .await
        .expect("nobody has it");
    assert_eq!(
        maildrop
            .message(rows[0].uid)
            .expect("there")
            .read_all()
            .expect("whole"),
        b"one\r\n"
    );
    maildrop.delete(vec![rows[0].uid]).await.expect("deleted");
    assert!(matches!(
        maildrop.message(rows[0].uid),
        Err(Error::NotFound)
    ));
}
