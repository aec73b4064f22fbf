//! The actions of a plan, carried out: each is a task of its own and says how it went. No choices are made
//! here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::container::{self, Place};
use super::plan::StopReason;
use super::progress::Waiting;
use super::sandbox;
use super::spec::PodSpec;
use crate::context::Shared;
use crate::recorder::About;
use crate::{hooks, images, pull_secrets, socket_hooks, volumes};

/// A stop signal is given at least this long, even after a preStop hook that took all of the grace.
const GRACE_AFTER_HOOK_MIN: Duration = Duration::from_secs(2);

/// How an action went.
#[derive(Debug)]
pub(crate) enum Done {
    Sandbox(Result<(), SandboxFailure>),
    Started {
        name: String,
        /// When the run before ended, of a restart.
        after: Option<Timestamp>,
        result: Result<String, Waiting>,
    },
    Stopped {
        name: String,
        result: Result<(), String>,
    },
    SandboxStopped(Result<(), String>),
    Removed {
        id: String,
    },
}

/// Why a sandbox could not be made: the event's reason and message.
#[derive(Debug)]
pub(crate) struct SandboxFailure {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// Volumes, cgroup, log directory, sandbox.
pub(crate) async fn create_sandbox(context: Shared, spec: Arc<PodSpec>, attempt: u32) -> Done {
    Done::Sandbox(try_create_sandbox(&context, &spec, attempt).await)
}

async fn try_create_sandbox(
    context: &Shared,
    spec: &Arc<PodSpec>,
    attempt: u32,
) -> Result<(), SandboxFailure> {
    update_volumes(context.clone(), spec.clone())
        .await
        .map_err(|message| SandboxFailure { reason: "FailedMount", message })?;
    let failed = |message: String| SandboxFailure { reason: "FailedCreatePodSandBox", message };
    let driver = context.runtime_facts().cgroup_driver;
    if let Err(error) = context.cgroups.ensure(spec, driver) {
        return Err(failed(format!("Failed to create the pod's cgroup: {error}")));
    }
    let log_directory = context.log_directory(spec);
    std::fs::create_dir_all(&log_directory).map_err(|error| {
        failed(format!("Failed to create {}: {error}", log_directory.display()))
    })?;
    let config = sandbox::config(context, spec, attempt);
    let id =
        context.cri().run_sandbox(config).await.map_err(|status| {
            failed(format!("Failed to create pod sandbox: {}", status.message()))
        })?;
    context.own(&id, &spec.uid);
    Ok(())
}

/// Makes the pod's volumes, or brings them up to date.
pub(crate) async fn update_volumes(context: Shared, spec: Arc<PodSpec>) -> Result<(), String> {
    let work = move || {
        let directory = context.directory(&spec.uid);
        std::fs::create_dir_all(&directory.0)
            .map_err(|error| format!("{}: {error}", directory.0.display()))?;
        volumes::ensure(&spec, &directory, &context.facts(&[]), &context.data)
            .map_err(|error| error.to_string())
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// What a start needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) spec: Arc<PodSpec>,
    pub(crate) name: String,
    pub(crate) attempt: u32,
    /// When the run before ended, of a restart.
    pub(crate) after: Option<Timestamp>,
    pub(crate) sandbox_id: String,
    pub(crate) sandbox_attempt: u32,
    pub(crate) pod_ips: Vec<String>,
    /// The pod goes away: what may take long is given up.
    pub(crate) cancel: CancellationToken,
}

/// Image, creation, start, postStart.
pub(crate) async fn start_container(context: Shared, start: Start) -> Done {
    let (name, after) = (start.name.clone(), start.after);
    Done::Started { name, after, result: try_start(&context, &start).await }
}

async fn try_start(context: &Shared, start: &Start) -> Result<String, Waiting> {
    let Start { spec, name, attempt, sandbox_id, sandbox_attempt, pod_ips, cancel, .. } = start;
    let about = About::container(spec, name);
    let Some(container) = spec.container(name) else {
        let message = format!("container {name} is not in the pod any more");
        return Err(Waiting { reason: "CreateContainerError", message });
    };
    let sandbox_config = sandbox::config(context, spec, *sandbox_attempt);
    let canceled = || Waiting { reason: "ContainerCreating", message: String::new() };
    let cri = context.cri();
    let credentials = pull_secrets::credentials(spec, &container.image, &context.data);
    let recorder = &context.recorder;
    let pulled = sandbox_config.clone();
    let image = tokio::select! {
        image = images::ensure(cri, recorder, &about, container, credentials, pulled) => image?,
        () = cancel.cancelled() => return Err(canceled()),
    };
    let place = Place { spec, container, attempt: *attempt, pod_ips };
    let config = container::config(context, place, &image).inspect_err(|waiting| {
        context.recorder.warning(&about, "Failed", format!("Error: {}", waiting.message));
    })?;
    let log = context.log_directory(spec).join(&config.log_path);
    if let Some(parent) = log.parent() {
        // The runtime says it better when this is not possible.
        let _ = std::fs::create_dir_all(parent);
    }
    let refused = |reason: &'static str, status: tonic::Status| {
        let message = status.message().to_owned();
        context.recorder.warning(&about, "Failed", format!("Error: {message}"));
        Waiting { reason, message }
    };
    let id = cri
        .create_container(sandbox_id, config, sandbox_config)
        .await
        .map_err(|status| refused("CreateContainerError", status))?;
    context.own(&id, &spec.uid);
    context.recorder.normal(&about, "Created", format!("Created container: {name}"));
    cri.start_container(&id).await.map_err(|status| refused("RunContainerError", status))?;
    context.recorder.normal(&about, "Started", format!("Started container {name}"));
    post_start(context, start, &about, &id).await?;
    Ok(id)
}

/// A container whose postStart hook fails is stopped again.
async fn post_start(
    context: &Shared,
    start: &Start,
    about: &About,
    id: &str,
) -> Result<(), Waiting> {
    let Some(hook) = start.spec.container(&start.name).and_then(|c| c.post_start.as_ref()) else {
        return Ok(());
    };
    let pod_ip = pod_ip(context, &start.spec, &start.pod_ips);
    let no_limit = Duration::from_secs(24 * 3600);
    let ran = tokio::select! {
        ran = hooks::run(context.cri(), hook, id, pod_ip, no_limit) => ran,
        // It is stopped with the pod.
        () = start.cancel.cancelled() => return Ok(()),
    };
    let Err(error) = ran else { return Ok(()) };
    context.recorder.warning(
        about,
        "FailedPostStartHook",
        format!("PostStartHook failed: {error}"),
    );
    let message = format!("FailedPostStartHook: {error}");
    context.recorder.normal(about, "Killing", "FailedPostStartHook");
    let grace = Duration::from_secs(start.spec.termination_grace_s.into());
    // What goes wrong here shows in the container's state.
    let _ = context.cri().stop_container(id, grace).await;
    Err(Waiting { reason: "PostStartHookError", message })
}

/// What a stop needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) spec: Arc<PodSpec>,
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) grace_s: u32,
    pub(crate) why: StopReason,
    /// Ran already, when a stop is hurried.
    pub(crate) skip_hook: bool,
    pub(crate) pod_ips: Vec<String>,
}

