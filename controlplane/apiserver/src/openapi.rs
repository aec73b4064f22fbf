//! `/openapi/v3` and `/openapi/v2`: schema documents, written anew for each client that lacks them.
//!
//! Clients keep the documents by their hashes, so they are asked for rarely; only the hashes stay in memory.

use std::sync::OnceLock;

use axum::body::Body;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, HeaderValue, Response};
use sheave_api::Status;
use sheave_api::kinds::KINDS;
use sheave_api::openapi as documents;

use crate::accept;
use crate::etag::{self, Document};
use crate::query::Query;
use crate::respond;

const JSON: &str = "application/json";
/// A URL with the content's hash never means anything else (RFC 8246).
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, immutable, max-age=31536000");

/// The index of the v3 documents, once it was asked for.
#[derive(Default)]
pub(crate) struct OpenApi {
    index: OnceLock<Document>,
}

impl OpenApi {
    /// `/openapi/v3`
    pub(crate) fn index(&self, headers: &HeaderMap) -> Result<Response<Body>, Status> {
        require_json(headers)?;
        Ok(self.index.get_or_init(write_index).answer(headers))
    }

    /// `/openapi/v3/<path>`
    pub(crate) fn document(
        &self,
        path: &str,
        headers: &HeaderMap,
        query: &Query,
    ) -> Result<Response<Body>, Status> {
        require_json(headers)?;
        let content = documents::v3_document(KINDS, path).ok_or_else(respond::no_such_path)?;
        let named_by_hash = query.get("hash").is_some_and(|hash| hash == etag::hash(&content));
        let mut response = Document::new(content, JSON).answer(headers);
        if named_by_hash {
            response.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
        }
        Ok(response)
    }

    /// `/openapi/v2`, in JSON or in the protobuf form that Go clients ask for.
    pub(crate) fn v2(&self, headers: &HeaderMap) -> Result<Response<Body>, Status> {
        let document = if accept::names(headers, documents::V2_PROTOBUF_ACCEPTED) {
            Document::new(documents::v2_protobuf(KINDS), documents::V2_PROTOBUF)
        } else {
            require_json(headers)?;
            Document::new(documents::v2_document(KINDS), JSON)
        };
        Ok(document.answer(headers))
    }
}

fn write_index() -> Document {
    let hashes: Vec<(String, String)> = documents::v3_paths(KINDS)
        .into_iter()
        .filter_map(|path| {
            let content = documents::v3_document(KINDS, &path)?;
            let hash = etag::hash(&content);
            Some((path, hash))
        })
        .collect();
    let entries = hashes.iter().map(|(path, hash)| (path.as_str(), hash.as_str()));
    Document::new(documents::v3_index(entries).to_string(), JSON)
}

fn require_json(headers: &HeaderMap) -> Result<(), Status> {
    if accept::json(headers) { Ok(()) } else { Err(accept::not_acceptable()) }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn every_document_of_the_index_is_there_under_its_hash() {
        let openapi = OpenApi::default();
        let index = openapi.index(&HeaderMap::new()).unwrap();
        let bytes = axum::body::to_bytes(index.into_body(), usize::MAX).await.unwrap();
        let index: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let paths = index["paths"].as_object().unwrap();
        assert!(paths.contains_key("api/v1") && paths.contains_key("apis/apps/v1"));
        for (path, entry) in paths {
            let url = entry["serverRelativeURL"].as_str().unwrap();
            let query = Query::parse(&url.parse().unwrap()).unwrap();
            let answer = openapi.document(path, &HeaderMap::new(), &query).unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[CACHE_CONTROL], FOR_EVER, "{path}");
        }
        let none = openapi.document("apis/gadgets/v1", &HeaderMap::new(), &Query::default());
        assert_eq!(none.unwrap_err().code, 404);
    }
}
