//! Where things lie in the store.
//!
//! ```text
//! objects/pods/default/web-1       a namespaced object: resource, namespace, name
//! objects/deployments.apps/a/b     the same, of a named group
//! objects/nodes/one                a cluster-scoped object
//! claims/clusterip/10.96.0.10      an address that a Service holds; the value names the Service
//! claims/loadbalancerip/192.0.2.1  an address of the load balancer pool likewise
//! claims/nodeport/30080            a port likewise
//! settings/load-balancer-pool      the pool that the claims above were made for
//! ```

use bytes::Bytes;
use sheave_api::{Kind, ObjectKey};

const OBJECTS: &str = "objects/";

/// The key of an object.
pub(crate) fn object(kind: &Kind, key: &ObjectKey) -> Bytes {
    let resource = kind.group_resource();
    if kind.namespaced {
        format!("{OBJECTS}{resource}/{}/{}", key.namespace, key.name).into()
    } else {
        format!("{OBJECTS}{resource}/{}", key.name).into()
    }
}

/// Resource (`deployments.apps`) and key of an object; `None` for keys that name no object.
pub(crate) fn parse_object(key: &[u8]) -> Option<(&str, ObjectKey)> {
    let path = std::str::from_utf8(key).ok()?.strip_prefix(OBJECTS)?;
    let (resource, path) = path.split_once('/')?;
    Some(match path.split_once('/') {
        Some((namespace, name)) => (resource, ObjectKey::new(namespace, name)),
        None => (resource, ObjectKey::cluster(path)),
    })
}

#[cfg(test)]
mod tests {
    use sheave_api::kinds::KINDS;

    use super::*;

    #[test]
    fn every_kind_is_found_again() {
        for kind in KINDS {
            let key = ObjectKey::new(if kind.namespaced { "a" } else { "" }, "b");
            let stored = object(kind, &key);
            let (resource, parsed) = parse_object(&stored).expect("an object");
            assert_eq!(resource, kind.group_resource().to_string());
            assert_eq!(parsed, key);
        }
        assert_eq!(parse_object(b"claims/nodeport/1"), None);
    }
}
