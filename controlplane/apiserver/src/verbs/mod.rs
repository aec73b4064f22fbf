//! Requests about objects: which verb a method is, and what it may be said to.

mod body;
mod delete;
mod list;
mod options;
mod read;
mod watch;
mod write;

use axum::body::Body;
use http::{Method, Request, Response};
use sheave_api::{Kind, ObjectKey, Status, kinds};
use sheave_registry::Target as RegistryTarget;

pub(crate) use body::read_body;

use crate::path::{ResourcePath, Target};
use crate::query::Query;
use crate::respond;
use crate::server::{ApiServer, Call, CountedAs};
use crate::streaming::{self, Stream};

/// All objects of a kind, or those of one namespace.
pub(crate) struct CollectionPath {
    pub(crate) kind: &'static Kind,
    /// `None`: all namespaces, or a kind that has none.
    pub(crate) namespace: Option<String>,
}

/// One object, or a subresource of it.
pub(crate) struct ObjectPath {
    pub(crate) kind: &'static Kind,
    pub(crate) key: ObjectKey,
    /// One that the kind has.
    pub(crate) subresource: Option<&'static str>,
}

impl ObjectPath {
    pub(crate) fn target(&self) -> RegistryTarget<'_> {
        RegistryTarget { kind: self.kind, key: &self.key, subresource: self.subresource }
    }
}

/// A path whose kind exists.
enum Place {
    Collection(CollectionPath),
    Object(ObjectPath),
}

/// How a request counts, without looking at its body.
pub(crate) fn counted_as(target: &Target, request: &Request<Body>) -> CountedAs {
    let Target::Resource(path) = target else { return CountedAs::default() };
    let Some(kind) = kind_of(path) else { return CountedAs::default() };
    let streams = path.subresource.as_deref().is_some_and(|name| Stream::of(name).is_some());
    let watches = matches!(*request.method(), Method::GET | Method::HEAD)
        && Query::parse(request.uri()).is_ok_and(|query| query.flag("watch"));
    CountedAs { resource: kind.plural, long_running: streams || watches }
}

/// Answers a request about objects.
pub(crate) async fn answer(
    server: &ApiServer,
    path: ResourcePath,
    call: Call,
) -> Result<Response<Body>, Status> {
    match resolve(path)? {
        Place::Collection(path) => match *call.request.method() {
            Method::GET | Method::HEAD if call.query.flag("watch") => {
                watch::watch(server, &path, None, call).await
            }
            Method::GET | Method::HEAD => list::list(server, &path, call).await,
            Method::POST => write::create(server, &path, call).await,
            Method::DELETE if path.kind.verbs.contains(&"deletecollection") => {
                delete::delete_collection(server, &path, call).await
            }
            _ => Err(respond::method_not_allowed()),
        },
        Place::Object(path) => {
            let stream = path.subresource.and_then(Stream::of);
            if let Some(stream) = stream.filter(|_| allows(&path, call.request.method())) {
                return streaming::answer(server, stream, &path, call).await;
            }
            if !allows(&path, call.request.method()) {
                return Err(respond::method_not_allowed());
            }
            match *call.request.method() {
                Method::GET | Method::HEAD
                    if path.subresource.is_none() && call.query.flag("watch") =>
                {
                    watch::watch_object(server, &path, call).await
                }
                Method::GET | Method::HEAD => read::get(server, &path, call).await,
                Method::PUT => write::update(server, &path, call).await,
                Method::PATCH => write::patch(server, &path, call).await,
                Method::DELETE => delete::delete(server, &path, call).await,
                _ => write::create_subresource(server, &path, call).await,
            }
        }
    }
}

/// True if the object, or its subresource, has the verb of this method.
fn allows(path: &ObjectPath, method: &Method) -> bool {
    let verb = match *method {
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        Method::POST => "create",
        _ => return false,
    };
    match path.subresource {
        None => verb != "create" && path.kind.verbs.contains(&verb),
        Some(name) => path.kind.subresource(name).is_some_and(|sub| sub.verbs.contains(&verb)),
    }
}

fn kind_of(path: &ResourcePath) -> Option<&'static Kind> {
    let group_version = &path.group_version;
    kinds::by_resource(&group_version.group, &group_version.version, &path.resource)
}

fn resolve(path: ResourcePath) -> Result<Place, Status> {
    let kind = kind_of(&path).ok_or_else(respond::no_such_path)?;
    // Cluster-scoped kinds are not found below a namespace, nor namespaced objects outside of one.
    let misplaced = match (&path.namespace, &path.name) {
        (Some(_), _) => !kind.namespaced,
        (None, Some(_)) => kind.namespaced,
        (None, None) => false,
    };
    if misplaced {
        return Err(respond::no_such_path());
    }
    let Some(name) = path.name else {
        return Ok(Place::Collection(CollectionPath { kind, namespace: path.namespace }));
    };
    let subresource = match path.subresource {
        None => None,
        Some(name) => Some(kind.subresource(&name).ok_or_else(respond::no_such_path)?.name),
    };
    let key = ObjectKey { namespace: path.namespace.unwrap_or_default(), name };
    Ok(Place::Object(ObjectPath { kind, key, subresource }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_path(path: &str) -> Result<Place, Status> {
        match Target::parse(path) {
            Target::Resource(path) => resolve(path),
            other => panic!("{path} is {other:?}"),
        }
    }

    #[test]
    fn paths_that_lead_nowhere() {
        for path in [
            "/api/v1/gadgets",
            "/apis/apps/v1beta1/deployments",
            "/api/v1/namespaces/shop/nodes",
            "/api/v1/pods/web",
            "/api/v1/namespaces/shop/pods/web/scale",
        ] {
            assert!(resolve_path(path).is_err_and(|status| status.code == 404), "{path}");
        }
    }

    #[test]
    fn methods_follow_the_table_of_kinds() {
        let Ok(Place::Object(binding)) = resolve_path("/api/v1/namespaces/a/pods/b/binding") else {
            panic!("pods have bindings");
        };
        assert!(allows(&binding, &Method::POST) && !allows(&binding, &Method::GET));
        let Ok(Place::Object(pod)) = resolve_path("/api/v1/namespaces/a/pods/b") else {
            panic!("pods are objects");
        };
        assert!(allows(&pod, &Method::PATCH) && !allows(&pod, &Method::POST));
    }
}
