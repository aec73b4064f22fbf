//! What a request asks for beside the object itself: the options of each verb, parsed.

use sheave_api::kinds::Propagation;
use sheave_api::selector::{FieldSelector, LabelSelector};
use sheave_api::{ObjectKey, Status};
use sheave_client::Stored;

/// The `resourceVersion` query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ResourceVersion {
    /// Not given: the newest state.
    #[default]
    Unset,
    /// `0`: any state this server holds, which here is the newest too.
    Any,
    /// At least, or exactly, this revision; [`ResourceVersionMatch`] says which.
    At(u64),
}

impl ResourceVersion {
    /// Reads the parameter; 400 for anything but a decimal number.
    pub fn parse(text: &str) -> Result<Self, Status> {
        match text {
            "" => Ok(Self::Unset),
            "0" => Ok(Self::Any),
            _ => text.parse().map(Self::At).map_err(|_| {
                Status::bad_request(format!(
                    "resourceVersion: Invalid value: \"{text}\": must be an unsigned decimal number"
                ))
            }),
        }
    }
}

/// The `resourceVersionMatch` query parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersionMatch {
    /// The state at that revision, or 410.
    Exact,
    /// A state at least as new.
    NotOlderThan,
}

/// Options of a list, and which objects a deletecollection takes.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// At most this many items; 0 is all.
    pub limit: usize,
    /// The token of the page before; empty for the first page.
    pub continue_token: String,
    /// Only objects whose labels match.
    pub label_selector: LabelSelector,
    /// Only objects whose fields match.
    pub field_selector: FieldSelector,
    /// How new the list must be.
    pub resource_version: ResourceVersion,
    /// How `resource_version` is meant.
    pub resource_version_match: Option<ResourceVersionMatch>,
}

/// What a list returns: shared bytes, to be written one after the other.
#[derive(Clone, Debug)]
pub struct ListResult {
    /// The page, in key order.
    pub items: Vec<Stored>,
    /// The list's `metadata.resourceVersion`.
    pub revision: u64,
    /// `metadata.continue`, if there is more.
    pub continue_token: Option<String>,
    /// `metadata.remainingItemCount`; absent with selectors, as in Kubernetes.
    pub remaining: Option<u64>,
}

/// Options of a watch.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Only objects whose labels match; an object that begins or ceases to match is added or
    /// deleted.
    pub label_selector: LabelSelector,
    /// Only objects whose fields match.
    pub field_selector: FieldSelector,
    /// Unset or 0: the state now as ADDED events, then changes. A revision: the changes after it.
    pub resource_version: ResourceVersion,
    /// Only with `send_initial_events`, and then it must be `NotOlderThan`.
    pub resource_version_match: Option<ResourceVersionMatch>,
    /// Send a bookmark about every minute.
    pub allow_bookmarks: bool,
    /// `true`: the state as ADDED events and a bookmark that marks their end; `false`: changes
    /// only.
    pub send_initial_events: Option<bool>,
}

/// What a watch yields to the API server.
#[derive(Clone, Debug)]
pub enum Event {
    /// Created, or begins to match the selectors.
    Added(Stored),
    /// Changed.
    Modified(Stored),
    /// Deleted, or ceases to match; the last state, with the revision of the change.
    Deleted(Stored),
    /// Everything up to this revision has been sent.
    Bookmark {
        /// `metadata.resourceVersion` of the bookmark object.
        revision: u64,
        /// The bookmark that ends the initial events (annotation `k8s.io/initial-events-end`).
        initial_events_end: bool,
    },
    /// The watch ends with this error: 410 when it fell too far behind.
    Error(Status),
}

/// Options of create, update and patch.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// Do everything but write.
    pub dry_run: bool,
}

/// Options of a delete.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Do everything but write.
    pub dry_run: bool,
    /// Seconds; `None` is the kind's default, 0 is at once.
    pub grace_period_seconds: Option<i64>,
    /// Refuse unless `metadata.uid` is this.
    pub uid: Option<String>,
    /// Refuse unless `metadata.resourceVersion` is this.
    pub resource_version: Option<String>,
    /// What happens to dependents; `None` is the kind's default.
    pub propagation: Option<Propagation>,
}

/// What a delete did.
#[derive(Clone, Debug)]
pub enum Deleted {
    /// The object is gone; its last state. Answered as a `Status` of success naming `uid`.
    Gone(Stored),
    /// Deletion began; finalizers or a grace period keep the object for now. Answered with the
    /// object.
    Terminating(Stored),
}

impl Deleted {
    /// The object's last state.
    pub fn object(&self) -> &Stored {
        match self {
            Self::Gone(object) | Self::Terminating(object) => object,
        }
    }
}

/// One object, or the part of it that a subresource shows.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Its kind.
    pub kind: &'static sheave_api::Kind,
    /// Namespace and name.
    pub key: &'a ObjectKey,
    /// `status`, `scale`, `finalize`; `None` is the object itself.
    pub subresource: Option<&'a str>,
}
