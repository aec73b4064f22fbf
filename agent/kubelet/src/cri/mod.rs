//! The interface to the container runtime, and what it tells by itself. The only place that knows CRI's
//! encoding of states and times.

mod events;
mod netns;
mod observe;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

pub(crate) use events::{RuntimeEvent, follow_events};
pub(crate) use observe::{
    GRACE_ANNOTATION, IMAGE_ANNOTATION, PodLabels, TERMINATION_FILE_ANNOTATION,
    TERMINATION_LOGS_ANNOTATION, observe,
};

/// Messages of `runtime.v1`.
#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
pub(crate) mod v1 {
    tonic::include_proto!("runtime.v1");
}

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]
mod containerd {
    tonic::include_proto!("containerd.services.events.v1");
}

use v1::image_service_client::ImageServiceClient;
use v1::runtime_service_client::RuntimeServiceClient;

/// Lists of a full node stay far below this.
const MESSAGE_BYTES_MAX: usize = 32 << 20;
/// For calls that only read or change the runtime's books.
const QUICK: Duration = Duration::from_secs(30);
/// For calls that start processes or set up networks.
const SLOW: Duration = Duration::from_secs(120);

/// What the runtime answered.
pub(crate) type Answer<T> = Result<T, tonic::Status>;

/// A connection to the runtime; connects again by itself. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Cri {
    channel: Channel,
}

impl Cri {
    /// Does not wait for the socket to exist.
    pub(crate) fn new(socket: &Path) -> Self {
        Self { channel: unix_channel(socket.to_owned()) }
    }

