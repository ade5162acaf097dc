//! IMAP4rev1 (RFC 3501) as a pure protocol session.
//!
//! ```text
//!   bytes ─> frame (lines, literals) ─> parse ─> Command ─> job ─┬─ Write: responses
//!                                                   │            ├─ Send:  bytes of a message
//!   Answer, Event ──────────────────> view <────────┘            └─ Ask:   the host
//! ```
//!
//! [`ImapSession`] implements [`mail::Session`]. What it asks and what it is told is in [`ask`].
//! Announced: IMAP4rev1 LITERAL- SASL-IR STARTTLS or AUTH=PLAIN, and after sign-in ID ENABLE
//! NAMESPACE UIDPLUS IDLE UNSELECT CHILDREN MOVE SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH.
//!
//! Invariants
//! - A command is framed before it is parsed, so the bytes of a literal never run as a command.
//! - Everything a peer can make grow has a bound in [`mail::limits`]; a response is written
//!   piece by piece, at most [`mail::limits::OUTPUT_BUFFER`] bytes before the driver takes them.
//! - A message number means to the client what it meant when it was last told: rows of the
//!   [`view`](crate) leave only when their EXPUNGE is written.
//! - No message is ever in the session: `Send` names byte ranges, the driver streams them.
//!
//! It fails towards the peer by `NO`, `BAD` or `BYE` with a text of [`mail::words`]; an answer of
//! the wrong kind is our bug and becomes `NO [SERVERBUG]`.
//!
//! It does not know the store, the directory, who a person is, which mailboxes are shared and
//! why, or what time of day it is.
#![warn(missing_docs)]

pub mod ask;
mod command;
mod config;
mod date;
mod flags;
mod frame;
mod name;
mod output;
mod parse;
mod pattern;
mod search;
mod section;
mod sequence;
mod session;
mod shape;
mod utf7;
mod view;

pub use self::ask::{Answer, Ask, Event, SendMessage};
pub use self::config::{Config, StartTls};
pub use self::date::Day;
pub use self::flags::{Flags, KEYWORD_BYTES, Keyword, Keywords};
pub use self::name::{INBOX, MailboxName, NameError, SEPARATOR, SHARED};
pub use self::search::{TextKey, TextNeed, match_text};
pub use self::session::ImapSession;
pub use self::shape::Shape;
