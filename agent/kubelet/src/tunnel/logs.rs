//! A container's log for `kubectl logs`: from its files, with what is appended as it comes.

use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use sheave_push::v1::{self, tunnel_data::Kind};
use tokio::io::unix::AsyncFd;

use super::{Answers, Refusal, data};
use crate::context::Shared;
use crate::cri::{self, v1 as criv1};
use crate::log_files::files_of_run;
use crate::logs::Line;
use crate::pod::spec::PodUid;

/// Bytes of one message, unless a line is longer.
const CHUNK_BYTES: usize = 16 << 10;
/// Of the blocks in which the end of a file is looked through.
const BLOCK_BYTES: u64 = 64 << 10;
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

/// Reads a run's files in order and tells their lines.
struct Reader {
    log: PathBuf,
    /// Files that come after the open one.
    waiting: std::collections::VecDeque<PathBuf>,
    file: BufReader<std::fs::File>,
    /// A line whose end is not written yet.
    line: Vec<u8>,
    wanted: Wanted,
    chunk: Vec<u8>,
    answers: Answers,
}

impl Reader {
    fn open(log: &Path, mut wanted: Wanted, answers: Answers) -> std::io::Result<Self> {
        let mut files: std::collections::VecDeque<_> = files_of_run(log).into();
        let mut offset = 0;
        if let Some(lines) = wanted.tail_lines.take() {
            let mut left = lines;
            let mut first = files.len() - 1;
            loop {
                let (start, found) = tail(&files[first], left)?;
                offset = start;
                left -= found;
                if left == 0 || first == 0 {
                    break;
                }
                first -= 1;
            }
            files.drain(..first);
        }
        let first = files.pop_front().unwrap_or_else(|| log.to_owned());
        let mut file = std::fs::File::open(first)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            log: log.to_owned(),
            waiting: files,
            file: BufReader::new(file),
            line: Vec::new(),
            wanted,
            chunk: Vec::new(),
            answers,
        })
    }

    fn read_to_end(mut self) -> std::io::Result<()> {
        self.read_new().map(drop)
    }

    /// Tells all that is there. False: no more is wanted, or nobody listens.
    fn read_new(&mut self) -> std::io::Result<bool> {
        loop {
            while self.file.read_until(b'\n', &mut self.line)? > 0 {
                if self.line.ends_with(b"\n") {
                    let line = std::mem::take(&mut self.line);
                    if !self.tell(&line) {
                        self.flush();
                        return Ok(false);
                    }
                }
            }
            let Some(next) = self.next_file()? else { return Ok(self.flush()) };
            self.file = BufReader::new(next);
            self.line.clear();
        }
    }

    /// The file after the open one: one that was there from the start, or the one that took its place.
    fn next_file(&mut self) -> std::io::Result<Option<std::fs::File>> {
        if let Some(next) = self.waiting.pop_front() {
            return std::fs::File::open(next).map(Some);
        }
        let open = self.file.get_ref().metadata()?;
        let Ok(current) = std::fs::metadata(&self.log) else { return Ok(None) };
        if (open.dev(), open.ino()) == (current.dev(), current.ino()) {
            return Ok(None);
        }
        // Written between the last read and the rotation.
        if self.file.fill_buf()?.is_empty() {
            return std::fs::File::open(&self.log).map(Some);
        }
        Ok(None)
    }

    /// False: no more is wanted, or nobody listens.
    fn tell(&mut self, raw: &[u8]) -> bool {
        let Some(line) = Line::parse(raw) else { return true };
        if let Some(since) = self.wanted.since {
            if line.time.parse::<Timestamp>().is_ok_and(|at| at < since) {
                return true;
            }
            // Times only grow.
            self.wanted.since = None;
        }
        let mut text = Vec::with_capacity(raw.len());
        if self.wanted.timestamps {
            text.extend_from_slice(line.time.as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(line.content);
        if !line.partial {
            text.push(b'\n');
        }
        if let Some(left) = &mut self.wanted.bytes_left {
            text.truncate(*left);
            *left -= text.len();
        }
        self.chunk.extend_from_slice(&text);
        let enough = self.wanted.bytes_left == Some(0);
        if self.chunk.len() >= CHUNK_BYTES {
            return self.flush() && !enough;
        }
        !enough
    }

    /// False: nobody listens.
    fn flush(&mut self) -> bool {
        if self.chunk.is_empty() {
            return !self.answers.is_closed();
        }
        let chunk = std::mem::take(&mut self.chunk);
        self.answers.blocking_send(data(Kind::Data(chunk.into()))).is_ok()
    }
}

/// Where the last `lines` lines of a file begin, and how many of them it has.
fn tail(path: &Path, lines: u64) -> std::io::Result<(u64, u64)> {
    use std::os::unix::fs::FileExt;
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((0, 0)),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok((length, 0));
    }
    let mut found = 0;
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or(0)];
        file.read_exact_at(&mut block, start)?;
        for (at, _) in block.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let position = start + at as u64;
            // The last line's own end begins no line.
            if position + 1 == length {
                continue;
            }
            found += 1;
            if found == lines {
                return Ok((position + 1, found));
            }
        }
        end = start;
    }
    Ok((0, if length > 0 { found + 1 } else { 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn line(n: u32) -> String {
        format!("2026-01-01T00:00:{n:02}Z stdout F line {n}\n")
    }

    async fn read(log: &Path, wanted: Wanted) -> String {
        let (answers, mut received) = mpsc::channel(64);
        let log = log.to_owned();
        blocking(move || Reader::open(&log, wanted, answers)?.read_to_end()).await.unwrap();
        let mut text = Vec::new();
        while let Some(message) = received.recv().await {
            if let Some(Kind::Data(bytes)) = message.kind {
                text.extend_from_slice(&bytes);
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn tails_over_rotated_files() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        std::fs::write(dir.path().join("0.log.20260101-000000"), line(1) + &line(2)).unwrap();
        std::fs::write(&log, line(3) + &line(4)).unwrap();
        let tail = |lines| Wanted { tail_lines: Some(lines), ..Wanted::default() };
        assert_eq!(read(&log, Wanted::default()).await, "line 1\nline 2\nline 3\nline 4\n");
        assert_eq!(read(&log, tail(0)).await, "");
        assert_eq!(read(&log, tail(1)).await, "line 4\n");
        assert_eq!(read(&log, tail(2)).await, "line 3\nline 4\n");
        assert_eq!(read(&log, tail(3)).await, "line 2\nline 3\nline 4\n");
        assert_eq!(read(&log, tail(9)).await, "line 1\nline 2\nline 3\nline 4\n");
    }

    #[tokio::test]
    async fn limits_and_times() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        let partial = "2026-01-01T00:00:04Z stderr P par\n2026-01-01T00:00:04Z stderr F tial\n";
        std::fs::write(&log, line(1) + &line(2) + partial).unwrap();
        let wanted = Wanted { bytes_left: Some(9), ..Wanted::default() };
        assert_eq!(read(&log, wanted).await, "line 1\nli");
        let since = Some("2026-01-01T00:00:02Z".parse().unwrap());
        let wanted = Wanted { since, ..Wanted::default() };
        assert_eq!(read(&log, wanted).await, "line 2\npartial\n");
        let wanted = Wanted { timestamps: true, tail_lines: Some(3), ..Wanted::default() };
        assert!(read(&log, wanted).await.starts_with("2026-01-01T00:00:02Z line 2\n"));
    }

    #[test]
    fn a_rotation_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("0.log");
        std::fs::write(&log, line(1)).unwrap();
        let (answers, mut received) = mpsc::channel(64);
        let mut reader = Reader::open(&log, Wanted::default(), answers).unwrap();
        assert!(reader.read_new().unwrap());
        let mut file = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
        std::io::Write::write_all(&mut file, line(2).as_bytes()).unwrap();
        std::fs::rename(&log, dir.path().join("0.log.1")).unwrap();
        std::fs::write(&log, line(3)).unwrap();
        assert!(reader.read_new().unwrap());
        drop(reader);
        let mut text = Vec::new();
        while let Some(message) = received.blocking_recv() {
            let Some(Kind::Data(bytes)) = message.kind else { panic!() };
            text.extend_from_slice(&bytes);
        }
        assert_eq!(String::from_utf8(text).unwrap(), "line 1\nline 2\nline 3\n");
    }
}
