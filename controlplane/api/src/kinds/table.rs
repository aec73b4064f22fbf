//! The table of all kinds, in the order discovery shows them.

use super::config::{ConfigMap, Secret};
use super::controller_revision::ControllerRevision;
use super::daemon_set::DaemonSet;
use super::deployment::Deployment;
use super::disruption_budget::PodDisruptionBudget;
use super::endpoints::{EndpointSlice, Endpoints};
use super::event::Event;
use super::lease::Lease;
use super::namespace::Namespace;
use super::node::Node;
use super::pod::Pod;
use super::replica_set::ReplicaSet;
use super::service::Service;
use super::stateful_set::StatefulSet;
use super::strategy::Plain;
use super::{Durability, Kind, Subresource};
use crate::printers;

const ALL_VERBS: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
/// Namespaces are deleted one at a time: each takes its content with it.
const NAMESPACE_VERBS: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const READ_WRITE: &[&str] = &["get", "patch", "update"];
const CREATE: &[&str] = &["create"];
const STREAM: &[&str] = &["create", "get"];

const fn status(kind: &'static str, group: &'static str, version: &'static str) -> Subresource {
    Subresource { name: "status", group, version, kind, verbs: READ_WRITE }
}

const fn core(
    name: &'static str,
    kind: &'static str,
    verbs: &'static [&'static str],
) -> Subresource {
    Subresource { name, group: "", version: "v1", kind, verbs }
}

const SCALE: Subresource = Subresource {
    name: "scale",
    group: "autoscaling",
    version: "v1",
    kind: "Scale",
    verbs: READ_WRITE,
};

const EVICTION: Subresource = Subresource {
    name: "eviction",
    group: "policy",
    version: "v1",
    kind: "Eviction",
    verbs: CREATE,
};

/// What most kinds share, to be overridden with `..CORE`.
const CORE: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    list_kind: "",
    plural: "",
    singular: "",
    short_names: &[],
    categories: &[],
    namespaced: true,
    verbs: ALL_VERBS,
    schema: "",
    subresources: &[],
    durability: Durability::Durable,
    generation_of: &[],
    strategy: &Plain,
    printer: &printers::Generic,
};

