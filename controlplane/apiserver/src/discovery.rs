//! `/api`, `/apis` and below: which kinds there are, in the legacy and the aggregated form.
//!
//! The documents follow from the table of kinds, so they are made once.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{HeaderMap, Response};
use serde_json::Value;
use sheave_api::Status;
use sheave_api::discovery as documents;
use sheave_api::kinds::KINDS;

use crate::accept;
use crate::etag::Document;
use crate::path::Target;
use crate::respond;

const JSON: &str = "application/json";
/// Clients tell by the content type that they were given the aggregated form.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// All documents of discovery.
pub(crate) struct Discovery {
    core_versions: Document,
    groups: Document,
    aggregated_core: Document,
    aggregated_groups: Document,
    group: BTreeMap<&'static str, Document>,
    group_version: BTreeMap<(&'static str, &'static str), Document>,
}

impl Discovery {
    /// `advertised_address` is the `host:port` that old clients are told.
    pub(crate) fn new(advertised_address: &str) -> Self {
        let plain = |value: Value| Document::new(value.to_string(), JSON);
        let aggregated = |value: Value| Document::new(value.to_string(), AGGREGATED);
        let group = documents::groups(KINDS)
            .into_iter()
            .filter_map(|group| Some((group, plain(documents::api_group(KINDS, group)?))))
            .collect();
        let group_version = KINDS
            .iter()
            .map(|kind| (kind.group, kind.version))
            .filter_map(|(group, version)| {
                let list = documents::api_resource_list(KINDS, group, version)?;
                Some(((group, version), plain(list)))
            })
            .collect();
        Self {
            core_versions: plain(documents::api_versions(advertised_address)),
            groups: plain(documents::api_group_list(KINDS)),
            aggregated_core: aggregated(documents::aggregated_core(KINDS)),
            aggregated_groups: aggregated(documents::aggregated_groups(KINDS)),
            group,
            group_version,
        }
    }

    /// Answers one of the discovery paths; 404 for anything else, 406 for clients that take no JSON.
    pub(crate) fn answer(
        &self,
        target: &Target,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Status> {
        if !accept::json(headers) {
            return Err(accept::not_acceptable());
        }
        let aggregated = accept::aggregated_discovery(headers);
        let document = match target {
            Target::CoreVersions if aggregated => Some(&self.aggregated_core),
            Target::CoreVersions => Some(&self.core_versions),
            Target::Groups if aggregated => Some(&self.aggregated_groups),
            Target::Groups => Some(&self.groups),
            Target::Group(group) => self.group.get(group.as_str()),
            Target::GroupVersion(gv) => {
                self.group_version.get(&(gv.group.as_str(), gv.version.as_str()))
            }
            _ => None,
        };
        document.map(|document| document.answer(headers)).ok_or_else(respond::no_such_path)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT, CONTENT_TYPE};

    use super::*;
    use crate::path::GroupVersion;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, http::HeaderValue::from_static(accept))])
    }

    #[test]
    fn the_form_follows_what_is_accepted() {
        let discovery = Discovery::new("127.0.0.1:6443");
        let content_type = |accept| {
            let answer = discovery.answer(&Target::Groups, &headers(accept)).unwrap();
            answer.headers()[CONTENT_TYPE].clone()
        };
        assert_eq!(content_type("application/json"), JSON);
        assert_eq!(
            content_type(
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
            ),
            AGGREGATED
        );
        let error = discovery.answer(&Target::Groups, &headers("text/html")).unwrap_err();
        assert_eq!(error.code, 406);
    }

    #[test]
    fn every_group_version_is_there_and_no_other() {
        let discovery = Discovery::new("127.0.0.1:6443");
        let code = |group: &str, version: &str| {
            let group_version =
                GroupVersion { group: group.to_owned(), version: version.to_owned() };
            let answer = discovery.answer(&Target::GroupVersion(group_version), &HeaderMap::new());
            answer.map_or_else(|status| status.code, |answer| answer.status().as_u16())
        };
        assert_eq!((code("", "v1"), code("apps", "v1"), code("apps", "v2")), (200, 200, 404));
    }
}
