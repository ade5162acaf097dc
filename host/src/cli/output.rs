//! How answers are shown: JSON for scripts, tables and lists for people.

use serde_json::{Map, Value};

/// Prints an answer.
pub(crate) fn show(value: &Value, json: bool) {
    if json {
        println!("{value:#}");
    } else {
        print!("{}", human(value));
    }
}

/// Prints what a command did: its message for people, all of it for scripts.
pub(crate) fn show_done(value: &Value, json: bool) {
    match value.get("message").and_then(Value::as_str) {
        Some(message) if !json => println!("{message}"),
        _ => show(value, json),
    }
}

/// A value as people read it: an array of objects is a table, an object is a list of fields.
pub(crate) fn human(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(rows) if rows.is_empty() => "none\n".to_owned(),
        Value::Array(rows) if rows.iter().all(Value::is_object) => table(rows),
        Value::Array(rows) => rows.iter().map(|row| format!("{}\n", cell(row))).collect(),
        Value::Object(fields) => match fields.get("message").and_then(Value::as_str) {
            Some(message) if fields.len() == 1 => format!("{message}\n"),
            _ => list(fields),
        },
        other => format!("{}\n", cell(other)),
    }
}

fn list(fields: &Map<String, Value>) -> String {
    let shown: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !is_empty(value))
        .collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in shown {
        match value {
            Value::Array(rows) if rows.iter().any(Value::is_object) || rows.len() > 4 => {
                text.push_str(&format!("{name}:\n"));
                text.extend(human(value).lines().map(|line| format!("  {line}\n")));
            }
            Value::Object(inner) => {
                text.push_str(&format!("{name}:\n"));
                text.extend(list(inner).lines().map(|line| format!("  {line}\n")));
            }
            _ => text.push_str(&format!(
                "{:width$}  {}\n",
                format!("{name}:"),
                cell(value),
                width = width + 1
            )),
        }
    }
    text
}

fn table(rows: &[Value]) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for (name, value) in row {
            if !is_empty(value) && !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            columns
                .iter()
                .map(|column| row.get(column).map(cell).unwrap_or_default())
                .collect()
        })
        .collect();
    let width = |index: usize| {
        cells
            .iter()
            .map(|row| row[index].chars().count())
            .chain([columns[index].len()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let line = |texts: Vec<&str>| {
        let padded: Vec<String> = texts
            .iter()
            .zip(&widths)
            .map(|(text, width)| format!("{text:width$}", width = *width))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let headings: Vec<String> = columns.iter().map(|column| column.to_uppercase()).collect();
    let mut text = line(headings.iter().map(String::as_str).collect());
    for row in &cells {
        text.push_str(&line(row.iter().map(String::as_str).collect()));
    }
    text
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::human;

    #[test]
    fn answers_read_as_tables_and_lists() {
        let table = human(
            &json!([{"name": "abc.test", "state": "active"}, {"name": "b.test", "aliases": ["c.test"]}]),
        );
        assert_eq!(
            table,
            "NAME      STATE   ALIASES\nabc.test  active\nb.test            c.test\n"
        );
        assert_eq!(human(&json!([])), "none\n");
        assert_eq!(human(&json!({"message": "done"})), "done\n");
        assert_eq!(
            human(&json!({"empty": null, "key": "x", "name": 3})),
            "key:   x\nname:  3\n"
        );
    }
}
