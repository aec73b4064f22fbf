//! get: one object, or a subresource of it, in the shape that was asked for.

use axum::body::Body;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sheave_api::printers::{self, IncludeObject};
use sheave_api::{Status, meta};

use super::{ObjectPath, options};
use crate::accept::{self, Shape};
use crate::query::Query;
use crate::respond;
use crate::server::{ApiServer, Call};

pub(super) async fn get(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    let shape = accept::shape(call.request.headers())?;
    let include = include_object(&call.query)?;
    let revision = options::resource_version(&call.query)?;
    let stored = server.registry.get(&call.identity, path.target(), revision).await?;
    // A scale, or another view of the object, has no columns of its own.
    if shape == Shape::Object || path.subresource.is_some_and(|name| name != "status") {
        return Ok(respond::json_bytes(StatusCode::OK, stored.json));
    }
    let object: Value = parse(&stored.json)?;
    let answer = match shape {
        Shape::Table => {
            let metadata = json!({ "resourceVersion": meta::resource_version(&object) });
            printers::table(path.kind, metadata, [&object], include, true, Timestamp::now())
        }
        Shape::Metadata | Shape::Object => printers::partial_metadata(&object),
    };
    Ok(respond::json_value(StatusCode::OK, &answer))
}

/// The `includeObject` parameter.
pub(super) fn include_object(query: &Query) -> Result<IncludeObject, Status> {
    let text = query.get("includeObject").unwrap_or_default();
    IncludeObject::parse(text).ok_or_else(|| {
        Status::bad_request(format!(
            "includeObject: Unsupported value: {text:?}: supported values: \"None\", \
             \"Metadata\", \"Object\""
        ))
    })
}

/// What the registry stored is JSON.
pub(super) fn parse(json: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(json)
        .map_err(|error| Status::internal(format!("stored object cannot be read: {error}")))
}
