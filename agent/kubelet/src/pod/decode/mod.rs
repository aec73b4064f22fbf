//! v1 Pod -> [`PodSpec`], the only place that knows the API's Pod. Defaults that the API server fills in
//! are filled in here too, so that objects from other sources mean the same.

mod container;
mod env;
mod probe;
mod qos;
mod volume;

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1 as api;

use super::previous::Previous;
use super::spec::{
    DnsOptions, DnsPolicy, HostAlias, PodKey, PodSecurity, PodSpec, PodUid, RestartPolicy, Seccomp,
    Unsupported,
};

/// An object that is no pod at all. What is a pod but asks too much is [`PodSpec::unsupported`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidPod {
    #[error("not a v1 Pod")]
    Json(#[from] serde_json::Error),
    #[error("{0} is missing")]
    Missing(&'static str),
}

/// Fields that cannot be honoured, collected while reading.
#[derive(Default)]
pub(super) struct Refusals(Vec<Unsupported>);

impl Refusals {
    pub(super) fn add(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Unsupported { field: field.into(), detail: detail.into() });
    }

    /// For fields that are fine only when they are not used.
    pub(super) fn if_set(&mut self, is_set: bool, field: impl Into<String>) {
        if is_set {
            self.add(field, "not supported by this node; remove the field");
        }
    }
}

/// Reads an encoded v1 Pod: what it asks for, and what was last reported of it.
pub(crate) fn decode(object: &[u8]) -> Result<(PodSpec, Previous), InvalidPod> {
    let pod: api::Pod = serde_json::from_slice(object)?;
    let meta = pod.metadata;
    let spec = pod.spec.ok_or(InvalidPod::Missing("spec"))?;
    let previous = Previous::decode(pod.status);
    let mut refusals = Refusals::default();
    refuse_pod_fields(&spec, &mut refusals);

    let key = PodKey {
        namespace: meta.namespace.ok_or(InvalidPod::Missing("metadata.namespace"))?,
        name: meta.name.ok_or(InvalidPod::Missing("metadata.name"))?,
    };
    let qos = qos::class(&spec);
    let security = pod_security(spec.security_context.as_ref(), &mut refusals);
    let volumes = volume::volumes(spec.volumes.unwrap_or_default(), &mut refusals);
    let volume_names: BTreeSet<&str> = volumes.iter().map(|v| v.name.as_str()).collect();
    let mut container_of = |field: &str, i: usize, c: api::Container| {
        container::container(
            &format!("spec.{field}[{i}]"),
            c,
            &security,
            &volume_names,
            &mut refusals,
        )
    };
    let init_containers = spec.init_containers.unwrap_or_default().into_iter().enumerate();
    let init_containers =
        init_containers.map(|(i, c)| container_of("initContainers", i, c)).collect();
    let containers = spec.containers.into_iter().enumerate();
    let containers = containers.map(|(i, c)| container_of("containers", i, c)).collect();

    let decoded = PodSpec {
        hostname: hostname(spec.hostname_override.or(spec.hostname), &key.name),
        key,
        uid: PodUid(meta.uid.ok_or(InvalidPod::Missing("metadata.uid"))?),
        generation: meta.generation.unwrap_or(0),
        labels: meta.labels.unwrap_or_default(),
        annotations: meta.annotations.unwrap_or_default(),
        deletion_grace_s: meta
            .deletion_timestamp
            .map(|_| unsigned(meta.deletion_grace_period_seconds.unwrap_or(30))),
        restart_policy: match spec.restart_policy.as_deref() {
            Some("Never") => RestartPolicy::Never,
            Some("OnFailure") => RestartPolicy::OnFailure,
            _ => RestartPolicy::Always,
        },
        init_containers,
        containers,
        ephemeral_containers: spec
            .ephemeral_containers
            .unwrap_or_default()
            .into_iter()
            .map(|container| container.name)
            .collect(),
        volumes,
        host_network: spec.host_network.unwrap_or(false),
        host_pid: spec.host_pid.unwrap_or(false),
        host_ipc: spec.host_ipc.unwrap_or(false),
        share_process_namespace: spec.share_process_namespace.unwrap_or(false),
        subdomain: spec.subdomain.filter(|s| !s.is_empty()),
        host_aliases: spec.host_aliases.unwrap_or_default().into_iter().map(host_alias).collect(),
        dns_policy: match spec.dns_policy.as_deref() {
            Some("Default") => DnsPolicy::Default,
            Some("None") => DnsPolicy::None,
            Some("ClusterFirstWithHostNet") => DnsPolicy::ClusterFirstWithHostNet,
            _ => DnsPolicy::ClusterFirst,
        },
        dns: spec.dns_config.map(dns_options).unwrap_or_default(),
        service_links: spec.enable_service_links.unwrap_or(true),
        security,
        termination_grace_s: unsigned(spec.termination_grace_period_seconds.unwrap_or(30)),
        active_deadline_s: spec.active_deadline_seconds.map(unsigned),
        service_account: spec.service_account_name.unwrap_or_else(|| "default".into()),
        node_name: spec.node_name.unwrap_or_default(),
        readiness_gates: spec
            .readiness_gates
            .unwrap_or_default()
            .into_iter()
            .map(|gate| gate.condition_type)
            .collect(),
        image_pull_secrets: spec
            .image_pull_secrets
            .unwrap_or_default()
            .into_iter()
            .map(|reference| reference.name)
            .collect(),
        qos,
        unsupported: refusals.0,
    };
    Ok((decoded, previous))
}

