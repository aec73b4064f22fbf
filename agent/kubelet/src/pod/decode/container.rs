//! One container of a v1 Pod.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Component, Path};

use k8s_openapi::api::core::v1 as api;

use super::env::{env, env_from};
use super::probe::{hook, probe};
use super::qos::amount;
use super::{Refusals, seccomp};
use crate::pod::spec::{
    Container, ContainerPort, ContainerSecurity, PodSecurity, PortProtocol, Propagation,
    PullPolicy, Resources, VolumeMount,
};

/// `field` is the container's path in the object, for messages.
pub(super) fn container(
    field: &str,
    container: api::Container,
    pod: &PodSecurity,
    volumes: &BTreeSet<&str>,
    refusals: &mut Refusals,
) -> Container {
    refuse_container_fields(field, &container, refusals);
    let image = container.image.unwrap_or_default();
    let ports: Vec<_> = container.ports.unwrap_or_default().into_iter().map(port).collect();
    for (index, port) in ports.iter().enumerate() {
        if !port.host_ip.is_empty() && port.host_ip.parse::<IpAddr>().is_err() {
            refusals.add(format!("{field}.ports[{index}].hostIP"), "must be a valid IP address");
        }
    }
    let lifecycle = container.lifecycle.unwrap_or_default();
    refusals.if_set(lifecycle.stop_signal.is_some(), format!("{field}.lifecycle.stopSignal"));
    let probe_of = |name: &str, p: Option<api::Probe>, refusals: &mut Refusals| {
        probe(&format!("{field}.{name}"), p, &ports, refusals)
    };
    let readiness = probe_of("readinessProbe", container.readiness_probe, refusals);
    let liveness = probe_of("livenessProbe", container.liveness_probe, refusals);
    let startup = probe_of("startupProbe", container.startup_probe, refusals);
    let mut hook_of = |name: &str, h: Option<api::LifecycleHandler>| {
        hook(&format!("{field}.lifecycle.{name}"), h, &ports, refusals)
    };
    let post_start = hook_of("postStart", lifecycle.post_start);
    let pre_stop = hook_of("preStop", lifecycle.pre_stop);
    let mounts = container.volume_mounts.unwrap_or_default().into_iter().enumerate();
    Container {
        sidecar: container.restart_policy.as_deref() == Some("Always"),
        pull_policy: pull_policy(container.image_pull_policy.as_deref(), &image),
        image,
        command: container.command.unwrap_or_default(),
        args: container.args.unwrap_or_default(),
        working_dir: container.working_dir.unwrap_or_default(),
        env: env(&format!("{field}.env"), container.env, refusals),
        env_from: env_from(container.env_from),
        ports,
        resources: container.resources.as_ref().map(resources).unwrap_or_default(),
        mounts: mounts.filter_map(|(i, m)| mount(field, i, m, volumes, refusals)).collect(),
        readiness,
        liveness,
        startup,
        post_start,
        pre_stop,
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        security: security(field, container.security_context, pod, refusals),
        termination_message_path: container
            .termination_message_path
            .unwrap_or_else(|| "/dev/termination-log".into()),
        termination_message_from_logs: container.termination_message_policy.as_deref()
            == Some("FallbackToLogsOnError"),
        name: container.name,
    }
}

fn refuse_container_fields(field: &str, container: &api::Container, refusals: &mut Refusals) {
    refusals.if_set(container.volume_devices.is_some(), format!("{field}.volumeDevices"));
    refusals.if_set(
        container.restart_policy_rules.as_ref().is_some_and(|rules| !rules.is_empty()),
        format!("{field}.restartPolicyRules"),
    );
    let is_init = field.starts_with("spec.initContainers");
    match container.restart_policy.as_deref() {
        None => {}
        Some("Always") if is_init => {}
        Some(_) => refusals.if_set(true, format!("{field}.restartPolicy")),
    }
    let resources = container.resources.iter();
    for claims in resources.clone().filter_map(|r| r.claims.as_ref()) {
        refusals.if_set(!claims.is_empty(), format!("{field}.resources.claims"));
    }
    for name in resources.filter_map(|r| r.limits.as_ref()).flat_map(|limits| limits.keys()) {
        if !matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            refusals.if_set(true, format!("{field}.resources.limits[{name}]"));
        }
    }
}