/// preStop, stop signal, kill.
pub(crate) async fn stop_container(context: Shared, stop: Stop) -> Done {
    let Stop { spec, name, id, grace_s, why, skip_hook, pod_ips } = stop;
    let about = About::container(&spec, &name);
    let message = match why {
        StopReason::PodEnds => format!("Stopping container {name}"),
        StopReason::Unhealthy(message) => message,
        StopReason::Changed => format!("Container {name} definition changed, will be restarted"),
        StopReason::SandboxLost => format!("Stopping container {name}: the pod's sandbox is gone"),
    };
    if !skip_hook {
        context.recorder.normal(&about, "Killing", message);
    }
    let mut grace = Duration::from_secs(grace_s.into());
    let hook = spec.container(&name).and_then(|c| c.pre_stop.as_ref());
    if let Some(hook) = hook.filter(|_| !skip_hook && grace_s > 0) {
        let begin = Instant::now();
        let pod_ip = pod_ip(&context, &spec, &pod_ips);
        let ran = hooks::run(context.cri(), hook, &id, pod_ip, grace);
        let ran = tokio::time::timeout(grace, ran).await;
        if let Ok(Err(error)) = ran {
            let message = format!("PreStopHook failed: {error}");
            context.recorder.warning(&about, "FailedPreStopHook", message);
        }
        grace = grace.saturating_sub(begin.elapsed()).max(GRACE_AFTER_HOOK_MIN.min(grace));
    }
    let result = context.cri().stop_container(&id, grace).await;
    let result = result.map_err(|status| status.message().to_owned());
    Done::Stopped { name, result }
}

