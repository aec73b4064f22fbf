//! Objects as a `Table`, or as metadata only: the two shapes clients may ask for instead of the objects.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::Kind;

/// How much of each object a row carries, the `includeObject` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the parameter; empty is the default. `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "None" => Some(Self::None),
            "" | "Metadata" => Some(Self::Metadata),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// A `Table` of objects. `list_metadata` is the list's `metadata` (or of a single object, its
/// `resourceVersion`). A watch repeats the headings only in its first event.
pub fn table<'a>(
    kind: &Kind,
    list_metadata: Value,
    objects: impl IntoIterator<Item = &'a Value>,
    include: IncludeObject,
    with_headings: bool,
    now: Timestamp,
) -> Value {
    let rows: Vec<_> = objects.into_iter().map(|object| row(kind, object, include, now)).collect();
    let headings = if with_headings { headings(kind) } else { Value::Array(Vec::new()) };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "columnDefinitions": headings,
        "rows": rows,
    })
}

/// An object without spec and status.
pub fn partial_metadata(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object["metadata"],
    })
}

/// A list of objects without spec and status.
pub fn partial_metadata_list<'a>(
    list_metadata: Value,
    objects: impl IntoIterator<Item = &'a Value>,
) -> Value {
    let items: Vec<_> = objects.into_iter().map(partial_metadata).collect();
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_metadata,
        "items": items,
    })
}

fn headings(kind: &Kind) -> Value {
    let columns = kind.printer.columns().iter().map(|column| {
        json!({
            "name": column.name,
            "type": column.data_type,
            "format": column.format,
            "description": column.description,
            "priority": column.priority,
        })
    });
    columns.collect()
}

fn row(kind: &Kind, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
    let mut row = Map::new();
    row.insert("cells".to_owned(), Value::from(kind.printer.cells(object, now)));
    let carried = match include {
        IncludeObject::None => None,
        IncludeObject::Metadata => Some(partial_metadata(object)),
        IncludeObject::Object => Some(object.clone()),
    };
    if let Some(carried) = carried {
        row.insert("object".to_owned(), carried);
    }
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_kind_fills_its_columns() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        for kind in KINDS {
            let object = json!({
                "kind": kind.kind,
                "metadata": { "name": "x", "creationTimestamp": "2025-12-31T23:59:00Z" },
            });
            let table = table(kind, json!({}), [&object], IncludeObject::default(), true, now);
            let columns = table["columnDefinitions"].as_array().unwrap();
            let row = &table["rows"][0];
            assert_eq!(row["cells"].as_array().unwrap().len(), columns.len(), "{}", kind.kind);
            assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
            assert!(
                columns.iter().any(|column| column["format"] == "name" || kind.kind == "Event")
            );
        }
    }
}
