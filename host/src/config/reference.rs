//! What can be configured, read off the types' own source: the doc comments are the text, the
//! types' defaults are the values. So page, template and types cannot drift apart.
//!
//! It knows just enough Rust for plain structs with documented public fields, which is what
//! configuration types are; a test holds its result against the keys that serde knows.

use std::fmt::Write as _;

use super::{Config, check};

/// Every file that holds a configuration type.
const SOURCES: &[&str] = &[
    include_str!("../config.rs"),
    include_str!("channel.rs"),
    include_str!("listeners.rs"),
    include_str!("directory.rs"),
    include_str!("sendmail.rs"),
    include_str!("store.rs"),
    include_str!("../../crates/directory/src/ldap/settings.rs"),
    include_str!("../../crates/mail/src/limits.rs"),
];

/// One table of `postroom.toml`.
#[derive(Debug)]
struct Table {
    /// Empty at the top, else `listen`.
    name: String,
    /// It may be there more than once, `[[name]]`.
    many: bool,
    text: String,
    keys: Vec<Key>,
}

/// One key of a table.
#[derive(Debug)]
struct Key {
    name: String,
    text: String,
    /// As it stands in the file; `None`: unset.
    default: Option<String>,
}

/// The page `docs/configuration.md`.
pub fn to_markdown() -> String {
    let mut page = "# Configuration\n\nGenerated from the types by `postroom configuration`. The file is `postroom.toml`, or what `--config` names; all keys are optional, \
         an unknown one is an error that names the nearest valid key. Relative paths are relative to the file. `postroom init` writes a file with every key in a comment, \
         `postroom check` tries it, SIGHUP makes a running server read it again.\n"
        .to_owned();
    for table in tables() {
        let heading = match (table.name.as_str(), table.many) {
            ("", _) => "At the top".to_owned(),
            (name, true) => format!("`[[{name}]]`, as often as needed"),
            (name, false) => format!("`[{name}]`"),
        };
        let _ = write!(page, "\n## {heading}\n\n");
        if !table.name.is_empty() {
            let _ = write!(page, "{}\n\n", table.text);
        }
        page.push_str("| Key | Default | Meaning |\n|---|---|---|\n");
        for key in table.keys {
            let default = key
                .default
                .map_or_else(|| "unset".to_owned(), |value| format!("`{value}`"));
            let text = key.text.replace('|', "\\|");
            let _ = writeln!(page, "| `{}` | {default} | {text} |", key.name);
        }
    }
    page
}

/// A `postroom.toml` that changes nothing but the lines of `set` (key at the top, value as TOML):
/// every key is there in a comment, with what it means and its default.
pub fn to_template(set: &[(&str, String)]) -> String {
    let mut file = "# Settings of Postroom. Every line that is commented out shows the default.\n\
                    # After a change: postroom check, then postroom reload (or SIGHUP).\n"
        .to_owned();
    for table in tables() {
        if !table.name.is_empty() {
            file.push('\n');
            comment(&mut file, &table.text);
            let (open, close) = if table.many { ("[[", "]]") } else { ("[", "]") };
            let hidden = if table.many { "#" } else { "" };
            let _ = writeln!(file, "{hidden}{open}{}{close}", table.name);
        }
        for key in &table.keys {
            if !table.many {
                file.push('\n');
            }
            comment(&mut file, &key.text);
            let chosen = set
                .iter()
                .find(|(name, _)| table.name.is_empty() && *name == key.name);
            let _ = match (chosen, &key.default) {
                (Some((name, value)), _) => writeln!(file, "{name} = {value}"),
                (None, Some(value)) => writeln!(file, "#{} = {value}", key.name),
                (None, None) => writeln!(file, "#{} =", key.name),
            };
        }
    }
    file
}

fn comment(file: &mut String, text: &str) {
    const WIDTH: usize = 96;
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + word.len() >= WIDTH {
            let _ = writeln!(file, "#{line}");
            line.clear();
        }
        line.push(' ');
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(file, "#{line}");
    }
}