/// The address that probes and hooks ask.
pub(crate) fn pod_ip(context: &Shared, spec: &PodSpec, pod_ips: &[String]) -> Option<IpAddr> {
    if spec.host_network {
        let node = context.config.node_ips.first().copied();
        return Some(node.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)));
    }
    pod_ips.first()?.parse().ok()
}

/// Ends what runs in the sandbox of a pod that is over, its network and namespaces; then nobody needs
/// volumes that are in memory.
pub(crate) async fn stop_sandbox(context: Shared, spec: Arc<PodSpec>, id: String) -> Done {
    socket_hooks::forget(&context, &id).await;
    if let Err(status) = context.cri().stop_sandbox(&id).await {
        return Done::SandboxStopped(Err(status.message().to_owned()));
    }
    let directory = context.directory(&spec.uid);
    let unmounted = tokio::task::spawn_blocking(move || volumes::unmount(&directory)).await;
    if let Ok(Err(error)) = unmounted {
        // They go with the pod's directory at the latest.
        tracing::warn!(pod = %spec.key, %error, "volumes in memory are not freed");
    }
    Done::SandboxStopped(Ok(()))
}

pub(crate) async fn remove_container(
    context: Shared,
    id: String,
    log: Option<std::path::PathBuf>,
) -> Done {
    if let Err(status) = context.cri().remove_container(&id).await {
        tracing::debug!(id, %status, "container not removed");
    } else if let Some(log) = log {
        crate::log_files::remove_run(&log);
    }
    Done::Removed { id }
}

pub(crate) async fn remove_sandbox(context: Shared, id: String) -> Done {
    socket_hooks::forget(&context, &id).await;
    if let Err(status) = context.cri().remove_sandbox(&id).await {
        tracing::debug!(id, %status, "sandbox not removed");
    }
    Done::Removed { id }
}

/// Ends a pod whose object nobody has any more, with what time its object once gave it.
pub(crate) async fn end_orphan(
    context: &Shared,
    key: &super::spec::PodKey,
    uid: &super::spec::PodUid,
) -> Result<(), String> {
    let listed = context.cri().list_containers(crate::cri::PodLabels::selector(uid)).await;
    let containers = listed.map_err(|status| status.message().to_owned())?;
    let stops = containers.iter().map(|container| {
        let grace_s = container.annotations.get(crate::cri::GRACE_ANNOTATION);
        let grace_s = grace_s.and_then(|text| text.parse().ok()).unwrap_or(0);
        context.cri().stop_container(&container.id, Duration::from_secs(grace_s))
    });
    // What does not stop is ended with its sandbox.
    futures::future::join_all(stops).await;
    remove_pod(context, key, uid).await
}

/// Takes away all of a pod that is left in the runtime and on the disk. Nothing of it runs any more; can
/// be repeated.
pub(crate) async fn remove_pod(
    context: &Shared,
    key: &super::spec::PodKey,
    uid: &super::spec::PodUid,
) -> Result<(), String> {
    let selector = crate::cri::PodLabels::selector(uid);
    let text = |status: tonic::Status| status.message().to_owned();
    for sandbox in context.cri().list_sandboxes(selector).await.map_err(text)? {
        socket_hooks::forget(context, &sandbox.id).await;
        context.cri().stop_sandbox(&sandbox.id).await.map_err(text)?;
        context.cri().remove_sandbox(&sandbox.id).await.map_err(text)?;
    }
    let log_directory = format!("{}_{}_{}", key.namespace, key.name, uid);
    let log_directory = context.config.log_dir.join(log_directory);
    let (context, uid) = (context.clone(), uid.clone());
    let work = move || {
        volumes::remove(&context.directory(&uid)).map_err(|error| error.to_string())?;
        context.cgroups.remove(&uid);
        context.disown(&uid);
        match std::fs::remove_dir_all(&log_directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", log_directory.display()))
            }
            _ => Ok(()),
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}
