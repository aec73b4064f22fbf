//! Request bodies: read within the limit, decoded by the table of messages, checked to be what the path says.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;
use sheave_api::Status;
use sheave_api::codec::{self, Decoded, FieldValidation};
use sheave_api::schema::{self, Message};

use crate::limits::BODY_BYTES_MAX;

/// Kind and version that a body must be of.
pub(super) struct Expected {
    pub(super) api_version: String,
    pub(super) kind: &'static str,
    pub(super) message: &'static Message,
}

impl Expected {
    /// # Errors
    /// 500 when the table of messages lacks the kind, which its tests rule out.
    pub(super) fn new(
        group: &str,
        version: &'static str,
        kind: &'static str,
    ) -> Result<Self, Status> {
        let message = schema::of(group, version, kind)
            .ok_or_else(|| Status::internal(format!("no schema of {kind} in {group}/{version}")))?;
        let api_version = sheave_api::kinds::api_version(group, version).into_owned();
        Ok(Self { api_version, kind, message })
    }
}

/// The whole body.
///
/// # Errors
/// 413 when it is too large, 400 when the client breaks off.
pub(crate) async fn read_body(request: Request<Body>) -> Result<(HeaderMap, Bytes), Status> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse::<usize>().ok()).is_some_and(|len| len > BODY_BYTES_MAX)
    {
        return Err(too_large());
    }
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok((parts.headers, collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!("error reading the request body: {error}"))),
    }
}

fn too_large() -> Status {
    Status::new(
        413,
        "RequestEntityTooLarge",
        format!("Request entity is too large: limit is {BODY_BYTES_MAX}"),
    )
}

/// The media type of a body, without parameters; empty when there is none.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// Decodes an object and checks that it is of the expected kind; absent `apiVersion` and `kind` are filled in.
///
/// # Errors
/// 400 and 415, as [`codec::decode`]; 400 for another kind or version.
pub(super) fn decode(
    headers: &HeaderMap,
    body: &[u8],
    expected: &Expected,
    validation: FieldValidation,
) -> Result<Decoded, Status> {
    let mut decoded = codec::decode(content_type(headers), body, expected.message, validation)?;
    check_kind(&mut decoded.value, expected)?;
    Ok(decoded)
}

/// Checks `apiVersion` and `kind`, or fills them in.
pub(super) fn check_kind(object: &mut Value, expected: &Expected) -> Result<(), Status> {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    if !kind.is_empty() && kind != expected.kind {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        let wanted = expected.kind;
        return Err(Status::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {wanted}: the request is for {wanted}"
        )));
    }
    // Old clients evict in the version before, which has the same fields.
    let is_former = expected.kind == "Eviction" && api_version == "policy/v1beta1";
    if !api_version.is_empty() && api_version != expected.api_version && !is_former {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.api_version
        )));
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), Value::from(expected.api_version.as_str()));
        object.insert("kind".to_owned(), Value::from(expected.kind));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(bytes: usize) -> Request<Body> {
        Request::new(Body::from(vec![b' '; bytes]))
    }

    #[tokio::test]
    async fn a_body_has_a_limit() {
        assert_eq!(read_body(request(BODY_BYTES_MAX)).await.unwrap().1.len(), BODY_BYTES_MAX);
        let error = read_body(request(BODY_BYTES_MAX + 1)).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_str()), (413, "RequestEntityTooLarge"));
        assert_eq!(error.message, "Request entity is too large: limit is 3145728");
    }

    #[test]
    fn another_kind_is_refused_and_none_is_filled_in() {
        let expected = Expected::new("apps", "v1", "Deployment").unwrap();
        let check = |mut object: Value| check_kind(&mut object, &expected).map(|()| object);
        let error = check(json!({ "apiVersion": "v1", "kind": "Pod" })).unwrap_err();
        assert!(
            error.message.starts_with("Pod in version \"v1\" cannot be handled as a Deployment")
        );
        let error =
            check(json!({ "apiVersion": "apps/v1beta1", "kind": "Deployment" })).unwrap_err();
        assert_eq!(
            error.message,
            "the API version in the data (apps/v1beta1) does not match the expected API version (apps/v1)"
        );
        assert_eq!(
            check(json!({})).unwrap(),
            json!({ "apiVersion": "apps/v1", "kind": "Deployment" })
        );
        let expected = Expected::new("policy", "v1", "Eviction").unwrap();
        let mut former = json!({ "apiVersion": "policy/v1beta1", "kind": "Eviction" });
        check_kind(&mut former, &expected).unwrap();
        assert_eq!(former["apiVersion"], "policy/v1");
    }
}
