//! What the worker says: its pod's status, and events about what it waits for.

use jiff::Timestamp;
use sheave_push::v1;
use tokio::time::Instant;

use super::{Worker, key};
use crate::interface::Outgoing;
use crate::pod::conditions::is_owned;
use crate::pod::status::{EPHEMERAL_REFUSED, status};
use crate::recorder::About;

impl Worker {
    /// "The pull failed" becomes "the next pull waits".
    pub(super) fn turn_pull_failures(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self
            .pull_failures
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        for name in due {
            self.pull_failures.remove(&name);
            let Some(image) = self.spec.container(&name).map(|c| c.image.clone()) else { continue };
            let progress = self.progress.container(&name);
            let Some(failure) = progress.failure.as_mut() else { continue };
            failure.reason = "ImagePullBackOff";
            failure.message =
                format!("Back-off pulling image {image:?}: ErrImagePull: {}", failure.message);
            let about = About::container(&self.spec, &name);
            let message = format!("Back-off pulling image {image:?}");
            self.context.recorder.normal(&about, "BackOff", message);
            self.context.recorder.warning(&about, "Failed", "Error: ImagePullBackOff");
        }
    }

    /// Once each: they may be added at any time.
    pub(super) fn say_ephemeral_containers(&mut self) {
        for name in &self.spec.ephemeral_containers {
            if self.ephemeral_said.insert(name.clone()) {
                let about = About::ephemeral_container(&self.spec, name);
                let message = format!("Error: {EPHEMERAL_REFUSED}");
                self.context.recorder.warning(&about, "Failed", message);
            }
        }
    }

    pub(super) fn say_backoffs(&mut self) {
        let now = Timestamp::now();
        for (name, progress) in &self.progress.containers {
            let Some(run) = self.observed.latest(name) else { continue };
            let Some(exit) = run.exit() else { continue };
            let waits = progress.restart.remaining(exit.finished_at, now).is_some();
            let live = self.progress.terminating.is_none() && self.progress.ended.is_none();
            if waits && live && progress.busy.is_none() && self.backoffs_said.insert(run.id.clone())
            {
                let about = About::container(&self.spec, name);
                let message = format!(
                    "Back-off restarting failed container {name} in pod {}_{}({})",
                    self.spec.key.name, self.spec.key.namespace, self.spec.uid
                );
                self.context.recorder.warning(&about, "BackOff", message);
            }
        }
    }

    /// Sends the status when it is another than the last one.
    pub(super) async fn report(&mut self) {
        if self.gone {
            return;
        }
        let facts = self.context.runtime_facts();
        let status = status(self.situation(), &self.context.node_ips(), &facts.name);
        if self.sent.as_ref() == Some(&status) {
            return;
        }
        let theirs = self.previous.conditions.drain(..);
        let theirs: Vec<_> = theirs.filter(|c| !is_owned(&c.type_)).collect();
        self.previous.conditions = status.conditions.clone().unwrap_or_default();
        self.previous.conditions.extend(theirs);
        let json = serde_json::to_vec(&status).expect("a status is plain data with string keys");
        let message = v1::PodStatus {
            pod: Some(key(&self.spec)),
            uid: self.spec.uid.0.clone(),
            status: json.into(),
        };
        self.sent = Some(status);
        self.context.send(Outgoing::PodStatus(message)).await;
    }
}
