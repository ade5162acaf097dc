use mail::*;
use store::*;
#[test]
fn smoke() {
    let store: std::sync::Arc<dyn Store> =
        std::sync::Arc::new(Memory::new(Config::default()).unwrap());
    let t = Tenant::vouch(DomainId(7));
    let a = Access::person(t, PersonId(3));
    let mut w = store.begin_body().unwrap();
    w.write(b"Subject: hi\r\n\r\nhello\r\n").unwrap();
    let b = w.finish().unwrap();
    let got = store
        .append(
            &a,
            store.operation_id(),
            Place::Inbox(PersonId(3)),
            vec![NewMessage::new(vec![
                Piece::Private(b"X: y\r\n".to_vec()),
                b.piece(),
            ])],
        )
        .wait()
        .unwrap();
    let c = store
        .content(&a, Source::Message(got[0].mailbox, got[0].uid))
        .unwrap();
    assert_eq!(
        c.read_all().unwrap(),
        b"X: y\r\nSubject: hi\r\n\r\nhello\r\n"
    );
    println!(
        "{:?}",
        store.mailboxes(&a, Owner::Person(PersonId(3))).unwrap()
    );
}
