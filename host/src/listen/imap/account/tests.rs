//! Sessions over a real store: what clients of two connections say and get.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use imap::ask::LoginOutcome;
use imap::{Answer, Ask, Config, Event, ImapSession, SendMessage, StartTls};
use mail::limits::Limits;
use mail::{Access, DomainId, GroupId, PersonId, Tenant, Transport};
use net::{DriveOptions, Handler, Outlet, SendError, Stream};
use store::{Memory, NewMailbox, NewMessage, Owner, Place, Quota, Rights, Store};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::Notify;

use super::{Account, Quotas, Shapes};

pub(super) const ANNA: PersonId = PersonId(1);
const OTTO: PersonId = PersonId(2);
/// As in the transcripts.
const MESSAGE_BYTES: u64 = 100_000;
const TEAM: Owner = Owner::Group(GroupId(1));

pub(super) fn tenant(domain: u64) -> Tenant {
    Tenant::vouch(DomainId(domain))
}

/// Anna has a message; the team has one that Anna may read and Otto may not see.
async fn store() -> Arc<dyn Store> {
    let store: Arc<dyn Store> = Arc::new(Memory::new(store::Config::default()).expect("in memory"));
    let access = Access::system(tenant(1));
    let new = NewMailbox {
        owner: TEAM,
        name: "Team".to_owned(),
        special_use: None,
    };
    store
        .create_mailbox(&access, store.operation_id(), new)
        .await
        .expect("made");
    store
        .set_members(&access, TEAM, vec![(ANNA, Rights::MEMBER)])
        .await
        .expect("set");
    deliver(&store, Place::Inbox(ANNA), "Subject: one\r\n\r\nfirst\r\n").await;
    deliver(
        &store,
        Place::Named(TEAM, "Team".to_owned()),
        "Subject: all\r\n\r\nof us\r\n",
    )
    .await;
    store
}

async fn deliver(store: &Arc<dyn Store>, place: Place, text: &str) {
    let access = Access::system(tenant(1));
    let mut body = store.begin_body().expect("begun");
    body.write(text.as_bytes()).expect("written");
    let message = NewMessage::new(vec![body.finish().expect("finished").piece()]);
    store
        .append(&access, store.operation_id(), place, vec![message])
        .await
        .expect("delivered");
}

/// So many bytes, for everybody.
struct Bytes(Option<u64>);

impl Quotas for Bytes {
    fn of(&self, _: &Access, _: Owner) -> (Quota, Quota) {
        (
            Quota {
                bytes: self.0,
                messages: None,
            },
            Quota::NONE,
        )
    }
}

/// The adapter without the login way: one password opens everything.
struct Open {
    account: Account,
    changed: Arc<Notify>,
    revoked: Arc<Notify>,
}

impl Handler<ImapSession> for Open {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Authenticate(credentials)
                if credentials.login == "ann"
                    && credentials.password.expose_secret() == "secret" =>
            {
                self.account.prepare().await.expect("prepared");
                Answer::Login(LoginOutcome::Accepted)
            }
            Ask::Authenticate(_) => Answer::Login(LoginOutcome::Refused),
            ask => self.account.answer(ask).await,
        }
    }

    async fn body(&mut self, bytes: Vec<u8>) {
        self.account.append_bytes(&bytes);
    }

    async fn discard_body(&mut self) {
        self.account.append_discard();
    }

    async fn send(&mut self, send: SendMessage, outlet: &mut Outlet<'_>) -> Result<(), SendError> {
        self.account.send(&send, outlet).await
    }

    async fn next_event(&mut self) -> Event {
        self.account.close_messages();
        tokio::select! {
            () = self.revoked.notified() => Event::Revoked,
            () = self.changed.notified() => Event::Changed,
        }
    }
}

/// Serves one connection until it ends. What comes back takes the person's access away.
pub(super) fn serve<T>(
    store: &Arc<dyn Store>,
    domain: u64,
    person: PersonId,
    quota: Option<u64>,
    io: T,
) -> Arc<Notify>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let changed = Arc::<Notify>::default();
    let revoked = Arc::<Notify>::default();
    let told = Arc::clone(&revoked);
    let access = Access::person(tenant(domain), person);
    let account = Account::new(
        Arc::clone(store),
        access,
        person,
        Box::new(Bytes(quota)),
        Arc::clone(&changed),
        Shapes::default(),
    );
    let limits = Limits {
        message_bytes: MESSAGE_BYTES,
        ..Limits::default()
    };
    let config = Config {
        host: "mail.abc.test".to_owned(),
        starttls: StartTls::Absent,
        limits,
    };
    let transport = Transport {
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        peer_port: 1,
        encrypted: true,
        server_name: None,
    };
    tokio::spawn(async move {
        let (_stop, shutdown) = net::shutdown();
        let mut session = ImapSession::new(Arc::new(config), &transport, Instant::now());
        let mut handler = Open {
            account,
            changed,
            revoked: told,
        };
        let options = DriveOptions::default();
        net::drive(
            Stream::Plain(io),
            transport,
            &mut session,
            &mut handler,
            &options,
            shutdown,
        )
        .await
    });
    revoked
}

