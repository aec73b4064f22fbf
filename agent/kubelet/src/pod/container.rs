//! A container, as the runtime is asked for it.

use std::collections::BTreeMap;
use std::path::Path;

use super::progress::Waiting;
use super::sandbox::{groups, namespaces, seccomp};
use super::spec::{Container, PodSpec, Propagation, VolumeMount};
use crate::cgroups;
use crate::context::Context;
use crate::cri::{
    GRACE_ANNOTATION, IMAGE_ANNOTATION, PodLabels, TERMINATION_FILE_ANNOTATION,
    TERMINATION_LOGS_ANNOTATION, v1,
};
use crate::env::{self, Facts, expand};
use crate::images::LocalImage;
use crate::volumes::bind_sub_path;

/// Below /proc and /sys, what a container that is not privileged does not see.
const MASKED_PATHS: [&str; 10] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
];

/// And what it only reads.
const READ_ONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Where a run of a container belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) spec: &'a PodSpec,
    pub(crate) container: &'a Container,
    pub(crate) attempt: u32,
    pub(crate) pod_ips: &'a [String],
}

/// The configuration of a run. Makes the files and mounts that it names.
pub(crate) fn config(
    context: &Context,
    place: Place<'_>,
    image: &LocalImage,
) -> Result<v1::ContainerConfig, Waiting> {
    let Place { spec, container, attempt, .. } = place;
    let invalid = |message: String| Waiting { reason: "CreateContainerConfigError", message };
    check_user(container, image).map_err(invalid)?;
    let links = &context.config.service_links;
    let services = links.variables(&spec.key.namespace, spec.service_links);
    let facts = Facts { services, ..context.facts(place.pod_ips) };
    let variables = env::variables(spec, container, &facts, &context.data)
        .map_err(|error| invalid(error.to_string()))?;
    let mut annotations = BTreeMap::from([
        (IMAGE_ANNOTATION.to_owned(), container.image.clone()),
        (GRACE_ANNOTATION.to_owned(), spec.termination_grace_s.to_string()),
    ]);
    let mounts = mounts(context, place, &variables, &mut annotations)
        .map_err(|error| invalid(error.to_string()))?;
    if container.termination_message_from_logs {
        annotations.insert(TERMINATION_LOGS_ANNOTATION.into(), "true".into());
    }
    Ok(v1::ContainerConfig {
        metadata: Some(v1::ContainerMetadata { name: container.name.clone(), attempt }),
        image: Some(v1::ImageSpec {
            image: image.id.clone(),
            user_specified_image: container.image.clone(),
            ..Default::default()
        }),
        command: env::expand_all(&container.command, &variables),
        args: env::expand_all(&container.args, &variables),
        working_dir: container.working_dir.clone(),
        envs: variables.into_iter().map(|(key, value)| v1::KeyValue { key, value }).collect(),
        mounts,
        labels: PodLabels::write_container(&spec.key, &spec.uid, &container.name),
        annotations,
        log_path: log_path(&container.name, attempt),
        stdin: container.stdin,
        stdin_once: container.stdin_once,
        tty: container.tty,
        linux: Some(v1::LinuxContainerConfig {
            resources: Some(resources(context, spec, container)),
            security_context: Some(security(spec, container, image)),
        }),
    })
}

/// Below the pod's log directory.
pub(crate) fn log_path(container: &str, attempt: u32) -> String {
    format!("{container}/{attempt}.log")
}

/// `runAsNonRoot` must be provable before anything runs.
fn check_user(container: &Container, image: &LocalImage) -> Result<(), String> {
    let security = &container.security;
    if !security.run_as_non_root {
        return Ok(());
    }
    match (security.run_as_user, image.uid, image.username.as_str()) {
        (Some(0), ..) => Err("container's runAsUser breaks non-root policy".into()),
        (Some(_), ..) => Ok(()),
        (None, Some(0), _) | (None, None, "") => {
            Err("container has runAsNonRoot and image will run as root".into())
        }
        (None, Some(_), _) => Ok(()),
        (None, None, name) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify \
             user is non-root"
        )),
    }
}

fn resources(
    context: &Context,
    spec: &PodSpec,
    container: &Container,
) -> v1::LinuxContainerResources {
    let asked = &container.resources;
    let request = asked.cpu_request.unwrap_or(crate::quantity::Quantity::ZERO);
    v1::LinuxContainerResources {
        cpu_shares: cgroups::cpu_shares(request),
        cpu_period: asked.cpu_limit.map_or(0, |_| cgroups::CPU_PERIOD_US),
        cpu_quota: asked.cpu_limit.map_or(0, cgroups::cpu_quota_us),
        memory_limit_in_bytes: asked.memory_limit.map_or(0, |limit| limit.units()),
        oom_score_adj: cgroups::oom_score_adj(spec, container, context.node_memory_bytes),
        ..Default::default()
    }
}

