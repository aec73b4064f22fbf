//! A container's log for `kubectl logs`: from its files, with what is appended as it comes.

mod reader;

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use sheave_push::v1::{self, tunnel_data::Kind};
use tokio::io::unix::AsyncFd;

use reader::Reader;

use super::{Answers, Refusal, data};
use crate::context::Shared;
use crate::cri::{self, v1 as criv1};
use crate::pod::spec::PodUid;

/// A follower looks again this often even when nothing is said to have happened.
const LOOK: Duration = Duration::from_secs(10);
/// The runtime's books lag behind the end of a process.
const SETTLE: Duration = Duration::from_millis(20);

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
struct Wanted {
    timestamps: bool,
    since: Option<Timestamp>,
    tail_lines: Option<u64>,
    bytes_left: Option<usize>,
}

/// The run whose log it is.
struct Run {
    id: String,
    log: PathBuf,
    running: bool,
}

pub(super) async fn serve(
    context: &Shared,
    pod: &v1::ObjectKey,
    uid: &PodUid,
    request: v1::Logs,
    answers: &Answers,
) -> Result<(), Refusal> {
    let wanted = Wanted {
        timestamps: request.timestamps,
        since: since(&request)?,
        tail_lines: request.tail_lines.map(|lines| u64::try_from(lines).unwrap_or(0)),
        bytes_left: request.limit_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(0)),
    };
    // Before the run is looked up, so that its end is not missed.
    let ended = context.ended.subscribe();
    let run = find(context, pod, uid, &request).await?;
    let opened = v1::TunnelOpened { status: 200, ..v1::TunnelOpened::default() };
    if answers.send(data(Kind::Opened(opened))).await.is_err() {
        return Ok(());
    }
    let follow = (request.follow && run.running).then_some(ended);
    let told = match follow {
        None => {
            let (answers, log) = (answers.clone(), run.log.clone());
            let work = move || Reader::open(&log, wanted, answers)?.read_to_end();
            tokio::task::spawn_blocking(work)
                .await
                .unwrap_or_else(|e| Err(std::io::Error::other(e)))
        }
        Some(ended) => follow_run(context, &run, wanted, answers, ended).await,
    };
    let last = match told {
        // A run that has written nothing may have no file.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Kind::Error(error.to_string())
        }
        _ => Kind::HalfClose(v1::HalfClose {}),
    };
    // The client may have gone.
    let _ = answers.send(data(last)).await;
    Ok(())
}

fn since(request: &v1::Logs) -> Result<Option<Timestamp>, Refusal> {
    if let Some(seconds) = request.since_seconds {
        return Ok(Timestamp::now().checked_sub(jiff::SignedDuration::from_secs(seconds)).ok());
    }
    if request.since_time.is_empty() {
        return Ok(None);
    }
    let invalid =
        |_| Refusal::bad_request(format!("sinceTime: Invalid value: {:?}", request.since_time));
    request.since_time.parse().map(Some).map_err(invalid)
}

async fn find(
    context: &Shared,
    pod: &v1::ObjectKey,
    uid: &PodUid,
    request: &v1::Logs,
) -> Result<Run, Refusal> {
    let name = &request.container;
    let containers = context.cri().list_containers(cri::PodLabels::selector(uid)).await?;
    let metadata = |c: &criv1::Container| c.metadata.clone().unwrap_or_default();
    let mut runs: Vec<_> = containers.iter().filter(|c| metadata(c).name == *name).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(metadata(run).attempt));
    let has_begun = |c: &&&criv1::Container| c.state() != criv1::ContainerState::ContainerCreated;
    let mut begun = runs.iter().filter(has_begun);
    let run = if request.previous { begun.nth(1) } else { begun.next() };
    let Some(run) = run else {
        return Err(Refusal::bad_request(if request.previous {
            format!("previous terminated container {name:?} in pod {:?} not found", pod.name)
        } else {
            format!(
                "container {name:?} in pod {:?} is waiting to start: ContainerCreating",
                pod.name
            )
        }));
    };
    let directory = format!("{}_{}_{}", pod.namespace, pod.name, uid);
    let directory = context.config.log_dir.join(directory);
    let log = directory.join(crate::pod::log_path(name, metadata(run).attempt));
    let running = run.state() == criv1::ContainerState::ContainerRunning;
    Ok(Run { id: run.id.clone(), log, running })
}

/// Reads, waits for more, reads, until the run has ended and all it wrote is told.
async fn follow_run(
    context: &Shared,
    run: &Run,
    wanted: Wanted,
    answers: &Answers,
    mut ended: tokio::sync::broadcast::Receiver<String>,
) -> std::io::Result<()> {
    let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
    let directory = run.log.parent().unwrap_or(Path::new("/"));
    let flags = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
    inotify.add_watch(directory, flags)?;
    let fd: OwnedFd = inotify.as_fd().try_clone_to_owned()?;
    // SAFETY: the descriptor is owned by the AsyncFd and so stays open while it is registered.
    let readable = unsafe { AsyncFd::register(fd) }?;
    let (log, to_client) = (run.log.clone(), answers.clone());
    let open = move || Reader::open(&log, wanted, to_client);
    let mut reader = blocking(open).await?;
    let mut over = false;
    loop {
        let (told, same) = blocking(move || {
            let more = reader.read_new()?;
            Ok((more, reader))
        })
        .await?;
        reader = same;
        if !told || over {
            return Ok(());
        }
        tokio::select! {
            guard = readable.readable() => {
                guard?.clear_ready();
                // What happened is seen in the files themselves.
                while inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            }
            () = context_ended(&mut ended, &run.id) => over = settled(context, &run.id).await,
            () = answers.closed() => return Ok(()),
            () = tokio::time::sleep(LOOK) => over = !is_running(context, &run.id).await,
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(std::io::Error::other(e)))
}

/// Returns when this run has ended, or when the news of it may have been lost.
async fn context_ended(ended: &mut tokio::sync::broadcast::Receiver<String>, id: &str) {
    loop {
        match ended.recv().await {
            Ok(other) if other != id => {}
            Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => return,
            // The agent ends.
            Err(tokio::sync::broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The runtime calls a run ended once all that it wrote is in the log.
async fn settled(context: &Shared, id: &str) -> bool {
    for _ in 0..100 {
        if !is_running(context, id).await {
            return true;
        }
        tokio::time::sleep(SETTLE).await;
    }
    false
}

async fn is_running(context: &Shared, id: &str) -> bool {
    let status = context.cri().container_status(id).await;
    status.is_ok_and(|status| status.state() == criv1::ContainerState::ContainerRunning)
}