/// A client that has signed in.
struct Client {
    read: ReadHalf<DuplexStream>,
    write: WriteHalf<DuplexStream>,
    received: String,
}

impl Client {
    async fn new(
        store: &Arc<dyn Store>,
        domain: u64,
        person: PersonId,
        quota: Option<u64>,
    ) -> Self {
        let (near, far) = tokio::io::duplex(64 * 1024);
        serve(store, domain, person, quota, far);
        let (read, write) = tokio::io::split(near);
        let mut client = Self {
            read,
            write,
            received: String::new(),
        };
        client.until("* OK").await;
        client.says("l LOGIN ann secret").await;
        client
    }

    /// Sends a command and gives back all that came up to its end.
    async fn says(&mut self, command: &str) -> String {
        let tag = command.split(' ').next().expect("a tag").to_owned();
        self.send(&format!("{command}\r\n")).await;
        self.until(&format!("{tag} ")).await
    }

    async fn send(&mut self, text: &str) {
        self.write.write_all(text.as_bytes()).await.expect("sent");
    }

    /// What comes up to the end of the first line that begins like this.
    async fn until(&mut self, start: &str) -> String {
        let found = async {
            loop {
                let line_start = |at: &usize| *at == 0 || self.received[..*at].ends_with('\n');
                let begins = self
                    .received
                    .match_indices(start)
                    .map(|(at, _)| at)
                    .find(line_start);
                if let Some(at) = begins
                    && let Some(end) = self.received[at..].find("\r\n")
                {
                    return self.received.drain(..at + end + 2).collect();
                }
                let mut bytes = [0; 64 * 1024];
                let count = self.read.read(&mut bytes).await.expect("read");
                assert!(count > 0, "the connection ended; before: {}", self.received);
                self.received
                    .push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found)
            .await
            .expect("an answer comes")
    }
}

#[tokio::test]
async fn a_person_finds_the_usual_mailboxes_and_reads_mail() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    let list = anna.says("a LIST \"\" *").await;
    for line in [
        "\"INBOX\"",
        "\\Sent) \"/\" \"Sent\"",
        "\\Drafts) \"/\" \"Drafts\"",
        "\"Shared Folders/Team\"",
    ] {
        assert!(list.contains(line), "{line} in {list}");
    }
    assert!(anna.says("b SELECT INBOX").await.contains("* 1 EXISTS\r\n"));
    let fetched = anna
        .says("c FETCH 1 (RFC822.SIZE BODY[] ENVELOPE BODYSTRUCTURE)")
        .await;
    assert!(
        fetched.contains("BODY[] {23}\r\nSubject: one\r\n\r\nfirst\r\n ENVELOPE (NIL \"one\""),
        "{fetched}"
    );
    assert!(fetched.contains("FLAGS (\\Seen)"), "{fetched}");
    assert!(
        anna.says("d SEARCH BODY FIRST")
            .await
            .starts_with("* SEARCH 1\r\n")
    );
    assert!(
        anna.says("e SEARCH SUBJECT first")
            .await
            .starts_with("* SEARCH\r\n")
    );
    assert!(
        anna.says("f STATUS INBOX (UNSEEN MESSAGES SIZE)")
            .await
            .contains("(UNSEEN 0 MESSAGES 1 SIZE 23)")
    );
}

