//! `ATTRIBUTE=VALUE` arguments.

use anyhow::Context as _;
use serde_json::{Map, Value};

/// Attributes whose value is a list, separated by commas.
const LISTS: &[&str] = &[
    "aliases",
    "administrators",
    "service_names",
    "alternate_addresses",
    "equivalent_addresses",
    "delivery_options",
    "forwarding_addresses",
    "members",
    "roles",
];

/// Attributes whose value is a number.
const NUMBERS: &[&str] = &[
    "quota_bytes",
    "quota_messages",
    "quota_people",
    "timeout_hours",
];

/// Short names.
const SHORT: &[(&str, &str)] = &[
    ("state", "status"),
    ("mail_state", "mail_status"),
    ("options", "delivery_options"),
    ("alternates", "alternate_addresses"),
    ("forward_to", "forwarding_addresses"),
];

/// Reads them into an object as the API wants it. An empty value is `null`: it removes the
/// attribute. `autoreply-text=…` and the like go together into `autoreply`.
pub(crate) fn read(arguments: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut attributes = Map::new();
    for argument in arguments {
        let (name, value) = argument
            .split_once('=')
            .with_context(|| format!("'{argument}' is not ATTRIBUTE=VALUE"))?;
        let name = full_name(name);
        match name.strip_prefix("autoreply_") {
            Some(setting) => {
                let settings = attributes
                    .entry("autoreply")
                    .or_insert_with(|| Value::Object(Map::new()));
                if let Some(settings) = settings.as_object_mut().filter(|_| !value.is_empty()) {
                    settings.insert(setting.to_owned(), typed(setting, value)?);
                }
            }
            None => {
                attributes.insert(name.clone(), typed(&name, value)?);
            }
        }
    }
    Ok(attributes)
}

fn full_name(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    SHORT
        .iter()
        .find(|(short, _)| *short == name)
        .map_or(name, |(_, full)| (*full).to_owned())
}

fn typed(name: &str, value: &str) -> anyhow::Result<Value> {
    if value.is_empty() {
        return Ok(Value::Null);
    }
    if LISTS.contains(&name) {
        return Ok(value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(Value::from)
            .collect());
    }
    if NUMBERS.contains(&name) {
        let number: i64 = value
            .parse()
            .with_context(|| format!("{name}: '{value}' is not a number"))?;
        return Ok(number.into());
    }
    if name == "people_may_file" {
        return Ok(Value::Bool(value.parse().with_context(|| {
            format!("{name}: '{value}' is not true or false")
        })?));
    }
    if matches!(name, "start" | "end") {
        return Ok(date(value)?.into());
    }
    Ok(value.into())
}

/// `2026-12-24` or `2026-12-24T18:00:00Z`, as milliseconds since the Unix epoch.
fn date(value: &str) -> anyhow::Result<i64> {
    let text = if value.contains('T') {
        value.to_owned()
    } else {
        format!("{value}T00:00:00Z")
    };
    let at = time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
        .with_context(|| {
            format!("'{value}' is not a date like 2026-12-24 or 2026-12-24T18:00:00Z")
        })?;
    Ok(at.unix_timestamp() * 1000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::read;

    #[test]
    fn values_get_the_type_of_their_attribute() {
        let arguments: Vec<String> = [
            "state=inactive",
            "options=mailbox, autoreply",
            "autoreply-text=away",
            "autoreply-timeout-hours=24",
            "autoreply-start=1970-01-02",
            "quota-bytes=-1",
            "postmaster=",
        ]
        .map(str::to_owned)
        .to_vec();
        let expected = json!({
            "status": "inactive", "delivery_options": ["mailbox", "autoreply"],
            "autoreply": { "text": "away", "timeout_hours": 24, "start": 86_400_000 },
            "quota_bytes": -1, "postmaster": null,
        });
        assert_eq!(
            serde_json::Value::from(read(&arguments).expect("all are valid")),
            expected
        );
        assert!(read(&["nonsense".to_owned()]).is_err());
        assert!(read(&["quota-bytes=many".to_owned()]).is_err());
    }
}
