//! POP3: takes everything out.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};

use super::wire::Wire;

pub(crate) struct Pop3(Wire);

impl Pop3 {
    /// Connects by TLS and signs in.
    pub(crate) async fn connect(
        address: SocketAddr,
        user: &str,
        password: &str,
    ) -> anyhow::Result<Self> {
        let mut pop3 = Self(Wire::connect_tls(address).await?);
        pop3.status().await?;
        pop3.run(&format!("USER {user}")).await?;
        pop3.run(&format!("PASS {password}"))
            .await
            .with_context(|| format!("{user} cannot sign in at {address}"))?;
        Ok(pop3)
    }

    /// How many messages there are.
    pub(crate) async fn count(&mut self) -> anyhow::Result<usize> {
        let status = self.run("STAT").await?;
        let count = status.split_whitespace().nth(1);
        count
            .and_then(|count| count.parse().ok())
            .with_context(|| format!("STAT says {status}"))
    }

    /// Reads one message to its end; its size on the wire.
    pub(crate) async fn retrieve(&mut self, number: usize) -> anyhow::Result<usize> {
        self.run(&format!("RETR {number}")).await?;
        let mut size = 0;
        loop {
            let line = self.0.line().await?;
            if line == b".\r\n" {
                return Ok(size);
            }
            size += line.len();
        }
    }

    /// Marks one message.
    pub(crate) async fn delete(&mut self, number: usize) -> anyhow::Result<()> {
        self.run(&format!("DELE {number}")).await.map(drop)
    }

    /// Deletes what is marked.
    pub(crate) async fn quit(mut self) -> anyhow::Result<()> {
        self.run("QUIT").await.map(drop)
    }

    async fn run(&mut self, command: &str) -> anyhow::Result<String> {
        self.0.write(format!("{command}\r\n").as_bytes()).await?;
        self.status().await
    }

    async fn status(&mut self) -> anyhow::Result<String> {
        let line = self.0.line().await?;
        let text = String::from_utf8_lossy(line).trim_end().to_owned();
        ensure!(text.starts_with("+OK"), "the server says: {text}");
        Ok(text)
    }
}
