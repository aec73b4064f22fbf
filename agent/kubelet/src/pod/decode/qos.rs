//! The pod's quality-of-service class, from its containers' requests and limits.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as api;
use k8s_openapi::apimachinery::pkg::api::resource;

use crate::pod::spec::QosClass;
use crate::quantity::Quantity;

type Amounts = BTreeMap<String, resource::Quantity>;

/// Guaranteed: every container limits cpu and memory and requests as much. BestEffort: none asks for any.
pub(super) fn class(spec: &api::PodSpec) -> QosClass {
    let containers = || spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut any = false;
    let mut guaranteed = true;
    for container in containers() {
        let resources = container.resources.as_ref();
        let limits = resources.and_then(|r| r.limits.as_ref());
        let requests = resources.and_then(|r| r.requests.as_ref());
        for name in ["cpu", "memory"] {
            let limit = amount(limits, name);
            let request = amount(requests, name).or(limit);
            any |= request.is_some();
            guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (any, guaranteed) {
        (false, _) => QosClass::BestEffort,
        (true, true) => QosClass::Guaranteed,
        (true, false) => QosClass::Burstable,
    }
}

/// Zero counts as not asked for.
pub(super) fn amount(amounts: Option<&Amounts>, name: &str) -> Option<Quantity> {
    Quantity::parse(&amounts?.get(name)?.0).filter(|q| !q.is_zero())
}
