//! A small server that does as it is told, and remembers what it was sent.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::{Alpn, CertificateFiles, Certificates, ServerTls, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What STARTTLS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// A handshake.
    Works,
    /// What is no handshake.
    Garbage,
    /// The replies of a whole session behind the 220, and no handshake.
    Injected,
}

#[derive(Debug, Clone)]
enum Deed {
    Answer(String),
    HangUp,
    /// The first time only.
    Once(Arc<AtomicBool>, Box<Self>),
    Silence,
}

/// The first rule whose beginning fits the command counts; `greeting` and `.` are commands too.
#[derive(Default)]
pub(super) struct Sink {
    rules: Vec<(String, Deed)>,
    tls: Option<Tls>,
}

#[derive(Default)]
struct Seen {
    commands: Vec<String>,
    wire: Vec<u8>,
    connections: usize,
    /// Connections that are over.
    ended: usize,
}

pub(super) struct Running {
    pub(super) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    /// Told whenever a connection is over.
    ended: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Sink {
    pub(super) fn answer(mut self, command: &str, reply: &str) -> Self {
        self.rules
            .push((command.into(), Deed::Answer(reply.into())));
        self
    }

    pub(super) fn hang_up(mut self, command: &str) -> Self {
        self.rules.push((command.into(), Deed::HangUp));
        self
    }

    /// Hangs up at the first command that begins so, and never again.
    pub(super) fn hang_up_once(self, command: &str) -> Self {
        self.once(command, Deed::HangUp)
    }

    /// Answers so once.
    pub(super) fn answer_once(self, command: &str, reply: &str) -> Self {
        self.once(command, Deed::Answer(reply.into()))
    }

    fn once(mut self, command: &str, deed: Deed) -> Self {
        let deed = Deed::Once(Arc::default(), Box::new(deed));
        self.rules.push((command.into(), deed));
        self
    }

    pub(super) fn silent(mut self, command: &str) -> Self {
        self.rules.push((command.into(), Deed::Silence));
        self
    }

    pub(super) fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    pub(super) async fn start(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let theirs = Arc::clone(&seen);
        let ended = Arc::new(Notify::new());
        let tell = Arc::clone(&ended);
        let task = tokio::spawn(async move {
            let sink = Arc::new(self);
            while let Ok((tcp, _)) = listener.accept().await {
                theirs.lock().unwrap().connections += 1;
                let (sink, theirs) = (Arc::clone(&sink), Arc::clone(&theirs));
                let tell = Arc::clone(&tell);
                tokio::spawn(async move {
                    let _ = sink.serve(Stream::Plain(tcp), &theirs).await;
                    theirs.lock().unwrap().ended += 1;
                    tell.notify_one();
                });
            }
        });
        Running {
            address,
            seen,
            ended,
            task,
        }
    }

    fn deed(&self, command: &str, usual: &str) -> Deed {
        let mut rules = self
            .rules
            .iter()
            .filter(|(beginning, _)| command.starts_with(beginning));
        let deed = rules.find_map(|(_, deed)| match deed {
            Deed::Once(is_done, deed) => {
                let is_first = !is_done.swap(true, Ordering::Relaxed);
                is_first.then(|| Deed::clone(deed))
            }
            deed => Some(deed.clone()),
        });
        deed.unwrap_or_else(|| Deed::Answer(usual.to_owned()))
    }

    /// One connection. `None` when it is over.
    async fn serve(&self, stream: Stream, seen: &Mutex<Seen>) -> Option<()> {
        let mut stream = stream;
        let mut input = Vec::new();
        self.act(&mut stream, self.deed("greeting", "220 mx.test ESMTP"))
            .await?;
        loop {
            let line = take_line(&mut stream, &mut input).await?;
            seen.lock().unwrap().commands.push(line.clone());
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let offers = match (&self.tls, &stream) {
                (Some(_), Stream::Plain(_)) => {
                    "250-mx.test\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES"
                }
                _ => "250-mx.test\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
            };
            let usual = match verb.as_str() {
                "EHLO" => offers,
                "STARTTLS" => {
                    stream = self.start_tls(stream).await?;
                    input.clear();
                    continue;
                }
                "DATA" => "354 go on",
                "QUIT" => "221 2.0.0 bye",
                _ => "250 2.0.0 fine",
            };
            let deed = self.deed(&line, usual);
            let takes_data =
                verb == "DATA" && matches!(&deed, Deed::Answer(reply) if reply.starts_with('3'));
            self.act(&mut stream, deed).await?;
            if verb == "QUIT" {
                return None;
            }
            if takes_data {
                while !ends_data(&input) {
                    if let Err(()) = read_more(&mut stream, &mut input).await {
                        seen.lock().unwrap().wire.append(&mut input);
                        return None;
                    }
                }
                // Only CRLF "." CRLF: what is behind it would be the next command.
                let end = data_end(&input);
                let rest = input.split_off(end);
                seen.lock().unwrap().wire.append(&mut input);
                input = rest;
                self.act(&mut stream, self.deed(".", "250 2.0.0 taken"))
                    .await?;
            }
        }
    }

    async fn act(&self, stream: &mut Stream, deed: Deed) -> Option<()> {
        match deed {
            Deed::Answer(reply) => {
                stream
                    .write_all(format!("{reply}\r\n").as_bytes())
                    .await
                    .ok()?;
                stream.flush().await.ok()
            }
            Deed::HangUp | Deed::Once(..) => None,
            Deed::Silence => {
                // Until the client has had enough.
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                None
            }
        }
    }

    async fn start_tls(&self, mut stream: Stream) -> Option<Stream> {
        match self.tls {
            Some(Tls::Works) => {
                stream.write_all(b"220 go\r\n").await.ok()?;
                let Stream::Plain(tcp) = stream else {
                    return None;
                };
                let (stream, _) = server_tls().accept(tcp).await.ok()?;
                Some(stream)
            }
            Some(Tls::Garbage) => {
                stream.write_all(b"220 go\r\n").await.ok()?;
                let mut piece = [0; 1];
                stream.read_exact(&mut piece).await.ok()?;
                stream.write_all(b"this is no handshake\r\n").await.ok()?;
                None
            }
            Some(Tls::Injected) => {
                let replies = "220 go\r\n250 mx.test\r\n250 2.1.0 fine\r\n250 2.1.5 fine\r\n354 go\r\n250 2.0.0 taken\r\n";
                stream.write_all(replies.as_bytes()).await.ok()?;
                let mut rest = Vec::new();
                let _ = stream.read_to_end(&mut rest).await;
                None
            }
            None => None,
        }
    }
}

impl Running {
    /// What was said, and the bytes after DATA. Waits for the last connection to end.
    pub(super) async fn finish(self) -> (Vec<String>, Vec<u8>) {
        let over = || {
            let seen = self.seen.lock().unwrap();
            seen.connections > 0 && seen.ended == seen.connections
        };
        let all_ended = async {
            while !over() {
                self.ended.notified().await;
            }
        };
        // What was seen is told even if a client keeps its connection for ever.
        let _ = tokio::time::timeout(Duration::from_secs(10), all_ended).await;
        self.task.abort();
        let mut seen = self.seen.lock().unwrap();
        (
            std::mem::take(&mut seen.commands),
            std::mem::take(&mut seen.wire),
        )
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }
}

fn server_tls() -> ServerTls {
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        chain: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
    };
    net::tls::write_self_signed(&["mx.test".to_owned()], &files).unwrap();
    let certificates = Certificates::load(files, Vec::new()).unwrap();
    ServerTls::new(certificates, Alpn::Smtp).unwrap()
}

