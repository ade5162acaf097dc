//! A message of the queue as one file: lines about the envelope and each recipient, a line of two
//! CTRL/A, then the message byte for byte.
//!
//! ```text
//! Postroom-Queue: 1
//! Origin: mail.abc.test          the server that had it
//! Envelope-Id: q1f               its name there
//! Domain: abc.test               whose it is; "-" for what leaves this server
//! From: <joe@example.org>
//! Received: 1800000000000 2027-01-15T08:00:00Z
//! Direction: inbound
//! Body: 8bitmime
//! …
//! Size: 1234
//! To: <ann@abc.test>             a recipient; the lines up to the next To are about it
//! Entry: w20
//! Work: option autoreply person ann@abc.test
//! …
//! ^A^A
//! Subject: hello
//! ```
//! A text value that has control characters or a backslash has `\n`, `\r`, `\\` and `\xHH` for
//! them. Times are milliseconds since 1970, then the date for people.
//!
//! What it carries is what the queue needs to go on. Ids of people and groups mean something on
//! one server only, so owners of delivery options stand there by address; who signed in is not
//! carried. How it fails: a file that is not of this form is refused with the number of the line.
//!
//! What it does not know: the store's rows, the directory.

mod lines;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::net::IpAddr;

use mail::{Body, Direction, EnhancedStatus, Mailbox, ReversePath, Timestamp};
use store::ParkedReason;

pub(crate) use lines::Malformed;
use lines::{Lines, escaped};

/// The line between.
const DIVIDER: &[u8] = b"\x01\x01\n";
/// The first line, with the version of the form.
const FIRST: &str = "Postroom-Queue";
const VERSION: &str = "1";
/// Bytes in front of the message (a recipient takes some 500).
pub(crate) const HEAD_BYTES: usize = 1024 * 1024;

/// A message with the recipients that have the same copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueFile {
    /// The name of the server that had it.
    pub(crate) origin: String,
    /// The envelope's id there.
    pub(crate) envelope: String,
    /// Whose; nobody's for what leaves the server.
    pub(crate) domain: Option<String>,
    pub(crate) from: ReversePath,
    pub(crate) received: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) body: Body,
    pub(crate) utf8: bool,
    pub(crate) envid: Option<String>,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) helo: String,
    pub(crate) encrypted: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) message: Vec<u8>,
}

/// One recipient's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) to: Mailbox,
    /// The entry's id there.
    pub(crate) id: String,
    pub(crate) original: String,
    pub(crate) work: FiledWork,
    pub(crate) parked: Option<(ParkedReason, String)>,
    pub(crate) due: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) created: Timestamp,
    pub(crate) attempts: u32,
    pub(crate) last: Option<(Option<EnhancedStatus>, String)>,
    pub(crate) delay_told: bool,
}

/// What is to be done, in a form that means the same on every server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FiledWork {
    /// By a channel, perhaps to a host.
    Channel {
        channel: String,
        next_hop: Option<String>,
    },
    /// The message way again.
    Route { context: String },
    /// A delivery option of somebody.
    Option {
        option: String,
        owner: Owner,
        /// What plugins left with `remember`, as JSON.
        notes: String,
    },
}

/// Whose delivery option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Person(Mailbox),
    Group(Mailbox),
}

