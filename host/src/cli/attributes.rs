//! `ATTRIBUTE=VALUE` arguments.

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// Attributes of a domain, as they are typed.
pub(crate) const OF_DOMAIN: &[&str] = &[
    "state",
    "mail-state",
    "services",
    "postmaster",
    "administrators",
    "aliases",
    "catch-all",
    "smart-host",
    "service-names",
    "disabled-text",
    "people-may-file",
    "quota-bytes",
    "quota-messages",
    "quota-people",
];

/// Attributes of a person.
pub(crate) const OF_PERSON: &[&str] = &[
    "state",
    "mail-state",
    "services",
    "alternates",
    "options",
    "forward-to",
    "program",
    "file",
    "shared",
    "autoreply-mode",
    "autoreply-text",
    "autoreply-text-internal",
    "autoreply-subject",
    "autoreply-timeout-hours",
    "autoreply-start",
    "autoreply-end",
    "routing-address",
    "quota-bytes",
    "quota-messages",
    "uid",
    "name",
    "language",
    "roles",
];

/// Attributes of a group.
pub(crate) const OF_GROUP: &[&str] = &[
    "state",
    "members",
    "options",
    "shared",
    "forward-to",
    "program",
    "file",
    "alternates",
    "name",
];

/// Names of the API that stand for no other way to type them.
const MORE: &[&str] = &["equivalent-addresses", "message-store", "autoreply"];

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

/// Reads them into an object as the API wants it; `known` are the attributes there are. An empty value is `null`: it removes the
/// attribute. `autoreply-text=…` and the like go together into `autoreply`.
pub(crate) fn read(arguments: &[String], known: &[&str]) -> anyhow::Result<Map<String, Value>> {
    let mut attributes = Map::new();
    for argument in arguments {
        let (name, value) = argument
            .split_once('=')
            .with_context(|| format!("'{argument}' is not ATTRIBUTE=VALUE"))?;
        let name = known_name(name, known)?;
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

/// The name as the API has it. A wrong one is told here, in the names that are typed.
fn known_name(name: &str, known: &[&str]) -> anyhow::Result<String> {
    let full = full_name(name);
    if known.iter().chain(MORE).any(|own| full_name(own) == full) {
        return Ok(full);
    }
    let nearest = known
        .iter()
        .min_by_key(|own| strsim::damerau_levenshtein(own, name));
    bail!(
        "there is no attribute '{name}': did you mean '{}'? There are {}",
        nearest.copied().unwrap_or_default(),
        known.join(", ")
    )
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

    use super::{OF_DOMAIN, OF_GROUP, OF_PERSON};

    fn read(arguments: &[String]) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
        super::read(arguments, &[OF_DOMAIN, OF_PERSON].concat())
    }

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
        assert!(
            read(&["status=active".to_owned()]).is_ok(),
            "as it is shown"
        );
        let wrong = read(&["stat=active".to_owned()]).expect_err("there is none");
        let text = wrong.to_string();
        assert!(
            text.contains("did you mean 'state'? There are state, mail-state"),
            "{text}"
        );
    }

    #[test]
    fn the_help_names_every_attribute() {
        use clap::CommandFactory as _;
        for (command, known) in [
            ("domain", OF_DOMAIN),
            ("user", OF_PERSON),
            ("group", OF_GROUP),
        ] {
            let mut all = crate::cli::Arguments::command();
            let set = all
                .find_subcommand_mut(command)
                .and_then(|command| command.find_subcommand_mut("set"))
                .expect("it is a command");
            let help = set.render_long_help().to_string();
            let listed = help
                .lines()
                .find_map(|line| line.strip_prefix("Attributes: "))
                .expect("they are listed");
            assert_eq!(listed, format!("{}.", known.join(", ")), "{command}");
        }
    }
}
