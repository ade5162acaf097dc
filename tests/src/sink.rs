//! Another mail server, played by the test: it takes everything, unless it is told otherwise, and
//! keeps the bytes.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

use crate::eventually_some;

/// A message that arrived, as it was on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The whole `MAIL` line.
    pub mail: String,
    /// The whole `RCPT` lines.
    pub rcpt: Vec<String>,
    /// After `DATA`, without dot-stuffing and the final dot.
    pub bytes: Vec<u8>,
}

impl Letter {
    /// Is the message for this address?
    pub fn is_for(&self, address: &str) -> bool {
        self.rcpt
            .iter()
            .any(|line| line.contains(&format!("<{address}>")))
    }

    /// The bytes as text, for fields and messages of assertions.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The server. It ends with this value.
pub struct Sink {
    place: Place,
    shared: Arc<Shared>,
}

enum Place {
    Tcp(SocketAddr),
    /// A Unix socket in a folder of its own; it speaks LMTP.
    Unix(TempDir),
}

#[derive(Default)]
struct Shared {
    letters: Mutex<Vec<Letter>>,
    /// The first rule whose beginning fits the command counts; `.` is a command too.
    rules: Mutex<Vec<(String, String)>>,
    /// Every command, with the number of its connection.
    commands: Mutex<Vec<(usize, String)>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

impl Sink {
    /// Listens on a free port.
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"))
    }

    /// Listens there.
    ///
    /// # Panics
    /// The address is taken.
    #[track_caller]
    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("it is bound");
        let accept = move || Ok(Box::new(listener.accept()?.0) as Box<dyn Duplex>);
        Self::serve(Place::Tcp(address), accept)
    }

    /// A mailbox server on a Unix socket (LMTP).
    pub fn start_lmtp() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(folder.path().join("lmtp")).expect("the folder is ours");
        let accept = move || Ok(Box::new(listener.accept()?.0) as Box<dyn Duplex>);
        Self::serve(Place::Unix(folder), accept)
    }

    /// Attends to whoever comes, until it is dropped.
    fn serve(
        place: Place,
        mut accept: impl FnMut() -> std::io::Result<Box<dyn Duplex>> + Send + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            while let Ok(stream) = accept()
                && !theirs.ended.load(Ordering::Relaxed)
            {
                attend(stream, &theirs);
            }
        });
        Self { place, shared }
    }

    /// From now on commands that begin so are answered so; `.` is the end of the message.
    pub fn answer(&self, command: &str, reply: &str) {
        let mut rules = lock(&self.shared.rules);
        rules.retain(|(beginning, _)| beginning != command);
        rules.push((command.to_owned(), reply.to_owned()));
    }

    /// From now on everything is taken.
    pub fn answer_well(&self) {
        lock(&self.shared.rules).clear();
    }

    /// Where it listens: `host:port` or the path of a socket.
    pub fn host(&self) -> String {
        match &self.place {
            Place::Tcp(address) => address.to_string(),
            Place::Unix(folder) => folder.path().join("lmtp").display().to_string(),
        }
    }

    /// The port.
    ///
    /// # Panics
    /// It is a Unix socket.
    #[track_caller]
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp(address) => address.port(),
            Place::Unix(_) => panic!("a Unix socket has no port"),
        }
    }

    /// A `[[route]]` of `postroom.toml` that sends a domain (`*` for all others) here.
    pub fn route(&self, domain: &str) -> String {
        format!(
            "[[route]]\ndomain = \"{domain}\"\nchannel = \"smtp\"\nhost = \"{}\"\n",
            self.host()
        )
    }

    /// Connections that were made.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Every command so far, in order.
    pub fn commands(&self) -> Vec<String> {
        let commands = lock(&self.shared.commands);
        commands.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Everything that arrived, in order.
    pub fn letters(&self) -> Vec<Letter> {
        lock(&self.shared.letters).clone()
    }

    /// Waits for a message to an address.
    #[track_caller]
    pub fn letter_for(&self, address: &str) -> Letter {
        eventually_some(&format!("a message for {address} arrives"), || {
            self.letters()
                .into_iter()
                .find(|letter| letter.is_for(address))
        })
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the end.
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect(address)),
            Place::Unix(folder) => drop(UnixStream::connect(folder.path().join("lmtp"))),
        }
    }
}

trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

type Peer = BufReader<Box<dyn Duplex>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attend(stream: Box<dyn Duplex>, shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let number = shared.connections.fetch_add(1, Ordering::Relaxed);
    // A peer that breaks off ends the session; what it did not finish is not kept.
    std::thread::spawn(move || talk(BufReader::new(stream), &shared, number));
}

impl Shared {
    fn reply(&self, command: &str, usual: &str) -> String {
        let rules = lock(&self.rules);
        let rule = rules
            .iter()
            .find(|(beginning, _)| command.starts_with(beginning.as_str()));
        rule.map_or(usual, |(_, reply)| reply).to_owned()
    }
}

const OFFERS: &str =
    "250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 SIZE 0";

fn talk(mut peer: Peer, shared: &Shared, number: usize) -> std::io::Result<()> {
    let mut letter = empty();
    let mut is_lmtp = false;
    say(&mut peer, &shared.reply("greeting", "220 sink.test ready"))?;
    loop {
        let mut line = Vec::new();
        if peer.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        lock(&shared.commands).push((number, line.clone()));
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let usual = match verb.as_str() {
            "EHLO" | "LHLO" => OFFERS,
            "DATA" if letter.rcpt.is_empty() => "503 5.5.1 Nobody to send it to",
            "DATA" => "354 Go on",
            "QUIT" => "221 2.0.0 Bye",
            _ => "250 2.0.0 All right",
        };
        let reply = shared.reply(&line, usual);
        let is_taken = reply.starts_with(['2', '3']);
        say(&mut peer, &reply)?;
        match verb.as_str() {
            "LHLO" => is_lmtp = true,
            "MAIL" | "RSET" => {
                letter = empty();
                letter.mail = line;
            }
            "RCPT" if is_taken => letter.rcpt.push(line),
            "DATA" if is_taken => {
                letter.bytes = data(&mut peer)?;
                let whole = std::mem::replace(&mut letter, empty());
                end(&mut peer, shared, whole, is_lmtp)?;
            }
            "QUIT" => return Ok(()),
            _ => {}
        }
        if reply.starts_with("421") {
            return Ok(());
        }
    }
}

/// Answers the final dot: once, or for each recipient (`. RCPT TO:<…>` is the command then).
fn end(peer: &mut Peer, shared: &Shared, letter: Letter, is_lmtp: bool) -> std::io::Result<()> {
    let replies: Vec<String> = match is_lmtp {
        true => letter
            .rcpt
            .iter()
            .map(|line| shared.reply(&format!(". {line}"), "250 2.0.0 Kept"))
            .collect(),
        false => vec![shared.reply(".", "250 2.0.0 Kept")],
    };
    if replies.iter().any(|reply| reply.starts_with('2')) {
        lock(&shared.letters).push(letter);
    }
    replies.iter().try_for_each(|reply| say(peer, reply))
}

fn say(peer: &mut Peer, reply: &str) -> std::io::Result<()> {
    peer.get_mut().write_all(format!("{reply}\r\n").as_bytes())
}

fn data(peer: &mut Peer) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        if peer.read_until(b'\n', &mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(bytes);
        }
        bytes.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}

const fn empty() -> Letter {
    Letter {
        mail: String::new(),
        rcpt: Vec::new(),
        bytes: Vec::new(),
    }
}
