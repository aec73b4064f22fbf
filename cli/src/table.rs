//! Tables as people read them: a header, aligned columns, no lines.

use comfy_table::presets::NOTHING;
use comfy_table::{Row, Table};
use serde_json::Value;

/// A table with this header.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(Row::from(row));
    }
    // Without the space before the first column, and those that fill the last.
    let text = table.to_string();
    text.lines()
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned() + "\n")
        .collect()
}

/// The elements of a list in an answer.
pub(crate) fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text in an answer; a dash when there is none.
pub(crate) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "-".into(),
    }
}
