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
        let scoped = if kind.namespaced {
            let everywhere = Resource::of_kind(kind, dialect);
            let everywhere = everywhere.operations(&[("list", "get")], kind.verbs);
            paths.insert(format!("{root}/{}", kind.plural), everywhere);
            format!("{root}/namespaces/{{namespace}}/{}", kind.plural)
        } else {
            format!("{root}/{}", kind.plural)
        };
        let resource = Resource::of_kind(kind, dialect);
        let collection = [("list", "get"), ("create", "post"), ("deletecollection", "delete")];
        paths.insert(scoped.clone(), resource.operations(&collection, kind.verbs));
        let item = [("get", "get"), ("update", "put"), ("patch", "patch"), ("delete", "delete")];
        let item_path = format!("{scoped}/{{name}}");
        paths.insert(item_path.clone(), resource.operations(&item, kind.verbs));
        for subresource in kind.subresources {
            let resource = Resource::of_subresource(subresource, kind, dialect);
            let verbs = [("get", "get"), ("create", "post"), ("update", "put"), ("patch", "patch")];
            let operations = resource.operations(&verbs, subresource.verbs);
            paths.insert(format!("{item_path}/{}", subresource.name), operations);
        }
    }
    paths.into()
}

/// What the operations of one path are about.
struct Resource {
    gvk: Value,
    message: Option<&'static Message>,
    list: Option<&'static Message>,
    namespaced: bool,
    dialect: Dialect,
}

impl Resource {
    fn of_kind(kind: &Kind, dialect: Dialect) -> Self {
        Self {
            gvk: gvk(kind.group, kind.version, kind.kind),
            message: schema::message(kind.schema),
            list: schema::of(kind.group, kind.version, kind.list_kind),
            namespaced: kind.namespaced,
            dialect,
        }
    }

    fn of_subresource(subresource: &Subresource, kind: &Kind, dialect: Dialect) -> Self {
        let Subresource { group, version, kind: name, .. } = *subresource;
        // Streams are asked for by parameters: they have no body.
        let message = schema::of(group, version, name).filter(|_| !name.ends_with("Options"));
        let gvk = gvk(group, version, name);
        Self { gvk, message, list: None, namespaced: kind.namespaced, dialect }
    }

    /// A path item: of `wanted` (verb, method) those that are among `verbs`.
    fn operations(&self, wanted: &[(&str, &str)], verbs: &[&str]) -> Value {
        let mut item = Map::new();
        for (verb, method) in wanted.iter().filter(|(verb, _)| verbs.contains(verb)) {
            item.insert((*method).to_owned(), self.operation(verb));
        }
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
        let mut operation = json!({
            "parameters": self.parameters(query),
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

    fn parameters(&self, query: &[(&str, &str)]) -> Vec<Value> {
        let parameter = |(name, ty): &(&str, &str)| match self.dialect {
            Dialect::V2 => json!({ "name": name, "in": "query", "type": ty, "uniqueItems": true }),
            Dialect::V3 => json!({ "name": name, "in": "query", "schema": { "type": ty } }),
        };
        query.iter().map(parameter).collect()
    }
}

const PATCHES: [&str; 3] = [patch::JSON_PATCH, patch::MERGE_PATCH, patch::STRATEGIC_MERGE_PATCH];
