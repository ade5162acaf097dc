//! BODY and BODYSTRUCTURE (RFC 3501 §7.4.2).

use mail::message::{Message, Parameter, ParameterizedValue, Part, PartKind, Summary};

use super::envelope;
use crate::output::{nstring, string};

/// With or without the extension data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Body,
    BodyStructure,
}

/// Writes the tree. Its depth is bounded by [`mail::limits::MIME_DEPTH`].
pub(super) fn write(message: &Message<'_>, form: Form, out: &mut Vec<u8>) {
    part(message, message.structure().root(), form, out);
}

fn part(message: &Message<'_>, part: &Part, form: Form, out: &mut Vec<u8>) {
    out.push(b'(');
    if matches!(part.kind, PartKind::Multipart(_)) {
        multipart(message, part, form, out);
    } else {
        single(message, part, form, out);
    }
    out.push(b')');
}

/// ```text
/// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
/// body-ext-mpart  = body-fld-param SP body-fld-dsp SP body-fld-lang SP body-fld-loc
/// ```
fn multipart(message: &Message<'_>, whole: &Part, form: Form, out: &mut Vec<u8>) {
    for child in message.structure().children(whole) {
        part(message, child, form, out);
    }
    out.push(b' ');
    string(&whole.media.sub, out);
    if form == Form::BodyStructure {
        out.push(b' ');
        parameters(&whole.media.parameters, out);
        extension(whole, out);
    }
}

/// ```text
/// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
/// body-fields     = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP
///                   body-fld-octets
/// body-ext-1part  = body-fld-md5 SP body-fld-dsp SP body-fld-lang SP body-fld-loc
/// ```
fn single(message: &Message<'_>, leaf: &Part, form: Form, out: &mut Vec<u8>) {
    let (main, sub) = leaf.shown_type();
    string(main, out);
    out.push(b' ');
    string(sub, out);
    out.push(b' ');
    parameters(&leaf.media.parameters, out);
    out.push(b' ');
    nstring(leaf.id.as_deref(), out);
    out.push(b' ');
    nstring(leaf.description.as_deref(), out);
    out.push(b' ');
    string(&leaf.encoding_name, out);
    number(leaf.size() as u64, out);
    if let Some(inner) = message.structure().contained_message(leaf) {
        out.push(b' ');
        envelope::write(&Summary::of(&message.part_header(inner)), out);
        out.push(b' ');
        part(message, inner, form, out);
        number(leaf.lines, out);
    } else if main == b"text" {
        number(leaf.lines, out);
    }
    if form == Form::BodyStructure {
        out.push(b' ');
        nstring(leaf.md5.as_deref(), out);
        extension(leaf, out);
    }
}

/// Disposition, language, location.
fn extension(part: &Part, out: &mut Vec<u8>) {
    out.push(b' ');
    disposition(part.disposition.as_ref(), out);
    out.push(b' ');
    match part.language.as_slice() {
        [] => out.extend_from_slice(b"NIL"),
        [one] => string(one, out),
        several => {
            out.push(b'(');
            for (index, language) in several.iter().enumerate() {
                if index > 0 {
                    out.push(b' ');
                }
                string(language, out);
            }
            out.push(b')');
        }
    }
    out.push(b' ');
    nstring(part.location.as_deref(), out);
}

fn disposition(disposition: Option<&ParameterizedValue>, out: &mut Vec<u8>) {
    match disposition {
        None => out.extend_from_slice(b"NIL"),
        Some(value) => {
            out.push(b'(');
            string(&value.word, out);
            out.push(b' ');
            parameters(&value.parameters, out);
            out.push(b')');
        }
    }
}

fn parameters(parameters: &[Parameter], out: &mut Vec<u8>) {
    if parameters.is_empty() {
        out.extend_from_slice(b"NIL");
        return;
    }
    out.push(b'(');
    for (index, parameter) in parameters.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        string(&parameter.name, out);
        out.push(b' ');
        string(&parameter.value, out);
    }
    out.push(b')');
}

fn number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(format!(" {number}").as_bytes());
}
