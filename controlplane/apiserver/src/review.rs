//! What everybody may ask about himself: who am I, may I do this. Answered, never stored.

use axum::body::Body;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use sheave_api::codec::{self, FieldValidation};
use sheave_api::{GroupResource, Status, schema};
use sheave_registry::{Action, Identity};

use crate::authorize;
use crate::path::ResourcePath;
use crate::respond;
use crate::server::{ApiServer, Call};
use crate::verbs::read_body;

/// A kind of question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Review {
    /// `kubectl auth whoami`
    Subject,
    /// `kubectl auth can-i`
    Access,
    /// `kubectl auth can-i --list`
    Rules,
}

impl Review {
    /// By the path of its collection.
    pub(crate) fn of(path: &ResourcePath) -> Option<Self> {
        if path.namespace.is_some() || path.name.is_some() || path.group_version.version != "v1" {
            return None;
        }
        match (path.group_version.group.as_str(), path.resource.as_str()) {
            ("authentication.k8s.io", "selfsubjectreviews") => Some(Self::Subject),
            ("authorization.k8s.io", "selfsubjectaccessreviews") => Some(Self::Access),
            ("authorization.k8s.io", "selfsubjectrulesreviews") => Some(Self::Rules),
            _ => None,
        }
    }

    /// Answers a POST of the question.
    pub(crate) async fn answer(
        self,
        server: &ApiServer,
        call: Call,
    ) -> Result<Response<Body>, Status> {
        if call.request.method() != Method::POST {
            return Err(respond::method_not_allowed());
        }
        let (group, kind) = match self {
            Self::Subject => ("authentication.k8s.io", "SelfSubjectReview"),
            Self::Access => ("authorization.k8s.io", "SelfSubjectAccessReview"),
            Self::Rules => ("authorization.k8s.io", "SelfSubjectRulesReview"),
        };
        let message = schema::of(group, "v1", kind)
            .ok_or_else(|| Status::internal(format!("no schema of {kind}")))?;
        let (headers, bytes) = read_body(call.request).await?;
        let content_type = headers.get(http::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let decoded = codec::decode(content_type, &bytes, message, FieldValidation::Warn)?;
        let mut review = decoded.value;
        review["apiVersion"] = json!(format!("{group}/v1"));
        review["kind"] = json!(kind);
        review["status"] = match self {
            Self::Subject => who_am_i(&call.identity),
            Self::Access => may_i(server, &call.identity, &review["spec"])?,
            Self::Rules => what_may_i(&call.identity),
        };
        Ok(respond::json_value(StatusCode::CREATED, &review))
    }
}

fn who_am_i(identity: &Identity) -> Value {
    json!({ "userInfo": { "username": identity.user, "groups": identity.groups } })
}

fn may_i(server: &ApiServer, identity: &Identity, spec: &Value) -> Result<Value, Status> {
    let text = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let verdict = match (&spec["resourceAttributes"], &spec["nonResourceAttributes"]) {
        (Value::Object(_), Value::Object(_)) | (Value::Null, Value::Null) => {
            return Err(Status::new(
                422,
                "Invalid",
                "SelfSubjectAccessReview.authorization.k8s.io \"\" is invalid: spec: Invalid value: \
                 exactly one of nonResourceAttributes or resourceAttributes must be specified",
            ));
        }
        (Value::Null, path) => authorize::authorize_path(identity, &text(&path["path"])),
        (resource, _) => server.registry.authorize(
            identity,
            &Action {
                verb: verb(resource["verb"].as_str().unwrap_or_default()),
                resource: GroupResource {
                    group: text(&resource["group"]).into(),
                    resource: text(&resource["resource"]).into(),
                },
                subresource: text(&resource["subresource"]),
                namespace: text(&resource["namespace"]),
                name: text(&resource["name"]),
            },
        ),
    };
    Ok(match verdict {
        Ok(()) => json!({ "allowed": true }),
        Err(status) => json!({ "allowed": false, "reason": status.message }),
    })
}

/// What can be told as rules; `incomplete` for nodes, whose rights follow from what runs on them.
fn what_may_i(identity: &Identity) -> Value {
    if identity.is_admin() {
        return json!({
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            "incomplete": false,
        });
    }
    let open: Vec<String> = authorize::OPEN_TO_ALL
        .iter()
        .flat_map(|path| [path.to_string(), format!("{path}/*")])
        .collect();
    json!({
        "resourceRules": [
            {
                "verbs": ["create"],
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
            },
            {
                "verbs": ["create"],
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["selfsubjectreviews"],
            },
        ],
        "nonResourceRules": [{ "verbs": ["get"], "nonResourceURLs": open }],
        "incomplete": identity.node().is_some(),
    })
}

/// The verbs that rules know; any other is `*`, which only those may who may do everything.
fn verb(text: &str) -> &'static str {
    const VERBS: [&str; 8] =
        ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    VERBS.into_iter().find(|known| *known == text).unwrap_or("*")
}
