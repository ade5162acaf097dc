//! Everything again, as people read it.

use super::people::People;
use super::screen::Screen;
use super::wire::Begin;

/// Messages that are listed of one mailbox; the stream left hundreds in one.
const LISTED: usize = 8;

/// By IMAP and by POP3, each with both ways to TLS.
pub(super) async fn run(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    screen.section("Reading everything by IMAP and POP3");
    for (index, person) in people.everybody().iter().enumerate() {
        if person.address.ends_with("@idle.test") {
            continue;
        }
        let begin = if index % 2 == 0 {
            Begin::Tls
        } else {
            Begin::Plain
        };
        compare(screen, people, &person.address, begin).await?;
    }
    closed(screen, people).await
}

/// One INBOX by both protocols: the same messages, byte by byte.
async fn compare(
    screen: &mut Screen,
    people: &People,
    address: &str,
    begin: Begin,
) -> anyhow::Result<()> {
    let mut imap = people.imap(address, begin).await?;
    imap.must("EXAMINE INBOX").await?;
    let by_imap = imap.fetch_all("BODY.PEEK[]").await?;
    imap.logout().await?;
    let mut pop3 = people.pop3(address, begin).await?;
    let count = pop3.count().await?;
    let mut by_pop3 = Vec::with_capacity(count);
    for number in 1..=count {
        by_pop3.push(pop3.retrieve(number).await?);
    }
    pop3.quit().await?;
    screen.line(address);
    for message in by_imap.iter().take(LISTED) {
        screen.answer(&headline(message));
    }
    if by_imap.len() > LISTED {
        screen.answer(&format!("… and {} more", by_imap.len() - LISTED));
    }
    let way = match begin {
        Begin::Tls => "TLS",
        Begin::Plain => "STARTTLS, STLS",
    };
    let told = match by_imap.len() {
        0 => "No message, by IMAP and by POP3".to_owned(),
        1 => "1 message, by IMAP and by POP3 the same bytes".to_owned(),
        count => format!("{count} messages, by IMAP and by POP3 the same bytes"),
    };
    screen.check(
        by_imap == by_pop3,
        &format!("{told} ({way})"),
        &format!("{} by IMAP, {count} by POP3", by_imap.len()),
    );
    Ok(())
}

/// Sender and subject.
fn headline(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let field = |name: &str| {
        let mut header = text.lines().take_while(|line| !line.is_empty());
        let value = header
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default();
        value.trim().to_owned()
    };
    format!("{}: {}", field("From:"), field("Subject:"))
}

/// A domain that is not active lets nobody in.
async fn closed(screen: &mut Screen, people: &People) -> anyhow::Result<()> {
    let refused = people.imap("old@idle.test", Begin::Tls).await;
    let seen = match &refused {
        Ok(_) => "the login succeeded".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    screen.line("old@idle.test");
    screen.answer(&seen);
    screen.check(
        refused.is_err() && seen.contains("IMAP LOGIN: NO"),
        "idle.test is inactive: the right password opens nothing",
        &seen,
    );
    Ok(())
}
