//! create, update, patch, and the subresources that are created (binding, eviction).

use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use http::{Response, StatusCode};
use serde_json::Value;
use sheave_api::codec::{self, FieldValidation};
use sheave_api::{Kind, Status, patch};

use super::body::{self, Expected};
use super::{CollectionPath, ObjectPath, options};
use crate::accept;
use crate::respond;
use crate::server::{ApiServer, Call};

pub(super) async fn create(
    server: &ApiServer,
    path: &CollectionPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    require_json(&call)?;
    if path.kind.namespaced && path.namespace.is_none() {
        return Err(respond::method_not_allowed());
    }
    let options = options::write(&call.query)?;
    let validation = FieldValidation::parse(call.query.get("fieldValidation"))?;
    let expected = expected_object(path.kind)?;
    let (headers, bytes) = body::read_body(call.request).await?;
    let decoded = body::decode(&headers, &bytes, &expected, validation)?;
    let namespace = path.namespace.as_deref().unwrap_or_default();
    let created = server
        .registry
        .create(&call.identity, path.kind, namespace, decoded.value, &options)
        .await?;
    let response = respond::json_bytes(StatusCode::CREATED, created.json);
    Ok(respond::with_warnings(response, &decoded.warnings))
}

pub(super) async fn create_subresource(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    require_json(&call)?;
    let options = options::write(&call.query)?;
    let validation = FieldValidation::parse(call.query.get("fieldValidation"))?;
    let expected = expected_at(path)?;
    let (headers, bytes) = body::read_body(call.request).await?;
    let decoded = body::decode(&headers, &bytes, &expected, validation)?;
    let done = server
        .registry
        .create_subresource(&call.identity, path.target(), decoded.value, &options)
        .await?;
    let response = respond::json_value(StatusCode::CREATED, &done);
    Ok(respond::with_warnings(response, &decoded.warnings))
}

pub(super) async fn update(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    require_json(&call)?;
    let options = options::write(&call.query)?;
    let validation = FieldValidation::parse(call.query.get("fieldValidation"))?;
    let expected = expected_at(path)?;
    let (headers, bytes) = body::read_body(call.request).await?;
    let decoded = body::decode(&headers, &bytes, &expected, validation)?;
    let updated =
        server.registry.update(&call.identity, path.target(), decoded.value, &options).await?;
    let response = respond::json_bytes(StatusCode::OK, updated.json);
    Ok(respond::with_warnings(response, &decoded.warnings))
}

pub(super) async fn patch(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    require_json(&call)?;
    let options = options::write(&call.query)?;
    let validation = FieldValidation::parse(call.query.get("fieldValidation"))?;
    let expected = expected_at(path)?;
    let (headers, bytes) = body::read_body(call.request).await?;
    let format = PatchFormat::of(body::content_type(&headers))?;
    let document = codec::parse(&bytes)?;
    let warnings = Mutex::new(Vec::new());
    let apply = |current: &Value| -> Result<Value, Status> {
        let patched = format.apply(current, &document, &expected)?;
        let mut conformed = codec::conform(patched, expected.message, validation)
            .map_err(|status| unfit(&bytes, &status))?;
        body::check_kind(&mut conformed.value, &expected)?;
        // Applied anew after a conflict: what the last attempt says counts.
        *warnings.lock().unwrap_or_else(PoisonError::into_inner) = conformed.warnings;
        Ok(conformed.value)
    };
    let patched = server.registry.patch(&call.identity, path.target(), &apply, &options).await?;
    let response = respond::json_bytes(StatusCode::OK, patched.json);
    let warnings = warnings.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(respond::with_warnings(response, &warnings))
}

/// The patch formats, by their media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PatchFormat {
    Json,
    Merge,
    Strategic,
}

impl PatchFormat {
    /// # Errors
    /// 415 for anything else.
    fn of(content_type: &str) -> Result<Self, Status> {
        match content_type {
            patch::JSON_PATCH => Ok(Self::Json),
            patch::MERGE_PATCH => Ok(Self::Merge),
            patch::STRATEGIC_MERGE_PATCH => Ok(Self::Strategic),
            _ => Err(Status::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - accepted media types \
                     include: {}, {}, {}",
                    patch::JSON_PATCH,
                    patch::MERGE_PATCH,
                    patch::STRATEGIC_MERGE_PATCH
                ),
            )),
        }
    }

    fn apply(
        self,
        current: &Value,
        document: &Value,
        expected: &Expected,
    ) -> Result<Value, Status> {
        match self {
            Self::Json => patch::json(current, document),
            Self::Merge => patch::merge(current, document),
            Self::Strategic => patch::strategic(current, document, expected.message),
        }
    }
}

/// 422: the patch leads to no object of the kind, or under strict validation to unknown fields.
fn unfit(patch: &[u8], why: &Status) -> Status {
    let patch = String::from_utf8_lossy(patch);
    let why = match why.message.find("strict decoding error") {
        Some(start) => &why.message[start..],
        None => &why.message,
    };
    Status::new(
        422,
        "Invalid",
        format!("The request is invalid: patch: Invalid value: {patch:?}: {why}"),
    )
}

/// Checked before anything is written: an answer that the client cannot read comes too late afterwards.
fn require_json(call: &Call) -> Result<(), Status> {
    if accept::json(call.request.headers()) { Ok(()) } else { Err(accept::not_acceptable()) }
}

fn expected_object(kind: &Kind) -> Result<Expected, Status> {
    Expected::new(kind.group, kind.version, kind.kind)
}

/// What the body of a request to this path must be.
fn expected_at(path: &ObjectPath) -> Result<Expected, Status> {
    match path.subresource.and_then(|name| path.kind.subresource(name)) {
        Some(subresource) => {
            Expected::new(subresource.group, subresource.version, subresource.kind)
        }
        None => expected_object(path.kind),
    }
}

#[cfg(test)]
mod tests {
    use sheave_api::kinds::KINDS;

    use super::*;

    #[test]
    fn every_body_that_can_be_written_has_a_schema() {
        for kind in KINDS {
            expected_object(kind).unwrap();
            let written = ["create", "update", "patch"];
            for subresource in kind.subresources {
                let streamed = crate::streaming::Stream::of(subresource.name).is_some();
                if !streamed && subresource.verbs.iter().any(|verb| written.contains(verb)) {
                    Expected::new(subresource.group, subresource.version, subresource.kind)
                        .unwrap_or_else(|error| panic!("{}: {error}", subresource.name));
                }
            }
        }
    }

    #[test]
    fn patch_formats() {
        assert_eq!(PatchFormat::of("application/json-patch+json"), Ok(PatchFormat::Json));
        assert_eq!(PatchFormat::of("application/json").unwrap_err().code, 415);
        assert_eq!(PatchFormat::of("application/apply-patch+yaml").unwrap_err().code, 415);
    }

    #[test]
    fn what_is_unfit_names_the_field() {
        let why = Status::bad_request(
            "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown \
             field \"spec.foo\"",
        );
        let status = unfit(br#"{"spec":{"foo":1}}"#, &why);
        assert_eq!(
            status.message,
            "The request is invalid: patch: Invalid value: \"{\\\"spec\\\":{\\\"foo\\\":1}}\": \
             strict decoding error: unknown field \"spec.foo\""
        );
    }
}