impl QueueFile {
    /// The bytes of the file.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut head = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing into a String cannot fail.
            let _ = writeln!(head, "{name}: {value}");
        };
        line(FIRST, VERSION);
        line("Origin", &escaped(&self.origin));
        line("Envelope-Id", &escaped(&self.envelope));
        line("Domain", self.domain.as_deref().unwrap_or("-"));
        line("From", &escaped(&self.from.to_string()));
        line("Received", &time(self.received));
        line("Direction", direction(self.direction));
        line("Body", body(self.body));
        line("Utf8", yes(self.utf8));
        if let Some(envid) = &self.envid {
            line("Envid", &escaped(envid));
        }
        if let Some(peer) = self.peer {
            line("Peer", &peer.to_string());
        }
        line("Helo", &escaped(&self.helo));
        line("Encrypted", yes(self.encrypted));
        line("Size", &self.message.len().to_string());
        for entry in &self.entries {
            entry.write(&mut line);
        }
        [head.as_bytes(), DIVIDER, &self.message].concat()
    }

    /// From the bytes of a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let (mut lines, message) = Lines::split(bytes)?;
        if lines.value(FIRST)? != VERSION {
            return Err(lines.wrong(&format!("this server reads version {VERSION}")));
        }
        let origin = lines.text("Origin")?;
        let envelope = lines.text("Envelope-Id")?;
        let domain = Some(lines.value("Domain")?.to_owned()).filter(|name| name != "-");
        let from = read_path(&mut lines)?;
        let received = read_time(&mut lines, "Received")?;
        let direction = lines.one_of("Direction", DIRECTIONS)?;
        let body = lines.one_of("Body", BODIES)?;
        let utf8 = lines.one_of("Utf8", YES)?;
        let envid = lines.optional_text("Envid")?;
        let peer = match lines.optional("Peer") {
            Some(peer) => Some(
                peer.parse()
                    .map_err(|_| lines.wrong("it is no IP address"))?,
            ),
            None => None,
        };
        let helo = lines.text("Helo")?;
        let encrypted = lines.one_of("Encrypted", YES)?;
        let size: usize = lines.number("Size")?;
        if size != message.len() {
            let text = format!("the message has {} bytes, not {size}", message.len());
            return Err(lines.wrong(&text));
        }
        let mut entries = Vec::new();
        while !lines.are_over() {
            entries.push(Entry::read(&mut lines)?);
        }
        if entries.is_empty() {
            return Err(lines.wrong("it has no recipients"));
        }
        Ok(Self {
            origin,
            envelope,
            domain,
            from,
            received,
            direction,
            body,
            utf8,
            envid,
            peer,
            helo,
            encrypted,
            entries,
            message: message.to_vec(),
        })
    }
}

impl Entry {
    fn write(&self, line: &mut impl FnMut(&str, &str)) {
        line("To", &escaped(&format!("<{}>", self.to)));
        line("Entry", &escaped(&self.id));
        line("Original", &escaped(&self.original));
        match &self.work {
            FiledWork::Channel { channel, next_hop } => {
                line("Channel", &escaped(channel));
                if let Some(host) = next_hop {
                    line("Next-Hop", &escaped(host));
                }
            }
            FiledWork::Route { context } => line("Route", &escaped(context)),
            FiledWork::Option {
                option,
                owner,
                notes,
            } => {
                line("Option", &escaped(option));
                match owner {
                    Owner::Person(address) => line("Person", &escaped(&address.to_string())),
                    Owner::Group(address) => line("Group", &escaped(&address.to_string())),
                }
                line("Notes", &escaped(notes));
            }
        }
        if let Some((reason, why)) = &self.parked {
            line("Parked", &format!("{} {}", reason.name(), escaped(why)));
        }
        line("Due", &time(self.due));
        line("Expires", &time(self.expires));
        line("Created", &time(self.created));
        line("Attempts", &self.attempts.to_string());
        if let Some((status, text)) = &self.last {
            let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
            line("Last", &format!("{status} {}", escaped(text)));
        }
        line("Delay-Told", yes(self.delay_told));
    }

