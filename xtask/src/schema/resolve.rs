//! From Go packages to the table: type names resolved, tags turned into facts, only what is
//! reachable kept.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};

use super::Source;
use super::go::{GoField, GoType, Package};

const META: &str = "k8s.io/apimachinery/pkg/apis/meta/v1";

/// Types with a JSON and a protobuf form of their own, by import path and name.
const SPECIAL: &[(&str, &str, &str)] = &[
    (META, "Time", "Time"),
    (META, "MicroTime", "MicroTime"),
    (META, "Duration", "Duration"),
    (META, "FieldsV1", "FieldsV1"),
    ("k8s.io/apimachinery/pkg/api/resource", "Quantity", "Quantity"),
    ("k8s.io/apimachinery/pkg/util/intstr", "IntOrString", "IntOrString"),
    ("k8s.io/apimachinery/pkg/runtime", "RawExtension", "RawExtension"),
    ("k8s.io/apimachinery/pkg/types", "UID", "String"),
    ("k8s.io/apimachinery/pkg/types", "NodeName", "String"),
    ("k8s.io/api/authentication/v1", "ExtraValue", "StringList"),
    ("k8s.io/api/authorization/v1", "ExtraValue", "StringList"),
    ("k8s.io/api/certificates/v1", "ExtraValue", "StringList"),
];

/// Import path and name of a struct.
pub(super) type Id = (&'static str, String);

/// How many of the type a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    List,
    Map,
}

/// A field's element type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// A variant of the table's `Type` without a payload.
    Plain(&'static str),
    /// Text of a few values.
    Enum(Id),
    /// Another message.
    Message(Id),
}

/// One field of the table.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) json: String,
    pub(super) number: u16,
    pub(super) shape: Shape,
    pub(super) ty: Type,
    pub(super) pointer: bool,
    pub(super) omit_empty: bool,
    pub(super) required: bool,
    pub(super) list_type: Option<String>,
    pub(super) list_keys: Vec<String>,
    pub(super) atomic: bool,
    pub(super) patch_strategy: Vec<String>,
    pub(super) patch_merge_key: String,
}

/// One message of the table.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) source: Source,
    pub(super) name: String,
    pub(super) has_type_meta: bool,
    pub(super) atomic: bool,
    pub(super) fields: Vec<Field>,
    /// Embedded structs: number and type.
    pub(super) inlines: Vec<(u16, Id)>,
}

/// All messages and the enums of their fields, by import path and name.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) messages: BTreeMap<Id, Message>,
    /// Values, ascending.
    pub(super) enums: BTreeMap<Id, Vec<String>>,
}

impl Table {
    /// Starts at the kinds and follows every reference.
    pub(super) fn build(packages: &[Package]) -> Result<Self> {
        let by_path: BTreeMap<&str, &Package> =
            packages.iter().map(|package| (package.source.path, package)).collect();
        let mut pending = packages.iter().flat_map(roots).collect::<Vec<_>>();
        let mut seen: BTreeSet<Id> = pending.iter().cloned().collect();
        let (mut messages, mut enums) = (BTreeMap::new(), BTreeMap::new());
        while let Some(id) = pending.pop() {
            let message = message(&by_path, &id).with_context(|| format!("{}.{}", id.0, id.1))?;
            let referenced = message.fields.iter().filter_map(|field| match &field.ty {
                Type::Message(id) => Some(id),
                Type::Plain(_) | Type::Enum(_) => None,
            });
            for next in referenced.chain(message.inlines.iter().map(|(_, id)| id)) {
                if seen.insert(next.clone()) {
                    pending.push(next.clone());
                }
            }
            for field in &message.fields {
                if let Type::Enum(id) = &field.ty {
                    let values = values(by_path[id.0], &id.1);
                    enums.insert(id.clone(), values.context("resolved as an enum")?);
                }
            }
            messages.insert(id, message);
        }
        Ok(Self { messages, enums })
    }
}

/// The values of an enum, ascending; `None` if not all are known.
fn values(package: &Package, name: &str) -> Option<Vec<String>> {
    let mut values = package.constants.get(name)?.clone()?;
    values.sort();
    values.dedup();
    Some(values)
}

fn roots(package: &Package) -> Vec<Id> {
    let source = package.source;
    if !source.roots.is_empty() {
        return source.roots.iter().map(|name| (source.path, (*name).to_owned())).collect();
    }
    let is_kind = |ty: &GoType| match ty {
        GoType::Struct { fields, .. } => fields.iter().any(|field| field.name == "TypeMeta"),
        GoType::Named { .. } => false,
    };
    let kinds = package.types.iter().filter(|(_, ty)| is_kind(ty));
    kinds.map(|(name, _)| (source.path, name.clone())).collect()
}

