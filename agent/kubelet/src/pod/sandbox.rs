//! A pod's sandbox, as the runtime is asked for it.

use std::collections::BTreeMap;

use super::spec::{PodSpec, PortProtocol, Seccomp};
use crate::context::Context;
use crate::cri::{PodLabels, v1};
use crate::network::{self, Resolver};

/// The configuration of a sandbox; containers are made with the same again.
pub(crate) fn config(context: &Context, spec: &PodSpec, attempt: u32) -> v1::PodSandboxConfig {
    let facts = context.runtime_facts();
    let resolver = network::resolver(spec, &context.cluster_dns(), &context.node_resolver());
    let cgroup_parent = context.cgroups.parent(spec.qos, &spec.uid, facts.cgroup_driver);
    v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: spec.key.name.clone(),
            uid: spec.uid.0.clone(),
            namespace: spec.key.namespace.clone(),
            attempt,
        }),
        // Empty on the host network: the host's own name stays.
        hostname: if spec.host_network { String::new() } else { spec.hostname.clone() },
        log_directory: context.log_directory(spec).display().to_string(),
        dns_config: Some(dns(resolver)),
        port_mappings: port_mappings(spec),
        labels: labels(spec),
        annotations: spec.annotations.clone(),
        linux: Some(v1::LinuxPodSandboxConfig {
            cgroup_parent,
            security_context: Some(security(spec)),
            sysctls: spec.security.sysctls.clone(),
            ..Default::default()
        }),
    }
}

/// The pod's own labels and those that say whose it is; the latter win.
fn labels(spec: &PodSpec) -> BTreeMap<String, String> {
    let mut labels = spec.labels.clone();
    labels.extend(PodLabels::write(&spec.key, &spec.uid));
    labels
}

fn dns(resolver: Resolver) -> v1::DnsConfig {
    let Resolver { servers, searches, options } = resolver;
    v1::DnsConfig { servers, searches, options }
}

fn port_mappings(spec: &PodSpec) -> Vec<v1::PortMapping> {
    if spec.host_network {
        return Vec::new();
    }
    let ports = spec.all_containers().flat_map(|container| &container.ports);
    let mapped = ports.filter_map(|port| {
        Some(v1::PortMapping {
            protocol: match port.protocol {
                PortProtocol::Tcp => v1::Protocol::Tcp,
                PortProtocol::Udp => v1::Protocol::Udp,
                PortProtocol::Sctp => v1::Protocol::Sctp,
            }
            .into(),
            container_port: port.port.into(),
            host_port: port.host_port?.into(),
            host_ip: port.host_ip.clone(),
        })
    });
    mapped.collect()
}

fn security(spec: &PodSpec) -> v1::LinuxSandboxSecurityContext {
    let int = |value: Option<i64>| value.map(|value| v1::Int64Value { value });
    v1::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(spec)),
        run_as_user: int(spec.security.run_as_user),
        run_as_group: int(spec
            .security
            .run_as_group
            .filter(|_| spec.security.run_as_user.is_some())),
        supplemental_groups: groups(spec),
        privileged: spec.all_containers().any(|c| c.security.privileged),
        // The pause program needs next to nothing.
        seccomp: Some(seccomp(Some(Seccomp::RuntimeDefault))),
        ..Default::default()
    }
}

/// The namespaces that a pod's containers share with each other or with the host.
pub(super) fn namespaces(spec: &PodSpec) -> v1::NamespaceOption {
    let host_or = |host: bool, otherwise: v1::NamespaceMode| {
        i32::from(if host { v1::NamespaceMode::Node } else { otherwise })
    };
    let pid = match spec.share_process_namespace {
        true => v1::NamespaceMode::Pod,
        false => v1::NamespaceMode::Container,
    };
    v1::NamespaceOption {
        network: host_or(spec.host_network, v1::NamespaceMode::Pod),
        pid: host_or(spec.host_pid, pid),
        ipc: host_or(spec.host_ipc, v1::NamespaceMode::Pod),
        target_id: String::new(),
    }
}

pub(super) fn groups(spec: &PodSpec) -> Vec<i64> {
    let mut groups = spec.security.supplemental_groups.clone();
    groups.extend(spec.security.fs_group.map(i64::from));
    groups
}

/// Without a profile a container is unconfined, as Kubernetes has it.
pub(super) fn seccomp(profile: Option<Seccomp>) -> v1::SecurityProfile {
    let profile_type = match profile {
        Some(Seccomp::RuntimeDefault) => v1::security_profile::ProfileType::RuntimeDefault,
        Some(Seccomp::Unconfined) | None => v1::security_profile::ProfileType::Unconfined,
    };
    v1::SecurityProfile { profile_type: profile_type.into(), localhost_ref: String::new() }
}
