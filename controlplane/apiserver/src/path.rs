//! What a URL path asks for. Pure: whether such a resource exists is decided later, from the table of kinds.

/// A path, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `/healthz`, `/livez`, `/readyz`; the second part names a single check.
    Health(HealthEndpoint, Option<String>),
    /// `/version`
    Version,
    /// `/metrics`
    Metrics,
    /// `/join/v1`
    Join,
    /// `/sheave/v1/progress`
    Progress,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    /// `/apis/<group>`
    Group(String),
    /// `/api/<version>` and `/apis/<group>/<version>`
    GroupVersion(GroupVersion),
    /// `/openapi/v2`
    OpenApiV2,
    /// `/openapi/v3`
    OpenApiIndex,
    /// `/openapi/v3/<path>`, e.g. `apis/apps/v1`
    OpenApi(String),
    /// Objects.
    Resource(ResourcePath),
    /// Nothing that we know.
    Unknown,
}

/// Which of the three health endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthEndpoint {
    /// Kept for old clients; same as `livez`.
    Healthz,
    /// The process works.
    Livez,
    /// It takes requests.
    Readyz,
}

/// Group (empty for the core group) and version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupVersion {
    /// Empty for the core group.
    pub(crate) group: String,
    /// e.g. `v1`
    pub(crate) version: String,
}

/// The path of a collection, of an object, or of an object's subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResourcePath {
    /// Group and version.
    pub(crate) group_version: GroupVersion,
    /// `None` outside of any namespace, which for namespaced resources means all of them.
    pub(crate) namespace: Option<String>,
    /// Plural.
    pub(crate) resource: String,
    /// `None` for the collection.
    pub(crate) name: Option<String>,
    /// e.g. `status`
    pub(crate) subresource: Option<String>,
}

impl Target {
    /// Parses a path, percent-encoding included.
    pub(crate) fn parse(path: &str) -> Self {
        let mut segments = Vec::new();
        for segment in path.trim_matches('/').split('/') {
            match percent_decode(segment) {
                Some(segment) => segments.push(segment),
                None => return Self::Unknown,
            }
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["version"] => Self::Version,
            ["metrics"] => Self::Metrics,
            ["join", "v1"] => Self::Join,
            ["sheave", "v1", "progress"] => Self::Progress,
            ["healthz", check @ ..] => health(HealthEndpoint::Healthz, check),
            ["livez", check @ ..] => health(HealthEndpoint::Livez, check),
            ["readyz", check @ ..] => health(HealthEndpoint::Readyz, check),
            ["openapi", "v2"] => Self::OpenApiV2,
            ["openapi", "v3"] => Self::OpenApiIndex,
            ["openapi", "v3", rest @ ..] => Self::OpenApi(rest.join("/")),
            ["api"] => Self::CoreVersions,
            ["apis"] => Self::Groups,
            ["apis", group] => Self::Group((*group).to_owned()),
            ["api", version, rest @ ..] => in_version("", version, rest),
            ["apis", group, version, rest @ ..] => in_version(group, version, rest),
            _ => Self::Unknown,
        }
    }
}

fn health(endpoint: HealthEndpoint, check: &[&str]) -> Target {
    match check {
        [] => Target::Health(endpoint, None),
        [check] => Target::Health(endpoint, Some((*check).to_owned())),
        _ => Target::Unknown,
    }
}

fn in_version(group: &str, version: &str, rest: &[&str]) -> Target {
    let group_version = GroupVersion { group: group.to_owned(), version: version.to_owned() };
    if rest.iter().any(|segment| segment.is_empty()) {
        return Target::Unknown;
    }
    // `namespaces/x/status` and `namespaces/x/finalize` are the namespace's own subresources.
    let (namespace, rest) = match rest {
        ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => {
            (Some((*namespace).to_owned()), rest)
        }
        _ => (None, rest),
    };
    let (resource, name, subresource) = match rest {
        [] => return Target::GroupVersion(group_version),
        [resource] => (*resource, None, None),
        [resource, name] => (*resource, Some(*name), None),
        [resource, name, subresource] => (*resource, Some(*name), Some(*subresource)),
        _ => return Target::Unknown,
    };
    Target::Resource(ResourcePath {
        group_version,
        namespace,
        resource: resource.to_owned(),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
    })
}

/// RFC 3986 section 2.1. `None` for what is no encoding or decodes to no text.
fn percent_decode(segment: &str) -> Option<String> {
    if !segment.contains('%') {
        return Some(segment.to_owned());
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(bytes.next()?)? * 16 + digit(bytes.next()?)?;
            decoded.push(u8::try_from(value).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(path: &str) -> ResourcePath {
        match Target::parse(path) {
            Target::Resource(found) => found,
            other => panic!("{path} is {other:?}"),
        }
    }

    fn shape(path: &str) -> (String, Option<String>, Option<String>, Option<String>) {
        let found = resource(path);
        (found.resource, found.namespace, found.name, found.subresource)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn objects_and_collections() {
        assert_eq!(shape("/api/v1/pods"), ("pods".to_owned(), None, None, None));
        assert_eq!(
            shape("/api/v1/namespaces/shop/pods/web/log"),
            ("pods".to_owned(), some("shop"), some("web"), some("log"))
        );
        assert_eq!(
            shape("/apis/apps/v1/namespaces/shop/deployments"),
            ("deployments".to_owned(), some("shop"), None, None)
        );
        assert_eq!(resource("/apis/apps/v1/deployments").group_version.group, "apps");
    }

    #[test]
    fn a_namespace_is_an_object_and_a_scope() {
        assert_eq!(shape("/api/v1/namespaces"), ("namespaces".to_owned(), None, None, None));
        assert_eq!(
            shape("/api/v1/namespaces/shop"),
            ("namespaces".to_owned(), None, some("shop"), None)
        );
        assert_eq!(
            shape("/api/v1/namespaces/shop/finalize"),
            ("namespaces".to_owned(), None, some("shop"), some("finalize"))
        );
        assert_eq!(
            shape("/api/v1/namespaces/shop/services"),
            ("services".to_owned(), some("shop"), None, None)
        );
    }

    #[test]
    fn percent_encoding_is_undone_after_splitting() {
        assert_eq!(shape("/api/v1/nodes/a%2Fb").2, some("a/b"));
        assert_eq!(Target::parse("/api/v1/nodes/a%2"), Target::Unknown);
        assert_eq!(Target::parse("/api/v1/nodes/%ff"), Target::Unknown);
    }

    #[test]
    fn the_other_endpoints() {
        assert_eq!(Target::parse("/readyz"), Target::Health(HealthEndpoint::Readyz, None));
        assert_eq!(
            Target::parse("/livez/ping"),
            Target::Health(HealthEndpoint::Livez, some("ping"))
        );
        assert_eq!(Target::parse("/apis/"), Target::Groups);
        assert_eq!(
            Target::parse("/openapi/v3/apis/apps/v1"),
            Target::OpenApi("apis/apps/v1".to_owned())
        );
        assert_eq!(Target::parse("/"), Target::Unknown);
        assert_eq!(Target::parse("/api/v1//pods"), Target::Unknown);
        assert_eq!(Target::parse("/api/v1/pods/a/proxy/x"), Target::Unknown);
    }
}
