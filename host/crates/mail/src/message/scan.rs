//! Finds the parts of a message in one pass over its lines.

use std::ops::Range;

use super::header::{Field, Header, line_end};
use super::parameters::MediaType;
use super::structure::{Encoding, Part, PartKind, Structure, is_message};
use crate::limits;

/// Reads the structure of a message. Every line is looked at once and compared with the
/// boundaries that are open, at most [`limits::MIME_DEPTH`] of them.
pub(super) fn scan(raw: &[u8]) -> Structure {
    let mut scan = Scan {
        raw,
        at: 0,
        lines: 0,
        open: Vec::new(),
        parts: Vec::new(),
        cut: false,
    };
    scan.open_part(None);
    while scan.at < raw.len() {
        scan.take_line();
    }
    scan.close_down_to(0, raw.len(), scan.lines);
    Structure {
        parts: scan.parts,
        cut: scan.cut,
    }
}

struct Scan<'a> {
    raw: &'a [u8],
    /// Where the next line begins.
    at: usize,
    /// Line ends before `at`.
    lines: u64,
    /// The parts that have begun and not ended, outermost first.
    open: Vec<Open>,
    parts: Vec<Part>,
    cut: bool,
}

struct Open {
    index: usize,
    /// Line ends before the body.
    lines_before: u64,
    /// With a multipart whose closing boundary has not come.
    boundary: Option<Vec<u8>>,
    /// Do parts in it without a type hold messages (RFC 2046 §5.1.5)?
    digest: bool,
}

/// A line that is a boundary of the open part at that position.
struct Boundary {
    position: usize,
    closing: bool,
}

impl Scan<'_> {
    /// Begins the part at `at`: reads its header section and looks what is in it. A message in
    /// a message begins at once; hence the loop.
    fn open_part(&mut self, parent: Option<usize>) {
        let mut parent = parent;
        loop {
            let index = self.parts.len();
            let digest = self.open.last().is_some_and(|open| open.digest);
            let start = self.at;
            let header =
                Header::parse_until(&self.raw[start..], |line| self.boundary(line).is_some());
            let body = start + header.body_offset();
            let mut part = describe(&header, start..body, digest);
            part.depth = self.open.len();
            self.lines += count_lines(&self.raw[start..body]);
            self.at = body;
            self.attach(parent, index);

            let may_hold = part.encoding == Encoding::Identity;
            let room = part.depth < limits::MIME_DEPTH && index + 1 < limits::MIME_PARTS;
            let boundary = part.media.parameter(b"boundary").filter(|boundary| {
                part.media.main == b"multipart"
                    && (1..=limits::MIME_BOUNDARY).contains(&boundary.len())
            });
            let holds_message = is_message(&part.media) && may_hold;
            self.cut |= !room && (boundary.is_some() || holds_message);
            let open = Open {
                index,
                lines_before: self.lines,
                boundary: boundary.filter(|_| room).map(<[u8]>::to_vec),
                digest: part.media.is("multipart", "digest"),
            };
            self.open.push(open);
            self.parts.push(part);
            if !(holds_message && room) {
                return;
            }
            parent = Some(index);
        }
    }

    /// Makes the part `index` a child of `parent`.
    fn attach(&mut self, parent: Option<usize>, index: usize) {
        let Some(parent) = parent.and_then(|parent| self.parts.get_mut(parent)) else {
            return;
        };
        match &mut parent.kind {
            PartKind::Multipart(children) => children.push(index),
            kind if is_message(&parent.media) => *kind = PartKind::Message(index),
            kind => *kind = PartKind::Multipart(vec![index]),
        }
    }

    fn take_line(&mut self) {
        let start = self.at;
        let end = line_end(self.raw, start);
        let boundary = self.boundary(&self.raw[start..end]);
        let lines_before = self.lines;
        self.at = end;
        self.lines += u64::from(self.raw[end - 1] == b'\n');
        let Some(Boundary { position, closing }) = boundary else {
            return;
        };
        // RFC 2046 §5.1.1: the line end before a boundary belongs to the boundary.
        let (body_end, line_ends) = before_line_end(self.raw, start);
        self.close_down_to(position + 1, body_end, lines_before - line_ends);
        let open = &mut self.open[position];
        if closing {
            open.boundary = None;
            return;
        }
        let parent = open.index;
        if self.parts.len() < limits::MIME_PARTS {
            self.open_part(Some(parent));
        } else {
            self.cut = true;
        }
    }

    /// Which open boundary a line is, the innermost first.
    fn boundary(&self, line: &[u8]) -> Option<Boundary> {
        let line = line.strip_prefix(b"--")?.trim_ascii_end();
        let found = self
            .open
            .iter()
            .enumerate()
            .rev()
            .find_map(|(position, open)| {
                let rest = line.strip_prefix(open.boundary.as_deref()?.trim_ascii_end())?;
                match rest {
                    b"" => Some((position, false)),
                    b"--" => Some((position, true)),
                    _ => None,
                }
            });
        found.map(|(position, closing)| Boundary { position, closing })
    }

    /// Ends every open part from `position` on.
    fn close_down_to(&mut self, position: usize, end: usize, lines: u64) {
        for open in self.open.drain(position..) {
            let part = &mut self.parts[open.index];
            // A boundary directly behind the header leaves an empty body.
            part.body.end = end.max(part.body.start);
            part.lines = lines.saturating_sub(open.lines_before);
        }
    }
}

/// The offset before the line end at `end`, and how many line ends that took.
fn before_line_end(raw: &[u8], end: usize) -> (usize, u64) {
    match raw[..end] {
        [.., b'\r', b'\n'] => (end - 2, 1),
        [.., b'\n'] => (end - 1, 1),
        _ => (end, 0),
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

/// What the header says of the part.
fn describe(header: &Header<'_>, range: Range<usize>, in_digest: bool) -> Part {
    let value = |name: &str| header.first(name).map(|field: Field<'_>| field.unfolded());
    let default = || match in_digest {
        true => MediaType::new("message", "rfc822"),
        false => MediaType::new("text", "plain"),
    };
    let encoding_name = header
        .first("content-transfer-encoding")
        .map(|field| field.parameterized().word)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| b"7bit".to_vec());
    let encoding = match encoding_name.as_slice() {
        b"7bit" | b"8bit" | b"binary" => Encoding::Identity,
        b"base64" => Encoding::Base64,
        b"quoted-printable" => Encoding::QuotedPrintable,
        _ => Encoding::Unknown,
    };
    Part {
        body: range.end..range.end,
        header: range,
        lines: 0,
        depth: 0,
        media: header
            .first("content-type")
            .and_then(|field| MediaType::parse(field.raw_value()))
            .unwrap_or_else(default),
        encoding,
        encoding_name,
        disposition: header
            .first("content-disposition")
            .map(|field| field.parameterized())
            .filter(|disposition| !disposition.word.is_empty()),
        id: value("content-id"),
        description: value("content-description"),
        language: value("content-language")
            .map(|value| languages(&value))
            .unwrap_or_default(),
        location: value("content-location"),
        md5: value("content-md5"),
        kind: PartKind::Leaf,
    }
}

/// Content-Language: tags with commas between them (RFC 3282 §2).
fn languages(value: &[u8]) -> Vec<Vec<u8>> {
    value
        .split(|&b| b == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|tag| !tag.is_empty())
        .take(limits::MIME_PARAMETERS)
        .map(<[u8]>::to_vec)
        .collect()
}
