//! Loads `tests/message_way_directory.txt` into a directory: the few commands of `postroom` that
//! it uses, read the way the command line reads them.

use directory::{
    Change, DomainChanges, EmbeddedDirectory, NewDomain, NewGroup, NewPerson, PersonChanges,
};
use mail::Principal;
use serde_json::{Map, Value, json};

pub(crate) mod ldif;

fn lines(script: &str) -> impl Iterator<Item = &str> {
    script
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Runs every line.
pub(crate) fn load(directory: &EmbeddedDirectory, script: &str) {
    for line in lines(script) {
        let change = change(&words(line));
        directory
            .apply_blocking(Principal::Site, &change)
            .unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

/// Splits as a shell does.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for c in line.chars() {
        let word = words.last_mut().expect("there is always one");
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ' ') => words.push(String::new()),
            (_, c) => word.push(c),
        }
    }
    words
}

fn change(words: &[String]) -> Change {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["domain", "add", name, ref rest @ ..] => {
            Change::AddDomain(read::<NewDomain>("name", name, rest))
        }
        ["domain", "set", name, ref rest @ ..] => Change::SetDomain(
            name.parse().expect("a domain"),
            attributes::<DomainChanges>(rest),
        ),
        ["domain", "remove", name] => Change::RemoveDomain(name.parse().expect("a domain")),
        ["user", "add", mail, ref rest @ ..] => {
            Change::AddPerson(read::<NewPerson>("mail", mail, rest))
        }
        ["user", "set", mail, ref rest @ ..] => Change::SetPerson(
            mail.parse().expect("an address"),
            attributes::<PersonChanges>(rest),
        ),
        ["group", "add", mail, ref rest @ ..] => {
            Change::AddGroup(read::<NewGroup>("mail", mail, rest))
        }
        ["alias", "add", address, ref targets @ ..] => {
            let alias = json!({ "address": address, "targets": targets });
            Change::AddAlias(serde_json::from_value(alias).expect("an alias"))
        }
        _ => panic!("not a command of the script: {words:?}"),
    }
}

/// `--flag VALUE` pairs, and the positional word under `key`.
fn read<T: serde::de::DeserializeOwned>(key: &str, word: &str, flags: &[&str]) -> T {
    let object = object(key, word, flags);
    serde_json::from_value(Value::Object(object))
        .unwrap_or_else(|error| panic!("{word} {flags:?}: {error}"))
}

fn object(key: &str, word: &str, flags: &[&str]) -> Map<String, Value> {
    let mut object = Map::from_iter([(key.to_owned(), json!(word))]);
    for pair in flags.chunks(2) {
        let [flag, value] = pair else {
            panic!("{flags:?}: a flag without a value")
        };
        match *flag {
            "--attribute" => attribute(&mut object, value),
            "--alias" => push(&mut object, "aliases", value),
            "--admin" => push(&mut object, "administrators", value),
            "--alternate" => push(&mut object, "alternate_addresses", value),
            "--option" => push(&mut object, "delivery_options", value),
            "--member" => push(&mut object, "members", value),
            "--state" => attribute(&mut object, &format!("state={value}")),
            flag => attribute(
                &mut object,
                &format!("{}={value}", flag.trim_start_matches('-')),
            ),
        }
    }
    object
}

fn attributes<T: serde::de::DeserializeOwned>(pairs: &[&str]) -> T {
    let mut object = Map::new();
    pairs.iter().for_each(|pair| attribute(&mut object, pair));
    serde_json::from_value(Value::Object(object))
        .unwrap_or_else(|error| panic!("{pairs:?}: {error}"))
}

fn push(object: &mut Map<String, Value>, key: &str, value: &str) {
    let list = object.entry(key).or_insert_with(|| json!([]));
    list.as_array_mut().expect("a list").push(json!(value));
}

fn attribute(object: &mut Map<String, Value>, pair: &str) {
    let (name, value) = pair.split_once('=').expect("NAME=VALUE");
    match name {
        "state" => object.insert("status".to_owned(), json!(value)),
        "mail-state" => object.insert("mail_status".to_owned(), json!(value)),
        "forward-to" => object.insert("forwarding_addresses".to_owned(), json!([value])),
        "autoreply-text" => object.insert("autoreply".to_owned(), json!({ "text": value })),
        name => object.insert(name.replace('-', "_"), json!(value)),
    };
}
