//! The last complete state of this node, in memory and on disk: what a node that starts while the server
//! is away goes on with. It is a copy of what was received, not the model; Secrets are never in it.
//!
//! The file is a run of length-delimited messages of the node protocol, first a Welcome with what is known
//! of the cluster, then the objects in the order in which a server would send them. It is replaced whole.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use prost::Message;
use sheave_core::model::ObjectKey;
use sheave_push::v1::{self, ServerMessage, server_message::Kind};

/// What an object is, in the order of the file: what others need comes before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Slot {
    Node,
    Peer,
    ConfigMap,
    EndpointSlice,
    Service,
    Pod,
}

type Objects = BTreeMap<(Slot, ObjectKey), Kind>;
/// As they came, the newest last.
type Incoming = Vec<((Slot, ObjectKey), Kind)>;

/// What was received.
#[derive(Debug, Default)]
pub(crate) struct View {
    cluster: Option<v1::ClusterConfig>,
    objects: Objects,
    /// The complete state under way.
    incoming: Option<Incoming>,
}

impl View {
    /// What every node must know of the cluster.
    pub(crate) fn cluster(&mut self, cluster: Option<v1::ClusterConfig>) {
        self.cluster = cluster;
    }

    /// A complete state follows; what is known stays known until it is there.
    pub(crate) fn begin(&mut self) {
        self.incoming = Some(Incoming::new());
    }

    /// The complete state is there.
    pub(crate) fn end(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            // Of two with one key the second stays. They come in order, mostly: that costs next to nothing.
            self.objects = incoming.into_iter().collect();
        }
    }

    /// New or changed.
    pub(crate) fn put(&mut self, slot: Slot, key: ObjectKey, kind: Kind) {
        match &mut self.incoming {
            Some(incoming) => incoming.push(((slot, key), kind)),
            None => drop(self.objects.insert((slot, key), kind)),
        }
    }

    /// Deleted.
    pub(crate) fn remove(&mut self, slot: Slot, key: ObjectKey) {
        let gone = (slot, key);
        match &mut self.incoming {
            Some(incoming) => incoming.retain(|(key, _)| *key != gone),
            None => drop(self.objects.remove(&gone)),
        }
    }

    /// Uids of the pods.
    pub(crate) fn pod_uids(&self) -> impl Iterator<Item = &str> {
        self.objects.values().filter_map(|kind| match kind {
            Kind::Pod(pod) => Some(pod.uid.as_str()),
            _ => None,
        })
    }

    /// As it goes to disk; nothing while a complete state is under way.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        if self.incoming.is_some() {
            return None;
        }
        let welcome = v1::Welcome { cluster: self.cluster.clone(), ..v1::Welcome::default() };
        let mut bytes = Vec::new();
        let mut add = |kind| {
            let message = ServerMessage { generation: 0, kind: Some(kind) };
            message.encode_length_delimited(&mut bytes).expect("a Vec grows");
        };
        add(Kind::Welcome(Box::new(welcome)));
        self.objects.values().cloned().for_each(&mut add);
        Some(bytes)
    }
}

/// What a file holds: the cluster and the objects.
///
/// # Errors
/// When it was not written by [`View::encode`].
pub(crate) fn decode(mut bytes: Bytes) -> Result<Vec<Kind>, prost::DecodeError> {
    let mut kinds = Vec::new();
    while !bytes.is_empty() {
        kinds.extend(ServerMessage::decode_length_delimited(&mut bytes)?.kind);
    }
    Ok(kinds)
}

/// Replaces the file, durably.
///
/// # Errors
/// When it cannot be written; the old one is unharmed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(dir)?;
    let unfinished = path.with_extension("unfinished");
    let mut file =
        File::options().create(true).truncate(true).write(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "default".into(), name: name.into() }
    }

    fn service(name: &'static str) -> Kind {
        Kind::Service(name.into())
    }

    fn pod(name: &str) -> Kind {
        Kind::Pod(v1::Pod { uid: name.into(), ..v1::Pod::default() })
    }

    #[test]
    fn comes_back_from_disk_in_the_order_of_the_protocol() {
        let mut view = View::default();
        let cluster =
            v1::ClusterConfig { dns_addresses: vec!["10.96.0.10".into()], ..Default::default() };
        view.cluster(Some(cluster.clone()));
        view.put(Slot::Pod, key("p"), pod("p"));
        view.put(Slot::Service, key("s"), service("s"));
        view.put(Slot::EndpointSlice, key("s"), Kind::EndpointSlice("e".into()));
        view.put(Slot::Peer, key("n"), Kind::Peer("n".into()));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deeper/view");
        write(&path, &view.encode().unwrap()).unwrap();
        write(&path, &view.encode().unwrap()).unwrap();
        let kinds = decode(fs::read(&path).unwrap().into()).unwrap();
        let welcome = v1::Welcome { cluster: Some(cluster), ..Default::default() };
        let expected = [
            Kind::Welcome(Box::new(welcome)),
            Kind::Peer("n".into()),
            Kind::EndpointSlice("e".into()),
            service("s"),
            pod("p"),
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_broken_complete_state_changes_nothing() {
        let mut view = View::default();
        view.put(Slot::Pod, key("p"), pod("p"));
        view.begin();
        view.put(Slot::Pod, key("q"), pod("q"));
        assert_eq!(view.encode(), None);
        view.begin();
        view.put(Slot::Pod, key("r"), pod("r"));
        assert_eq!(view.pod_uids().collect::<Vec<_>>(), ["p"]);
        view.end();
        assert_eq!(view.pod_uids().collect::<Vec<_>>(), ["r"]);
    }

    #[test]
    fn what_changes_while_a_complete_state_comes_is_as_it_was_said_last() {
        let mut view = View::default();
        view.begin();
        view.put(Slot::Pod, key("p"), pod("first"));
        view.put(Slot::Pod, key("q"), pod("gone"));
        view.put(Slot::Pod, key("p"), pod("second"));
        view.remove(Slot::Pod, key("q"));
        view.end();
        assert_eq!(view.pod_uids().collect::<Vec<_>>(), ["second"]);
    }

    #[test]
    fn a_torn_file_is_an_error() {
        let mut view = View::default();
        view.put(Slot::Pod, key("p"), pod("p"));
        let mut bytes = view.encode().unwrap();
        bytes.pop();
        assert!(decode(bytes.into()).is_err());
    }
}
