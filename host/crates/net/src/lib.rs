//! Sockets, TLS, DNS, and the one loop that drives the pure sessions.
//!
//! ```text
//!              Gate (limits)                      Handler (host)
//!                 │                                  ▲ │ answers, bodies, events
//!  TcpListener ─ listen ─> Connection ─ drive ───────┤ ▼
//!                 │           │           └─ mail::Session (pure: smtp, imap, pop3)
//!                 └─ ServerTls (SNI, ALPN) ─ STARTTLS
//!
//!  delivery ─ Resolver (MX, addresses) ─ connect ─ ClientTls ─ drive
//! ```
//!
//! Invariants
//! - One loop, [`drive`], moves bytes for every protocol, server and client side; it knows no
//!   protocol.
//! - An idle connection holds no buffer: input is read into the stack, output is freed when it
//!   is written.
//! - Every wait on a peer has an end: handshake, write, the session's own time-out, drain.
//! - Sockets and the stop signal are arguments, so a test binds port 0 and stops when it likes.
//! - Certificates come from files or are made here; there is no process-wide crypto provider.
//!
//! How it fails: a broken connection ends its own task only, as [`Ended`]. A certificate that
//! does not load is an error at start and keeps the old one at a reload. DNS trouble is
//! [`Answer::Temporary`], never "no such domain". Lack of file descriptors slows the accept loop
//! down and touches no connection that is open.
//!
//! What it does not know: users, domains of ours, the store, plugins, what any command means.
#![warn(missing_docs)]

mod connect;
pub mod dns;
mod driver;
mod gate;
mod handler;
mod listener;
mod outlet;
mod shutdown;
mod stream;
pub mod tls;

pub use connect::{ConnectError, connect, connect_tcp, connect_unix, upgrade};
pub use dns::{Answer, DnsResolver, FakeResolver, MailHost, Resolver};
pub use driver::{DriveOptions, Ended, StartTls, drive};
pub use gate::{Gate, GateLimits, Permit, Refusal};
pub use handler::Handler;
pub use listener::{Accept, Connection, ListenOptions, bind, listen};
pub use outlet::{Outlet, SendError};
pub use shutdown::{Shutdown, ShutdownTrigger, shutdown};
pub use stream::Stream;
pub use tls::{Alpn, CertificateFiles, Certificates, ClientTls, ServerTls, TlsError};
