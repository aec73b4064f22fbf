//! What is asked of a container while it runs, and done at its start and end.

/// Something asked of a container again and again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Probe {
    pub(crate) check: Check,
    pub(crate) initial_delay_s: u32,
    pub(crate) period_s: u32,
    pub(crate) timeout_s: u32,
    pub(crate) success_threshold: u32,
    pub(crate) failure_threshold: u32,
    /// Overrides the pod's when this probe is why the container is stopped.
    pub(crate) termination_grace_s: Option<u32>,
}

/// How it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    Exec(Vec<String>),
    Http(HttpCheck),
    Tcp { host: Option<String>, port: u16 },
    Grpc { port: u16, service: String },
}

/// A GET that is well when its status is 200 to 399.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpCheck {
    /// `None`: the pod's address.
    pub(crate) host: Option<String>,
    pub(crate) port: u16,
    /// Over TLS, whatever certificate the server has.
    pub(crate) tls: bool,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
}

/// What is done right after start or right before stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    Exec(Vec<String>),
    Http(HttpCheck),
    Tcp { host: Option<String>, port: u16 },
    Sleep { seconds: u32 },
}
