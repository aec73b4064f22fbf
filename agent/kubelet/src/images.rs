//! Images for containers: there already, or pulled as the policy says.

use std::time::Instant;

use crate::cri::{Cri, v1};
use crate::pod::progress::Waiting;
use crate::pod::spec::{Container, PullPolicy};
use crate::recorder::{About, Recorder};

/// An image that is on the node.
#[derive(Clone, Debug)]
pub(crate) struct LocalImage {
    pub(crate) id: String,
    /// The user the image runs as, by number, unless it names one.
    pub(crate) uid: Option<i64>,
    pub(crate) username: String,
}

impl From<v1::Image> for LocalImage {
    fn from(image: v1::Image) -> Self {
        Self { id: image.id, uid: image.uid.map(|uid| uid.value), username: image.username }
    }
}

/// Makes sure that the container's image is here. The error is what the container then waits for.
pub(crate) async fn ensure(
    cri: &Cri,
    recorder: &Recorder,
    about: &About,
    container: &Container,
    credentials: Vec<v1::AuthConfig>,
    sandbox: v1::PodSandboxConfig,
) -> Result<LocalImage, Waiting> {
    let name = container.image.as_str();
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        let message =
            format!("Failed to apply default image tag {name:?}: couldn't parse image name");
        recorder.warning(about, "InspectFailed", message.clone());
        return Err(Waiting { reason: "InvalidImageName", message });
    }
    let inspect = |status: tonic::Status| {
        let message = format!("Failed to inspect image {name:?}: {}", status.message());
        recorder.warning(about, "InspectFailed", message.clone());
        Waiting { reason: "ImageInspectError", message }
    };
    let present = cri.image(name).await.map_err(inspect)?;
    match (present, container.pull_policy) {
        (Some(image), PullPolicy::IfNotPresent | PullPolicy::Never) => {
            let message = format!("Container image {name:?} already present on machine");
            recorder.normal(about, "Pulled", message);
            Ok(image.into())
        }
        (None, PullPolicy::Never) => {
            let message =
                format!("Container image {name:?} is not present with pull policy of Never");
            recorder.warning(about, "ErrImageNeverPull", message.clone());
            Err(Waiting { reason: "ErrImageNeverPull", message })
        }
        _ => pull(cri, recorder, about, name, credentials, sandbox).await,
    }
}

/// With each of the credentials in turn, or without when there are none.
async fn pull_with_any(
    cri: &Cri,
    name: &str,
    credentials: Vec<v1::AuthConfig>,
    sandbox: v1::PodSandboxConfig,
) -> Result<String, tonic::Status> {
    let (last, others) = match credentials.split_last() {
        Some((last, others)) => (Some(last.clone()), others),
        None => (None, [].as_slice()),
    };
    for auth in others {
        if let Ok(image) = cri.pull_image(name, Some(auth.clone()), sandbox.clone()).await {
            return Ok(image);
        }
    }
    cri.pull_image(name, last, sandbox).await
}

async fn pull(
    cri: &Cri,
    recorder: &Recorder,
    about: &About,
    name: &str,
    credentials: Vec<v1::AuthConfig>,
    sandbox: v1::PodSandboxConfig,
) -> Result<LocalImage, Waiting> {
    recorder.normal(about, "Pulling", format!("Pulling image {name:?}"));
    let begin = Instant::now();
    if let Err(status) = pull_with_any(cri, name, credentials, sandbox).await {
        let message = format!("Failed to pull image {name:?}: {}", status.message());
        recorder.warning(about, "Failed", message.clone());
        recorder.warning(about, "Failed", "Error: ErrImagePull");
        return Err(Waiting { reason: "ErrImagePull", message: status.message().to_owned() });
    }
    let seconds = begin.elapsed().as_secs_f32();
    match cri.image(name).await {
        Ok(Some(image)) => {
            let message = format!(
                "Successfully pulled image {name:?} in {seconds:.3}s ({seconds:.3}s including \
                 waiting). Image size: {} bytes.",
                image.size
            );
            recorder.normal(about, "Pulled", message);
            Ok(image.into())
        }
        _ => Err(Waiting {
            reason: "ImageInspectError",
            message: format!("image {name:?} was pulled but is not there"),
        }),
    }
}
