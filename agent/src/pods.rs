//! The pods of this node: how the kubelet and the way to the server are set up, and what goes between them.

use std::sync::Arc;

use bytes::Bytes;
use sheave_core::pod_network::Mode;
use sheave_kubelet::HostPorts;
use sheave_kubelet::{Kubelet, KubeletConfig, ManagedRuntime, Outgoing, RuntimeChoice};
use sheave_push::v1;
use sheave_sources::{FromClient, NodeFiles, Push, PushConfig, Tunnels};
use tokio::sync::mpsc;

use crate::answers;
use crate::config::RunArguments;
use crate::machine::Machine;
use crate::socket_hooks::Hooks;

/// Annotation of the Node: how the pods of other nodes are reached from there.
const POD_NETWORK: &str = "sheave.io/pod-network";

/// Of the kubelet, but for what only a running agent has.
pub(crate) fn kubelet_config(arguments: &RunArguments, machine: &Machine) -> KubeletConfig {
    let directories = &arguments.directories;
    let runtime = match &arguments.cri_endpoint {
        Some(socket) => RuntimeChoice::External { socket: socket.clone() },
        None => RuntimeChoice::Managed(ManagedRuntime {
            cni_bin_dirs: vec![directories.cni_bin()],
            cni_conf_dir: directories.cni_conf(),
            ..ManagedRuntime::default()
        }),
    };
    let images = arguments.image_dir.clone();
    KubeletConfig {
        data_dir: directories.data_dir.clone(),
        run_dir: directories.run_dir.clone(),
        log_dir: directories.pod_logs(),
        runtime,
        image_dir: Some(images.unwrap_or_else(|| directories.data_dir.join("images"))),
        cgroup_root: directories.cgroup_root.clone(),
        node_labels: arguments.node_label.clone(),
        node_annotations: vec![(POD_NETWORK.into(), Mode::from(arguments.pod_network).to_string())],
        socket_hooks: Some(Arc::new(Hooks { bpffs_dir: directories.bpffs_dir.clone() })),
        ..KubeletConfig::new(&machine.name, machine.addresses.clone())
    }
}

/// Of the connection to the server.
pub(crate) fn push_config(
    arguments: &RunArguments,
    machine: &Machine,
    kubelet: Kubelet,
) -> PushConfig {
    let directories = &arguments.directories;
    PushConfig {
        server: arguments.server.clone(),
        files: NodeFiles::new(directories.pki()),
        node_name: machine.name.clone(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        node_object: Arc::new(move || -> Bytes { kubelet.node_object() }),
        view_file: Some(directories.view()),
    }
}

/// What the server asks of the node goes to the kubelet.
pub(crate) struct KubeletTunnels(pub(crate) Kubelet);

impl Tunnels for KubeletTunnels {
    fn open(
        &self,
        request: v1::TunnelRequest,
        from_client: FromClient,
    ) -> mpsc::Receiver<v1::TunnelData> {
        self.0.tunnel(request, from_client)
    }
}

/// Who on this node listens to what the kubelet says.
pub(crate) struct OnNode {
    pub(crate) pod_names: answers::PodNames,
    pub(crate) host_ports: mpsc::Sender<HostPorts>,
}

/// What the kubelet says, on its way to the server and to those here.
pub(crate) async fn pass_on(mut outgoing: mpsc::Receiver<Outgoing>, push: Push, on_node: OnNode) {
    let OnNode { pod_names, host_ports } = on_node;
    while let Some(said) = outgoing.recv().await {
        match said {
            Outgoing::PodStatus(status) => {
                pod_names.note(&status);
                push.pod_status(status);
            }
            Outgoing::PodEnded(ended) => {
                pod_names.forget(&ended);
                push.pod_ended(ended);
            }
            Outgoing::Event(event) => push.event(event),
            Outgoing::NodeStatus(status) => push.node_status(status),
            // Nobody takes them only when the agent ends.
            Outgoing::HostPorts(ports) => drop(host_ports.send(ports).await),
        }
    }
}
