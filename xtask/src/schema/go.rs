//! Reads Go type files: structs with their tags and markers, and named types.
//!
//! Line by line, as gofmt lays them out. A line that it does not understand inside a struct is an
//! error, so that a new construct upstream is noticed, not dropped.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::Source;

/// A field as written in a struct.
#[derive(Clone, Debug)]
pub(super) struct GoField {
    /// Go name; the type's name for an embedded struct.
    pub(super) name: String,
    /// Go type expression, e.g. `[]metav1.Time`.
    pub(super) ty: String,
    /// The struct tag's key-value pairs.
    pub(super) tags: BTreeMap<String, String>,
    /// `+key=value` lines of the comment, without the plus.
    pub(super) markers: Vec<String>,
}

/// What a type name stands for.
#[derive(Clone, Debug)]
pub(super) enum GoType {
    /// A struct and the markers above it.
    Struct { fields: Vec<GoField>, markers: Vec<String> },
    /// Any other definition, e.g. `type PodPhase string`; an enum's constants are its only values.
    Named { definition: String, is_enum: bool },
}

/// One Go package.
#[derive(Debug)]
pub(super) struct Package {
    /// Where it is and what it is called here.
    pub(super) source: Source,
    /// Types by name.
    pub(super) types: BTreeMap<String, GoType>,
    /// Values of constants, by the constants' type; `None` if some are no plain text.
    pub(super) constants: BTreeMap<String, Option<Vec<String>>>,
    /// Import alias to import path.
    pub(super) imports: BTreeMap<String, String>,
}

impl Package {
    /// Without any type.
    pub(super) fn empty(source: Source) -> Self {
        let types = BTreeMap::new();
        Self { source, types, constants: BTreeMap::new(), imports: BTreeMap::new() }
    }

    /// Reads the `types*.go` files of a package.
    pub(super) fn read(root: &Path, source: Source) -> Result<Self> {
        let dir = root.join(source.path);
        let mut package = Self::empty(source);
        let mut names = fs::read_dir(&dir)
            .with_context(|| format!("reading {}", dir.display()))?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            let generated = name.contains("swagger") || name.ends_with("_test.go");
            if name.starts_with("types") && name.ends_with(".go") && !generated {
                let text = fs::read_to_string(dir.join(&name))?;
                package.parse(&text).with_context(|| format!("{}/{name}", source.path))?;
            }
        }
        Ok(package)
    }

    /// Adds the types of one file.
    pub(super) fn parse(&mut self, text: &str) -> Result<()> {
        let mut markers = Vec::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(comment) = line.strip_prefix("//") {
                push_marker(&mut markers, comment);
            } else if line.starts_with("import (") {
                self.parse_imports(lines.by_ref())?;
            } else if let Some(rest) = line.strip_prefix("type ") {
                let (name, definition) = rest.split_once(' ').context("type without a body")?;
                let definition = definition.trim_start_matches("= ").trim();
                let ty = if definition == "struct {" {
                    let fields = parse_struct(lines.by_ref()).with_context(|| name.to_owned())?;
                    GoType::Struct { fields, markers: std::mem::take(&mut markers) }
                } else if definition == "struct{}" {
                    GoType::Struct { fields: Vec::new(), markers: std::mem::take(&mut markers) }
                } else {
                    let named = definition.split(" //").next().unwrap_or(definition);
                    let is_enum = markers.iter().any(|marker| marker == "enum");
                    GoType::Named { definition: named.trim().to_owned(), is_enum }
                };
                self.types.insert(name.to_owned(), ty);
                markers.clear();
            } else if let Some((ty, value)) = constant(line) {
                let values =
                    self.constants.entry(ty.to_owned()).or_insert_with(|| Some(Vec::new()));
                match (values.as_mut(), value) {
                    (Some(values), Some(value)) => values.push(value.to_owned()),
                    _ => *values = None,
                }
                markers.clear();
            } else if !line.is_empty() {
                // Markers above a blank line still belong to the type that follows.
                markers.clear();
            }
        }
        Ok(())
    }

    fn parse_imports<'a>(&mut self, lines: impl Iterator<Item = &'a str>) -> Result<()> {
        for line in lines {
            let line = line.trim();
            if line == ")" {
                return Ok(());
            }
            let Some((alias, path)) = line.split_once('"') else { continue };
            let path = path.trim_end_matches('"');
            let alias = match alias.trim() {
                "" => path.rsplit('/').next().unwrap_or(path),
                alias => alias,
            };
            self.imports.insert(alias.to_owned(), path.to_owned());
        }
        bail!("import block without an end")
    }
}

