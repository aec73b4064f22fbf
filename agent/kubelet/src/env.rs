//! The variables of a container: where their values come from, and `$(NAME)` in them. Pure but for
//! looking at the objects the node has.

use std::collections::HashMap;

use crate::data::{DataKey, DataObjects};
use crate::pod::spec::{
    Container, DataKind, DataRef, EnvValue, PodField, PodSpec, ResourceField, ResourceName,
    Resources,
};
use crate::quantity::Quantity;

/// What variables can show of the pod and its node beyond its spec.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) pod_ips: Vec<String>,
    pub(crate) host_ips: Vec<String>,
    /// Variables that say where Services are. The container's own win over them.
    pub(crate) services: Vec<(String, String)>,
    /// Shown as the limit of containers that have none.
    pub(crate) node_cpus: u64,
    pub(crate) node_memory_bytes: u64,
}

/// A variable whose value cannot be had; worded as the kubelet words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvError {
    #[error("{kind} {name:?} not found")]
    Object { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    Key { kind: &'static str, namespace: String, name: String, key: String },
    #[error("container {name:?} not found")]
    Container { name: String },
}

/// All variables, in order, each name once.
pub(crate) fn variables(
    spec: &PodSpec,
    container: &Container,
    facts: &Facts,
    data: &DataObjects,
) -> Result<Vec<(String, String)>, EnvError> {
    let mut variables = Ordered::default();
    for (name, value) in &facts.services {
        variables.set(name.clone(), value.clone());
    }
    for from in &container.env_from {
        let Some(object) = object(spec, &from.source, data)? else { continue };
        let mut keys: Vec<_> = object.data.iter().collect();
        keys.sort();
        for (key, value) in keys {
            let name = format!("{}{key}", from.prefix);
            if !name.is_empty() && !name.contains('=') {
                variables.set(name, String::from_utf8_lossy(value).into_owned());
            }
        }
    }
    for variable in &container.env {
        let value = match &variable.value {
            EnvValue::Literal(text) => Some(variables.expand(text)),
            other => value(spec, container, other, facts, data)?,
        };
        if let Some(value) = value {
            variables.set(variable.name.clone(), value);
        }
    }
    Ok(variables.0)
}

/// `None`: it is optional and not there.
fn value(
    spec: &PodSpec,
    container: &Container,
    value: &EnvValue,
    facts: &Facts,
    data: &DataObjects,
) -> Result<Option<String>, EnvError> {
    match value {
        EnvValue::Literal(text) => Ok(Some(text.clone())),
        EnvValue::Field(field) => Ok(Some(pod_field(spec, field, facts))),
        EnvValue::Resource(field) => resource_field(spec, container, field, facts).map(Some),
        EnvValue::Key { source, key } => {
            let Some(object) = object(spec, source, data)? else { return Ok(None) };
            match object.data.get(key) {
                Some(bytes) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
                None if source.optional => Ok(None),
                None => Err(EnvError::Key {
                    kind: match source.kind {
                        DataKind::ConfigMap => "ConfigMap",
                        DataKind::Secret => "Secret",
                    },
                    namespace: spec.key.namespace.clone(),
                    name: source.name.clone(),
                    key: key.clone(),
                }),
            }
        }
    }
}

fn object(
    spec: &PodSpec,
    source: &DataRef,
    data: &DataObjects,
) -> Result<Option<std::sync::Arc<sheave_push::v1::DataObject>>, EnvError> {
    let key = DataKey {
        kind: source.kind,
        namespace: spec.key.namespace.clone(),
        name: source.name.clone(),
    };
    match data.get(&key) {
        None if !source.optional => {
            Err(EnvError::Object { kind: source.kind.as_str(), name: source.name.clone() })
        }
        found => Ok(found),
    }
}

/// A field of the pod as text.
pub(crate) fn pod_field(spec: &PodSpec, field: &PodField, facts: &Facts) -> String {
    let lines = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n")
    };
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    match field {
        PodField::Name => spec.key.name.clone(),
        PodField::Namespace => spec.key.namespace.clone(),
        PodField::Uid => spec.uid.0.clone(),
        PodField::NodeName => spec.node_name.clone(),
        PodField::ServiceAccountName => spec.service_account.clone(),
        PodField::HostIp => first(&facts.host_ips),
        PodField::HostIps => facts.host_ips.join(","),
        PodField::PodIp => first(&facts.pod_ips),
        PodField::PodIps => facts.pod_ips.join(","),
        PodField::Labels => lines(&spec.labels),
        PodField::Annotations => lines(&spec.annotations),
        PodField::Label(key) => spec.labels.get(key).cloned().unwrap_or_default(),
        PodField::Annotation(key) => spec.annotations.get(key).cloned().unwrap_or_default(),
    }
}

