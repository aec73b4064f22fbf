//! Messages of `k8s.io/api/networking/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.networking.v1", group: "networking.k8s.io", version: "v1" };

pub(crate) static HTTPIngressPath: Message = Message {
    name: "HTTPIngressPath", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("backend", 2, Single, Type::Message(&IngressBackend), R, None),
        f!("path", 1, Single, Type::String, O, None),
        f!("pathType", 3, Single, Type::String, PR, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static HTTPIngressRuleValue: Message = Message {
    name: "HTTPIngressRuleValue", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("paths", 1, List, Type::Message(&HTTPIngressPath), R, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static IPAddress: Message = Message {
    name: "IPAddress", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&IPAddressSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static IPAddressList: Message = Message {
    name: "IPAddressList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&IPAddress), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static IPAddressSpec: Message = Message {
    name: "IPAddressSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("parentRef", 1, Single, Type::Message(&ParentReference), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static IPBlock: Message = Message {
    name: "IPBlock", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("cidr", 1, Single, Type::String, R, None),
        f!("except", 2, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static Ingress: Message = Message {
    name: "Ingress", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&IngressSpec), O, None),
        f!("status", 3, Single, Type::Message(&IngressStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static IngressBackend: Message = Message {
    name: "IngressBackend", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("resource", 3, Single, Type::Message(&super::core_v1::TypedLocalObjectReference), PO, None),
        f!("service", 4, Single, Type::Message(&IngressServiceBackend), PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static IngressClass: Message = Message {
    name: "IngressClass", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&IngressClassSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static IngressClassList: Message = Message {
    name: "IngressClassList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&IngressClass), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static IngressClassParametersReference: Message = Message {
    name: "IngressClassParametersReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiGroup", 1, Single, Type::String, PO, None),
        f!("kind", 2, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
        f!("namespace", 5, Single, Type::String, PO, None),
        f!("scope", 4, Single, Type::String, P, None),
    ],
    by_number: &[0, 1, 2, 4, 3],
    inlines: &[],
};

pub(crate) static IngressClassSpec: Message = Message {
    name: "IngressClassSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("controller", 1, Single, Type::String, O, None),
        f!("parameters", 2, Single, Type::Message(&IngressClassParametersReference), PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static IngressList: Message = Message {
    name: "IngressList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Ingress), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static IngressLoadBalancerIngress: Message = Message {
    name: "IngressLoadBalancerIngress", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hostname", 2, Single, Type::String, O, None),
        f!("ip", 1, Single, Type::String, O, None),
        f!("ports", 4, List, Type::Message(&IngressPortStatus), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static IngressLoadBalancerStatus: Message = Message {
    name: "IngressLoadBalancerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ingress", 1, List, Type::Message(&IngressLoadBalancerIngress), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static IngressPortStatus: Message = Message {
    name: "IngressPortStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("error", 3, Single, Type::String, PO, None),
        f!("port", 1, Single, Type::Int32, R, None),
        f!("protocol", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static IngressRule: Message = Message {
    name: "IngressRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("host", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 2, message: &IngressRuleValue }],
};

pub(crate) static IngressRuleValue: Message = Message {
    name: "IngressRuleValue", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("http", 1, Single, Type::Message(&HTTPIngressRuleValue), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static IngressServiceBackend: Message = Message {
    name: "IngressServiceBackend", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("port", 2, Single, Type::Message(&ServiceBackendPort), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static IngressSpec: Message = Message {
    name: "IngressSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("defaultBackend", 1, Single, Type::Message(&IngressBackend), PO, None),
        f!("ingressClassName", 4, Single, Type::String, PO, None),
        f!("rules", 3, List, Type::Message(&IngressRule), O, Some(&ATOMIC)),
        f!("tls", 2, List, Type::Message(&IngressTLS), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 3, 2, 1],
    inlines: &[],
};

pub(crate) static IngressStatus: Message = Message {
    name: "IngressStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("loadBalancer", 1, Single, Type::Message(&IngressLoadBalancerStatus), O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static IngressTLS: Message = Message {
    name: "IngressTLS", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hosts", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("secretName", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NetworkPolicy: Message = Message {
    name: "NetworkPolicy", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&NetworkPolicySpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NetworkPolicyEgressRule: Message = Message {
    name: "NetworkPolicyEgressRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ports", 1, List, Type::Message(&NetworkPolicyPort), O, Some(&ATOMIC)),
        f!("to", 2, List, Type::Message(&NetworkPolicyPeer), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NetworkPolicyIngressRule: Message = Message {
    name: "NetworkPolicyIngressRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("from", 2, List, Type::Message(&NetworkPolicyPeer), O, Some(&ATOMIC)),
        f!("ports", 1, List, Type::Message(&NetworkPolicyPort), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NetworkPolicyList: Message = Message {
    name: "NetworkPolicyList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&NetworkPolicy), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NetworkPolicyPeer: Message = Message {
    name: "NetworkPolicyPeer", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ipBlock", 3, Single, Type::Message(&IPBlock), PO, None),
        f!("namespaceSelector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("podSelector", 1, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static NetworkPolicyPort: Message = Message {
    name: "NetworkPolicyPort", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("endPort", 3, Single, Type::Int32, PO, None),
        f!("port", 2, Single, Type::IntOrString, PO, None),
        f!("protocol", 1, Single, Type::String, PO, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static NetworkPolicySpec: Message = Message {
    name: "NetworkPolicySpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("egress", 3, List, Type::Message(&NetworkPolicyEgressRule), O, Some(&ATOMIC)),
        f!("ingress", 2, List, Type::Message(&NetworkPolicyIngressRule), O, Some(&ATOMIC)),
        f!("podSelector", 1, Single, Type::Message(&super::meta_v1::LabelSelector), N, None),
        f!("policyTypes", 4, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[2, 1, 0, 3],
    inlines: &[],
};

pub(crate) static ParentReference: Message = Message {
    name: "ParentReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("group", 1, Single, Type::String, O, None),
        f!("name", 4, Single, Type::String, O, None),
        f!("namespace", 3, Single, Type::String, O, None),
        f!("resource", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 3, 2, 1],
    inlines: &[],
};

pub(crate) static ServiceBackendPort: Message = Message {
    name: "ServiceBackendPort", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("name", 1, Single, Type::String, O, None),
        f!("number", 2, Single, Type::Int32, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ServiceCIDR: Message = Message {
    name: "ServiceCIDR", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ServiceCIDRSpec), O, None),
        f!("status", 3, Single, Type::Message(&ServiceCIDRStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ServiceCIDRList: Message = Message {
    name: "ServiceCIDRList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ServiceCIDR), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ServiceCIDRSpec: Message = Message {
    name: "ServiceCIDRSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("cidrs", 1, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ServiceCIDRStatus: Message = Message {
    name: "ServiceCIDRStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 1, List, Type::Message(&super::meta_v1::Condition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
    ],
    by_number: &[0],
    inlines: &[],
};
