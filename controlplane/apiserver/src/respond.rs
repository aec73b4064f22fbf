//! Answers: JSON bytes, Status objects, warnings. What every part of the API server ends in.

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use sheave_api::{GroupResource, Status};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Answers depend on who asks and on the moment.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, private");
/// Bytes of one warning; the rest is cut off.
const WARNING_BYTES_MAX: usize = 1024;

/// JSON that is serialized already.
pub(crate) fn json_bytes(code: StatusCode, bytes: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
    response
}

/// Any JSON value.
pub(crate) fn json_value(code: StatusCode, value: &Value) -> Response<Body> {
    json_bytes(code, value.to_string())
}

/// Anything that is JSON.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<Response<Body>, Status> {
    let bytes = serde_json::to_vec(value).map_err(|error| Status::internal(error.to_string()))?;
    Ok(json_bytes(StatusCode::OK, bytes))
}

/// Plain text.
pub(crate) fn text(code: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = code;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
    response
}

/// An error as a Status object.
pub(crate) fn error(status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json_value(code, &status.to_object());
    if let Some(seconds) = status.details["retryAfterSeconds"].as_u64() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The Status object of success that answers a completed deletion.
pub(crate) fn deleted(resource: &GroupResource, name: &str, uid: &str) -> Value {
    let mut details = json!({ "name": name, "kind": resource.resource, "uid": uid });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })
}

/// Adds one `Warning: 299` header a warning (RFC 7234 section 5.5).
pub(crate) fn with_warnings(mut response: Response<Body>, warnings: &[String]) -> Response<Body> {
    for warning in warnings {
        if let Ok(value) = HeaderValue::from_bytes(&warning_header(warning)) {
            response.headers_mut().append(WARNING, value);
        }
    }
    response
}

fn warning_header(warning: &str) -> Bytes {
    let mut header = String::from("299 - \"");
    for character in warning.chars().filter(|character| !character.is_control()) {
        if header.len() >= WARNING_BYTES_MAX {
            break;
        }
        if matches!(character, '"' | '\\') {
            header.push('\\');
        }
        header.push(character);
    }
    header.push('"');
    header.into()
}

/// 401: nobody we know.
pub(crate) fn unauthorized() -> Status {
    Status::new(
        401,
        "Unauthorized",
        "Unauthorized: a client certificate of this cluster is needed, such as the one in \
         server/admin.kubeconfig of the server's data directory",
    )
}

/// 404: there is no such path.
pub(crate) fn no_such_path() -> Status {
    Status::new(404, "NotFound", "the server could not find the requested resource")
}

/// 405: the path is there, the method is not for it.
pub(crate) fn method_not_allowed() -> Status {
    Status::new(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
}

/// 429 with a time to come back.
pub(crate) fn too_many_requests() -> Status {
    let mut status = Status::new(
        429,
        "TooManyRequests",
        "The server is currently unable to handle the request: too many requests in progress, \
         please try again later.",
    );
    status.details = json!({ "retryAfterSeconds": 1 });
    status
}

/// 504: the answer did not come in time.
pub(crate) fn timed_out() -> Status {
    Status::new(504, "Timeout", "Timeout: request did not complete within the allotted timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_quoted() {
        let header = warning_header("unknown field \"spec.foo\"\n");
        assert_eq!(header, "299 - \"unknown field \\\"spec.foo\\\"\"");
    }

    #[test]
    fn retry_after_is_a_header_too() {
        let response = error(&too_many_requests());
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
    }
}
