//! A small client of SMTP, IMAP and POP3: what a person's own client would say, over real sockets.
//!
//! It knows just what the demo needs, and takes any certificate: the demo's is self-signed.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use net::{ClientTls, Stream};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

/// How long any answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest literal that is read, in bytes.
const LITERAL: usize = 16 * 1024 * 1024;

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// With the first byte.
    Tls,
    /// After STARTTLS or STLS.
    Plain,
}

/// One connection, by lines.
struct Wire {
    stream: BufReader<Stream>,
    address: SocketAddr,
}

impl Wire {
    async fn connect(address: SocketAddr, begin: Begin) -> anyhow::Result<Self> {
        let (stream, _) = net::connect(address, PATIENCE).await?;
        let wire = Self {
            stream: BufReader::new(stream),
            address,
        };
        match begin {
            Begin::Tls => wire.encrypted().await,
            Begin::Plain => Ok(wire),
        }
    }

    /// The same connection under TLS.
    async fn encrypted(self) -> anyhow::Result<Self> {
        let name = self.address.ip().to_string();
        let tls = ClientTls::opportunistic()?;
        let stream = net::upgrade(self.stream.into_inner(), &tls, &name, PATIENCE).await?;
        Ok(Self {
            stream: BufReader::new(stream),
            address: self.address,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = async {
            self.stream.get_mut().write_all(bytes).await?;
            self.stream.get_mut().flush().await
        };
        timeout(PATIENCE, written)
            .await
            .context("the server takes nothing")?
            .context("the connection broke")
    }

    async fn line(&mut self) -> anyhow::Result<String> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line);
        let count = timeout(PATIENCE, read)
            .await
            .context("no answer in time")??;
        ensure!(count > 0, "the server closed the connection");
        let line = String::from_utf8_lossy(&line);
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn bytes(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        ensure!(count <= LITERAL, "a literal of {count} bytes");
        let mut bytes = vec![0; count];
        let read = self.stream.read_exact(&mut bytes);
        timeout(PATIENCE, read)
            .await
            .context("no answer in time")??;
        Ok(bytes)
    }
}

/// An SMTP reply.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    /// Three digits.
    pub(super) code: u16,
    /// Its lines as they came, with code, joined by a space.
    pub(super) text: String,
}

impl Reply {
    /// The reply begins with this code and enhanced status, and contains this text.
    pub(super) fn is(&self, begin: &str, containing: &str) -> bool {
        self.text.starts_with(begin) && self.text.contains(containing)
    }
}

/// An SMTP session.
pub(super) struct Smtp(Wire);

impl Smtp {
    /// As another server: no TLS, no login.
    pub(super) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut session = Self(Wire::connect(address, Begin::Plain).await?);
        session.expect(220).await?;
        session.hello().await?;
        Ok(session)
    }

    /// As a person's mail program: TLS and AUTH PLAIN.
    pub(super) async fn sign_in(
        address: SocketAddr,
        begin: Begin,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let mut session = Self(Wire::connect(address, begin).await?);
        session.expect(220).await?;
        session.hello().await?;
        if begin == Begin::Plain {
            session.must("STARTTLS", 220).await?;
            session = Self(session.0.encrypted().await?);
            session.hello().await?;
        }
        let response = sasl::encode(format!("\0{user}\0{password}").as_bytes());
        session.must(&format!("AUTH PLAIN {response}"), 235).await?;
        Ok(session)
    }

    /// One whole transaction; the reply that decided it. `message` has CRLF line ends.
    pub(super) async fn send(
        &mut self,
        from: &str,
        to: &str,
        message: &str,
    ) -> anyhow::Result<Reply> {
        for line in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
            let reply = self.command(&line).await?;
            if reply.code != 250 {
                self.must("RSET", 250).await?;
                return Ok(reply);
            }
        }
        let reply = self.command("DATA").await?;
        if reply.code != 354 {
            return Ok(reply);
        }
        let mut body = String::with_capacity(message.len() + 8);
        for line in message.split_inclusive("\r\n") {
            // RFC 5321 §4.5.2
            if line.starts_with('.') {
                body.push('.');
            }
            body.push_str(line);
        }
        body.push_str(".\r\n");
        self.0.write(body.as_bytes()).await?;
        self.reply().await
    }

    /// Ends it.
    pub(super) async fn quit(mut self) -> anyhow::Result<()> {
        self.must("QUIT", 221).await
    }

    async fn hello(&mut self) -> anyhow::Result<()> {
        self.must("EHLO client.example.org", 250).await
    }

    async fn must(&mut self, line: &str, code: u16) -> anyhow::Result<()> {
        self.0.write(format!("{line}\r\n").as_bytes()).await?;
        self.expect(code).await
    }

    async fn expect(&mut self, code: u16) -> anyhow::Result<()> {
        let reply = self.reply().await?;
        ensure!(reply.code == code, "not {code} but: {}", reply.text);
        Ok(())
    }

    async fn command(&mut self, line: &str) -> anyhow::Result<Reply> {
        self.0.write(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> anyhow::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.0.line().await?;
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                break;
            }
        }
        let text = lines.join(" ");
        let code = text.get(..3).and_then(|digits| digits.parse().ok());
        Ok(Reply {
            code: code.with_context(|| format!("not an SMTP reply: {text}"))?,
            text,
        })
    }
}

/// One untagged response: its text, and the literals in it.
#[derive(Debug, Default)]
pub(super) struct Untagged {
    pub(super) text: String,
    pub(super) literals: Vec<Vec<u8>>,
}

/// What came before and with a tagged response.
#[derive(Debug)]
pub(super) struct Answer {
    /// `OK …`, `NO …`, `BAD …`
    pub(super) status: String,
    pub(super) untagged: Vec<Untagged>,
}