/// An amount as text. A limit that is not set is what the node has.
pub(crate) fn resource_field(
    spec: &PodSpec,
    reader: &Container,
    field: &ResourceField,
    facts: &Facts,
) -> Result<String, EnvError> {
    let container = match &field.container {
        None => reader,
        Some(name) => {
            spec.container(name).ok_or_else(|| EnvError::Container { name: name.clone() })?
        }
    };
    let Resources {
        cpu_request,
        cpu_limit,
        memory_request,
        memory_limit,
        storage_request,
        storage_limit,
    } = container.resources;
    let node_cpu = Quantity::from_units(facts.node_cpus);
    let node_memory = Quantity::from_units(facts.node_memory_bytes);
    let amount = match (field.resource, field.limit) {
        (ResourceName::Cpu, true) => cpu_limit.unwrap_or(node_cpu),
        (ResourceName::Cpu, false) => cpu_request.unwrap_or(Quantity::ZERO),
        (ResourceName::Memory, true) => memory_limit.unwrap_or(node_memory),
        (ResourceName::Memory, false) => memory_request.unwrap_or(Quantity::ZERO),
        (ResourceName::EphemeralStorage, true) => storage_limit.unwrap_or(Quantity::ZERO),
        (ResourceName::EphemeralStorage, false) => storage_request.unwrap_or(Quantity::ZERO),
    };
    Ok(amount.divided_by(field.divisor).to_string())
}

/// Replaces `$(NAME)` by what `lookup` knows; what it does not know stays as it is, and `$$` is `$`.
pub(crate) fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let name = rest.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        match name {
            Some((name, after)) => {
                match lookup(name) {
                    Some(value) => expanded.push_str(&value),
                    None => expanded.push_str(&format!("$({name})")),
                }
                rest = after;
            }
            None => expanded.push('$'),
        }
    }
    expanded.push_str(rest);
    expanded
}

/// Expands a command, its arguments or a path with a container's variables.
pub(crate) fn expand_all(texts: &[String], variables: &[(String, String)]) -> Vec<String> {
    let by_name: HashMap<_, _> = variables.iter().map(|(k, v)| (k.as_str(), v)).collect();
    texts.iter().map(|text| expand(text, |name| by_name.get(name).map(|v| (*v).clone()))).collect()
}

/// Set again, a name keeps its place and takes the new value.
#[derive(Default)]
struct Ordered(Vec<(String, String)>);

impl Ordered {
    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn expand(&self, text: &str) -> String {
        expand(text, |name| self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansion_follows_the_rules() {
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        let cases = [
            ("$(A)", "1"),
            ("x$(A)y$(A)", "x1y1"),
            ("$(B)", "$(B)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$", "$"),
            ("a$b", "a$b"),
            ("$(A", "$(A"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, lookup), expected, "{text}");
        }
    }

    #[test]
    fn later_variables_see_earlier_ones_and_missing_keys_are_named() {
        let pod = |env: serde_json::Value| {
            let pod = serde_json::json!({"metadata": {"namespace": "n", "name": "p", "uid": "u",
                "labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "i:1",
                "env": env, "resources": {"limits": {"cpu": "1500m"}}}]}});
            crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap().0
        };
        let data = DataObjects::default();
        let spec = pod(serde_json::json!([
            {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"},
            {"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            {"name": "O", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "k", "optional": true}}},
        ]));
        let facts = Facts { pod_ips: vec!["10.0.0.9".into()], ..Facts::default() };
        let got = variables(&spec, &spec.containers[0], &facts, &data).unwrap();
        let got: Vec<_> = got.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let want =
            [("A", "1"), ("B", "1$(C)"), ("C", "3"), ("L", "x"), ("IP", "10.0.0.9"), ("CPU", "2")];
        assert_eq!(got, want);

        let of = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let services = vec![of("A", "of a Service"), of("WEB_SERVICE_HOST", "10.96.0.7")];
        let facts = Facts { services, ..facts };
        let spec = pod(serde_json::json!([
            {"name": "A", "value": "1"}, {"name": "B", "value": "$(WEB_SERVICE_HOST)"}]));
        let got = variables(&spec, &spec.containers[0], &facts, &data).unwrap();
        let want = [of("A", "1"), of("WEB_SERVICE_HOST", "10.96.0.7"), of("B", "10.96.0.7")];
        assert_eq!(got, want, "the container's own win, and may name those of Services");

        let spec = pod(serde_json::json!([
            {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]));
        let ask = |data: &DataObjects| {
            variables(&spec, &spec.containers[0], &facts, data).unwrap_err().to_string()
        };
        assert_eq!(ask(&data), "secret \"s\" not found");
        let key = DataKey { kind: DataKind::Secret, namespace: "n".into(), name: "s".into() };
        data.set(key, sheave_push::v1::DataObject::default());
        assert_eq!(ask(&data), "couldn't find key k in Secret n/s");
    }
}