/// Every kind the API serves.
pub static KINDS: &[Kind] = &[
    Kind {
        kind: "ConfigMap",
        list_kind: "ConfigMapList",
        plural: "configmaps",
        singular: "configmap",
        short_names: &["cm"],
        schema: "k8s.io.api.core.v1.ConfigMap",
        strategy: &ConfigMap,
        printer: &printers::ConfigMap,
        ..CORE
    },
    Kind {
        kind: "Endpoints",
        list_kind: "EndpointsList",
        plural: "endpoints",
        singular: "endpoints",
        short_names: &["ep"],
        schema: "k8s.io.api.core.v1.Endpoints",
        strategy: &Endpoints,
        printer: &printers::Endpoints,
        ..CORE
    },
    Kind {
        kind: "Event",
        list_kind: "EventList",
        plural: "events",
        singular: "event",
        short_names: &["ev"],
        schema: "k8s.io.api.core.v1.Event",
        durability: Durability::Relaxed,
        strategy: &Event,
        printer: &printers::Event,
        ..CORE
    },
    Kind {
        kind: "Namespace",
        list_kind: "NamespaceList",
        plural: "namespaces",
        singular: "namespace",
        short_names: &["ns"],
        namespaced: false,
        verbs: NAMESPACE_VERBS,
        schema: "k8s.io.api.core.v1.Namespace",
        subresources: &[core("finalize", "Namespace", &["update"]), status("Namespace", "", "v1")],
        strategy: &Namespace,
        printer: &printers::Namespace,
        ..CORE
    },
    Kind {
        kind: "Node",
        list_kind: "NodeList",
        plural: "nodes",
        singular: "node",
        short_names: &["no"],
        namespaced: false,
        schema: "k8s.io.api.core.v1.Node",
        subresources: &[status("Node", "", "v1")],
        strategy: &Node,
        printer: &printers::Node,
        ..CORE
    },
    Kind {
        kind: "Pod",
        list_kind: "PodList",
        plural: "pods",
        singular: "pod",
        short_names: &["po"],
        categories: &["all"],
        schema: "k8s.io.api.core.v1.Pod",
        subresources: &[
            core("attach", "PodAttachOptions", STREAM),
            core("binding", "Binding", CREATE),
            EVICTION,
            core("exec", "PodExecOptions", STREAM),
            core("log", "Pod", &["get"]),
            core("portforward", "PodPortForwardOptions", STREAM),
            status("Pod", "", "v1"),
        ],
        generation_of: &["spec"],
        strategy: &Pod,
        printer: &printers::Pod,
        ..CORE
    },
    Kind {
        kind: "Secret",
        list_kind: "SecretList",
        plural: "secrets",
        singular: "secret",
        schema: "k8s.io.api.core.v1.Secret",
        strategy: &Secret,
        printer: &printers::Secret,
        ..CORE
    },
    Kind {
        kind: "ServiceAccount",
        list_kind: "ServiceAccountList",
        plural: "serviceaccounts",
        singular: "serviceaccount",
        short_names: &["sa"],
        schema: "k8s.io.api.core.v1.ServiceAccount",
        printer: &printers::ServiceAccount,
        ..CORE
    },
    Kind {
        kind: "Service",
        list_kind: "ServiceList",
        plural: "services",
        singular: "service",
        short_names: &["svc"],
        categories: &["all"],
        schema: "k8s.io.api.core.v1.Service",
        subresources: &[status("Service", "", "v1")],
        strategy: &Service,
        printer: &printers::Service,
        ..CORE
    },
    Kind {
        group: "apps",
        kind: "ControllerRevision",
        list_kind: "ControllerRevisionList",
        plural: "controllerrevisions",
        singular: "controllerrevision",
        schema: "k8s.io.api.apps.v1.ControllerRevision",
        strategy: &ControllerRevision,
        printer: &printers::ControllerRevision,
        ..CORE
    },
    Kind {
        group: "apps",
        kind: "DaemonSet",
        list_kind: "DaemonSetList",
        plural: "daemonsets",
        singular: "daemonset",
        short_names: &["ds"],
        categories: &["all"],
        schema: "k8s.io.api.apps.v1.DaemonSet",
        subresources: &[status("DaemonSet", "apps", "v1")],
        generation_of: &["spec"],
        strategy: &DaemonSet,
        printer: &printers::DaemonSet,
        ..CORE
    },
    Kind {
        group: "apps",
        kind: "Deployment",
        list_kind: "DeploymentList",
        plural: "deployments",
        singular: "deployment",
        short_names: &["deploy"],
        categories: &["all"],
        schema: "k8s.io.api.apps.v1.Deployment",
        subresources: &[SCALE, status("Deployment", "apps", "v1")],
        generation_of: &["spec"],
        strategy: &Deployment,
        printer: &printers::Deployment,
        ..CORE
    },
    Kind {
        group: "apps",
        kind: "ReplicaSet",
        list_kind: "ReplicaSetList",
        plural: "replicasets",
        singular: "replicaset",
        short_names: &["rs"],
        categories: &["all"],
        schema: "k8s.io.api.apps.v1.ReplicaSet",
        subresources: &[SCALE, status("ReplicaSet", "apps", "v1")],
        generation_of: &["spec"],
        strategy: &ReplicaSet,
        printer: &printers::ReplicaSet,
        ..CORE
    },
    Kind {
        group: "apps",
        kind: "StatefulSet",
        list_kind: "StatefulSetList",
        plural: "statefulsets",
        singular: "statefulset",
        short_names: &["sts"],
        categories: &["all"],
        schema: "k8s.io.api.apps.v1.StatefulSet",
        subresources: &[SCALE, status("StatefulSet", "apps", "v1")],
        generation_of: &["spec"],
        strategy: &StatefulSet,
        printer: &printers::StatefulSet,
        ..CORE
    },
    Kind {
        group: "coordination.k8s.io",
        kind: "Lease",
        list_kind: "LeaseList",
        plural: "leases",
        singular: "lease",
        schema: "k8s.io.api.coordination.v1.Lease",
        durability: Durability::Relaxed,
        strategy: &Lease,
        printer: &printers::Lease,
        ..CORE
    },
    Kind {
        group: "discovery.k8s.io",
        kind: "EndpointSlice",
        list_kind: "EndpointSliceList",
        plural: "endpointslices",
        singular: "endpointslice",
        schema: "k8s.io.api.discovery.v1.EndpointSlice",
        generation_of: &["addressType", "endpoints", "ports"],
        strategy: &EndpointSlice,
        printer: &printers::EndpointSlice,
        ..CORE
    },
    Kind {
        group: "policy",
        kind: "PodDisruptionBudget",
        list_kind: "PodDisruptionBudgetList",
        plural: "poddisruptionbudgets",
        singular: "poddisruptionbudget",
        short_names: &["pdb"],
        schema: "k8s.io.api.policy.v1.PodDisruptionBudget",
        subresources: &[status("PodDisruptionBudget", "policy", "v1")],
        generation_of: &["spec"],
        strategy: &PodDisruptionBudget,
        printer: &printers::PodDisruptionBudget,
        ..CORE
    },
];
