//! Another mail server, played by the test: it takes everything and keeps the bytes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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
    address: SocketAddr,
    letters: Arc<Mutex<Vec<Letter>>>,
    ended: Arc<AtomicBool>,
}

impl Sink {
    /// Listens on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let letters = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (kept, stop) = (Arc::clone(&letters), Arc::clone(&ended));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self {
            address,
            letters,
            ended,
        }
    }

    /// A `[[route]]` of `postroom.toml` that sends a domain (`*` for all others) here.
    pub fn route(&self, domain: &str) -> String {
        format!(
            "[[route]]\ndomain = \"{domain}\"\nchannel = \"smtp\"\nhost = \"{}\"\n",
            self.address
        )
    }

    /// Everything that arrived, in order.
    pub fn letters(&self) -> Vec<Letter> {
        self.letters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
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
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the listener, so that it sees the end.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, letters: &Mutex<Vec<Letter>>) {
    // A peer that breaks off ends the session; what it did not finish is not kept.
    let _ = talk(stream, letters);
}

fn talk(stream: TcpStream, letters: &Mutex<Vec<Letter>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut letter = empty();
    reader
        .get_mut()
        .write_all(b"220 sink.test ESMTP ready\r\n")?;
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let verb = line
            .get(..4)
            .map(str::to_ascii_uppercase)
            .unwrap_or_default();
        let reply: &[u8] = match verb.as_str() {
            "EHLO" => b"250-sink.test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 0\r\n",
            "MAIL" => {
                letter = empty();
                letter.mail = line;
                b"250 2.1.0 Sender taken\r\n"
            }
            "RCPT" => {
                letter.rcpt.push(line);
                b"250 2.1.5 Recipient taken\r\n"
            }
            "DATA" => {
                reader.get_mut().write_all(b"354 Go on\r\n")?;
                letter.bytes = data(&mut reader)?;
                let taken = std::mem::replace(&mut letter, empty());
                letters
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(taken);
                b"250 2.0.0 Kept\r\n"
            }
            "QUIT" => return reader.get_mut().write_all(b"221 2.0.0 Bye\r\n"),
            _ => b"250 2.0.0 All right\r\n",
        };
        reader.get_mut().write_all(reply)?;
    }
}

fn data(reader: &mut BufReader<TcpStream>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut line = Vec::new();
        if reader.read_until(b'\n', &mut line)? == 0 {
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
