//! A client that speaks lines: what goes over the wire is what the test says.

use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection.
pub struct Line {
    reader: BufReader<TcpStream>,
}

/// One SMTP reply: code, and all its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The three digits; 0 where the connection was closed.
    pub code: u16,
    /// Lines without code, joined by `\n`.
    pub text: String,
}

impl Line {
    /// Connects, and reads nothing.
    ///
    /// # Panics
    /// Nobody listens.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    /// Connects, and reads nothing.
    ///
    /// # Errors
    /// Nobody listens.
    pub fn try_connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a time-out is valid");
        // A peer that closed at once is seen when its greeting is read.
        let _ = stream.set_nodelay(true);
        Ok(Self {
            reader: BufReader::new(stream),
        })
    }

    /// An SMTP session after EHLO.
    #[track_caller]
    pub fn smtp(address: SocketAddr) -> Self {
        let mut line = Self::connect(address);
        assert_eq!(line.reply().code, 220);
        assert_eq!(line.command("EHLO client.example").code, 250);
        line
    }

    /// The port of this end.
    pub fn local_port(&self) -> u16 {
        let address = self.reader.get_ref().local_addr();
        address.map_or(0, |address| address.port())
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        // A peer that closed is seen when its answer is read.
        let _ = self.reader.get_mut().write_all(bytes);
    }

    /// One line, without its end; empty where the connection is closed.
    pub fn line(&mut self) -> String {
        let mut line = Vec::new();
        let _ = self.reader.read_until(b'\n', &mut line);
        String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned()
    }

    /// One SMTP reply with all its lines.
    pub fn reply(&mut self) -> Reply {
        let mut texts = Vec::new();
        loop {
            let line = self.line();
            let code = line
                .get(..3)
                .and_then(|digits| digits.parse().ok())
                .unwrap_or(0);
            texts.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Reply {
                    code,
                    text: texts.join("\n"),
                };
            }
        }
    }

    /// Writes a line and reads the SMTP reply.
    pub fn command(&mut self, line: &str) -> Reply {
        self.write(format!("{line}\r\n").as_bytes());
        self.reply()
    }

    /// One whole transaction; the reply that ended it. `message` has CRLF line ends.
    pub fn send(&mut self, from: &str, recipients: &[&str], message: &str) -> Reply {
        let reply = self.command(&format!("MAIL FROM:<{from}>"));
        if reply.code != 250 {
            return reply;
        }
        for recipient in recipients {
            let reply = self.command(&format!("RCPT TO:<{recipient}>"));
            if reply.code != 250 {
                self.command("RSET");
                return reply;
            }
        }
        let reply = self.command("DATA");
        if reply.code != 354 {
            return reply;
        }
        for line in message.split_inclusive("\r\n") {
            if line.starts_with('.') {
                self.write(b".");
            }
            self.write(line.as_bytes());
        }
        self.command(if message.ends_with("\r\n") {
            "."
        } else {
            "\r\n."
        })
    }

    /// Everything until the peer closes.
    ///
    /// # Panics
    /// It does not close.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        if let Err(error) = self.reader.read_to_end(&mut rest) {
            // A reset is an end too.
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
        }
        rest
    }
}
