//! The text of a message on its way out (RFC 5321 §4.5.2).

/// Doubles leading dots and makes every line end in CRLF. Whatever the bytes of the message are,
/// what comes out holds CRLF "." CRLF only once, at the end: a bare CR or LF becomes CRLF, for
/// the next server might take it for one.
#[derive(Debug)]
pub(super) struct DotEncoder {
    is_line_start: bool,
    /// The last byte was CR, for which CRLF went out already.
    had_cr: bool,
}

impl DotEncoder {
    pub(super) const fn new() -> Self {
        Self {
            is_line_start: true,
            had_cr: false,
        }
    }

    /// The next piece of the message; pieces may be cut anywhere.
    pub(super) fn encode(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len() + piece.len() / 32 + 2);
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.had_cr) && rest[0] == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let run = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
            self.push_run(&rest[..run], &mut out);
            if let Some(&end) = rest.get(run) {
                out.extend_from_slice(b"\r\n");
                self.is_line_start = true;
                self.had_cr = end == b'\r';
                rest = &rest[run + 1..];
            } else {
                rest = &[];
            }
        }
        out
    }

    /// The end of the message.
    pub(super) const fn finish(self) -> &'static [u8] {
        if self.is_line_start {
            b".\r\n"
        } else {
            b"\r\n.\r\n"
        }
    }

    fn push_run(&mut self, run: &[u8], out: &mut Vec<u8>) {
        if run.is_empty() {
            return;
        }
        if self.is_line_start && run[0] == b'.' {
            out.push(b'.');
        }
        out.extend_from_slice(run);
        self.is_line_start = false;
    }
}
