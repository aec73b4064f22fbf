//! Who may do what, until there are roles: administrators everything, nodes what concerns them.
//!
//! A node sees its own Node, Lease and pods, and of Secrets and ConfigMaps only those that its pods
//! use: a machine that falls into other hands gives away no more than what ran on it.

use serde_json::Value;
use sheave_api::selector::FieldSelector;
use sheave_api::{Kind, ObjectKey, Status, meta, resource};

use crate::cache::{Entry, Filter};
use crate::{Action, Identity, Registry};

/// Where nodes keep their leases.
const LEASE_NAMESPACE: &str = "kube-node-lease";
const READ: [&str; 3] = ["get", "list", "watch"];

impl Registry {
    /// Refuses with 403 what `who` may not do.
    pub fn authorize(&self, who: &Identity, action: &Action) -> Result<(), Status> {
        self.authorize_selected(who, action, &FieldSelector::everything())
    }

    /// The same for a list or a watch: one of a single name, or of one node's pods, asks for no
    /// more.
    pub(crate) fn authorize_selected(
        &self,
        who: &Identity,
        action: &Action,
        fields: &FieldSelector,
    ) -> Result<(), Status> {
        let allowed = who.is_admin()
            || who.node().is_some_and(|node| self.is_allowed_to_node(node, action, fields));
        if allowed { Ok(()) } else { Err(refusal(who, action)) }
    }

    fn is_allowed_to_node(&self, node: &str, action: &Action, fields: &FieldSelector) -> bool {
        let reads = READ.contains(&action.verb);
        let name = match action.name.as_str() {
            "" => fields.exact("metadata.name").unwrap_or_default(),
            name => name,
        };
        let changes = matches!(action.verb, "create" | "update" | "patch");
        let resource = &action.resource;
        if *resource == resource::NODES {
            name == node && (reads || changes)
        } else if *resource == resource::LEASES {
            action.namespace == LEASE_NAMESPACE && name == node && (reads || changes)
        } else if *resource == resource::EVENTS {
            changes
        } else if *resource == resource::SERVICES || *resource == resource::ENDPOINT_SLICES {
            reads && action.subresource.is_empty()
        } else if *resource == resource::PODS {
            self.is_pod_action_allowed(node, action, name, fields)
        } else if *resource == resource::SECRETS || *resource == resource::CONFIG_MAPS {
            let kind = self.kind_of(resource);
            reads && !name.is_empty() && self.is_used_on(node, kind, &action.namespace, name)
        } else {
            false
        }
    }

    fn is_pod_action_allowed(
        &self,
        node: &str,
        action: &Action,
        name: &str,
        fields: &FieldSelector,
    ) -> bool {
        if matches!(action.verb, "list" | "watch") && fields.exact("spec.nodeName") == Some(node) {
            return true;
        }
        let key = ObjectKey::new(action.namespace.as_str(), name);
        let kind = self.kind_of(&resource::PODS);
        let is_own = || {
            let pod = self.cache().get(kind, &key);
            pod.is_some_and(|pod| pod.field(kind, "spec.nodeName") == node)
        };
        match (action.verb, action.subresource.as_str()) {
            ("get" | "list" | "watch" | "delete", "")
            | ("get" | "update" | "patch", "status")
            | ("create", "eviction") => is_own(),
            _ => false,
        }
    }

    /// True if a pod bound to the node uses the Secret or ConfigMap.
    fn is_used_on(&self, node: &str, kind: &Kind, namespace: &str, name: &str) -> bool {
        let pods = self.kind_of(&resource::PODS);
        let mut filter = Filter::everything(pods, Some(namespace));
        filter.fields = FieldSelector::parse(&format!("spec.nodeName={node}")).unwrap_or_default();
        let bound = self.cache().of(pods).page(&filter, None, 0).0.entries;
        let resource = kind.group_resource();
        let is_secret = resource == resource::SECRETS;
        let uses = |pod: &std::sync::Arc<Entry>| {
            let spec = &pod.value()["spec"];
            if is_secret { uses_secret(spec, name) } else { uses_config_map(spec, name) }
        };
        bound.iter().any(uses)
    }
}

fn uses_secret(spec: &Value, name: &str) -> bool {
    let volume = |volume: &Value| {
        volume["secret"]["secretName"] == name
            || meta::list(&volume["projected"]["sources"])
                .iter()
                .any(|s| s["secret"]["name"] == name)
    };
    meta::list(&spec["imagePullSecrets"]).iter().any(|secret| secret["name"] == name)
        || meta::list(&spec["volumes"]).iter().any(volume)
        || environment_uses(spec, "secretKeyRef", "secretRef", name)
}

fn uses_config_map(spec: &Value, name: &str) -> bool {
    let volume = |volume: &Value| {
        volume["configMap"]["name"] == name
            || meta::list(&volume["projected"]["sources"])
                .iter()
                .any(|source| source["configMap"]["name"] == name)
    };
    meta::list(&spec["volumes"]).iter().any(volume)
        || environment_uses(spec, "configMapKeyRef", "configMapRef", name)
}

fn environment_uses(spec: &Value, key_ref: &str, whole_ref: &str, name: &str) -> bool {
    let lists = ["initContainers", "containers", "ephemeralContainers"];
    lists.iter().flat_map(|list| meta::list(&spec[*list])).any(|container| {
        meta::list(&container["env"]).iter().any(|v| v["valueFrom"][key_ref]["name"] == name)
            || meta::list(&container["envFrom"]).iter().any(|s| s[whole_ref]["name"] == name)
    })
}

fn refusal(who: &Identity, action: &Action) -> Status {
    let object = match action.name.as_str() {
        "" => action.resource.to_string(),
        name => format!("{} \"{name}\"", action.resource),
    };
    Status::forbidden(format!("{object} is forbidden: User \"{}\" {action}", who.user))
        .about(&action.resource, &action.name)
}

impl Action {
    /// An action on an object, or with an empty name on all of a namespace; with an empty
    /// namespace, of the cluster.
    pub fn on(verb: &'static str, kind: &Kind, namespace: &str, name: &str) -> Self {
        Self {
            verb,
            resource: kind.group_resource(),
            subresource: String::new(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The same on a subresource.
    #[must_use]
    pub fn at(mut self, subresource: Option<&str>) -> Self {
        self.subresource = subresource.unwrap_or_default().to_owned();
        self
    }
}
