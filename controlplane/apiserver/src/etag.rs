//! Documents that change only with the program: served with an ETag, so that clients keep them
//! (RFC 9110 section 8.8.3).

use std::fmt::Write as _;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use sha2::{Digest, Sha256};

/// A document and the hash that names its content.
#[derive(Clone)]
pub(crate) struct Document {
    content: Bytes,
    etag: HeaderValue,
    content_type: &'static str,
}

impl Document {
    pub(crate) fn new(content: impl Into<Bytes>, content_type: &'static str) -> Self {
        let content = content.into();
        let quoted = format!("\"{}\"", hash(&content));
        let etag = HeaderValue::from_str(&quoted).expect("hexadecimal digits are visible ASCII");
        Self { content, etag, content_type }
    }

    /// The document, or 304 when the client has it.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response<Body> {
        let known = headers.get(IF_NONE_MATCH).is_some_and(|found| {
            found.to_str().is_ok_and(|list| {
                list.split(',').any(|tag| {
                    tag.trim().trim_start_matches("W/").as_bytes() == self.etag.as_bytes()
                })
            })
        });
        let mut response = Response::new(Body::empty());
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            *response.body_mut() = Body::from(self.content.clone());
            let content_type = HeaderValue::from_static(self.content_type);
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        response.headers_mut().insert(ETAG, self.etag.clone());
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        response
    }
}

/// SHA-256 in upper-case hexadecimal digits.
pub(crate) fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_it_is_not_sent_it_again() {
        let document = Document::new("{}", "application/json");
        let first = document.answer(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let mut headers = HeaderMap::new();
        headers.insert(IF_NONE_MATCH, first.headers()[ETAG].clone());
        assert_eq!(document.answer(&headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static("\"other\""));
        assert_eq!(document.answer(&headers).status(), StatusCode::OK);
    }
}