#[tokio::test]
async fn idle_hears_of_deliveries_flags_and_expunges_within_a_second() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    let mut other = Client::new(&store, 1, ANNA, None).await;
    for client in [&mut anna, &mut other] {
        client.says("s SELECT INBOX").await;
    }
    anna.send("i IDLE\r\n").await;
    anna.until("+ ").await;
    let started = Instant::now();
    deliver(&store, Place::Inbox(ANNA), "Subject: two\r\n\r\n").await;
    assert_eq!(anna.until("* 2 EXISTS").await, "* 2 EXISTS\r\n");
    other
        .says("a STORE 1 +FLAGS.SILENT (\\Deleted $Gone)")
        .await;
    anna.until("* FLAGS ").await;
    assert_eq!(
        anna.until("* 1 FETCH").await,
        "* 1 FETCH (UID 1 FLAGS (\\Deleted $Gone))\r\n"
    );
    other.says("b EXPUNGE").await;
    assert_eq!(anna.until("* 1 EXPUNGE").await, "* 1 EXPUNGE\r\n");
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    anna.send("DONE\r\n").await;
    anna.until("i OK").await;
}

#[tokio::test]
async fn messages_come_go_and_move() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    anna.send("a APPEND Drafts (\\Draft k1) \"17-Jul-1996 02:44:25 -0700\" {14+}\r\nSubject: x\r\n\r\n\r\n").await;
    assert!(anna.until("a ").await.contains("[APPENDUID "));
    anna.says("b SELECT Drafts").await;
    let row = anna.says("c UID FETCH 1:* (FLAGS INTERNALDATE)").await;
    assert!(
        row.contains("UID 1 FLAGS (\\Draft k1) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\""),
        "{row}"
    );
    assert!(
        anna.says("d UID COPY 1 Sent")
            .await
            .contains(" 1 1] COPY done")
    );
    let moved = anna.says("e UID MOVE 1 Trash").await;
    assert!(
        moved.contains("* OK [COPYUID ") && moved.contains("* 1 EXPUNGE\r\n"),
        "{moved}"
    );
    assert!(
        anna.says("f STATUS Sent (MESSAGES)")
            .await
            .contains("(MESSAGES 1)")
    );
    assert!(anna.says("g COPY 1:* Nowhere").await.contains("g OK"));
    anna.says("h SELECT Trash").await;
    assert!(
        anna.says("i COPY 1 Nowhere")
            .await
            .contains("NO [TRYCREATE]")
    );
    anna.says("j STORE 1 +FLAGS (\\Deleted)").await;
    assert!(anna.says("k UID EXPUNGE 2:9").await.starts_with("k OK"));
    assert!(anna.says("l CLOSE").await.starts_with("l OK"));
    assert!(
        anna.says("m STATUS Trash (MESSAGES UIDNEXT)")
            .await
            .contains("(MESSAGES 0 UIDNEXT 2)")
    );
}

#[tokio::test]
async fn mailboxes_are_made_renamed_and_deleted() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    assert!(anna.says("a CREATE Work/Plans").await.starts_with("a OK"));
    assert!(anna.says("b CREATE Work").await.contains("[ALREADYEXISTS]"));
    assert!(anna.says("c DELETE Work").await.contains("NO [INUSE]"));
    assert!(
        anna.says("d RENAME Work Work/Below")
            .await
            .contains("NO [CANNOT]")
    );
    assert!(
        anna.says("e RENAME Work \"Arbeit & B&APw-cher\"")
            .await
            .contains("e NO [CANNOT]")
    );
    assert!(
        anna.says("f RENAME Work \"B&APw-cher\"")
            .await
            .starts_with("f OK")
    );
    let list = anna.says("g LIST \"\" B*").await;
    assert!(
        list.contains("(\\HasNoChildren) \"/\" \"B&APw-cher/Plans\""),
        "{list}"
    );
    assert!(
        anna.says("h SUBSCRIBE \"B&APw-cher\"")
            .await
            .starts_with("h OK")
    );
    assert!(
        anna.says("i LSUB \"\" *")
            .await
            .contains("\"B&APw-cher\"\r\n")
    );
    // RFC 3501 §6.3.5: what was in INBOX goes, INBOX stays.
    assert!(anna.says("j RENAME INBOX Old").await.starts_with("j OK"));
    assert!(
        anna.says("k STATUS INBOX (MESSAGES)")
            .await
            .contains("(MESSAGES 0)")
    );
    assert!(
        anna.says("l STATUS Old (MESSAGES)")
            .await
            .contains("(MESSAGES 1)")
    );
    assert!(anna.says("m DELETE Old").await.starts_with("m OK"));
}

#[tokio::test]
async fn i05_quota_is_checked_before_the_message_comes() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, Some(100)).await;
    assert!(
        anna.says("a APPEND Sent {200}")
            .await
            .contains("NO [OVERQUOTA]")
    );
    anna.send("b APPEND Sent {60+}\r\n").await;
    anna.send(&format!("{}\r\n", "x".repeat(60))).await;
    assert!(anna.until("b ").await.starts_with("b OK"));
    assert!(
        anna.says("c APPEND Sent {60}")
            .await
            .contains("NO [OVERQUOTA]")
    );
    assert!(
        anna.says("d STATUS Sent (MESSAGES)")
            .await
            .contains("(MESSAGES 1)")
    );
}

