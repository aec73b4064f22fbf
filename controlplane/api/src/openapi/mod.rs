//! OpenAPI documents of the kinds served: v3 for today's clients, v2 for kubectl before 1.24.
//!
//! Written from the table of messages and the table of kinds when asked for; the caller keeps the
//! bytes. As much as clients read: kubectl finds merge keys for apply, parameters for validation
//! and dry run, and explains fields. Descriptions are our own, for the kinds people meet first.

mod definitions;
mod descriptions;
mod gnostic;
mod paths;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::kinds::Kind;
use crate::schema::{self, Message};

/// What clients accept when they want [`v2_protobuf`].
pub const V2_PROTOBUF_ACCEPTED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// The content type of [`v2_protobuf`]: Go's parser refuses the at sign of the accepted one.
pub const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Which specification a document follows: they differ in where schemas live and how they refer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    V2,
    V3,
}

impl Dialect {
    fn reference(self, message: &Message) -> Value {
        let prefix = match self {
            Self::V2 => "#/definitions",
            Self::V3 => "#/components/schemas",
        };
        json!({ "$ref": format!("{prefix}/{}", definitions::name(message)) })
    }
}

/// The documents below `/openapi/v3/`, ascending: `api/v1`, `apis/apps/v1`.
pub fn v3_paths(kinds: &[Kind]) -> Vec<String> {
    let paths = kinds.iter().map(|kind| paths::group_version(kind)[1..].to_owned());
    paths.collect::<BTreeSet<_>>().into_iter().collect()
}

/// `/openapi/v3`: for each document where it is, with a hash of its content, so that clients may
/// keep it for ever.
pub fn v3_index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(path, hash): (&str, &str)| {
        let url = format!("/openapi/v3/{path}?hash={hash}");
        (path.to_owned(), json!({ "serverRelativeURL": url }))
    };
    json!({ "paths": documents.into_iter().map(entry).collect::<Map<_, _>>() })
}

/// One group version's document, in JSON; `path` as [`v3_paths`] names it. `None` if there is none.
pub fn v3_document(kinds: &[Kind], path: &str) -> Option<Vec<u8>> {
    let of_path = |kind: &&Kind| &paths::group_version(kind)[1..] == path;
    let kinds = kinds.iter().filter(of_path).collect::<Vec<_>>();
    if kinds.is_empty() {
        return None;
    }
    let document = json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths::all(&kinds, Dialect::V3),
        "components": { "schemas": definitions::all(roots(&kinds), Dialect::V3) },
    });
    Some(document.to_string().into_bytes())
}

/// The v2 document of all kinds, in JSON.
pub fn v2_document(kinds: &[Kind]) -> Vec<u8> {
    v2(kinds).to_string().into_bytes()
}

/// The v2 document of all kinds, in the protobuf form of gnostic, which is all that kubectl's
/// client reads.
pub fn v2_protobuf(kinds: &[Kind]) -> Vec<u8> {
    gnostic::document(&v2(kinds))
}

fn v2(kinds: &[Kind]) -> Value {
    let kinds = kinds.iter().collect::<Vec<_>>();
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": paths::all(&kinds, Dialect::V2),
        "definitions": definitions::all(roots(&kinds), Dialect::V2),
    })
}

fn info() -> Value {
    json!({ "title": "Kubernetes", "version": "v1.36.0" })
}

/// Messages that the paths of these kinds speak.
fn roots(kinds: &[&Kind]) -> Vec<&'static Message> {
    let mut roots = Vec::new();
    for kind in kinds {
        roots.extend(schema::message(kind.schema));
        roots.extend(schema::of(kind.group, kind.version, kind.list_kind));
        for subresource in kind.subresources {
            roots.extend(schema::of(subresource.group, subresource.version, subresource.kind));
        }
    }
    roots.extend(schema::of("", "v1", "DeleteOptions"));
    roots.extend(schema::of("", "v1", "Status"));
    roots
}

#[cfg(test)]
mod tests;