fn message(packages: &BTreeMap<&str, &Package>, id: &Id) -> Result<Message> {
    let package = packages.get(id.0).context("package is not in SOURCES")?;
    let Some(GoType::Struct { fields, markers }) = package.types.get(&id.1) else {
        bail!("no such struct");
    };
    let mut message = Message {
        source: package.source,
        name: id.1.clone(),
        has_type_meta: false,
        atomic: markers.iter().any(|m| m == "structType=atomic" || m == "mapType=atomic"),
        fields: Vec::new(),
        inlines: Vec::new(),
    };
    for field in fields {
        let json = field.tags.get("json").map_or("", String::as_str);
        let mut options = json.split(',');
        let name = options.next().unwrap_or_default();
        let options = options.collect::<Vec<_>>();
        if field.name == "TypeMeta" {
            message.has_type_meta = true;
        } else if name == "-" {
            // Never on the wire.
        } else if name.is_empty() {
            ensure!(options.contains(&"inline"), "{}: no JSON name and not inline", field.name);
            let (_, ty, _) = resolve(packages, package, &field.ty)?;
            let Type::Message(inlined) = ty else { bail!("{}: inlines no struct", field.name) };
            message.inlines.push((number(field)?, inlined));
        } else {
            let fact = self::field(packages, package, field, name, &options);
            message.fields.push(fact.with_context(|| field.name.clone())?);
        }
    }
    message.fields.sort_by(|a, b| a.json.cmp(&b.json));
    Ok(message)
}

/// The field's number: the second part of `protobuf:"bytes,6,rep,name=ports"`.
fn number(field: &GoField) -> Result<u16> {
    let tag = field.tags.get("protobuf").context("no protobuf tag")?;
    let number = tag.split(',').nth(1).context("no number in the protobuf tag")?;
    number.parse().context("number in the protobuf tag")
}

fn field(
    packages: &BTreeMap<&str, &Package>,
    package: &Package,
    field: &GoField,
    json: &str,
    options: &[&str],
) -> Result<Field> {
    let (shape, ty, pointer) = resolve(packages, package, &field.ty)?;
    let values = |key: &str| {
        let prefix = format!("{key}=");
        let matching = field.markers.iter().filter_map(move |marker| {
            marker.strip_prefix(prefix.as_str()).map(|value| value.trim_matches('"').to_owned())
        });
        matching.collect::<Vec<_>>()
    };
    let tag = |key: &str| field.tags.get(key).cloned().unwrap_or_default();
    let omit_empty = options.contains(&"omitempty");
    let optional = field.markers.iter().any(|marker| marker == "optional") || omit_empty;
    Ok(Field {
        json: json.to_owned(),
        number: number(field)?,
        shape,
        ty,
        pointer,
        omit_empty,
        required: !optional,
        list_type: values("listType").pop(),
        list_keys: values("listMapKey"),
        atomic: values("mapType").iter().chain(&values("structType")).any(|v| v == "atomic"),
        patch_strategy: tag("patchStrategy")
            .split(',')
            .filter(|strategy| !strategy.is_empty())
            .map(str::to_owned)
            .collect(),
        patch_merge_key: tag("patchMergeKey"),
    })
}