async fn read_more(stream: &mut Stream, input: &mut Vec<u8>) -> Result<(), ()> {
    match stream.read_buf(input).await {
        Ok(0) | Err(_) => Err(()),
        Ok(_) => Ok(()),
    }
}

/// Up to CRLF and nothing less.
async fn take_line(stream: &mut Stream, input: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = input.windows(2).position(|pair| pair == b"\r\n") {
            let rest = input.split_off(end + 2);
            let line = String::from_utf8_lossy(&input[..end]).into_owned();
            *input = rest;
            return Some(line);
        }
        read_more(stream, input).await.ok()?;
    }
}

fn ends_data(input: &[u8]) -> bool {
    input.starts_with(b".\r\n") || input.windows(5).any(|window| window == b"\r\n.\r\n")
}

fn data_end(input: &[u8]) -> usize {
    if input.starts_with(b".\r\n") {
        return 3;
    }
    input
        .windows(5)
        .position(|window| window == b"\r\n.\r\n")
        .map_or(input.len(), |at| at + 5)
}

/// Reads what came after DATA as strictly as can be: the whole messages on it, without dots.
pub(super) fn messages_on_wire(wire: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    let mut message = Vec::new();
    let mut rest = wire;
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let (line, later) = rest.split_at(end + 2);
        rest = later;
        if line == b".\r\n" {
            messages.push(std::mem::take(&mut message));
            continue;
        }
        message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    messages
}
