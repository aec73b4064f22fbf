//! Paths and operations: which verbs a resource has, with which parameters, about which kind.

use serde_json::{Map, Value, json};

use super::Dialect;
use super::definitions::gvk;
use crate::kinds::{Kind, Subresource};
use crate::patch;
use crate::schema::{self, Message};

/// Query parameters by verb: name, type.
const WRITE: &[(&str, &str)] =
    &[("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string")];
const DELETE: &[(&str, &str)] =
    &[("dryRun", "string"), ("gracePeriodSeconds", "integer"), ("propagationPolicy", "string")];
const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];

/// `/api/v1` or `/apis/apps/v1`.
pub(super) fn group_version(kind: &Kind) -> String {
    match kind.group {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    }
}

/// All paths of these kinds.
pub(super) fn all(kinds: &[&Kind], dialect: Dialect) -> Value {
    let mut paths = Map::new();
    for kind in kinds {
        let root = group_version(kind);
        let resource = Resource::of_kind(kind, dialect);
        let mut add = |path: &str, resource: &Resource, wanted: &[_], verbs: &[&str]| {
            paths.insert(path.to_owned(), resource.path_item(path, wanted, verbs));
        };
        let mut collection = format!("{root}/{}", kind.plural);
        if kind.namespaced {
            add(&collection, &resource, &[("list", "get")], kind.verbs);
            collection = format!("{root}/namespaces/{{namespace}}/{}", kind.plural);
        }
        let wanted = [("list", "get"), ("create", "post"), ("deletecollection", "delete")];
        add(&collection, &resource, &wanted, kind.verbs);
        let object = format!("{collection}/{{name}}");
        let wanted = [("get", "get"), ("update", "put"), ("patch", "patch"), ("delete", "delete")];
        add(&object, &resource, &wanted, kind.verbs);
        for subresource in kind.subresources {
            let resource = Resource::of_subresource(subresource, dialect);
            let wanted =
                [("get", "get"), ("create", "post"), ("update", "put"), ("patch", "patch")];
            let path = format!("{object}/{}", subresource.name);
            add(&path, &resource, &wanted, subresource.verbs);
        }
    }
    paths.into()
}

/// What the operations of one path are about.
struct Resource {
    gvk: Value,
    message: Option<&'static Message>,
    list: Option<&'static Message>,
    dialect: Dialect,
}

impl Resource {
    fn of_kind(kind: &Kind, dialect: Dialect) -> Self {
        Self {
            gvk: gvk(kind.group, kind.version, kind.kind),
            message: schema::message(kind.schema),
            list: schema::of(kind.group, kind.version, kind.list_kind),
            dialect,
        }
    }

    fn of_subresource(subresource: &Subresource, dialect: Dialect) -> Self {
        let Subresource { group, version, kind: name, .. } = *subresource;
        // Streams are asked for by parameters: they have no body.
        let message = schema::of(group, version, name).filter(|_| !name.ends_with("Options"));
        let gvk = gvk(group, version, name);
        Self { gvk, message, list: None, dialect }
    }

    /// Of `wanted` (verb, method) those that are among `verbs`.
    fn path_item(&self, path: &str, wanted: &[(&str, &str)], verbs: &[&str]) -> Value {
        let mut item = Map::new();
        for (verb, method) in wanted.iter().filter(|(verb, _)| verbs.contains(verb)) {
            item.insert((*method).to_owned(), self.operation(verb));
        }
        let names = ["name", "namespace"].into_iter();
        let names = names.filter(|name| path.contains(&format!("{{{name}}}")));
        let parameters = names.map(|name| {
            let mut parameter = self.parameter(name, "path", "string");
            parameter["required"] = true.into();
            parameter
        });
        item.insert("parameters".to_owned(), parameters.collect());
        item.into()
    }

    fn operation(&self, verb: &str) -> Value {
        let query = match verb {
            "list" => LIST,
            "deletecollection" | "delete" => DELETE,
            "create" | "update" | "patch" => WRITE,
            _ => &[],
        };
        let answer = match verb {
            "list" => self.list,
            "delete" | "deletecollection" => schema::of("", "v1", "Status"),
            _ => self.message,
        };
        let body = match verb {
            "create" | "update" | "patch" => self.message,
            "delete" | "deletecollection" => schema::of("", "v1", "DeleteOptions"),
            _ => None,
        };
        let action = match verb {
            "create" => "post",
            "update" => "put",
            other => other,
        };
        let parameters = query.iter().map(|(name, ty)| self.parameter(name, "query", ty));
        let mut operation = json!({
            "parameters": parameters.collect::<Vec<_>>(),
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": self.gvk,
        });
        match self.dialect {
            Dialect::V2 => self.v2(&mut operation, verb, body, answer),
            Dialect::V3 => self.v3(&mut operation, verb, body, answer),
        }
        operation
    }

    fn v2(
        &self,
        operation: &mut Value,
        verb: &str,
        body: Option<&'static Message>,
        answer: Option<&'static Message>,
    ) {
        if let (Some(body), Some(parameters)) = (body, operation["parameters"].as_array_mut()) {
            let schema = if verb == "patch" {
                json!({ "type": "object" })
            } else {
                self.dialect.reference(body)
            };
            parameters.push(json!({ "name": "body", "in": "body", "schema": schema }));
        }
        if verb == "patch" {
            operation["consumes"] = PATCHES.into();
        }
        let mut ok = json!({ "description": "OK" });
        if let Some(answer) = answer {
            ok["schema"] = self.dialect.reference(answer);
        }
        operation["responses"] = json!({ "200": ok });
    }

    fn v3(
        &self,
        operation: &mut Value,
        verb: &str,
        body: Option<&'static Message>,
        answer: Option<&'static Message>,
    ) {
        if let Some(body) = body {
            let content = if verb == "patch" {
                let patch = json!({ "schema": { "type": "object" } });
                PATCHES.iter().map(|media_type| ((*media_type).to_owned(), patch.clone())).collect()
            } else {
                let body = json!({ "schema": self.dialect.reference(body) });
                Map::from_iter([("*/*".to_owned(), body)])
            };
            operation["requestBody"] = json!({ "content": content });
        }
        let mut ok = json!({ "description": "OK" });
        if let Some(answer) = answer {
            let schema = self.dialect.reference(answer);
            ok["content"] = json!({ "application/json": { "schema": schema } });
        }
        operation["responses"] = json!({ "200": ok });
    }

    fn parameter(&self, name: &str, place: &str, ty: &str) -> Value {
        match self.dialect {
            Dialect::V2 => json!({ "name": name, "in": place, "type": ty, "uniqueItems": true }),
            Dialect::V3 => json!({ "name": name, "in": place, "schema": { "type": ty } }),
        }
    }
}

const PATCHES: [&str; 3] = [patch::JSON_PATCH, patch::MERGE_PATCH, patch::STRATEGIC_MERGE_PATCH];
