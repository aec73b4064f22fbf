//! A connection to the kernel's links and routes, for as long as one piece of work takes.

use std::io;

use rtnetlink::Handle;

/// A step that the kernel refused.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}")]
pub struct NetlinkError {
    step: String,
    #[source]
    source: io::Error,
}

impl NetlinkError {
    pub(super) fn new(step: impl Into<String>, source: io::Error) -> Self {
        Self { step: step.into(), source }
    }

    /// The errno, where there is one.
    pub(super) fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// `map_err` for a step.
pub(super) fn step(step: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> NetlinkError {
    move |error| {
        let source = match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        };
        NetlinkError::new(step, source)
    }
}

/// Runs `work` with a connection of its own, to the namespace of this thread. What it lists is filtered by the
/// kernel: a router may have a million routes.
pub(super) fn with_netlink<T>(
    work: impl AsyncFnOnce(Handle) -> Result<T, NetlinkError>,
) -> Result<T, NetlinkError> {
    let opened = |source| NetlinkError::new("open a netlink socket", source);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(opened)?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection_with_strict_check().map_err(opened)?;
        tokio::spawn(connection);
        work(handle).await
    })
}
