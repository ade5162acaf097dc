//! Mail that no compression makes smaller.

use super::{Random, base64};

/// A letter with an attachment of random bytes, some `size` bytes in all: what archives, pictures
/// and PDF files are. In base64 it takes a third more than it says.
pub(super) fn attachment(number: usize, size: usize) -> Vec<u8> {
    let mut random = Random::new(number);
    let start = format!(
        "From: Sam Sender <sam@sender.example>\r\nTo: Members <members@bench.example>\r\n\
         Subject: Pictures {number}\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n\
         Message-ID: <attachment.{number}.{size}@sender.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"=_bench\"\r\n\r\n\
         --=_bench\r\nContent-Type: text/plain\r\n\r\nSee below.\r\n\
         --=_bench\r\nContent-Type: application/octet-stream; name=pictures.zip\r\n\
         Content-Disposition: attachment; filename=pictures.zip\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    let end = "\r\n--=_bench--\r\n";
    // 57 bytes make a line of 78 with its end.
    let room = size.saturating_sub(start.len() + end.len()) / 78 * 57;
    let text = base64::encode(&random.bytes(room.max(57)));
    format!("{start}{text}{end}").into_bytes()
}

/// Random bytes as they are, by 8BITMIME (RFC 6152): nothing to gain but in the header.
pub(super) fn noise(number: usize, size: usize) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut message = format!(
        "From: Sam Sender <sam@sender.example>\r\nTo: Members <members@bench.example>\r\n\
         Subject: Noise {number}\r\nDate: Mon, 05 Jan 2026 10:00:00 +0000\r\n\
         Message-ID: <noise.{number}.{size}@sender.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    .into_bytes();
    while message.len() < size {
        // RFC 5321 §4.5.3.1.6: a line has at most 1,000 bytes.
        let line = random.bytes((size - message.len()).clamp(1, 900));
        message.extend(line.into_iter().map(sayable));
        message.extend(b"\r\n");
    }
    message
}

/// No NUL, no line end, no dot.
const fn sayable(byte: u8) -> u8 {
    match byte {
        0 | b'\r' | b'\n' | b'.' => byte + 0x80,
        _ => byte,
    }
}