#[tokio::test]
async fn i15_a_shared_mailbox_of_others_is_not_there() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    let mut otto = Client::new(&store, 1, OTTO, None).await;
    assert!(
        anna.says("a SELECT \"Shared Folders/Team\"")
            .await
            .contains("[READ-WRITE]")
    );
    assert!(anna.says("b FETCH 1 BODY[TEXT]").await.contains("of us"));
    assert!(!otto.says("a LIST \"\" *").await.contains("Shared"));
    otto.says("s SELECT Sent").await;
    otto.send("t APPEND Sent {5+}\r\na: b\n\r\n").await;
    otto.until("t ").await;
    for command in [
        "SELECT \"{}\"",
        "EXAMINE \"{}\"",
        "STATUS \"{}\" (MESSAGES)",
        "LIST \"\" \"{}\"",
        "DELETE \"{}\"",
        "RENAME \"{}\" Mine",
        "RENAME Trash \"{}\"",
        "CREATE \"{}\"",
        "CREATE \"{}/Below\"",
        "APPEND \"{}\" {5}",
        "COPY 1 \"{}\"",
        "MOVE 1 \"{}\"",
    ] {
        let mut answers = Vec::new();
        for name in ["Shared Folders/Team", "Shared Folders/None"] {
            otto.says("s SELECT Sent").await;
            answers.push(
                otto.says(&format!("x {}", command.replacen("{}", name, 1)))
                    .await,
            );
        }
        assert_eq!(answers[0], answers[1], "{command}");
        assert!(
            answers[0].contains("x NO") || command.starts_with("LIST"),
            "{command}: {}",
            answers[0]
        );
    }
}

#[tokio::test]
async fn i16_another_domain_shows_nothing() {
    let store = store().await;
    // The same person number in another domain.
    let mut stranger = Client::new(&store, 2, ANNA, None).await;
    assert!(
        stranger
            .says("a STATUS INBOX (MESSAGES)")
            .await
            .contains("(MESSAGES 0)")
    );
    assert!(!stranger.says("b LIST \"\" *").await.contains("Team"));
    assert!(
        stranger
            .says("c SELECT \"Shared Folders/Team\"")
            .await
            .contains("NO [NONEXISTENT]")
    );
}

#[tokio::test]
async fn a_right_that_is_taken_ends_the_look_at_the_mailbox() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    anna.says("a SELECT \"Shared Folders/Team\"").await;
    anna.send("i IDLE\r\n").await;
    anna.until("+ ").await;
    store
        .set_members(&Access::system(tenant(1)), TEAM, Vec::new())
        .await
        .expect("set");
    assert!(anna.until("* BYE").await.starts_with("* BYE"));
}

#[tokio::test]
async fn what_is_open_stays_readable_when_it_is_expunged() {
    let store = store().await;
    let large = format!("Subject: large\r\n\r\n{}", "x".repeat(3_000_000));
    deliver(&store, Place::Inbox(ANNA), &large).await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    anna.says("s SELECT INBOX").await;
    // The pipe holds less than the message: the server waits amid it.
    anna.send("a FETCH 2 BODY.PEEK[]\r\n").await;
    anna.until("* 2 FETCH").await;
    let access = Access::system(tenant(1));
    let inbox = store.inbox(&access, ANNA).await.expect("there");
    store
        .expunge(&access, store.operation_id(), inbox, vec![mail::Uid(2)])
        .await
        .expect("gone");
    let fetched = anna.until("a ").await;
    assert!(fetched.len() > 3_000_000 && fetched.ends_with("a OK FETCH done\r\n"));
    assert!(anna.says("b NOOP").await.contains("* 2 EXPUNGE"));
}

/// The number behind `word (` in an answer.
fn number_behind(answer: &str, word: &str) -> u64 {
    let start = answer.find(word).expect("it is told") + word.len();
    let digits = answer[start..].chars().take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().expect("a number")
}

