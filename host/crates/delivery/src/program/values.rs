//! Arguments and environment of a program.

use std::ffi::OsString;

use super::{Attempt, ProgramSpec, SpecError};

/// Where programs are looked for by programs. Ours are named by absolute paths.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The places an argument may have.
const PLACES: [&str; 4] = ["{sender}", "{recipient}", "{domain}", "{extension}"];

/// A value with bytes that no argument and no environment may have.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadValue;

/// Are the arguments safe whatever the values are?
pub(super) fn check(label: &str, arguments: &[String]) -> Result<(), SpecError> {
    let mut behind_dashes = false;
    for argument in arguments {
        let known = PLACES
            .iter()
            .fold(argument.clone(), |rest, place| rest.replace(place, ""));
        if argument.contains('\0') || known.contains('{') || known.contains('}') {
            return Err(SpecError::Argument {
                label: label.to_owned(),
                argument: argument.clone(),
            });
        }
        let begins_with_place = PLACES.iter().any(|place| argument.starts_with(place));
        if begins_with_place && !behind_dashes {
            return Err(SpecError::OptionLike {
                label: label.to_owned(),
                argument: argument.clone(),
            });
        }
        behind_dashes |= argument == "--";
    }
    Ok(())
}

/// The arguments with their places filled, each still one argument.
pub(super) fn arguments(spec: &ProgramSpec, attempt: &Attempt) -> Result<Vec<OsString>, BadValue> {
    let values = values(attempt)?;
    let filled = spec.arguments.iter().map(|argument| {
        // One pass over the template, so that a value that looks like a place stays a value.
        let mut filled = String::new();
        let mut rest = argument.as_str();
        while let Some(start) = rest.find('{') {
            let (before, place) = rest.split_at(start);
            filled.push_str(before);
            match values.iter().find(|(name, _)| place.starts_with(*name)) {
                Some((name, value)) => {
                    filled.push_str(value);
                    rest = &place[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &place[1..];
                }
            }
        }
        filled.push_str(rest);
        OsString::from(filled)
    });
    Ok(filled.collect())
}

/// The whole environment.
pub(super) fn environment(attempt: &Attempt) -> Result<Vec<(&'static str, String)>, BadValue> {
    let [(_, sender), (_, recipient), (_, domain), (_, extension)] = values(attempt)?;
    Ok(vec![
        ("PATH", PATH.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("POSTROOM_DELIVERY_ID", safe(attempt.delivery_id.clone())?),
        ("POSTROOM_ATTEMPT", attempt.number.to_string()),
        ("SENDER", sender),
        ("RECIPIENT", recipient),
        ("DOMAIN", domain),
        ("EXTENSION", extension),
    ])
}

/// In the order of [`PLACES`].
fn values(attempt: &Attempt) -> Result<[(&'static str, String); 4], BadValue> {
    let sender = attempt
        .sender
        .mailbox()
        .map(ToString::to_string)
        .unwrap_or_default();
    let [a, b, c, d] = PLACES;
    Ok([
        (a, safe(sender)?),
        (b, safe(attempt.recipient.to_string())?),
        (c, safe(attempt.recipient.domain().to_string())?),
        (d, safe(attempt.extension.clone().unwrap_or_default())?),
    ])
}

fn safe(value: String) -> Result<String, BadValue> {
    if value.chars().any(char::is_control) {
        Err(BadValue)
    } else {
        Ok(value)
    }
}
