//! The seam between a session and its host.

use mail::{ForwardPath, Reply, ReversePath, Transport};
use sasl::{Credentials, Mechanism};

use super::parameters::{MailParameters, RecipientParameters};

/// What a session asks its host. No input is executed while one is open.
///
/// The order on one connection: `Connect`, then `Hello`, then any number of transactions. A
/// transaction begins with a `Mail` that was accepted and ends with exactly one of
/// - [`Ask::EndOfData`], whatever the answer is;
/// - the step `DiscardBody`: the body was refused by the session, cut off or given up;
/// - [`Ask::Reset`]: it was given up before a body began;
/// - the end of the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// A peer connected. A negative reply refuses it: 421 closes at once, any other (554) is
    /// the greeting of a session in which only QUIT works (RFC 5321 §3.1). A positive reply's
    /// text becomes the greeting's text, behind the host name.
    Connect {
        /// The connection.
        transport: Transport,
    },
    /// EHLO or HELO, also again after STARTTLS. A negative reply refuses; a positive one is
    /// taken as [`Answer::Accept`], for the text of the reply is the protocol's.
    Hello {
        /// What the peer calls itself: one printable ASCII word, at most 255 bytes. Not
        /// verified, and not verifiable.
        name: String,
        /// EHLO rather than HELO.
        extended: bool,
        /// The connection as it is now.
        transport: Transport,
    },
    /// AUTH is complete; only in submission and under TLS. Accept: 235. A refusal is
    /// `535 5.7.8` (counted; the session ends at the third), temporary trouble `454 4.7.0`.
    Authenticate {
        /// Unchecked.
        credentials: Credentials,
        /// How they came.
        mechanism: Mechanism,
    },
    /// MAIL: may this sender begin?
    Mail {
        /// Who gets the reports.
        reverse_path: ReversePath,
        /// Checked for syntax and against the size limit.
        parameters: MailParameters,
    },
    /// RCPT: is this recipient taken?
    Recipient {
        /// For whom.
        forward_path: ForwardPath,
        /// Checked for syntax.
        parameters: RecipientParameters,
    },
    /// The body is about to come (DATA, or the first BDAT): is there room for it?
    Data {
        /// What SIZE declared in MAIL, in bytes. Advice only.
        declared_size: Option<u64>,
    },
    /// The body is complete: every byte of it came out as `Body`. The answer takes the
    /// responsibility for the message (RFC 5321 §4.2.5) or refuses it.
    EndOfData {
        /// Bytes of the message as they came out.
        size: u64,
        /// Bytes of the header section with the empty line behind it.
        head_size: u64,
        /// Is there a byte over 127?
        is_eight_bit: bool,
    },
    /// The transaction was given up before a body began. Any answer goes on.
    Reset,
    /// QUIT. Any answer goes on.
    Quit,
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, in the session's own words.
    Accept,
    /// This reply: positive codes accept, others refuse; 421 is written and closes.
    Reply(Reply),
    /// To `EndOfData`: one reply for each accepted recipient, in the order of their RCPT. A
    /// plain transaction has room for one reply only, so they should agree; if they do not, the
    /// first transient one is sent, else the first permanent one: a recipient may then get the
    /// message twice, but none is lost and reported as taken.
    Replies(Vec<Reply>),
}
