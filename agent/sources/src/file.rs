//! The file source: Services, EndpointSlices and other Nodes from manifests, YAML or JSON, in a file or a directory.
//! Every change of the files is a new complete state. For those who want the dataplane alone, and for
//! scenario tests.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use serde_json::Value;
use sheave_core::model::{EndpointSlice, ObjectKey, Peer, Update};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::invalid::Invalid;
use crate::manifest;

/// Why files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A file or directory.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
    /// Changes cannot be watched for.
    #[error("cannot watch {}", path.display())]
    Watch {
        /// What.
        path: PathBuf,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

/// Something in a file that was left out.
#[derive(Debug, thiserror::Error)]
pub enum LeftOut {
    /// A document that is no object.
    #[error("{}: {why}", path.display())]
    Document {
        /// Of which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// An object with a wrong field.
    #[error("{}: {invalid}", path.display())]
    Object {
        /// Of which file.
        path: PathBuf,
        /// What is wrong with it.
        invalid: Invalid,
    },
}

/// Several writes of one save are read together.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(50);

/// Reads everything below a path as one complete state, from [`Update::Init`] to [`Update::InitDone`],
/// and says what was left out.
///
/// # Errors
/// When the path or a file cannot be read: then nothing is known, and nothing is to be concluded.
pub fn read(path: &Path) -> Result<(Vec<Update>, Vec<LeftOut>), FileError> {
    let mut found = Found::default();
    let mut left_out = Vec::new();
    for file in files(path)? {
        let text = std::fs::read_to_string(&file)
            .map_err(|source| FileError::Read { path: file.clone(), source })?;
        for document in documents(&text) {
            match document.and_then(|value| found.take(value)) {
                Ok(invalid) => left_out.extend(
                    invalid
                        .into_iter()
                        .map(|invalid| LeftOut::Object { path: file.clone(), invalid }),
                ),
                Err(why) => left_out.push(LeftOut::Document { path: file.clone(), why }),
            }
        }
    }
    let peers = found.peers.into_values().map(Update::Peer);
    let slices = found.slices.into_values().map(Update::EndpointSlice);
    let services = found.services.into_values();
    let all = [Update::Init].into_iter().chain(peers).chain(slices).chain(services);
    Ok((all.chain([Update::InitDone]).collect(), left_out))
}

/// Reads now and at each change, and sends each complete state, until nobody listens.
///
/// # Errors
/// When the path cannot be read at first, or not be watched. Later failures are logged, and the state
/// before stands.
pub async fn follow(path: PathBuf, updates: mpsc::Sender<Vec<Update>>) -> Result<(), FileError> {
    let watch = Watch::new(&path)?;
    let mut state = read(&path)?;
    loop {
        for left_out in &state.1 {
            tracing::error!(%left_out, "left out");
        }
        if updates.send(state.0.clone()).await.is_err() {
            return Ok(());
        }
        state = loop {
            tokio::select! {
                changed = watch.changed() => changed?,
                () = updates.closed() => return Ok(()),
            }
            match read(&path) {
                Ok(new) if new.0 != state.0 || !new.1.is_empty() => break new,
                Ok(_) => {}
                Err(error) => tracing::error!(error = %error, "the state before stands"),
            }
        };
    }
}

/// The file itself, or the manifests directly in a directory, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::Read { path: path.to_owned(), source };
    if !path.metadata().map_err(failed)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().map_err(failed)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    let is_manifest = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|e| extension == *e))
    };
    files.retain(is_manifest);
    files.sort();
    Ok(files)
}

/// The documents of a YAML stream; JSON is YAML.
fn documents(text: &str) -> Vec<Result<Value, String>> {
    match serde_saphyr::from_multiple::<Value>(text) {
        Ok(values) => values.into_iter().filter(|value| !value.is_null()).map(Ok).collect(),
        Err(error) => vec![Err(error.to_string())],
    }
}

/// What files hold, by key.
#[derive(Default)]
struct Found {
    services: BTreeMap<ObjectKey, Update>,
    slices: BTreeMap<ObjectKey, EndpointSlice>,
    peers: BTreeMap<String, Peer>,
}

impl Found {
    /// Takes out of an object or a List what is ours; other kinds are not. Says what was left out.
    fn take(&mut self, value: Value) -> Result<Vec<Invalid>, String> {
        let kind = value["kind"].as_str().unwrap_or_default().to_owned();
        let typed = |error: serde_json::Error| format!("{kind}: {error}");
        let mut invalid = Vec::new();
        match kind.as_str() {
            "" => return Err("kind: Required value".into()),
            "List" => {
                for item in value["items"].as_array().into_iter().flatten() {
                    invalid.extend(self.take(item.clone())?);
                }
            }
            "Service" => {
                let object = serde_json::from_value(value).map_err(typed)?;
                match manifest::service(&object) {
                    Ok(Ok(service)) => {
                        self.services.insert(service.key.clone(), Update::Service(service));
                    }
                    Ok(Err(named)) => {
                        self.services.insert(named.key.clone(), Update::NamedService(named));
                    }
                    Err(error) => invalid.push(error),
                }
            }
            "EndpointSlice" => {
                let object = serde_json::from_value(value).map_err(typed)?;
                match manifest::endpoint_slice(&object) {
                    Ok(slice) => drop(self.slices.insert(slice.key.clone(), slice)),
                    Err(error) => invalid.push(error),
                }
            }
            "Node" => {
                let object = serde_json::from_value(value).map_err(typed)?;
                match manifest::peer(&object) {
                    Ok(peer) => drop(self.peers.insert(peer.name.clone(), peer)),
                    Err(error) => invalid.push(error),
                }
            }
            _ => {}
        }
        Ok(invalid)
    }
}

/// Wakes when something in a directory changes.
struct Watch {
    events: AsyncFd<OwnedFd>,
    path: PathBuf,
}

impl Watch {
    /// Of a file, its directory is watched: editors replace files.
    fn new(path: &Path) -> Result<Self, FileError> {
        let failed = |source| FileError::Watch { path: path.to_owned(), source };
        let dir = match path.parent() {
            Some(parent) if !path.is_dir() => match parent.as_os_str().is_empty() {
                true => Path::new("."),
                false => parent,
            },
            _ => path,
        };
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC);
        let inotify = inotify.map_err(|errno| failed(errno.into()))?;
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_MOVED_FROM
            | AddWatchFlags::IN_DELETE;
        inotify.add_watch(dir, events).map_err(|errno| failed(errno.into()))?;
        // SAFETY: an OwnedFd answers the same open descriptor for as long as it lives, and lives as long
        // as its registration.
        let events = unsafe { AsyncFd::register(OwnedFd::from(inotify)) };
        let events = events.map_err(|error| failed(error.into()))?;
        Ok(Self { events, path: path.to_owned() })
    }

    async fn changed(&self) -> Result<(), FileError> {
        let failed = |source| FileError::Watch { path: self.path.clone(), source };
        drop(self.events.readable().await.map_err(failed)?);
        tokio::time::sleep(SETTLE).await;
        // What happened does not matter, only that something did: everything is read again.
        let mut unread = [0; 4096];
        loop {
            let mut ready = self.events.readable().await.map_err(failed)?;
            match ready.try_io(|events| Ok(nix::unistd::read(events, &mut unread)?)) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(failed(error)),
                Err(_would_block) => return Ok(()),
            }
        }
    }
}
