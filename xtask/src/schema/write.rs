//! Writes the table as Rust statics, one file a Go package and one index.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

use super::SOURCES;
use super::resolve::{Field, Message, Shape, Table, Type};

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) messages: usize,
    pub(super) fields: usize,
}

/// Replaces the files in `out`.
pub(super) fn write(table: &Table, provenance: &str, out: &Path) -> Result<Written> {
    fs::create_dir_all(out)?;
    let mut by_module: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in table.messages.values() {
        by_module.entry(message.source.module).or_default().push(message);
    }
    let mut fields = 0;
    for (module, messages) in &by_module {
        fields += messages.iter().map(|message| message.fields.len()).sum::<usize>();
        fs::write(out.join(format!("{module}.rs")), package(messages, provenance)?)?;
    }
    fs::write(out.join("mod.rs"), index(table, provenance)?)?;
    Ok(Written { messages: table.messages.len(), fields })
}

fn header(text: &mut String, what: &str, provenance: &str) -> Result<()> {
    writeln!(text, "//! {what}")?;
    writeln!(text, "//!")?;
    writeln!(
        text,
        "//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,"
    )?;
    writeln!(text, "//! patch strategies) from {provenance}.")?;
    writeln!(text)?;
    Ok(())
}

fn package(messages: &[&Message], provenance: &str) -> Result<String> {
    let source = messages[0].source;
    let mut text = String::new();
    header(&mut text, &format!("Messages of `{}`.", source.path), provenance)?;
    writeln!(text, "use super::super::table::*;\n")?;
    writeln!(
        text,
        "static PACKAGE: Package = Package {{ name: \"{}\", group: \"{}\", version: \"{}\" }};",
        source.path.replace('/', "."),
        source.group,
        source.version
    )?;
    for message in messages {
        writeln!(text)?;
        self::message(&mut text, message)?;
    }
    Ok(text)
}

fn message(text: &mut String, message: &Message) -> Result<()> {
    let Message { source, name, has_type_meta, atomic, fields, inlines } = message;
    ensure!(fields.len() <= usize::from(u8::MAX), "{name} has too many fields");
    writeln!(text, "pub(crate) static {name}: Message = Message {{")?;
    writeln!(
        text,
        "    name: \"{name}\", package: &PACKAGE, has_type_meta: {has_type_meta}, atomic: {atomic},"
    )?;
    writeln!(text, "    fields: &[")?;
    for field in fields {
        self::field(text, source.module, field)?;
    }
    writeln!(text, "    ],")?;
    let mut order = (0..fields.len()).collect::<Vec<_>>();
    order.sort_by_key(|index| fields[*index].number);
    writeln!(text, "    by_number: &{order:?},")?;
    let inlines = inlines.iter().map(|(number, id)| {
        format!("Inline {{ number: {number}, message: &{} }}", path(source.module, id))
    });
    writeln!(text, "    inlines: &[{}],", inlines.collect::<Vec<_>>().join(", "))?;
    writeln!(text, "}};")?;
    Ok(())
}

fn field(text: &mut String, module: &str, field: &Field) -> Result<()> {
    let shape = match field.shape {
        Shape::Single => "Single",
        Shape::List => "List",
        Shape::Map => "Map",
    };
    let ty = match &field.ty {
        Type::Plain(name) => format!("Type::{name}"),
        Type::Message(id) => format!("Type::Message(&{})", path(module, id)),
    };
    let mut presence = String::new();
    for (set, letter) in [(field.pointer, 'P'), (field.omit_empty, 'O'), (field.required, 'R')] {
        if set {
            presence.push(letter);
        }
    }
    let presence = if presence.is_empty() { "N".to_owned() } else { presence };
    writeln!(
        text,
        "        f!({:?}, {}, {shape}, {ty}, {presence}, {}),",
        field.json,
        field.number,
        merge(field)?
    )?;
    Ok(())
}

fn merge(field: &Field) -> Result<String> {
    let list = match field.list_type.as_deref() {
        None => "None".to_owned(),
        Some("atomic") => "Some(ListType::Atomic)".to_owned(),
        Some("set") => "Some(ListType::Set)".to_owned(),
        Some("map") => format!("Some(ListType::Map(&{:?}))", field.list_keys),
        Some(other) => anyhow::bail!("{}: listType={other}", field.json),
    };
    let has = |strategy: &str| field.patch_strategy.iter().any(|s| s == strategy);
    let known = field
        .patch_strategy
        .iter()
        .all(|s| ["merge", "retainKeys", "replace"].contains(&s.as_str()));
    ensure!(known, "{}: patchStrategy {:?}", field.json, field.patch_strategy);
    let plain = field.patch_strategy.is_empty() && !field.atomic;
    if plain && list == "Some(ListType::Atomic)" {
        return Ok("Some(&ATOMIC)".to_owned());
    }
    if plain && list == "Some(ListType::Set)" {
        return Ok("Some(&SET)".to_owned());
    }
    if list == "None" && field.patch_strategy.is_empty() && !field.atomic {
        return Ok("None".to_owned());
    }
    Ok(format!(
        "Some(&Merge {{ list: {list}, atomic: {}, patch: {}, retain_keys: {}, merge_key: {:?} }})",
        field.atomic,
        match (has("merge"), has("replace")) {
            (true, _) => "Some(PatchStrategy::Merge)",
            (false, true) => "Some(PatchStrategy::Replace)",
            (false, false) => "None",
        },
        has("retainKeys"),
        field.patch_merge_key
    ))
}

fn path(module: &str, (package, name): &super::resolve::Id) -> String {
    let owner = SOURCES.iter().find(|source| source.path == *package);
    let owner = owner.expect("every id comes from SOURCES").module;
    if owner == module { name.clone() } else { format!("super::{owner}::{name}") }
}

fn index(table: &Table, provenance: &str) -> Result<String> {
    let mut text = String::new();
    header(&mut text, "Every message, by package and name.", provenance)?;
    writeln!(text, "use super::table::Message;\n")?;
    for source in SOURCES {
        writeln!(text, "pub(super) mod {};", source.module)?;
    }
    writeln!(text, "\n/// Ascending by package name, then by message name.")?;
    writeln!(text, "pub(super) static MESSAGES: &[&Message] = &[")?;
    let mut messages = table.messages.values().collect::<Vec<_>>();
    messages.sort_by_key(|message| (message.source.path.replace('/', "."), message.name.clone()));
    for message in messages {
        writeln!(text, "    &{}::{},", message.source.module, message.name)?;
    }
    writeln!(text, "];")?;
    Ok(text)
}