/// Each reads the keywords and puts back all of them with its own: whoever read what is no
/// longer so must read again, or another's keyword would be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn i18_of_many_who_store_at_once_none_overwrites_another() {
    const WRITERS: usize = 16;
    let store = store().await;
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        let mut anna = Client::new(&store, 1, ANNA, None).await;
        writers.push(tokio::spawn(async move {
            let (mut refused, mut last) = (0, 0);
            anna.says("e ENABLE CONDSTORE").await;
            loop {
                // A new look at the mailbox: what another stored comes with the SELECT.
                anna.says("s SELECT INBOX").await;
                let row = anna.says("f FETCH 1 (FLAGS MODSEQ)").await;
                let modseq = number_behind(&row, "MODSEQ (");
                assert!(modseq >= last, "sequences ascend: {last}, {row}");
                let start = row.find("FLAGS (").expect("flags are told") + 7;
                let end = start + row[start..].find(')').expect("the list ends");
                let flags = format!("{} k{number}", &row[start..end]);
                let stored = anna
                    .says(&format!(
                        "u UID STORE 1 (UNCHANGEDSINCE {modseq}) FLAGS.SILENT ({})",
                        flags.trim_start()
                    ))
                    .await;
                last = modseq;
                if stored.contains("u OK [MODIFIED 1]") {
                    refused += 1;
                    continue;
                }
                assert!(stored.contains("u OK STORE done"), "{stored}");
                let own = number_behind(&stored, "MODSEQ (");
                assert!(own > modseq, "{stored}");
                return (own, refused);
            }
        }));
    }
    let mut sequences = Vec::new();
    for writer in writers {
        sequences.push(writer.await.expect("a writer did well").0);
    }
    sequences.sort_unstable();
    sequences.dedup();
    assert_eq!(sequences.len(), WRITERS, "each change has its own sequence");
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    let selected = anna.says("s SELECT INBOX").await;
    let highest = number_behind(&selected, "HIGHESTMODSEQ ");
    assert_eq!(Some(&highest), sequences.last());
    let row = anna.says("f FETCH 1 (FLAGS)").await;
    for number in 0..WRITERS {
        let keyword = format!("k{number}");
        let there = row.split([' ', '(', ')']).any(|word| word == keyword);
        assert!(there, "{keyword} is lost: {row}");
    }
}

#[tokio::test]
async fn envelopes_are_kept_and_gone_with_the_right_to_read() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    anna.says("s SELECT \"Shared Folders/Team\"").await;
    let first = anna.says("a FETCH 1 (ENVELOPE BODYSTRUCTURE)").await;
    assert!(first.contains("(NIL \"all\""), "{first}");
    let again = anna.says("a FETCH 1 (ENVELOPE BODYSTRUCTURE)").await;
    assert_eq!(first, again);
    store
        .set_members(&Access::system(tenant(1)), TEAM, Vec::new())
        .await
        .expect("set");
    // The end is told at the first command that begins after the change was heard of.
    anna.send("b FETCH 1 (ENVELOPE)\r\nc NOOP\r\n").await;
    let ended = anna.until("* BYE").await;
    assert!(!ended.contains("\"all\""), "{ended}");
}

/// RFC 8474: ids stay with what they name, whatever it is called and wherever it goes.
#[tokio::test]
async fn object_ids_last() {
    let store = store().await;
    let mut anna = Client::new(&store, 1, ANNA, None).await;
    let id = |text: &str, name: &str| {
        let start = text.find(name).expect("an id is told") + name.len();
        let end = start + text[start..].find(')').expect("it ends");
        text[start..end].to_owned()
    };
    let made = anna.says("a CREATE Plans").await;
    let plans = id(&made, "MAILBOXID (");
    anna.says("b RENAME Plans Ideas").await;
    let status = anna.says("c STATUS Ideas (MAILBOXID)").await;
    assert_eq!(id(&status, "MAILBOXID ("), plans);
    anna.says("d SELECT INBOX").await;
    let first = anna.says("e FETCH 1 (EMAILID THREADID)").await;
    assert!(first.contains("THREADID NIL"), "{first}");
    let email = id(&first, "EMAILID (");
    anna.says("f COPY 1 Ideas").await;
    anna.says("g MOVE 1 Ideas").await;
    let selected = anna.says("h SELECT Ideas").await;
    assert_eq!(id(&selected, "MAILBOXID ("), plans);
    let found = anna.says(&format!("i SEARCH EMAILID {email}")).await;
    assert!(found.contains("* SEARCH 1 2\r\n"), "{found}");
    let both = anna.says("j FETCH 1:2 (EMAILID)").await;
    assert_eq!(
        both.matches(&format!("EMAILID ({email})")).count(),
        2,
        "{both}"
    );
}
