//! SMTP as a mail server speaks it: one connection for many messages, PIPELINING (RFC 2920).

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::wire::Wire;

pub(crate) struct Smtp(Wire);

/// How one message went.
#[derive(Debug)]
pub(crate) enum Sent {
    /// 250; the time from the final dot written until then.
    Accepted(Duration),
    /// Anything else.
    Refused(String),
}

/// How a transaction stands when the server has answered DATA.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It waits for the message, to everybody.
    All,
    /// It waits for the message, but refused somebody.
    Some(String),
    /// It does not want the message.
    Refused(String),
}

struct Reply {
    code: u16,
    /// Of its last line.
    text: String,
}

/// MAIL, RCPT for each and DATA, as they go out at once.
pub(crate) fn transaction(recipients: &[&str]) -> Vec<u8> {
    let mut text = "MAIL FROM:<sam@sender.example>\r\n".to_owned();
    for recipient in recipients {
        let _ = write!(text, "RCPT TO:<{recipient}>\r\n");
    }
    text.push_str("DATA\r\n");
    text.into_bytes()
}

impl Smtp {
    /// Connects and says EHLO.
    pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut smtp = Self(Wire::connect(address).await?);
        let greeting = smtp.reply().await?;
        ensure!(greeting.code == 220, "{address} greets: {}", greeting.text);
        smtp.0.write(b"EHLO sender.example\r\n").await?;
        let hello = smtp.reply().await?;
        ensure!(hello.code == 250, "{address} says: {}", hello.text);
        Ok(smtp)
    }

    /// Sends one message: [`transaction`], the replies, the message with its dot, the reply.
    pub(crate) async fn send(
        &mut self,
        transaction: &[u8],
        recipients: usize,
        data: &[u8],
    ) -> anyhow::Result<Sent> {
        match self.begin(transaction, recipients).await? {
            Begun::Refused(text) => Ok(Sent::Refused(text)),
            // In one write: the server sees the dot when it sees the message.
            Begun::All => self.end(data).await,
            Begun::Some(text) => {
                self.end(data).await?;
                Ok(Sent::Refused(text))
            }
        }
    }

    /// Everything up to the reply to DATA.
    pub(crate) async fn begin(
        &mut self,
        transaction: &[u8],
        recipients: usize,
    ) -> anyhow::Result<Begun> {
        self.0.write(transaction).await?;
        let mut refused = None;
        for _ in 0..=recipients {
            let reply = self.reply().await?;
            if reply.code != 250 {
                refused.get_or_insert(reply.text);
            }
        }
        let go = self.reply().await?;
        if go.code != 354 {
            self.0.write(b"RSET\r\n").await?;
            self.reply().await?;
            return Ok(Begun::Refused(refused.unwrap_or(go.text)));
        }
        Ok(refused.map_or(Begun::All, Begun::Some))
    }

    /// Part of a message, behind [`Begun::All`].
    pub(crate) async fn write(&mut self, part: &[u8]) -> anyhow::Result<()> {
        self.0.write(part).await
    }

    /// What is left of the message, with the dot, and the reply.
    pub(crate) async fn end(&mut self, data: &[u8]) -> anyhow::Result<Sent> {
        self.0.write(data).await?;
        let start = Instant::now();
        let reply = self.reply().await?;
        Ok(match reply.code {
            250 => Sent::Accepted(start.elapsed()),
            _ => Sent::Refused(reply.text),
        })
    }

    /// Says good-bye; the connection may be gone already.
    pub(crate) async fn quit(mut self) {
        if self.0.write(b"QUIT\r\n").await.is_ok() {
            let _ = self.reply().await;
        }
    }

    async fn reply(&mut self) -> anyhow::Result<Reply> {
        loop {
            let line = self.0.line().await?;
            if line.get(3) == Some(&b'-') {
                continue;
            }
            let text = String::from_utf8_lossy(line).trim_end().to_owned();
            let code = text.get(..3).and_then(|digits| digits.parse().ok());
            let code = code.with_context(|| format!("no SMTP reply: {text}"))?;
            return Ok(Reply { code, text });
        }
    }
}
