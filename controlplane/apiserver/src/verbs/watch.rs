//! watch: one JSON object a line, as long as the client wants, this server allows, or the history reaches.

use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http::{Response, StatusCode};
use jiff::Timestamp;
use serde_json::{Value, json};
use sheave_api::printers::{self, IncludeObject};
use sheave_api::selector::FieldSelector;
use sheave_api::{Kind, Status, meta};
use sheave_registry::Event;

use super::{CollectionPath, ObjectPath, options, read};
use crate::accept::{self, Shape};
use crate::limits::WATCH_SECONDS_MIN;
use crate::query::Query;
use crate::respond;
use crate::server::{ApiServer, Call};

/// A watch of one object by its path: the collection, confined to one name.
pub(super) async fn watch_object(
    server: &ApiServer,
    path: &ObjectPath,
    call: Call,
) -> Result<Response<Body>, Status> {
    let collection = CollectionPath {
        kind: path.kind,
        namespace: path.kind.namespaced.then(|| path.key.namespace.clone()),
    };
    watch(server, &collection, Some(&path.key.name), call).await
}

pub(super) async fn watch(
    server: &ApiServer,
    path: &CollectionPath,
    name: Option<&str>,
    call: Call,
) -> Result<Response<Body>, Status> {
    let shape = accept::shape(call.request.headers())?;
    let include = read::include_object(&call.query)?;
    let mut options = options::watch(&call.query, path.kind)?;
    if let Some(name) = name {
        options.field_selector = FieldSelector::parse(&format!("metadata.name={name}"))?;
    }
    let lifetime = lifetime(&call.query)?;
    let namespace = path.namespace.as_deref();
    let events = server.registry.watch(&call.identity, path.kind, namespace, options).await?;
    let mut encoder = Encoder { kind: path.kind, shape, include, headings_sent: false };
    let running = server.metrics.watch();
    let stopping = server.stopping.clone();
    let end = async move {
        tokio::select! {
            () = tokio::time::sleep(lifetime) => {}
            () = stopping.cancelled() => {}
        }
    };
    let lines = events.take_until(Box::pin(end)).map(move |event| {
        let _running = &running;
        Ok::<Bytes, std::convert::Infallible>(encoder.line(event))
    });
    Ok(respond::json_bytes(StatusCode::OK, Body::from_stream(lines)))
}

/// `timeoutSeconds`, or a random time, so that clients do not all come back at once.
fn lifetime(query: &Query) -> Result<Duration, Status> {
    let asked = query.integer("timeoutSeconds")?.and_then(|seconds| u64::try_from(seconds).ok());
    let seconds = match asked {
        Some(seconds) if seconds > 0 => seconds,
        _ => rand::random_range(WATCH_SECONDS_MIN..2 * WATCH_SECONDS_MIN),
    };
    Ok(Duration::from_secs(seconds))
}

/// Events to lines, in the shape the client asked for.
struct Encoder {
    kind: &'static Kind,
    shape: Shape,
    include: IncludeObject,
    headings_sent: bool,
}

impl Encoder {
    fn line(&mut self, event: Event) -> Bytes {
        let (event_type, stored) = match event {
            Event::Added(stored) => ("ADDED", stored),
            Event::Modified(stored) => ("MODIFIED", stored),
            Event::Deleted(stored) => ("DELETED", stored),
            Event::Bookmark { revision, initial_events_end } => {
                let bookmark = self.bookmark(revision, initial_events_end);
                return line("BOOKMARK", bookmark.to_string().as_bytes());
            }
            Event::Error(status) => return error_line(&status),
        };
        if self.shape == Shape::Object {
            return line(event_type, &stored.json);
        }
        match read::parse(&stored.json) {
            Ok(object) => line(event_type, self.shaped(&object).to_string().as_bytes()),
            Err(status) => error_line(&status),
        }
    }

    fn shaped(&mut self, object: &Value) -> Value {
        match self.shape {
            Shape::Table => {
                let metadata = json!({ "resourceVersion": meta::resource_version(object) });
                self.table(metadata, Some(object))
            }
            Shape::Metadata | Shape::Object => printers::partial_metadata(object),
        }
    }