/// What whole classes of pods need and this node does not have.
fn refuse_pod_fields(spec: &api::PodSpec, refusals: &mut Refusals) {
    refusals.if_set(spec.runtime_class_name.is_some(), "spec.runtimeClassName");
    refusals.if_set(spec.host_users == Some(false), "spec.hostUsers");
    refusals.if_set(spec.resource_claims.is_some(), "spec.resourceClaims");
    refusals.if_set(spec.resources.is_some(), "spec.resources");
    refusals.if_set(spec.set_hostname_as_fqdn == Some(true), "spec.setHostnameAsFQDN");
    if spec.os.as_ref().is_some_and(|os| os.name != "linux") {
        refusals.add("spec.os.name", "this node runs linux");
    }
}

fn pod_security(context: Option<&api::PodSecurityContext>, refusals: &mut Refusals) -> PodSecurity {
    let Some(context) = context else { return PodSecurity::default() };
    let field = "spec.securityContext";
    refusals.if_set(context.se_linux_options.is_some(), format!("{field}.seLinuxOptions"));
    refusals.if_set(context.windows_options.is_some(), format!("{field}.windowsOptions"));
    refusals.if_set(
        context.supplemental_groups_policy.as_deref() == Some("Strict"),
        format!("{field}.supplementalGroupsPolicy"),
    );
    if context.app_armor_profile.as_ref().is_some_and(|p| p.type_ == "Localhost") {
        refusals.add(format!("{field}.appArmorProfile"), "Localhost profiles are not supported");
    }
    let sysctls = context.sysctls.clone().unwrap_or_default();
    PodSecurity {
        run_as_user: context.run_as_user,
        run_as_group: context.run_as_group,
        run_as_non_root: context.run_as_non_root.unwrap_or(false),
        fs_group: context.fs_group.and_then(|group| u32::try_from(group).ok()),
        supplemental_groups: context.supplemental_groups.clone().unwrap_or_default(),
        sysctls: sysctls.into_iter().map(|s| (s.name, s.value)).collect(),
        seccomp: seccomp(field, context.seccomp_profile.as_ref(), refusals),
    }
}

pub(super) fn seccomp(
    field: &str,
    profile: Option<&api::SeccompProfile>,
    refusals: &mut Refusals,
) -> Option<Seccomp> {
    match profile?.type_.as_str() {
        "RuntimeDefault" => Some(Seccomp::RuntimeDefault),
        "Unconfined" => Some(Seccomp::Unconfined),
        other => {
            let detail = format!("{other} is not supported; use RuntimeDefault or Unconfined");
            refusals.add(format!("{field}.seccompProfile.type"), detail);
            None
        }
    }
}

/// The pod's name unless it says another; 63 characters are what the kernel's UTS name may have.
fn hostname(wanted: Option<String>, pod_name: &str) -> String {
    let mut name = wanted.filter(|h| !h.is_empty()).unwrap_or_else(|| pod_name.to_owned());
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

fn host_alias(alias: api::HostAlias) -> HostAlias {
    HostAlias { ip: alias.ip, hostnames: alias.hostnames.unwrap_or_default() }
}

fn dns_options(config: api::PodDNSConfig) -> DnsOptions {
    let option = |o: api::PodDNSConfigOption| match (o.name, o.value) {
        (Some(name), Some(value)) => Some(format!("{name}:{value}")),
        (name, _) => name,
    };
    DnsOptions {
        servers: config.nameservers.unwrap_or_default(),
        searches: config.searches.unwrap_or_default(),
        options: config.options.unwrap_or_default().into_iter().filter_map(option).collect(),
    }
}

/// Negative values mean 0, as the API's validation leaves none of them.
pub(super) fn unsigned<T: TryInto<u32>>(value: T) -> u32 {
    value.try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests;