    fn runtime(&self) -> RuntimeServiceClient<Channel> {
        RuntimeServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    fn images(&self) -> ImageServiceClient<Channel> {
        ImageServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    pub(crate) async fn version(&self) -> Answer<v1::VersionResponse> {
        let request = quick(v1::VersionRequest::default());
        Ok(self.runtime().version(request).await?.into_inner())
    }

    pub(crate) async fn status(&self) -> Answer<Vec<v1::RuntimeCondition>> {
        let request = quick(v1::StatusRequest::default());
        let status = self.runtime().status(request).await?.into_inner().status;
        Ok(status.map(|s| s.conditions).unwrap_or_default())
    }

    /// `None` from runtimes that cannot tell.
    pub(crate) async fn uses_systemd_cgroups(&self) -> Option<bool> {
        let request = quick(v1::RuntimeConfigRequest {});
        let linux = self.runtime().runtime_config(request).await.ok()?.into_inner().linux?;
        Some(linux.cgroup_driver() == v1::CgroupDriver::Systemd)
    }

    pub(crate) async fn run_sandbox(&self, config: v1::PodSandboxConfig) -> Answer<String> {
        let request = v1::RunPodSandboxRequest { config: Some(config), ..Default::default() };
        Ok(self.runtime().run_pod_sandbox(slow(request)).await?.into_inner().pod_sandbox_id)
    }

    /// Fine when it is stopped or gone already.
    pub(crate) async fn stop_sandbox(&self, id: &str) -> Answer<()> {
        let request = slow(v1::StopPodSandboxRequest { pod_sandbox_id: id.into() });
        gone_is_fine(self.runtime().stop_pod_sandbox(request).await.map(drop))
    }

    /// With the containers that are left in it. Fine when it is gone already.
    pub(crate) async fn remove_sandbox(&self, id: &str) -> Answer<()> {
        let request = slow(v1::RemovePodSandboxRequest { pod_sandbox_id: id.into() });
        gone_is_fine(self.runtime().remove_pod_sandbox(request).await.map(drop))
    }

    pub(crate) async fn sandbox_status(&self, id: &str) -> Answer<v1::PodSandboxStatus> {
        let request =
            quick(v1::PodSandboxStatusRequest { pod_sandbox_id: id.into(), verbose: false });
        let response = self.runtime().pod_sandbox_status(request).await?.into_inner();
        response.status.ok_or_else(|| tonic::Status::internal("sandbox status without a status"))
    }

    /// Those with all these labels.
    pub(crate) async fn list_sandboxes(
        &self,
        label_selector: impl IntoIterator<Item = (String, String)>,
    ) -> Answer<Vec<v1::PodSandbox>> {
        let label_selector = label_selector.into_iter().collect();
        let filter = Some(v1::PodSandboxFilter { label_selector, ..Default::default() });
        let request = quick(v1::ListPodSandboxRequest { filter });
        Ok(self.runtime().list_pod_sandbox(request).await?.into_inner().items)
    }

    pub(crate) async fn create_container(
        &self,
        sandbox_id: &str,
        config: v1::ContainerConfig,
        sandbox_config: v1::PodSandboxConfig,
    ) -> Answer<String> {
        let request = v1::CreateContainerRequest {
            pod_sandbox_id: sandbox_id.into(),
            config: Some(config),
            sandbox_config: Some(sandbox_config),
        };
        Ok(self.runtime().create_container(slow(request)).await?.into_inner().container_id)
    }

    pub(crate) async fn start_container(&self, id: &str) -> Answer<()> {
        let request = slow(v1::StartContainerRequest { container_id: id.into() });
        self.runtime().start_container(request).await.map(drop)
    }

    /// Sends the stop signal, waits `grace`, kills. Returns once the container has ended.
    pub(crate) async fn stop_container(&self, id: &str, grace: Duration) -> Answer<()> {
        let timeout = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX);
        let mut request =
            tonic::Request::new(v1::StopContainerRequest { container_id: id.into(), timeout });
        request.set_timeout(grace.saturating_add(SLOW));
        gone_is_fine(self.runtime().stop_container(request).await.map(drop))
    }

    /// Fine when it is gone already.
    pub(crate) async fn remove_container(&self, id: &str) -> Answer<()> {
        let request = slow(v1::RemoveContainerRequest { container_id: id.into() });
        gone_is_fine(self.runtime().remove_container(request).await.map(drop))
    }

    pub(crate) async fn list_containers(
        &self,
        label_selector: impl IntoIterator<Item = (String, String)>,
    ) -> Answer<Vec<v1::Container>> {
        let label_selector = label_selector.into_iter().collect();
        let filter = Some(v1::ContainerFilter { label_selector, ..Default::default() });
        let request = quick(v1::ListContainersRequest { filter });
        Ok(self.runtime().list_containers(request).await?.into_inner().containers)
    }

    pub(crate) async fn container_status(&self, id: &str) -> Answer<v1::ContainerStatus> {
        let request = quick(v1::ContainerStatusRequest { container_id: id.into(), verbose: false });
        let response = self.runtime().container_status(request).await?.into_inner();
        response.status.ok_or_else(|| tonic::Status::internal("container status without a status"))
    }

    pub(crate) async fn reopen_log(&self, id: &str) -> Answer<()> {
        let request = quick(v1::ReopenContainerLogRequest { container_id: id.into() });
        self.runtime().reopen_container_log(request).await.map(drop)
    }

    /// Runs a command to its end. The runtime kills it after `timeout`.
    pub(crate) async fn exec_sync(
        &self,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Answer<v1::ExecSyncResponse> {
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        let mut request = tonic::Request::new(v1::ExecSyncRequest {
            container_id: id.into(),
            cmd: command.to_vec(),
            timeout: seconds,
        });
        request.set_timeout(timeout.saturating_add(Duration::from_secs(10)));
        Ok(self.runtime().exec_sync(request).await?.into_inner())
    }

    /// URL on the runtime's streaming server.
    pub(crate) async fn exec(&self, request: v1::ExecRequest) -> Answer<String> {
        Ok(self.runtime().exec(quick(request)).await?.into_inner().url)
    }

    /// URL on the runtime's streaming server.
    pub(crate) async fn attach(&self, request: v1::AttachRequest) -> Answer<String> {
        Ok(self.runtime().attach(quick(request)).await?.into_inner().url)
    }

    /// URL on the runtime's streaming server.
    pub(crate) async fn port_forward(&self, request: v1::PortForwardRequest) -> Answer<String> {
        Ok(self.runtime().port_forward(quick(request)).await?.into_inner().url)
    }

    pub(crate) async fn list_images(&self) -> Answer<Vec<v1::Image>> {
        let request = quick(v1::ListImagesRequest {});
        Ok(self.images().list_images(request).await?.into_inner().images)
    }

    /// `None`: the image is not on this node.
    pub(crate) async fn image(&self, image: &str) -> Answer<Option<v1::Image>> {
        let image = Some(v1::ImageSpec { image: image.into(), ..Default::default() });
        let request = quick(v1::ImageStatusRequest { image });
        Ok(self.images().image_status(request).await?.into_inner().image)
    }

    /// Takes as long as it takes; the runtime gives up on a registry that sends nothing.
    pub(crate) async fn pull_image(
        &self,
        image: &str,
        auth: Option<v1::AuthConfig>,
        sandbox_config: v1::PodSandboxConfig,
    ) -> Answer<String> {
        let request = v1::PullImageRequest {
            image: Some(v1::ImageSpec { image: image.into(), ..Default::default() }),
            auth,
            sandbox_config: Some(sandbox_config),
        };
        Ok(self.images().pull_image(request).await?.into_inner().image_ref)
    }
}

fn quick<T>(message: T) -> tonic::Request<T> {
    within(message, QUICK)
}

fn slow<T>(message: T) -> tonic::Request<T> {
    within(message, SLOW)
}

fn within<T>(message: T, timeout: Duration) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(timeout);
    request
}

fn gone_is_fine(answer: Answer<()>) -> Answer<()> {
    match answer {
        Err(status) if status.code() == tonic::Code::NotFound => Ok(()),
        answer => answer,
    }
}

fn unix_channel(socket: PathBuf) -> Channel {
    let connector = service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { tokio::net::UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // The address names no host: the connector knows the socket.
    Endpoint::from_static("http://runtime").connect_with_connector_lazy(connector)
}
