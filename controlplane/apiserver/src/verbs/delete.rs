//! delete and deletecollection.

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::Value;
use sheave_api::codec::FieldValidation;
use sheave_api::{Status, meta};
use sheave_registry::{DeleteOptions, Deleted};

use super::body::{self, Expected};
use super::{CollectionPath, ObjectPath, list, options, read};
use crate::query::Query;
use crate::respond;
use crate::server::{ApiServer, Call};

pub(super) async fn delete(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    let options = delete_options(&call.query, call.request).await?;
    let deleted = server.registry.delete(&call.identity, path.kind, &path.key, &options).await?;
    Ok(match deleted {
        Deleted::Terminating(object) => respond::json_bytes(StatusCode::OK, object.json),
        Deleted::Gone(object) => {
            let object = read::parse(&object.json)?;
            let resource = path.kind.group_resource();
            let done = respond::deleted(&resource, meta::name(&object), meta::uid(&object));
            respond::json_value(StatusCode::OK, &done)
        }
    })
}

pub(super) async fn delete_collection(
    server: &ApiServer,
    path: &CollectionPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    if path.kind.namespaced && path.namespace.is_none() {
        return Err(respond::method_not_allowed());
    }
    let which = options::list(&call.query, path.kind)?;
    let options = delete_options(&call.query, call.request).await?;
    let namespace = path.namespace.as_deref();
    let page = server
        .registry
        .delete_collection(&call.identity, path.kind, namespace, &which, &options)
        .await?;
    Ok(list::answer(path.kind, page))
}

/// DeleteOptions from the body (JSON, YAML or protobuf) when there is one, else from the query.
async fn delete_options(
    query: &Query,
    request: http::Request<Body>,
) -> Result<DeleteOptions, Status> {
    let (headers, bytes) = body::read_body(request).await?;
    if bytes.is_empty() {
        return options::delete(query, None);
    }
    let mut expected = Expected::new("", "v1", "DeleteOptions")?;
    // Clients name the version of the group they delete from, or `meta.k8s.io/v1`.
    let mut decoded = sheave_api::codec::decode(
        body::content_type(&headers),
        &bytes,
        expected.message,
        FieldValidation::Ignore,
    )?;
    if let Some(version) = decoded.value["apiVersion"].as_str() {
        expected.api_version = version.to_owned();
    }
    body::check_kind(&mut decoded.value, &expected)?;
    let options: &Value = &decoded.value;
    options::delete(query, Some(options))
}