/// The API server's default: a tag that can move is asked for again.
fn pull_policy(policy: Option<&str>, image: &str) -> PullPolicy {
    match policy {
        Some("Always") => PullPolicy::Always,
        Some("Never") => PullPolicy::Never,
        Some("IfNotPresent") => PullPolicy::IfNotPresent,
        _ => {
            let last = image.rsplit('/').next().unwrap_or(image);
            let moves = !image.contains('@') && (!last.contains(':') || last.ends_with(":latest"));
            if moves { PullPolicy::Always } else { PullPolicy::IfNotPresent }
        }
    }
}

fn port(port: api::ContainerPort) -> ContainerPort {
    let number = |n: i32| u16::try_from(n).ok().filter(|n| *n != 0);
    ContainerPort {
        name: port.name.unwrap_or_default(),
        port: number(port.container_port).unwrap_or_default(),
        host_port: port.host_port.and_then(number),
        host_ip: port.host_ip.unwrap_or_default(),
        protocol: match port.protocol.as_deref() {
            Some("UDP") => PortProtocol::Udp,
            Some("SCTP") => PortProtocol::Sctp,
            _ => PortProtocol::Tcp,
        },
    }
}

fn resources(resources: &api::ResourceRequirements) -> Resources {
    let limit = |name| amount(resources.limits.as_ref(), name);
    let request = |name| amount(resources.requests.as_ref(), name).or(limit(name));
    Resources {
        cpu_request: request("cpu"),
        cpu_limit: limit("cpu"),
        memory_request: request("memory"),
        memory_limit: limit("memory"),
        storage_request: request("ephemeral-storage"),
        storage_limit: limit("ephemeral-storage"),
    }
}

fn mount(
    field: &str,
    index: usize,
    mount: api::VolumeMount,
    volumes: &BTreeSet<&str>,
    refusals: &mut Refusals,
) -> Option<VolumeMount> {
    let field = format!("{field}.volumeMounts[{index}]");
    if !volumes.contains(mount.name.as_str()) {
        refusals.add(format!("{field}.name"), format!("Not found: {:?}", mount.name));
        return None;
    }
    refusals.if_set(
        mount.recursive_read_only.as_deref() == Some("Enabled"),
        format!("{field}.recursiveReadOnly"),
    );
    let sub_path_expands = mount.sub_path_expr.is_some();
    let sub_path = mount.sub_path_expr.or(mount.sub_path).filter(|path| !path.is_empty());
    if sub_path.as_deref().is_some_and(|path| !stays_below(Path::new(path))) {
        refusals.add(format!("{field}.subPath"), "must be a relative path without '..'");
    }
    Some(VolumeMount {
        volume: mount.name,
        mount_path: mount.mount_path,
        read_only: mount.read_only.unwrap_or(false),
        sub_path,
        sub_path_expands,
        propagation: match mount.mount_propagation.as_deref() {
            Some("HostToContainer") => Propagation::HostToContainer,
            Some("Bidirectional") => Propagation::Bidirectional,
            _ => Propagation::None,
        },
    })
}

/// Relative, and never going up.
pub(crate) fn stays_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn security(
    field: &str,
    context: Option<api::SecurityContext>,
    pod: &PodSecurity,
    refusals: &mut Refusals,
) -> ContainerSecurity {
    let context = context.unwrap_or_default();
    let field = format!("{field}.securityContext");
    refusals.if_set(context.se_linux_options.is_some(), format!("{field}.seLinuxOptions"));
    refusals.if_set(context.windows_options.is_some(), format!("{field}.windowsOptions"));
    if context.app_armor_profile.as_ref().is_some_and(|p| p.type_ == "Localhost") {
        refusals.add(format!("{field}.appArmorProfile"), "Localhost profiles are not supported");
    }
    let privileged = context.privileged.unwrap_or(false);
    let capabilities = context.capabilities.unwrap_or_default();
    let add_capabilities = capabilities.add.unwrap_or_default();
    let gains =
        privileged || add_capabilities.iter().any(|c| c == "SYS_ADMIN" || c == "CAP_SYS_ADMIN");
    ContainerSecurity {
        privileged,
        run_as_user: context.run_as_user.or(pod.run_as_user),
        run_as_group: context.run_as_group.or(pod.run_as_group),
        run_as_non_root: context.run_as_non_root.unwrap_or(pod.run_as_non_root),
        read_only_root: context.read_only_root_filesystem.unwrap_or(false),
        no_new_privileges: context.allow_privilege_escalation == Some(false) && !gains,
        add_capabilities,
        drop_capabilities: capabilities.drop.unwrap_or_default(),
        seccomp: match context.seccomp_profile {
            Some(profile) => seccomp(&field, Some(&profile), refusals),
            None => pod.seccomp,
        },
        unmasked_proc: context.proc_mount.as_deref() == Some("Unmasked"),
    }
}
