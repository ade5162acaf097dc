//! The framing of DATA: dots at the start of lines (RFC 5321 §4.5.2).

use super::content::{Content, Violation};

/// Where decoding stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dots {
    /// All bytes were used and the message goes on.
    More,
    /// CRLF "." CRLF was seen.
    End,
    /// The message is not what it must be.
    Violation(Violation),
}

/// What was seen at the start of the line.
#[derive(Debug, Default)]
enum LineStart {
    #[default]
    Nothing,
    Dot,
    DotCr,
}

/// Strips leading dots and finds the end. Only CRLF "." CRLF is one; a bare CR or LF anywhere is
/// a violation, because another server might see the end of the message there (VU#302671).
#[derive(Debug, Default)]
pub(super) struct DotDecoder {
    start: LineStart,
}

impl DotDecoder {
    /// Gives the bytes of the message to `content`, which appends to `out` what is to be stored.
    /// Returns how many bytes of `input` were used.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        content: &mut Content,
        out: &mut Vec<u8>,
    ) -> (usize, Dots) {
        let mut used = 0;
        while let Some(&byte) = input.get(used) {
            match (&self.start, byte) {
                (LineStart::Nothing, b'.') if content.is_at_line_start() => {
                    self.start = LineStart::Dot;
                    used += 1;
                    continue;
                }
                (LineStart::Dot, b'\r') => {
                    self.start = LineStart::DotCr;
                    used += 1;
                    continue;
                }
                (LineStart::DotCr, b'\n') => return (used + 1, Dots::End),
                (LineStart::DotCr, _) => {
                    return (used, Dots::Violation(Violation::BareLineEnding));
                }
                _ => {}
            }
            let (taken, result) = content.take_line(&input[used..], out);
            used += taken;
            // A dot stays stripped until the byte behind it is taken: after a violation that
            // takes nothing, the same byte comes again, and a second dot is text.
            if taken > 0 {
                self.start = LineStart::Nothing;
            }
            if let Err(violation) = result {
                return (used, Dots::Violation(violation));
            }
        }
        (used, Dots::More)
    }
}
