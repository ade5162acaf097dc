//! Every bound on what a peer can make us do, in one place. Each has a test.
//!
//! Constants are fixed by the protocols or by safety; what an operator may choose is in
//! [`Limits`].

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest SMTP command line with CRLF. RFC 5321 §4.5.3.1.4 asks for 512 plus what extensions
/// add; 2,048 takes all parameters we announce.
pub const SMTP_COMMAND_LINE: usize = 2048;
/// Longest SMTP AUTH line with CRLF (RFC 4954 §4, paragraph 6: 12,288).
pub const SMTP_AUTH_LINE: usize = 12_288;
/// Longest text line of a message with CRLF (RFC 5321 §4.5.3.1.6).
pub const SMTP_TEXT_LINE: usize = 1000;
/// Longest local part in bytes (RFC 5321 §4.5.3.1.1).
pub const LOCALPART: usize = 64;
/// Longest domain in bytes (RFC 5321 §4.5.3.1.2).
pub const DOMAIN: usize = 255;
/// Longest path with punctuation (RFC 5321 §4.5.3.1.3).
pub const PATH: usize = 256;
/// Wrong or unknown commands before the connection is closed.
pub const BAD_COMMANDS: usize = 20;
/// Refused recipients in one session before replies slow down and the session ends with 421.
pub const BAD_RECIPIENTS: usize = 20;
/// `Received` header fields before a message counts as looping (RFC 5321 §6.3).
pub const RECEIVED_HOPS: usize = 50;
/// Times a message may be sent on by this server itself (forward, alias).
pub const INTERNAL_HOPS: usize = 10;
/// Targets that one recipient may expand to.
pub const EXPANSION_TARGETS: usize = 1000;
/// Depth of alias and group expansion.
pub const EXPANSION_DEPTH: usize = 10;
/// How long a mailbox may be full before its senders are told not to try again, in seconds.
pub const OVER_QUOTA_SECONDS: i64 = 7 * 24 * 3600;
/// Header section of one message in bytes.
pub const HEADER_BYTES: usize = 256 * 1024;
/// Header fields of one message.
pub const HEADER_COUNT: usize = 1000;
/// MIME nesting that is looked into; deeper parts are opaque.
pub const MIME_DEPTH: usize = 50;
/// MIME parts that are looked at.
pub const MIME_PARTS: usize = 10_000;
/// Parameters of one MIME header field that are looked at.
pub const MIME_PARAMETERS: usize = 100;
/// Longest MIME boundary that divides. RFC 2046 §5.1.1 allows 70.
pub const MIME_BOUNDARY: usize = 200;
/// Addresses of one header field that are looked at.
pub const HEADER_ADDRESSES: usize = 10_000;
/// Bytes of one header value that are decoded for a plugin or a search.
pub const HEADER_DECODED: usize = 64 * 1024;
/// Message bytes held in memory on the way in before they go to a body segment.
pub const BODY_IN_MEMORY: usize = 256 * 1024;
/// Unparsed bytes a session holds for one peer.
pub const SESSION_BUFFER: usize = 64 * 1024;
/// IMAP command line, literals aside (RFC 7162 §4 asks for 8,192).
pub const IMAP_LINE: usize = 16 * 1024;
/// IMAP bytes taken before login, literals included.
pub const IMAP_PREAUTH: usize = 8 * 1024;
/// Largest non-synchronising literal of a command (RFC 7888 §5, LITERAL-).
pub const IMAP_NON_SYNC_LITERAL: usize = 4096;
/// Literals other than APPEND's, in bytes.
pub const IMAP_LITERAL: usize = 64 * 1024;
/// Literals in one IMAP command.
pub const IMAP_LITERALS: usize = 100;
/// Nested parentheses in one IMAP command.
pub const IMAP_NESTING: usize = 32;
/// Keys in one IMAP SEARCH.
pub const IMAP_SEARCH_KEYS: usize = 1000;
/// Keywords of one mailbox.
pub const IMAP_KEYWORDS: usize = 512;
/// Levels and bytes of a mailbox name.
pub const MAILBOX_LEVELS: usize = 32;
/// Bytes of a mailbox name in UTF-8.
pub const MAILBOX_NAME: usize = 1000;
/// POP3 command line with CRLF (RFC 2449 §4: 255).
pub const POP3_LINE: usize = 255;
/// Unwritten output of a session before it stops taking input.
pub const OUTPUT_BUFFER: usize = 256 * 1024;
/// Failed logins of one connection before it is closed.
pub const LOGIN_FAILURES: usize = 3;

