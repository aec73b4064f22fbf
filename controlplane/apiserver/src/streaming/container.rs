//! Which container of which pod on which node a stream is about. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use sheave_api::Status;
use sheave_push::v1;

const DEFAULT_CONTAINER_ANNOTATION: &str = "kubectl.kubernetes.io/default-container";

/// What a stream must know of a pod.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PodSummary {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Debug, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: String,
    containers: Vec<Named>,
    init_containers: Vec<Named>,
    ephemeral_containers: Vec<Named>,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    name: String,
}

impl PodSummary {
    /// `metadata.name`.
    pub(super) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The node that runs the pod.
    ///
    /// # Errors
    /// 400 while the pod waits for one.
    pub(super) fn node(&self) -> Result<&str, Status> {
        if self.spec.node_name.is_empty() {
            let name = self.name();
            return Err(Status::bad_request(format!("pod {name} does not have a host assigned")));
        }
        Ok(&self.spec.node_name)
    }

    /// A request to this pod, without the client's headers.
    pub(super) fn tunnel_request(&self, kind: v1::tunnel_request::Kind) -> v1::TunnelRequest {
        v1::TunnelRequest {
            pod: Some(v1::ObjectKey {
                namespace: self.metadata.namespace.clone(),
                name: self.metadata.name.clone(),
            }),
            pod_uid: self.metadata.uid.clone(),
            kind: Some(kind),
            ..v1::TunnelRequest::default()
        }
    }

    /// The container that is meant: the one that is named, else the pod's default, else its only one.
    ///
    /// # Errors
    /// 400, naming the choices.
    pub(super) fn container(&self, named: Option<&str>) -> Result<String, Status> {
        let pod = self.name();
        if let Some(named) = named {
            if self.has(named) {
                return Ok(named.to_owned());
            }
            return Err(Status::bad_request(format!(
                "container {named} is not valid for pod {pod}"
            )));
        }
        let default = self.metadata.annotations.get(DEFAULT_CONTAINER_ANNOTATION);
        if let Some(default) = default.filter(|default| self.has(default)) {
            return Ok(default.clone());
        }
        match self.spec.containers.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => Err(Status::bad_request(format!(
                "a container name must be specified for pod {pod}"
            ))),
            several => {
                let mut message = format!(
                    "a container name must be specified for pod {pod}, choose one of: {}",
                    names(several)
                );
                for (what, containers) in [
                    ("init", &self.spec.init_containers),
                    ("ephemeral", &self.spec.ephemeral_containers),
                ] {
                    if !containers.is_empty() {
                        message.push_str(&format!(
                            " or one of the {what} containers: {}",
                            names(containers)
                        ));
                    }
                }
                Err(Status::bad_request(message))
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        let Spec { containers, init_containers, ephemeral_containers, .. } = &self.spec;
        containers
            .iter()
            .chain(init_containers)
            .chain(ephemeral_containers)
            .any(|container| container.name == name)
    }
}

/// `[a b]`, as Go prints a slice.
fn names(containers: &[Named]) -> String {
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    format!("[{}]", names.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(annotations: Value, spec: Value) -> PodSummary {
        let metadata = json!({ "name": "web", "namespace": "shop", "annotations": annotations });
        serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
    }

    fn two_containers() -> Value {
        json!({
            "nodeName": "vm-1",
            "containers": [{ "name": "app" }, { "name": "proxy" }],
            "initContainers": [{ "name": "migrate" }],
        })
    }

    #[test]
    fn the_only_container_needs_no_name() {
        let pod = pod(json!({}), json!({ "containers": [{ "name": "app" }] }));
        assert_eq!(pod.container(None), Ok("app".to_owned()));
        assert_eq!(
            pod.container(Some("x")).unwrap_err().message,
            "container x is not valid for pod web"
        );
    }

    #[test]
    fn several_containers_need_a_name_or_a_default() {
        assert_eq!(
            pod(json!({}), two_containers()).container(None).unwrap_err().message,
            "a container name must be specified for pod web, choose one of: [app proxy] or one \
             of the init containers: [migrate]"
        );
        let annotated = pod(json!({ DEFAULT_CONTAINER_ANNOTATION: "proxy" }), two_containers());
        assert_eq!(annotated.container(None), Ok("proxy".to_owned()));
        assert_eq!(annotated.container(Some("migrate")), Ok("migrate".to_owned()));
        let misled = pod(json!({ DEFAULT_CONTAINER_ANNOTATION: "gone" }), two_containers());
        assert_eq!(misled.container(None).unwrap_err().code, 400);
    }

    #[test]
    fn a_pod_without_a_node_cannot_be_reached() {
        let waiting = pod(json!({}), json!({ "containers": [] }));
        let error = waiting.node().unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            (400, "pod web does not have a host assigned")
        );
        assert_eq!(pod(json!({}), two_containers()).node(), Ok("vm-1"));
    }
}