    fn read(lines: &mut Lines<'_>) -> Result<Self, Malformed> {
        let to = lines.text("To")?;
        let to = to.trim_start_matches('<').trim_end_matches('>');
        let to = Mailbox::parse(to).map_err(|error| lines.wrong(&error.to_string()))?;
        let id = lines.text("Entry")?;
        let original = lines.text("Original")?;
        let work = FiledWork::read(lines)?;
        let parked = match lines.optional("Parked") {
            Some(value) => {
                let (word, why) = value.split_once(' ').unwrap_or((value, ""));
                let mut known = ParkedReason::ALL.into_iter();
                let reason = known.find(|reason| reason.name() == word);
                let reason = reason.ok_or_else(|| lines.wrong("nothing is parked for this"))?;
                Some((reason, lines.unescaped(why)?))
            }
            None => None,
        };
        let due = read_time(lines, "Due")?;
        let expires = read_time(lines, "Expires")?;
        let created = read_time(lines, "Created")?;
        let attempts = lines.number("Attempts")?;
        let last = match lines.optional("Last") {
            Some(value) => {
                let (status, text) = value.split_once(' ').unwrap_or((value, ""));
                let status = match status {
                    "-" => None,
                    status => Some(
                        status
                            .parse()
                            .map_err(|_| lines.wrong("it begins with no status"))?,
                    ),
                };
                Some((status, lines.unescaped(text)?))
            }
            None => None,
        };
        let delay_told = lines.one_of("Delay-Told", YES)?;
        Ok(Self {
            to,
            id,
            original,
            work,
            parked,
            due,
            expires,
            created,
            attempts,
            last,
            delay_told,
        })
    }
}

impl FiledWork {
    fn read(lines: &mut Lines<'_>) -> Result<Self, Malformed> {
        if let Some(channel) = lines.optional_text("Channel")? {
            let next_hop = lines.optional_text("Next-Hop")?;
            return Ok(Self::Channel { channel, next_hop });
        }
        if let Some(context) = lines.optional_text("Route")? {
            return Ok(Self::Route { context });
        }
        let option = lines.text("Option")?;
        let owner = match lines.optional_text("Person")? {
            Some(person) => Owner::Person(read_address(lines, &person)?),
            None => {
                let group = lines.text("Group")?;
                Owner::Group(read_address(lines, &group)?)
            }
        };
        let notes = lines.text("Notes")?;
        Ok(Self::Option {
            option,
            owner,
            notes,
        })
    }
}

fn read_address(lines: &Lines<'_>, text: &str) -> Result<Mailbox, Malformed> {
    Mailbox::parse(text).map_err(|error| lines.wrong(&error.to_string()))
}

fn read_path(lines: &mut Lines<'_>) -> Result<ReversePath, Malformed> {
    let text = lines.text("From")?;
    let bare = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    let bare = bare.ok_or_else(|| lines.wrong("the sender stands in <>"))?;
    ReversePath::try_from(bare.to_owned()).map_err(|error| lines.wrong(&error.to_string()))
}

fn time(at: Timestamp) -> String {
    match at {
        Timestamp(i64::MAX) => "never".to_owned(),
        at => format!("{} {at}", at.0),
    }
}

fn read_time(lines: &mut Lines<'_>, name: &str) -> Result<Timestamp, Malformed> {
    let value = lines.value(name)?;
    if value == "never" {
        return Ok(Timestamp(i64::MAX));
    }
    let number = value.split(' ').next().unwrap_or_default();
    match number.parse() {
        Ok(milliseconds) if (0..=FAR).contains(&milliseconds) => Ok(Timestamp(milliseconds)),
        _ => Err(lines.wrong("it is no time in milliseconds since 1970, and not 'never'")),
    }
}

/// The year 9999: times beyond it are not dates.
const FAR: i64 = 253_402_300_799_999;

const DIRECTIONS: &[(&str, Direction)] = &[
    ("inbound", Direction::Inbound),
    ("submission", Direction::Submission),
    ("internal", Direction::Internal),
];

const BODIES: &[(&str, Body)] = &[("7bit", Body::SevenBit), ("8bitmime", Body::EightBitMime)];

const YES: &[(&str, bool)] = &[("yes", true), ("no", false)];

fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> &'static str {
    let found = words.iter().find(|(_, known)| *known == value);
    found.map_or("", |(word, _)| word)
}

fn direction(direction: Direction) -> &'static str {
    word(DIRECTIONS, direction)
}

fn body(body: Body) -> &'static str {
    word(BODIES, body)
}

fn yes(is_so: bool) -> &'static str {
    word(YES, is_so)
}