/// Shape, element type and whether it is a pointer.
fn resolve(
    packages: &BTreeMap<&str, &Package>,
    package: &Package,
    expression: &str,
) -> Result<(Shape, Type, bool)> {
    if let Some(inner) = expression.strip_prefix('*') {
        let (shape, ty, _) = resolve(packages, package, inner)?;
        return Ok((shape, ty, true));
    }
    if expression == "[]byte" {
        return Ok((Shape::Single, Type::Plain("Bytes"), false));
    }
    if let Some(element) = expression.strip_prefix("[]") {
        let (shape, ty, _) = resolve(packages, package, element)?;
        ensure!(shape == Shape::Single, "list of {element}");
        return Ok((Shape::List, ty, false));
    }
    if let Some(rest) = expression.strip_prefix("map[") {
        let (key, value) = rest.split_once(']').context("map without a value")?;
        let (_, key, _) = resolve(packages, package, key)?;
        let is_text = matches!(key, Type::Plain("String") | Type::Enum(_));
        ensure!(is_text, "map keyed by {key:?}");
        let (shape, ty, _) = resolve(packages, package, value)?;
        ensure!(shape == Shape::Single, "map of {value}");
        return Ok((Shape::Map, ty, false));
    }
    let plain = match expression {
        "string" => Some("String"),
        "bool" => Some("Bool"),
        "int32" => Some("Int32"),
        "int64" => Some("Int64"),
        "float64" => Some("Double"),
        _ => None,
    };
    if let Some(plain) = plain {
        return Ok((Shape::Single, Type::Plain(plain), false));
    }
    let (path, name) = match expression.split_once('.') {
        Some((alias, name)) => {
            let path = package.imports.get(alias);
            (path.with_context(|| format!("unknown import {alias}"))?.as_str(), name)
        }
        None => (package.source.path, expression),
    };
    if let Some((.., special)) = SPECIAL.iter().find(|(p, n, _)| (*p, *n) == (path, name)) {
        return Ok((Shape::Single, Type::Plain(special), false));
    }
    let owner = packages.get(path).with_context(|| format!("{path} is not in SOURCES"))?;
    match owner.types.get(name).with_context(|| format!("{path} has no type {name}"))? {
        GoType::Struct { .. } => {
            Ok((Shape::Single, Type::Message((owner.source.path, name.to_owned())), false))
        }
        GoType::Named { definition, is_enum: true }
            if definition == "string" && values(owner, name).is_some() =>
        {
            Ok((Shape::Single, Type::Enum((owner.source.path, name.to_owned())), false))
        }
        GoType::Named { definition, .. } => resolve(packages, owner, definition),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = r#"
type Kind struct {
	metav1.TypeMeta `json:",inline"`
	// +listType=map
	// +listMapKey=name
	// +optional
	Parts []Part `json:"parts,omitempty" patchStrategy:"merge" patchMergeKey:"name" protobuf:"bytes,2,rep,name=parts"`
	Names map[string]Name `json:"names" protobuf:"bytes,1,rep,name=names"`
}

type Name string

type Part struct {
	Source `json:",inline" protobuf:"bytes,1,opt,name=source"`
	Count *int32 `json:"count,omitempty" protobuf:"varint,3,opt,name=count"`
}

type Source struct {
	Mode Mode `json:"mode" protobuf:"bytes,8,opt,name=mode"`
	Raw []byte `json:"raw,omitempty" protobuf:"bytes,7,opt,name=raw"`
}

// +enum
type Mode string

const (
	Fast Mode = "fast"
	// Comment.
	Exact Mode = "exact"
)

type Unused struct {}
"#;

    fn source() -> Source {
        Source { path: "a/v1", module: "a_v1", group: "a", version: "v1", roots: &[] }
    }

    fn table(text: &str) -> Result<Table> {
        let mut package = Package::empty(source());
        package.parse(text)?;
        Table::build(&[package])
    }

    #[test]
    fn a_kind_brings_what_it_refers_to() {
        let table = table(TYPES).unwrap();
        let names = table.messages.keys().map(|(_, name)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["Kind", "Part", "Source"]);

        let kind = &table.messages[&("a/v1", "Kind".to_owned())];
        assert!(kind.has_type_meta);
        let [names, parts] = &kind.fields[..] else { panic!("{:?}", kind.fields) };
        assert_eq!((names.json.as_str(), names.number, names.shape), ("names", 1, Shape::Map));
        assert_eq!(names.ty, Type::Plain("String"));
        assert!(names.required && !names.omit_empty);
        assert_eq!(parts.shape, Shape::List);
        assert_eq!(parts.list_keys, ["name"]);
        assert_eq!(parts.patch_strategy, ["merge"]);
        assert_eq!(parts.patch_merge_key, "name");
        assert!(!parts.required && parts.omit_empty);

        let part = &table.messages[&("a/v1", "Part".to_owned())];
        assert_eq!(part.inlines, [(1, ("a/v1", "Source".to_owned()))]);
        assert!(part.fields[0].pointer);
        assert_eq!(table.enums[&("a/v1", "Mode".to_owned())], ["exact", "fast"]);
    }

    #[test]
    fn what_cannot_be_resolved_is_an_error() {
        let of_type = |ty: &str| {
            let field = format!("\tX {ty} `json:\"x\" protobuf:\"bytes,1,opt,name=x\"`\n");
            table(&format!("type Kind struct {{\n\tTypeMeta `json:\",inline\"`\n{field}}}\n"))
        };
        assert!(of_type("string").is_ok());
        for ty in ["Missing", "other.Type", "[][]string", "map[int32]string"] {
            assert!(of_type(ty).is_err(), "{ty}");
        }
    }
}