/// All tables, the top one first.
fn tables() -> Vec<Table> {
    let structs: Vec<Struct> = SOURCES.iter().flat_map(|source| parse(source)).collect();
    let find = |name: &str| structs.iter().find(|known| known.name == name);
    // A default document cannot fail to be written: a test writes it.
    let full = check::reference().unwrap_or_default();
    let plain = toml::Table::try_from(Config::default()).unwrap_or_default();
    let mut tables = Vec::new();
    let Some(root) = find("Config") else {
        return tables;
    };
    let mut top = Table {
        name: String::new(),
        many: false,
        text: root.text.clone(),
        keys: Vec::new(),
    };
    for field in &root.fields {
        let inner = field
            .kind
            .strip_prefix("Vec<")
            .and_then(|rest| rest.strip_suffix('>'));
        match find(inner.unwrap_or(&field.kind)) {
            None => top.keys.push(key(field, &plain)),
            Some(table) => {
                let values = values(field, &plain, &full);
                let (nested, own): (Vec<&Field>, Vec<&Field>) = table
                    .fields
                    .iter()
                    .partition(|inner| find(&inner.kind).is_some());
                tables.push(Table {
                    name: field.name.clone(),
                    many: inner.is_some(),
                    text: field.text.clone(),
                    keys: own.into_iter().map(|inner| key(inner, &values)).collect(),
                });
                for below in nested {
                    let fields = find(&below.kind).map_or(&[][..], |table| &table.fields);
                    let values = values.get(&below.name).and_then(toml::Value::as_table);
                    let values = values.cloned().unwrap_or_default();
                    tables.push(Table {
                        name: format!("{}.{}", field.name, below.name),
                        many: false,
                        text: below.text.clone(),
                        keys: fields.iter().map(|inner| key(inner, &values)).collect(),
                    });
                }
            }
        }
    }
    tables.insert(0, top);
    tables
}

/// The defaults of a table: of the table itself, or of one of many.
fn values(field: &Field, plain: &toml::Table, full: &toml::Table) -> toml::Table {
    let values = match (plain.get(&field.name), full.get(&field.name)) {
        (Some(toml::Value::Table(values)), _) => Some(values),
        (_, Some(toml::Value::Array(items))) => items.first().and_then(toml::Value::as_table),
        _ => None,
    };
    values.cloned().unwrap_or_default()
}

fn key(field: &Field, values: &toml::Table) -> Key {
    let optional = field.kind.starts_with("Option<");
    // The host's own name is no default to print: the page is the same everywhere.
    let own_name = field.name == "hostname";
    Key {
        name: field.name.clone(),
        text: field.text.clone(),
        default: values
            .get(&field.name)
            .filter(|_| !optional && !own_name)
            .map(ToString::to_string),
    }
}

/// A struct as its source says it.
#[derive(Debug)]
struct Struct {
    name: String,
    text: String,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    name: String,
    kind: String,
    text: String,
}

/// The public structs with named fields in a source file.
fn parse(source: &str) -> Vec<Struct> {
    let mut structs: Vec<Struct> = Vec::new();
    let mut open = false;
    let mut text = String::new();
    for line in source.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(words.trim());
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        if let Some(rest) = line.strip_prefix("pub struct ") {
            if let Some(name) = rest.strip_suffix(" {") {
                open = true;
                structs.push(Struct {
                    name: name.to_owned(),
                    text: text.clone(),
                    fields: Vec::new(),
                });
            }
        } else if line == "}" {
            open = false;
        } else if open
            && let Some((name, kind)) = line
                .strip_prefix("pub ")
                .and_then(|rest| rest.strip_suffix(','))
                .and_then(|rest| rest.split_once(": "))
            && let Some(table) = structs.last_mut()
        {
            table.fields.push(Field {
                name: name.to_owned(),
                kind: kind.to_owned(),
                text: text.clone(),
            });
        }
        text.clear();
    }
    structs
}

#[cfg(test)]
mod tests;
