//! Who asks, and what they ask for.

use std::fmt;

use sheave_api::GroupResource;

/// An authenticated client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `CN` of a client certificate: `admin`, `system:node:web-1`.
    pub user: String,
    /// `O`s of a client certificate: `system:masters`, `system:nodes`.
    pub groups: Vec<String>,
    /// Hash of the client certificate's key; `None` for who was not known by a certificate.
    pub key: Option<String>,
}

impl Identity {
    /// Someone known by name and groups.
    pub fn new(user: impl Into<String>, groups: impl IntoIterator<Item = String>) -> Self {
        Self { user: user.into(), groups: groups.into_iter().collect(), key: None }
    }

    /// The same, known by a certificate for this key.
    #[must_use]
    pub fn with_key(self, key: String) -> Self {
        Self { key: Some(key), ..self }
    }

    /// The control plane's own parts: scheduler and controllers, in this process.
    pub fn control_plane() -> Self {
        Self::new("system:kube-controller-manager", ["system:masters".to_owned()])
    }

    /// True for administrators, who may do everything.
    pub fn is_admin(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }

    /// The node's name, if a node asks.
    pub fn node(&self) -> Option<&str> {
        let name = self.user.strip_prefix("system:node:")?;
        self.groups.iter().any(|group| group == "system:nodes").then_some(name)
    }
}

/// What is asked for, as authorization sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// The resource.
    pub resource: GroupResource,
    /// `status`, `log`; empty for the object itself.
    pub subresource: String,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub namespace: String,
    /// Empty where no single object is meant.
    pub name: String,
}

/// As Kubernetes words it in a refusal.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} resource \"{}", self.verb, self.resource.resource)?;
        if !self.subresource.is_empty() {
            write!(f, "/{}", self.subresource)?;
        }
        write!(f, "\" in API group \"{}\" ", self.resource.group)?;
        if self.namespace.is_empty() {
            f.write_str("at the cluster scope")
        } else {
            write!(f, "in the namespace \"{}\"", self.namespace)
        }
    }
}
