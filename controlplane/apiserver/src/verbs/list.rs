//! list: the registry's own bytes, one after the other; decoded only for tables and metadata.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sheave_api::{Kind, Status, printers};
use sheave_registry::ListResult;

use super::{CollectionPath, options, read};
use crate::accept::{self, Shape};
use crate::limits::LIST_CHUNK_BYTES;
use crate::respond;
use crate::server::{ApiServer, Call};

pub(super) async fn list(
    server: &ApiServer,
    path: &CollectionPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    let shape = accept::shape(call.request.headers())?;
    let include = read::include_object(&call.query)?;
    let options = options::list(&call.query, path.kind)?;
    let namespace = path.namespace.as_deref();
    let page = server.registry.list(&call.identity, path.kind, namespace, &options).await?;
    if shape == Shape::Object {
        return Ok(answer(path.kind, page));
    }
    let metadata = list_metadata(&page);
    let objects =
        page.items.iter().map(|item| read::parse(&item.json)).collect::<Result<Vec<_>, _>>()?;
    let answer = match shape {
        Shape::Table => {
            printers::table(path.kind, metadata, &objects, include, true, Timestamp::now())
        }
        Shape::Metadata | Shape::Object => printers::partial_metadata_list(metadata, &objects),
    };
    Ok(respond::json_value(StatusCode::OK, &answer))
}

/// A list of whole objects, sent in pieces.
pub(super) fn answer(kind: &'static Kind, page: ListResult) -> Response<Body> {
    let pieces = ListPieces::new(kind, page);
    let length = pieces.length;
    let body = Body::from_stream(futures::stream::iter(pieces.map(Ok::<Bytes, std::io::Error>)));
    let mut response = respond::json_bytes(StatusCode::OK, body);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    response
}

fn list_metadata(page: &ListResult) -> Value {
    let mut metadata = json!({ "resourceVersion": page.revision.to_string() });
    if let Some(token) = &page.continue_token {
        metadata["continue"] = json!(token);
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = json!(remaining);
    }
    metadata
}

/// The list as pieces of about [`LIST_CHUNK_BYTES`]: small objects are copied together, large ones are
/// sent from where they are.
struct ListPieces {
    items: std::vec::IntoIter<Bytes>,
    /// What comes before the next item.
    separator: Bytes,
    /// An item that did not fit in the last piece.
    whole: Option<Bytes>,
    ended: bool,
    length: usize,
}

const END: &[u8] = b"]}\n";

impl ListPieces {
    fn new(kind: &Kind, page: ListResult) -> Self {
        let head = format!(
            "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
            json!(kind.list_kind),
            json!(kind.api_version()),
            list_metadata(&page)
        );
        let items: Vec<Bytes> = page.items.into_iter().map(|item| item.json).collect();
        let commas = items.len().saturating_sub(1);
        let length = head.len() + items.iter().map(Bytes::len).sum::<usize>() + commas + END.len();
        Self { items: items.into_iter(), separator: head.into(), whole: None, ended: false, length }
    }
}

impl Iterator for ListPieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Some(whole) = self.whole.take() {
            return Some(whole);
        }
        if self.ended {
            return None;
        }
        let mut piece = BytesMut::new();
        while piece.len() < LIST_CHUNK_BYTES {
            let Some(item) = self.items.next() else {
                self.ended = true;
                // The head is still to be sent when there was no item at all.
                if self.separator.len() > 1 {
                    piece.extend_from_slice(&self.separator);
                }
                piece.extend_from_slice(END);
                break;
            };
            piece.extend_from_slice(&std::mem::replace(
                &mut self.separator,
                Bytes::from_static(b","),
            ));
            if item.len() >= LIST_CHUNK_BYTES / 4 {
                self.whole = Some(item);
                break;
            }
            piece.extend_from_slice(&item);
        }
        Some(piece.freeze())
    }
}

#[cfg(test)]
mod tests {
    use sheave_api::{ObjectKey, kinds};
    use sheave_client::Stored;

    use super::*;

    fn page(sizes: &[usize]) -> ListResult {
        let item = |(index, size): (usize, &usize)| {
            let padding = "x".repeat(*size);
            let json = json!({ "metadata": { "name": index.to_string() }, "padding": padding });
            Stored {
                key: ObjectKey::new("a", index.to_string()),
                revision: 1,
                json: json.to_string().into(),
            }
        };
        ListResult {
            items: sizes.iter().enumerate().map(item).collect(),
            revision: 7,
            continue_token: None,
            remaining: None,
        }
    }

    #[test]
    fn pieces_make_one_list_of_the_announced_length() {
        let pods = kinds::by_resource("", "v1", "pods").unwrap();
        let large = LIST_CHUNK_BYTES;
        let many = vec![900; 500];
        for sizes in [&[][..], &[1], &[1, 2, 3], &[large], &[1, large, large, 1], &many] {
            let pieces = ListPieces::new(pods, page(sizes));
            let length = pieces.length;
            let text: Vec<u8> = pieces.flat_map(|piece| piece.to_vec()).collect();
            assert_eq!(text.len(), length, "{sizes:?}");
            let list: Value = serde_json::from_slice(&text).unwrap();
            assert_eq!(list["kind"], "PodList");
            assert_eq!(list["metadata"]["resourceVersion"], "7");
            let names: Vec<_> = list["items"].as_array().unwrap().iter().map(meta_name).collect();
            let expected: Vec<String> = (0..sizes.len()).map(|index| index.to_string()).collect();
            assert_eq!(names, expected);
        }
    }

    fn meta_name(object: &Value) -> &str {
        object["metadata"]["name"].as_str().unwrap()
    }
}