fn security(
    spec: &PodSpec,
    container: &Container,
    image: &LocalImage,
) -> v1::LinuxContainerSecurityContext {
    let asked = &container.security;
    let int = |value: i64| v1::Int64Value { value };
    let paths = |list: &[&str]| list.iter().map(|path| (*path).to_owned()).collect();
    let masked = !asked.privileged && !asked.unmasked_proc;
    // The runtime must be told the image's user; it only knows the container's.
    let (uid, username) = match (asked.run_as_user, image.uid) {
        (Some(uid), _) => (Some(uid), String::new()),
        (None, Some(uid)) => (Some(uid), String::new()),
        (None, None) => (None, image.username.clone()),
    };
    let has_user = uid.is_some() || !username.is_empty();
    v1::LinuxContainerSecurityContext {
        capabilities: Some(v1::Capability {
            add_capabilities: asked.add_capabilities.clone(),
            drop_capabilities: asked.drop_capabilities.clone(),
        }),
        privileged: asked.privileged,
        namespace_options: Some(namespaces(spec)),
        run_as_user: uid.map(int),
        run_as_username: username,
        run_as_group: asked.run_as_group.filter(|_| has_user).map(int),
        readonly_rootfs: asked.read_only_root,
        supplemental_groups: groups(spec),
        no_new_privs: asked.no_new_privileges,
        masked_paths: if masked { paths(&MASKED_PATHS) } else { Vec::new() },
        readonly_paths: if masked { paths(&READ_ONLY_PATHS) } else { Vec::new() },
        seccomp: Some(seccomp(asked.seccomp.filter(|_| !asked.privileged))),
    }
}

fn mounts(
    context: &Context,
    place: Place<'_>,
    variables: &[(String, String)],
    annotations: &mut BTreeMap<String, String>,
) -> std::io::Result<Vec<v1::Mount>> {
    let Place { spec, container, attempt, pod_ips } = place;
    let directory = context.directory(&spec.uid);
    let mut mounts = Vec::new();
    for (index, mount) in container.mounts.iter().enumerate() {
        let Some(volume) = spec.volumes.iter().find(|v| v.name == mount.volume) else { continue };
        let mut host_path = directory.volume(volume);
        if let Some(sub_path) = sub_path(mount, variables)? {
            let target = directory.0.join("volume-subpaths").join(&volume.name);
            let target = target.join(&container.name).join(index.to_string());
            host_path = bind_sub_path(&host_path, &sub_path, &target)?;
        }
        mounts.push(v1::Mount {
            container_path: mount.mount_path.clone(),
            host_path: host_path.display().to_string(),
            readonly: mount.read_only,
            propagation: match mount.propagation {
                Propagation::None => v1::MountPropagation::PropagationPrivate,
                Propagation::HostToContainer => v1::MountPropagation::PropagationHostToContainer,
                Propagation::Bidirectional => v1::MountPropagation::PropagationBidirectional,
            }
            .into(),
            ..Default::default()
        });
    }
    let taken = |path: &str| container.mounts.iter().any(|mount| mount.mount_path == path);
    let mut own = |container_path: &str, host_path: &Path| {
        mounts.push(v1::Mount {
            container_path: container_path.into(),
            host_path: host_path.display().to_string(),
            ..Default::default()
        });
    };
    if !taken("/etc/hosts") {
        let node_hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        let domain = context.cluster_dns().domain;
        let text = crate::network::hosts(spec, pod_ips, &domain, &node_hosts);
        std::fs::create_dir_all(&directory.0)?;
        std::fs::write(directory.hosts_file(), text)?;
        own("/etc/hosts", &directory.hosts_file());
    }
    if !taken(&container.termination_message_path) {
        let file = directory.container(&container.name).join(format!("termination-{attempt}"));
        std::fs::create_dir_all(directory.container(&container.name))?;
        std::fs::File::create(&file)?;
        // Containers write it as whatever user they are.
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(&file, everybody)?;
        own(&container.termination_message_path, &file);
        annotations.insert(TERMINATION_FILE_ANNOTATION.into(), file.display().to_string());
    }
    Ok(mounts)
}

/// Variables can bring in what decoding could not see.
fn sub_path(
    mount: &VolumeMount,
    variables: &[(String, String)],
) -> std::io::Result<Option<String>> {
    let Some(path) = &mount.sub_path else { return Ok(None) };
    if !mount.sub_path_expands {
        return Ok(Some(path.clone()));
    }
    let known =
        |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let expanded = expand(path, known);
    if expanded.contains("$(") {
        let message = format!("missing value for a variable in subPathExpr {path:?}");
        return Err(std::io::Error::other(message));
    }
    if Path::new(&expanded).is_absolute() || expanded.split('/').any(|part| part == "..") {
        let message = format!("subPathExpr {path:?} must be a relative path without '..'");
        return Err(std::io::Error::other(message));
    }
    Ok(Some(expanded))
}
