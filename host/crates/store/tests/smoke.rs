use mail::*;
use store::*;
#[test]
fn smoke() {
    let dir = tempfile::tempdir().unwrap();
    let t = Tenant::vouch(DomainId(7));
    let a = Access::person(t, PersonId(3));
    let mut last = None;
    for round in 0..3 {
        let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(
            Embedded::open(&dir.path().join("data"), Config::default()).unwrap(),
        );
        if let Some(Appended { mailbox, uid, .. }) = last {
            let c = store.content(&a, Source::Message(mailbox, uid)).unwrap();
            assert_eq!(
                c.read_all().unwrap(),
                b"X: y\r\nSubject: hi\r\n\r\nhello\r\n"
            );
        }
        let mut w = store.begin_body().unwrap();
        w.write(b"Subject: hi\r\n\r\nhello\r\n").unwrap();
        let b = w.finish().unwrap();
        let start = std::time::Instant::now();
        for _ in 0..200 {
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
            last = Some(got[0]);
        }
        println!("{round} {:?} each", start.elapsed() / 200);
        if round == 1 {
            std::mem::forget(store);
            break;
        }
    }
    println!(
        "{:?}",
        std::process::Command::new("ls")
            .arg("-lsR")
            .arg(dir.path())
            .output()
            .map(|o| String::from_utf8(o.stdout).unwrap())
            .unwrap()
    );
}