    fn table(&mut self, metadata: Value, object: Option<&Value>) -> Value {
        let headings = !std::mem::replace(&mut self.headings_sent, true);
        printers::table(self.kind, metadata, object, self.include, headings, Timestamp::now())
    }

    /// An object of the watched shape with nothing but a revision.
    fn bookmark(&mut self, revision: u64, initial_events_end: bool) -> Value {
        let mut metadata = json!({
            "resourceVersion": revision.to_string(), "creationTimestamp": null,
        });
        if initial_events_end {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        match self.shape {
            Shape::Table => self.table(metadata, None),
            Shape::Metadata => json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            }),
            Shape::Object => json!({
                "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata,
            }),
        }
    }
}

fn error_line(status: &Status) -> Bytes {
    line("ERROR", status.to_object().to_string().as_bytes())
}

fn line(event_type: &str, object: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(object.len() + event_type.len() + 24);
    line.put_slice(b"{\"type\":\"");
    line.put_slice(event_type.as_bytes());
    line.put_slice(b"\",\"object\":");
    line.put_slice(object);
    line.put_slice(b"}\n");
    line.freeze()
}

#[cfg(test)]
mod tests {
    use sheave_api::{ObjectKey, kinds};
    use sheave_client::Stored;

    use super::*;

    fn encoder(shape: Shape) -> Encoder {
        Encoder {
            kind: kinds::by_resource("", "v1", "configmaps").unwrap(),
            shape,
            include: IncludeObject::Metadata,
            headings_sent: false,
        }
    }

    fn stored() -> Stored {
        let object = json!({
            "kind": "ConfigMap", "apiVersion": "v1",
            "metadata": { "name": "a", "namespace": "b", "resourceVersion": "3" },
            "data": { "k": "v" },
        });
        Stored { key: ObjectKey::new("b", "a"), revision: 3, json: object.to_string().into() }
    }

    fn parse(line: Bytes) -> Value {
        assert_eq!(line.last(), Some(&b'\n'));
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn objects_go_out_as_they_are_stored() {
        let event = parse(encoder(Shape::Object).line(Event::Added(stored())));
        assert_eq!(event["type"], "ADDED");
        assert_eq!(event["object"]["data"]["k"], "v");
        let event = parse(encoder(Shape::Metadata).line(Event::Deleted(stored())));
        assert_eq!(event["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(event["object"].get("data"), None);
    }

    #[test]
    fn only_the_first_table_has_headings() {
        let mut encoder = encoder(Shape::Table);
        let headings =
            |event: &Value| event["object"]["columnDefinitions"].as_array().unwrap().len();
        let first = parse(encoder.line(Event::Added(stored())));
        assert!(headings(&first) > 0);
        let second = parse(encoder.line(Event::Modified(stored())));
        assert_eq!(headings(&second), 0);
        assert_eq!(second["object"]["rows"].as_array().unwrap().len(), 1);
        assert_eq!(second["object"]["metadata"]["resourceVersion"], "3");
    }

    #[test]
    fn bookmarks_and_errors() {
        let mut encoder = encoder(Shape::Object);
        let end = Event::Bookmark { revision: 9, initial_events_end: true };
        let bookmark = parse(encoder.line(end));
        assert_eq!(bookmark["type"], "BOOKMARK");
        assert_eq!(bookmark["object"]["kind"], "ConfigMap");
        assert_eq!(bookmark["object"]["metadata"]["resourceVersion"], "9");
        assert_eq!(
            bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"],
            "true"
        );
        let error = parse(encoder.line(Event::Error(Status::expired("too old"))));
        assert_eq!(
            (error["type"].as_str(), error["object"]["code"].as_u64()),
            (Some("ERROR"), Some(410))
        );
    }

    #[test]
    fn a_watch_lives_as_long_as_asked_or_half_an_hour_at_least() {
        let of = |query: &str| {
            let query = Query::parse(&format!("/x?{query}").parse().unwrap()).unwrap();
            lifetime(&query).unwrap().as_secs()
        };
        assert_eq!(of("timeoutSeconds=5"), 5);
        for query in ["", "timeoutSeconds=0", "timeoutSeconds=-3"] {
            assert!((1800..3600).contains(&of(query)), "{query}");
        }
    }
}
