//! Group and plural name of a resource, as Kubernetes writes it: `pods`, `deployments.apps`.

use std::borrow::Cow;
use std::fmt;

/// A resource without its version: what stores, watches and controllers key on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupResource {
    /// Empty for the core group.
    pub group: Cow<'static, str>,
    /// Lower-case plural.
    pub resource: Cow<'static, str>,
}

impl GroupResource {
    /// A resource known when this was compiled.
    pub const fn of(group: &'static str, resource: &'static str) -> Self {
        Self { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource) }
    }
}

impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.resource)
        } else {
            write!(f, "{}.{}", self.resource, self.group)
        }
    }
}

macro_rules! resources {
    ($($name:ident = $group:literal, $resource:literal;)*) => {
        $(
            #[doc = concat!("`", $resource, "` of group `", $group, "`.")]
            pub static $name: GroupResource = GroupResource::of($group, $resource);
        )*
    };
}

resources! {
    NAMESPACES = "", "namespaces";
    NODES = "", "nodes";
    PODS = "", "pods";
    SERVICES = "", "services";
    ENDPOINTS = "", "endpoints";
    CONFIG_MAPS = "", "configmaps";
    SECRETS = "", "secrets";
    SERVICE_ACCOUNTS = "", "serviceaccounts";
    EVENTS = "", "events";
    LEASES = "coordination.k8s.io", "leases";
    ENDPOINT_SLICES = "discovery.k8s.io", "endpointslices";
    CONTROLLER_REVISIONS = "apps", "controllerrevisions";
    DAEMON_SETS = "apps", "daemonsets";
    DEPLOYMENTS = "apps", "deployments";
    REPLICA_SETS = "apps", "replicasets";
    STATEFUL_SETS = "apps", "statefulsets";
    POD_DISRUPTION_BUDGETS = "policy", "poddisruptionbudgets";
}