impl Answer {
    /// OK?
    pub(super) fn is_ok(&self) -> bool {
        self.status.starts_with("OK")
    }

    /// The number before `EXISTS`.
    pub(super) fn exists(&self) -> usize {
        let number = |line: &Untagged| {
            line.text
                .strip_prefix("* ")?
                .strip_suffix(" EXISTS")?
                .parse()
                .ok()
        };
        self.untagged.iter().find_map(number).unwrap_or(0)
    }
}

/// An IMAP session, logged in.
pub(super) struct Imap {
    wire: Wire,
    tag: u32,
}

impl Imap {
    /// Logs in, under TLS.
    pub(super) async fn sign_in(
        address: SocketAddr,
        begin: Begin,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let wire = Wire::connect(address, begin).await?;
        let mut session = Self { wire, tag: 0 };
        session.wire.line().await?;
        if begin == Begin::Plain {
            session.must("STARTTLS").await?;
            session.wire = session.wire.encrypted().await?;
        }
        session
            .must(&format!("LOGIN \"{user}\" \"{password}\""))
            .await?;
        Ok(session)
    }

    /// A command and everything up to its end.
    pub(super) async fn command(&mut self, text: &str) -> anyhow::Result<Answer> {
        self.tag += 1;
        let tag = format!("d{} ", self.tag);
        self.wire
            .write(format!("{tag}{text}\r\n").as_bytes())
            .await?;
        let mut untagged = Vec::new();
        loop {
            let response = self.response().await?;
            match response.text.strip_prefix(&tag) {
                Some(status) => {
                    return Ok(Answer {
                        status: status.to_owned(),
                        untagged,
                    });
                }
                None => untagged.push(response),
            }
        }
    }

    /// A command that must be OK.
    pub(super) async fn must(&mut self, text: &str) -> anyhow::Result<Answer> {
        let answer = self.command(text).await?;
        let command = text.split(' ').next().unwrap_or_default();
        ensure!(answer.is_ok(), "IMAP {command}: {}", answer.status);
        Ok(answer)
    }

    /// One literal of each message of the selected mailbox.
    pub(super) async fn fetch_all(&mut self, item: &str) -> anyhow::Result<Vec<Vec<u8>>> {
        if self.count().await? == 0 {
            return Ok(Vec::new());
        }
        let answer = self.must(&format!("FETCH 1:* ({item})")).await?;
        let mut literals = Vec::new();
        for mut line in answer.untagged {
            literals.append(&mut line.literals);
        }
        Ok(literals)
    }

    /// Messages in the selected mailbox.
    async fn count(&mut self) -> anyhow::Result<usize> {
        let answer = self.must("SEARCH ALL").await?;
        let found = answer
            .untagged
            .iter()
            .find_map(|line| line.text.strip_prefix("* SEARCH"));
        Ok(found.map_or(0, |numbers| numbers.split_whitespace().count()))
    }

    /// Ends it.
    pub(super) async fn logout(mut self) -> anyhow::Result<()> {
        self.must("LOGOUT").await.map(drop)
    }

    async fn response(&mut self) -> anyhow::Result<Untagged> {
        let mut response = Untagged::default();
        loop {
            let line = self.wire.line().await?;
            response.text.push_str(&line);
            let Some(count) = literal(&line) else {
                return Ok(response);
            };
            response.literals.push(self.wire.bytes(count).await?);
        }
    }
}

/// The length of a literal that follows this line.
fn literal(line: &str) -> Option<usize> {
    let (_, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    number.parse().ok()
}

/// A POP3 session, logged in.
pub(super) struct Pop3(Wire);

impl Pop3 {
    /// Logs in, under TLS.
    pub(super) async fn sign_in(
        address: SocketAddr,
        begin: Begin,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let mut session = Self(Wire::connect(address, begin).await?);
        session.ok().await?;
        if begin == Begin::Plain {
            session.command("STLS").await?;
            session = Self(session.0.encrypted().await?);
        }
        session.command(&format!("USER {user}")).await?;
        session.command(&format!("PASS {password}")).await?;
        Ok(session)
    }

    /// How many messages.
    pub(super) async fn count(&mut self) -> anyhow::Result<usize> {
        let answer = self.command("STAT").await?;
        let number = answer.split(' ').nth(1);
        number
            .and_then(|number| number.parse().ok())
            .with_context(|| format!("POP3 STAT: {answer}"))
    }

    /// A message as it is stored.
    pub(super) async fn retrieve(&mut self, number: usize) -> anyhow::Result<Vec<u8>> {
        self.command(&format!("RETR {number}")).await?;
        let mut message = Vec::new();
        loop {
            let line = self.0.line().await?;
            if line == "." {
                return Ok(message);
            }
            // RFC 1939 §3: a "." at the start of a line is doubled.
            let line = line.strip_prefix('.').unwrap_or(&line);
            message.extend_from_slice(line.as_bytes());
            message.extend_from_slice(b"\r\n");
        }
    }

    /// Ends it.
    pub(super) async fn quit(mut self) -> anyhow::Result<()> {
        self.command("QUIT").await.map(drop)
    }

    async fn command(&mut self, line: &str) -> anyhow::Result<String> {
        self.0.write(format!("{line}\r\n").as_bytes()).await?;
        self.ok().await
    }

    async fn ok(&mut self) -> anyhow::Result<String> {
        let line = self.0.line().await?;
        if !line.starts_with("+OK") {
            bail!("POP3: {line}");
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn a_literal_is_announced_at_the_end_of_a_line() {
        assert_eq!(literal("* 1 FETCH (BODY[] {42}"), Some(42));
        assert_eq!(literal("* OK {42} octets"), None);
        assert_eq!(literal("* FLAGS ({x}"), None);
    }
}
