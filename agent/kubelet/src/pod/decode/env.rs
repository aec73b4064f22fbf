//! Variables of a v1 Pod's containers, and the fields of the pod that they (and files) can show.

use k8s_openapi::api::core::v1 as api;

use super::Refusals;
use crate::pod::spec::{
    DataKind, DataRef, EnvFrom, EnvValue, EnvVar, PodField, ResourceField, ResourceName,
};
use crate::quantity::Quantity;

pub(super) fn env(
    field: &str,
    env: Option<Vec<api::EnvVar>>,
    refusals: &mut Refusals,
) -> Vec<EnvVar> {
    let variables = env.unwrap_or_default().into_iter().enumerate();
    let decoded = variables.filter_map(|(i, variable)| {
        let value = match variable.value_from {
            None => EnvValue::Literal(variable.value.unwrap_or_default()),
            Some(source) => value_from(&format!("{field}[{i}].valueFrom"), source, refusals)?,
        };
        Some(EnvVar { name: variable.name, value })
    });
    decoded.collect()
}

fn value_from(field: &str, source: api::EnvVarSource, refusals: &mut Refusals) -> Option<EnvValue> {
    let api::EnvVarSource {
        config_map_key_ref,
        field_ref,
        file_key_ref,
        resource_field_ref,
        secret_key_ref,
    } = source;
    if let Some(reference) = config_map_key_ref {
        let source = data(DataKind::ConfigMap, reference.name, reference.optional);
        return Some(EnvValue::Key { source, key: reference.key });
    }
    if let Some(reference) = secret_key_ref {
        let source = data(DataKind::Secret, reference.name, reference.optional);
        return Some(EnvValue::Key { source, key: reference.key });
    }
    if let Some(reference) = field_ref {
        return pod_field(field, &reference, refusals).map(EnvValue::Field);
    }
    if let Some(reference) = resource_field_ref {
        return resource_field(field, reference, refusals).map(EnvValue::Resource);
    }
    refusals.if_set(file_key_ref.is_some(), format!("{field}.fileKeyRef"));
    None
}

pub(super) fn env_from(sources: Option<Vec<api::EnvFromSource>>) -> Vec<EnvFrom> {
    let decoded = sources.unwrap_or_default().into_iter().filter_map(|source| {
        let prefix = source.prefix.unwrap_or_default();
        let source = match (source.config_map_ref, source.secret_ref) {
            (Some(r), _) => data(DataKind::ConfigMap, r.name, r.optional),
            (None, Some(r)) => data(DataKind::Secret, r.name, r.optional),
            (None, None) => return None,
        };
        Some(EnvFrom { prefix, source })
    });
    decoded.collect()
}

pub(super) fn data(kind: DataKind, name: String, optional: Option<bool>) -> DataRef {
    DataRef { kind, name, optional: optional.unwrap_or(false) }
}

pub(super) fn pod_field(
    field: &str,
    selector: &api::ObjectFieldSelector,
    refusals: &mut Refusals,
) -> Option<PodField> {
    let subscript = |map: &str| {
        let rest = selector.field_path.strip_prefix(map)?;
        let key = rest.strip_prefix("['")?.strip_suffix("']")?;
        Some(key.to_owned())
    };
    let decoded = match selector.field_path.as_str() {
        "metadata.name" => PodField::Name,
        "metadata.namespace" => PodField::Namespace,
        "metadata.uid" => PodField::Uid,
        "metadata.labels" => PodField::Labels,
        "metadata.annotations" => PodField::Annotations,
        "spec.nodeName" => PodField::NodeName,
        "spec.serviceAccountName" => PodField::ServiceAccountName,
        "status.hostIP" => PodField::HostIp,
        "status.hostIPs" => PodField::HostIps,
        "status.podIP" => PodField::PodIp,
        "status.podIPs" => PodField::PodIps,
        path => {
            let label = subscript("metadata.labels").map(PodField::Label);
            let found =
                label.or_else(|| subscript("metadata.annotations").map(PodField::Annotation));
            if found.is_none() {
                let detail = format!("field label not supported: {path}");
                refusals.add(format!("{field}.fieldRef.fieldPath"), detail);
            }
            return found;
        }
    };
    Some(decoded)
}

pub(super) fn resource_field(
    field: &str,
    selector: api::ResourceFieldSelector,
    refusals: &mut Refusals,
) -> Option<ResourceField> {
    let (side, name) = selector.resource.split_once('.').unwrap_or(("", ""));
    let resource = match name {
        "cpu" => Some(ResourceName::Cpu),
        "memory" => Some(ResourceName::Memory),
        "ephemeral-storage" => Some(ResourceName::EphemeralStorage),
        _ => None,
    };
    let (Some(resource), "limits" | "requests") = (resource, side) else {
        let detail = format!("unsupported container resource: {}", selector.resource);
        refusals.add(format!("{field}.resourceFieldRef.resource"), detail);
        return None;
    };
    let divisor = selector.divisor.and_then(|d| Quantity::parse(&d.0)).filter(|d| !d.is_zero());
    Some(ResourceField {
        container: selector.container_name.filter(|name| !name.is_empty()),
        resource,
        limit: side == "limits",
        divisor: divisor.unwrap_or(Quantity::ONE),
    })
}