/// Body of a login over HTTP.
pub const HTTP_LOGIN_BODY: usize = 4096;
/// Body of a call over HTTP, uploads of plugins aside.
pub const HTTP_BODY: usize = 1024 * 1024;
/// An uploaded plugin: the bound of the contract for guests that bring an interpreter.
pub const HTTP_UPLOAD: usize = 32 * 1024 * 1024;
/// Head of an HTTP request, and its fields.
pub const HTTP_HEAD: usize = 16 * 1024;
/// Fields of one HTTP request.
pub const HTTP_FIELDS: usize = 64;
/// How long an HTTP client may take for the head of a request, also of the next one.
pub const HTTP_HEAD_TIME: Duration = Duration::from_secs(30);
/// How long an HTTP client may pause in a body.
pub const HTTP_BODY_PAUSE: Duration = Duration::from_secs(30);
/// How long one HTTP connection lives.
pub const HTTP_CONNECTION_TIME: Duration = Duration::from_secs(15 * 60);
/// How long MAIL and DATA wait for a store that is behind, before they answer 451: well below the
/// five minutes that a client waits for MAIL (RFC 5321 §4.5.3.2.2).
pub const STORE_PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of an archive between two marks: what an interrupted export writes again at most.
pub const ARCHIVE_PART: u64 = 8 * 1024 * 1024;
/// Items that one commit of an import brings in at most.
pub const IMPORT_ITEMS: usize = 200;
/// Bytes after which an import makes a commit.
pub const IMPORT_BYTES: u64 = 8 * 1024 * 1024;
/// The largest component of an archive.
pub const IMPORT_COMPONENT: u64 = 64 * 1024 * 1024;
/// The largest setting of an archive, as the store has them.
pub const IMPORT_SETTING: u64 = 4 * 1024 * 1024;
/// The largest value of a plugin in an archive, as the store has them.
pub const IMPORT_VALUE: u64 = 256 * 1024;
/// Commits under way of an import of one person's mail.
pub const IMPORT_AHEAD: usize = 64;
/// How long a second import of the same mail knows of the first, in seconds.
pub const IMPORT_KNOWN_SECONDS: i64 = 365 * 24 * 3600;
/// The largest message that is read from, or written to, files of other programs: it is in memory
/// once.
pub const MAIL_FILE_MESSAGE: u64 = 512 * 1024 * 1024;
/// Levels of folders of a Maildir.
pub const MAILDIR_LEVELS: usize = 32;
/// Bytes of a list of Dovecot's keywords.
pub const MAILDIR_KEYWORDS: u64 = 64 * 1024;
/// Memory for messages that one user of this machine hands in at the same time, in bytes.
pub const HANDED_IN_USER: u64 = 192 * 1024 * 1024;
/// Memory for messages that all users of this machine hand in at the same time, in bytes.
pub const HANDED_IN_ALL: u64 = 384 * 1024 * 1024;
/// A step of the system's clock that is followed at once.
pub const CLOCK_STEP: Duration = Duration::from_secs(30);
/// How long a larger one is doubted at least: time goes on as before it.
pub const CLOCK_DOUBT_LEAST: Duration = Duration::from_secs(60);
/// How long it is doubted at most.
pub const CLOCK_DOUBT_MOST: Duration = Duration::from_secs(3600);

/// Limits an operator may set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest message in bytes.
    pub message_bytes: u64,
    /// Recipients of one transaction.
    pub recipients: usize,
    /// Connections over all listeners.
    pub connections: usize,
    /// Connections of one address (of one /64 with IPv6).
    pub connections_per_address: usize,
    /// SMTP idle time in seconds (RFC 5321 §4.5.3.2.7: at least 300).
    pub smtp_idle_seconds: u64,
    /// POP3 idle time in seconds (RFC 1939 §3: at least 600).
    pub pop3_idle_seconds: u64,
    /// IMAP idle time in seconds (RFC 3501 §5.4: at least 1,800).
    pub imap_idle_seconds: u64,
    /// How long an IMAP or POP3 client may take for each command before it has signed in, in
    /// seconds; for all of them together three times as long.
    pub sign_in_seconds: u64,
    /// How long a message is tried, in seconds.
    pub queue_life_seconds: i64,
    /// After how long the sender is told of a delay, in seconds.
    pub delay_notice_seconds: i64,
    /// Pauses between attempts in seconds; the last one repeats.
    pub retry_seconds: Vec<i64>,
    /// Free bytes below which no mail is taken; the larger of this and
    /// `disk_reserve_percent` counts.
    pub disk_reserve_bytes: u64,
    /// Free share of the file system in percent below which no mail is taken.
    pub disk_reserve_percent: u8,
    /// How long a token of the API lives, in seconds.
    pub token_seconds: i64,
    /// How long a token of the API may lie unused, in seconds.
    pub token_idle_seconds: i64,
    /// Plugins that a domain may bring.
    pub plugins_per_domain: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 50 * 1024 * 1024,
            recipients: 1000,
            connections: 1000,
            connections_per_address: 20,
            smtp_idle_seconds: 5 * 60,
            pop3_idle_seconds: 10 * 60,
            imap_idle_seconds: 30 * 60,
            sign_in_seconds: 60,
            queue_life_seconds: 5 * 24 * 3600,
            delay_notice_seconds: 4 * 3600,
            retry_seconds: [1, 5, 15, 30, 60, 120]
                .iter()
                .map(|minutes| minutes * 60)
                .collect(),
            disk_reserve_bytes: 1024 * 1024 * 1024,
            disk_reserve_percent: 5,
            token_seconds: 12 * 3600,
            token_idle_seconds: 3600,
            plugins_per_domain: 100,
        }
    }
}

impl Limits {
    /// SMTP idle time.
    pub const fn smtp_idle(&self) -> Duration {
        Duration::from_secs(self.smtp_idle_seconds)
    }

    /// POP3 idle time.
    pub const fn pop3_idle(&self) -> Duration {
        Duration::from_secs(self.pop3_idle_seconds)
    }

    /// IMAP idle time.
    pub const fn imap_idle(&self) -> Duration {
        Duration::from_secs(self.imap_idle_seconds)
    }

    /// Patience before sign-in with IMAP and POP3.
    pub const fn sign_in(&self) -> Duration {
        Duration::from_secs(self.sign_in_seconds)
    }

    /// The pause in seconds before the attempt after `attempts` failed ones.
    pub fn retry_pause_seconds(&self, attempts: u32) -> i64 {
        let index = (attempts.max(1) - 1) as usize;
        let last = self.retry_seconds.last();
        self.retry_seconds
            .get(index)
            .or(last)
            .copied()
            .unwrap_or(3600)
    }
}