/// `Name Type = "value"` or `Name = Type("value")`, in a block of constants or after `const`: the
/// type, and the value if it is plain text.
fn constant(line: &str) -> Option<(&str, Option<&str>)> {
    let line = line.strip_prefix("const ").or_else(|| line.strip_prefix('\t'))?;
    let (declaration, value) = line.split_once(" = ")?;
    let (ty, value) = match declaration.trim().split_once(char::is_whitespace) {
        Some((_, ty)) => (ty.trim(), value),
        None => value.split_once('(')?,
    };
    let text = value.strip_prefix('"').and_then(|value| value.split('"').next());
    Some((ty, text))
}

fn push_marker(markers: &mut Vec<String>, comment: &str) {
    if let Some(marker) = comment.trim().strip_prefix('+') {
        markers.push(marker.trim().to_owned());
    }
}

fn parse_struct<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<GoField>> {
    let mut fields = Vec::new();
    let mut markers = Vec::new();
    let mut in_block_comment = false;
    for line in lines {
        if line == "}" {
            return Ok(fields);
        }
        let line = line.trim();
        if in_block_comment || line.starts_with("/*") {
            in_block_comment = !line.contains("*/");
        } else if let Some(comment) = line.strip_prefix("//") {
            push_marker(&mut markers, comment);
        } else if line.is_empty() {
            markers.clear();
        } else {
            fields.push(parse_field(line, std::mem::take(&mut markers))?);
        }
    }
    bail!("struct without an end")
}

fn parse_field(line: &str, markers: Vec<String>) -> Result<GoField> {
    let (declaration, rest) = line.split_once('`').unwrap_or((line, ""));
    let tags = parse_tags(rest.split('`').next().unwrap_or_default());
    let declaration = declaration.split("//").next().unwrap_or_default().trim();
    let (name, ty) = match declaration.split_once(char::is_whitespace) {
        Some((name, ty)) => (name.to_owned(), ty.trim().to_owned()),
        None => {
            let name = declaration.trim_start_matches('*').rsplit('.').next().unwrap_or_default();
            (name.to_owned(), declaration.to_owned())
        }
    };
    if name.is_empty() {
        bail!("not a field: {line}");
    }
    Ok(GoField { name, ty, tags, markers })
}

fn parse_tags(mut text: &str) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    while let Some((key, rest)) = text.split_once(":\"") {
        let Some((value, rest)) = rest.split_once('"') else { break };
        tags.insert(key.trim().to_owned(), value.to_owned());
        text = rest;
    }
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_keeps_its_tags_and_type() {
        let field = parse_field(
            "Ports []Port `json:\"ports,omitempty\" protobuf:\"bytes,6,rep,name=ports\"`",
            vec!["listType=atomic".to_owned()],
        )
        .unwrap();
        assert_eq!(field.name, "Ports");
        assert_eq!(field.ty, "[]Port");
        assert_eq!(field.tags["json"], "ports,omitempty");
        assert_eq!(field.tags["protobuf"], "bytes,6,rep,name=ports");
        assert_eq!(field.markers, ["listType=atomic"]);
    }

    #[test]
    fn an_embedded_struct_is_named_after_its_type() {
        let field = parse_field("metav1.TypeMeta `json:\",inline\"`", Vec::new()).unwrap();
        assert_eq!(field.name, "TypeMeta");
        assert_eq!(field.ty, "metav1.TypeMeta");
    }

    #[test]
    fn constants_have_a_type_and_a_value() {
        for (line, expected) in [
            ("\tFoo   Phase = \"Running\" // as it is", Some(("Phase", Some("Running")))),
            ("const Foo Phase = \"\"", Some(("Phase", Some("")))),
            ("\tFoo = Phase(\"a\")", Some(("Phase", Some("a")))),
            ("\tFoo = Phase(other.Foo)", Some(("Phase", None))),
            ("\tFoo Mode = 5", Some(("Mode", None))),
            ("\tFoo = \"untyped\"", None),
        ] {
            assert_eq!(constant(line), expected, "{line}");
        }
    }

    #[test]
    fn a_struct_that_never_ends_is_an_error() {
        assert!(parse_struct(["Name string"].into_iter()).is_err());
    }
}
