//! Edits of the header section.

use std::ops::Range;

use mail::header::HeaderBuilder;

/// Longest value in bytes.
const VALUE_BYTES: usize = 10_000;
/// Fields that say where a message has been: not for plugins.
const TRACE: [&str; 3] = ["received", "return-path", "delivered-to"];

/// One edit. Made only by the functions here, so a field in it is well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderEdit {
    Prepend(Field),
    Append(Field),
    Replace(Field),
    Remove(String),
}

/// A field as bytes, with its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Field {
    name: String,
    bytes: Vec<u8>,
}

impl Field {
    /// A field that cannot forge another one.
    pub(crate) fn new(name: &str, value: &str) -> Result<Self, String> {
        check_name(name)?;
        if value.len() > VALUE_BYTES {
            return Err(format!("a value has at most {VALUE_BYTES} bytes"));
        }
        let mut header = HeaderBuilder::new();
        header
            .text(name, value)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            name: name.to_owned(),
            bytes: header.finish(),
        })
    }

    pub(crate) const fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// A name whose fields may be edited.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    mail::header::check_name(name).map_err(|error| error.to_string())?;
    if TRACE.iter().any(|trace| name.eq_ignore_ascii_case(trace)) {
        return Err("trace fields are left alone".to_owned());
    }
    Ok(())
}

impl HeaderEdit {
    /// Bytes that it brings, for the budget.
    pub(crate) const fn size(&self) -> usize {
        match self {
            Self::Prepend(field) | Self::Append(field) | Self::Replace(field) => field.size(),
            Self::Remove(name) => name.len(),
        }
    }

    /// The header section (with its empty line) after the edit.
    pub(crate) fn apply(&self, header: &[u8]) -> Vec<u8> {
        match self {
            Self::Prepend(field) => [field.bytes.as_slice(), header].concat(),
            Self::Append(field) => insert(header, fields_end(header), &field.bytes),
            Self::Remove(name) => without(header, name).0,
            Self::Replace(field) => {
                let (rest, first) = without(header, &field.name);
                let place = first.unwrap_or_else(|| fields_end(&rest));
                insert(&rest, place, &field.bytes)
            }
        }
    }
}

fn insert(header: &[u8], place: usize, field: &[u8]) -> Vec<u8> {
    let (before, after) = header.split_at(place.min(header.len()));
    // A header that ends in the middle of a line has no room for a field behind it.
    let line_end: &[u8] = if before.is_empty() || before.ends_with(b"\n") {
        b""
    } else {
        b"\r\n"
    };
    [before, line_end, field, after].concat()
}

/// The header without the fields of a name, and where the first one was.
fn without(header: &[u8], name: &str) -> (Vec<u8>, Option<usize>) {
    let mut rest = Vec::with_capacity(header.len());
    let mut first = None;
    for range in fields(header) {
        let field = &header[range];
        if is_named(field, name) {
            first = first.or(Some(rest.len()));
        } else {
            rest.extend(field);
        }
    }
    rest.extend(&header[fields_end(header)..]);
    (rest, first)
}

fn is_named(field: &[u8], name: &str) -> bool {
    let colon = field.iter().position(|&byte| byte == b':');
    colon.is_some_and(|colon| {
        field[..colon]
            .trim_ascii_end()
            .eq_ignore_ascii_case(name.as_bytes())
    })
}

/// Where the empty line begins, or the end.
fn fields_end(header: &[u8]) -> usize {
    fields(header).last().map_or(0, |last| last.end)
}

/// Each field with its folded lines (RFC 5322 §2.2.3), up to the empty line.
fn fields(header: &[u8]) -> Vec<Range<usize>> {
    let mut fields: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for line in header.split_inclusive(|&byte| byte == b'\n') {
        let end = start + line.len();
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        match fields.last_mut() {
            Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.end = end,
            _ => fields.push(start..end),
        }
        start = end;
    }
    fields
}

#[cfg(test)]
mod tests;
