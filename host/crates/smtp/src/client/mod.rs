//! The sending side: one connection to one server, any number of messages over it.
//!
//! ```text
//!   let mut client = Client::new(config, now);       // the TCP connection stands
//!   client.send(message, now);
//!   loop {
//!       match client.poll_step() {
//!           Step::Write(bytes) => socket.write_all(&bytes),
//!           Step::NeedInput    => select {           // never both at once without the clock
//!               0 or error from socket.read() => client.handle_closed(),
//!               n bytes                       => client.handle_input(&bytes[..n], now),
//!               client.poll_timeout()         => client.handle_timeout(now),
//!           },
//!           Step::NeedBody     => match body.next_piece() {    // 16 KiB or so at a time
//!               Some(piece) => client.handle_body(&piece, now),
//!               None        => client.handle_body_end(now),
//!           },
//!           Step::StartTls     => match handshake(socket) {
//!               Ok(tls) => { socket = tls; client.handle_encrypted(now) }
//!               Err(_)  => client.handle_tls_failed(),
//!           },
//!           Step::Done(report) => { settle(report); next message: client.send(..) or client.quit(now) }
//!           Step::Ready        => client.send(..) or client.quit(now) or keep the connection,
//!           Step::Close        => break,
//!       }
//!   }
//! ```
//! Writing may block too: a driver gives each `write_all` until `poll_timeout`.
//! If the body cannot be read, drop the connection instead of ending the body: a message cut
//! short must never be followed by its final dot.

mod types;

pub use types::{Config, Message, Protocol, Report, Stage, Step, Timeouts, TlsPolicy};
