//! IMAP: fills mailboxes, fetches and counts, waits for new mail.

use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};

use super::wire::Wire;

pub(crate) struct Imap {
    wire: Wire,
    tags: u32,
}

/// What an answer had.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counted {
    /// Untagged FETCH responses.
    pub(crate) messages: usize,
    /// Lines and literals.
    pub(crate) bytes: usize,
    /// The last `* n EXISTS`.
    pub(crate) exists: Option<usize>,
}

impl Imap {
    /// Connects by TLS and signs in.
    pub(crate) async fn connect(
        address: SocketAddr,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let mut wire = Wire::connect_tls(address).await?;
        wire.line().await?;
        let mut imap = Self { wire, tags: 0 };
        imap.run(&format!("LOGIN \"{user}\" \"{password}\""))
            .await
            .with_context(|| format!("{user} cannot sign in at {address}"))?;
        Ok(imap)
    }

    /// Opens the INBOX; how many messages it has.
    pub(crate) async fn select(&mut self) -> anyhow::Result<usize> {
        let counted = self.run("SELECT INBOX").await?;
        counted.exists.context("SELECT says no EXISTS")
    }

    /// Runs one command and counts what comes.
    pub(crate) async fn run(&mut self, command: &str) -> anyhow::Result<Counted> {
        let tag = self.start(command).await?;
        self.end(&tag).await
    }

    /// Puts a message into the INBOX.
    pub(crate) async fn append(&mut self, message: &[u8]) -> anyhow::Result<()> {
        let command = format!("APPEND INBOX {{{}}}", message.len());
        let tag = self.start(&command).await?;
        self.continuation().await?;
        self.wire.write(&[message, b"\r\n"].concat()).await?;
        self.end(&tag).await.map(drop)
    }

    /// Begins to wait for new mail (RFC 2177).
    pub(crate) async fn idle(&mut self) -> anyhow::Result<()> {
        self.start("IDLE").await?;
        self.continuation().await
    }

    /// While idle: how many messages there are, as soon as the server says so.
    pub(crate) async fn exists(&mut self) -> anyhow::Result<usize> {
        loop {
            if let Some(count) = exists(self.wire.line().await?) {
                return Ok(count);
            }
        }
    }

    async fn start(&mut self, command: &str) -> anyhow::Result<String> {
        self.tags += 1;
        let tag = format!("b{}", self.tags);
        self.wire
            .write(format!("{tag} {command}\r\n").as_bytes())
            .await?;
        Ok(tag)
    }

    async fn continuation(&mut self) -> anyhow::Result<()> {
        loop {
            let line = self.wire.line().await?;
            match line.first() {
                Some(b'+') => return Ok(()),
                Some(b'*') => {}
                _ => bail!("no continuation: {}", String::from_utf8_lossy(line).trim()),
            }
        }
    }

    async fn end(&mut self, tag: &str) -> anyhow::Result<Counted> {
        let mut counted = Counted::default();
        // A line behind a literal goes on with the response before.
        let mut is_new = true;
        loop {
            let line = self.wire.line().await?;
            counted.bytes += line.len();
            if is_new {
                if line.starts_with(b"* ") {
                    counted.messages += usize::from(is_fetch(line));
                    counted.exists = exists(line).or(counted.exists);
                } else if line.starts_with(tag.as_bytes()) {
                    let text = String::from_utf8_lossy(line);
                    let ok = line[tag.len()..].starts_with(b" OK");
                    ensure!(ok, "the server says: {}", text.trim());
                    return Ok(counted);
                }
            }
            let literal = literal(line);
            is_new = literal.is_none();
            if let Some(count) = literal {
                counted.bytes += count;
                self.wire.skip(count).await?;
            }
        }
    }
}

/// `* 12 FETCH (…`
fn is_fetch(line: &[u8]) -> bool {
    let mut words = line.splitn(4, |byte| *byte == b' ').skip(2);
    words.next() == Some(b"FETCH")
}

/// `* 12 EXISTS`
fn exists(line: &[u8]) -> Option<usize> {
    let count = line
        .strip_prefix(b"* ")?
        .trim_ascii_end()
        .strip_suffix(b" EXISTS")?;
    std::str::from_utf8(count).ok()?.parse().ok()
}

/// The size of the literal that follows this line.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let start = memchr::memrchr(b'{', line)? + 1;
    std::str::from_utf8(&line[start..]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert!(is_fetch(b"* 12 FETCH (FLAGS ())\r\n"));
        assert!(!is_fetch(b"* 12 EXPUNGE\r\n"));
        assert!(!is_fetch(b"* OK FETCH\r\n"));
        assert_eq!(exists(b"* 12 EXISTS\r\n"), Some(12));
        assert_eq!(exists(b"* 12 RECENT\r\n"), None);
        assert_eq!(exists(b"* OK 12 EXISTS\r\n"), None);
        assert_eq!(literal(b"* 1 FETCH (BODY[] {10240}\r\n"), Some(10240));
        assert_eq!(literal(b"* 1 FETCH (FLAGS ())\r\n"), None);
    }
}
