//! Reading the message of the fake host.

use mail_parser::parsers::MessageStream;
use mail_parser::{HeaderValue, MessageParser, MessagePart, MimeHeaders, PartType};

/// All fields: name, and the bytes after the colon without the last line ending.
pub(super) fn fields(message: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some((_, value)) = fields.last_mut() {
                value.extend(line);
            }
        } else if let Some(colon) = line.iter().position(|&byte| byte == b':') {
            let name = String::from_utf8_lossy(&line[..colon])
                .trim_end()
                .to_owned();
            fields.push((name, line[colon + 1..].to_vec()));
        }
    }
    for (_, value) in &mut fields {
        while value.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            value.pop();
        }
    }
    fields
}

/// The values of the fields of a name, unfolded and decoded.
pub(super) fn texts(message: &[u8], name: &str) -> Vec<String> {
    let matching = fields(message)
        .into_iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    matching.map(|(_, value)| decoded(&value)).collect()
}

fn decoded(value: &[u8]) -> String {
    let mut line = value.to_vec();
    line.extend(b"\r\n\r\n");
    match MessageStream::new(&line).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    }
}

/// One part, read at once: this is a test.
#[derive(Debug)]
pub(crate) struct Part {
    path: String,
    media_type: String,
    disposition: Option<String>,
    name: Option<String>,
    size: u64,
    bytes: Vec<u8>,
    text: String,
}

impl Part {
    pub(crate) fn path(&self) -> String {
        self.path.clone()
    }

    pub(crate) fn media_type(&self) -> String {
        self.media_type.clone()
    }

    pub(crate) fn disposition(&self) -> Option<String> {
        self.disposition.clone()
    }

    pub(crate) fn name(&self) -> Option<String> {
        self.name.clone()
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    pub(crate) fn text(&self) -> String {
        self.text.clone()
    }
}

/// The parts that are not multiparts themselves.
pub(super) fn parts(message: &[u8]) -> Vec<Part> {
    let Some(message) = MessageParser::default().parse(message) else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    collect(&message, 0, "", &mut parts);
    parts
}

fn collect(message: &mail_parser::Message<'_>, index: u32, path: &str, parts: &mut Vec<Part>) {
    let Some(part) = message.parts.get(index as usize) else {
        return;
    };
    if let PartType::Multipart(children) = &part.body {
        for (number, &child) in children.iter().enumerate() {
            let dot = if path.is_empty() { "" } else { "." };
            collect(message, child, &format!("{path}{dot}{}", number + 1), parts);
        }
        return;
    }
    let path = if path.is_empty() { "1" } else { path };
    parts.push(read(part, path.to_owned()));
}

fn read(part: &MessagePart<'_>, path: String) -> Part {
    let media_type = part.content_type().map_or_else(
        || "text/plain".to_owned(),
        |found| format!("{}/{}", found.ctype(), found.subtype().unwrap_or("plain")).to_lowercase(),
    );
    Part {
        path,
        media_type,
        disposition: part
            .content_disposition()
            .map(|found| found.ctype().to_lowercase()),
        name: part.attachment_name().map(ToOwned::to_owned),
        size: u64::from(part.offset_end - part.offset_body),
        bytes: part.contents().to_vec(),
        text: part.text_contents().map_or_else(
            || String::from_utf8_lossy(part.contents()).into_owned(),
            ToOwned::to_owned,
        ),
    }
}
