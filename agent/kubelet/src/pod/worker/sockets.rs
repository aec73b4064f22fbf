//! Sockets that are left alone: before anything of the pod runs in a sandbox, and again when the agent has
//! been started anew.

use super::Worker;
use crate::recorder::About;
use crate::socket_hooks;

const REASON: &str = "FailedSocketOptOut";

impl Worker {
    /// False: the runtime does not answer. What else goes wrong is told, and the pod goes on.
    pub(super) async fn leave_sockets_alone(&mut self) -> bool {
        let sandbox = self.observed.ready_sandbox();
        let Some(sandbox) = sandbox.filter(|sandbox| sandbox.sockets_left_alone) else {
            return true;
        };
        if self.spec.host_network || self.left_alone.as_ref() == Some(&sandbox.id) {
            return true;
        }
        match socket_hooks::leave_alone(&self.context, &sandbox.id).await {
            Ok(Ok(())) => self.left_alone = Some(sandbox.id.clone()),
            Ok(Err(why)) => self.say_not_left_alone(why),
            Err(status) => {
                tracing::debug!(pod = %self.spec.key, %status, "the runtime does not answer");
                return false;
            }
        }
        true
    }

    /// Each reason once, however often it is tried.
    fn say_not_left_alone(&mut self, why: String) {
        if self.not_left_alone.as_ref() != Some(&why) {
            let message = format!("annotation sheave.io/socket-hooks has no effect: {why}");
            self.context.recorder.warning(&About::pod(&self.spec), REASON, message);
            self.not_left_alone = Some(why);
        }
    }

    /// Once, when the pod begins.
    pub(super) fn say_hooks_cannot_be_off(&self) {
        if socket_hooks::is_ignored(&self.spec) {
            let about = About::pod(&self.spec);
            let why = socket_hooks::NOT_ON_THE_HOST_NETWORK;
            self.context.recorder.warning(&about, REASON, why);
        }
    }
}
