//! Messages of `k8s.io/api/admissionregistration/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.admissionregistration.v1", group: "admissionregistration.k8s.io", version: "v1" };

pub(crate) static ApplyConfiguration: Message = Message {
    name: "ApplyConfiguration", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expression", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static AuditAnnotation: Message = Message {
    name: "AuditAnnotation", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("valueExpression", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ExpressionWarning: Message = Message {
    name: "ExpressionWarning", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fieldRef", 2, Single, Type::String, R, None),
        f!("warning", 3, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static JSONPatch: Message = Message {
    name: "JSONPatch", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expression", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static MatchCondition: Message = Message {
    name: "MatchCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expression", 2, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static MatchResources: Message = Message {
    name: "MatchResources", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("excludeResourceRules", 4, List, Type::Message(&NamedRuleWithOperations), O, Some(&ATOMIC)),
        f!("matchPolicy", 7, Single, Type::String, PO, None),
        f!("namespaceSelector", 1, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("objectSelector", 2, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("resourceRules", 3, List, Type::Message(&NamedRuleWithOperations), O, Some(&ATOMIC)),
    ],
    by_number: &[2, 3, 4, 0, 1],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicy: Message = Message {
    name: "MutatingAdmissionPolicy", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&MutatingAdmissionPolicySpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicyBinding: Message = Message {
    name: "MutatingAdmissionPolicyBinding", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&MutatingAdmissionPolicyBindingSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicyBindingList: Message = Message {
    name: "MutatingAdmissionPolicyBindingList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&MutatingAdmissionPolicyBinding), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicyBindingSpec: Message = Message {
    name: "MutatingAdmissionPolicyBindingSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("matchResources", 3, Single, Type::Message(&MatchResources), PO, None),
        f!("paramRef", 2, Single, Type::Message(&ParamRef), PO, None),
        f!("policyName", 1, Single, Type::String, O, None),
    ],
    by_number: &[2, 1, 0],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicyList: Message = Message {
    name: "MutatingAdmissionPolicyList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&MutatingAdmissionPolicy), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static MutatingAdmissionPolicySpec: Message = Message {
    name: "MutatingAdmissionPolicySpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("failurePolicy", 5, Single, Type::String, PO, None),
        f!("matchConditions", 6, List, Type::Message(&MatchCondition), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("matchConstraints", 2, Single, Type::Message(&MatchResources), PO, None),
        f!("mutations", 4, List, Type::Message(&Mutation), O, Some(&ATOMIC)),
        f!("paramKind", 1, Single, Type::Message(&ParamKind), PO, None),
        f!("reinvocationPolicy", 7, Single, Type::String, O, None),
        f!("variables", 3, List, Type::Message(&Variable), O, Some(&ATOMIC)),
    ],
    by_number: &[4, 2, 6, 3, 0, 1, 5],
    inlines: &[],
};

pub(crate) static MutatingWebhook: Message = Message {
    name: "MutatingWebhook", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("admissionReviewVersions", 8, List, Type::String, R, Some(&ATOMIC)),
        f!("clientConfig", 2, Single, Type::Message(&WebhookClientConfig), R, None),
        f!("failurePolicy", 4, Single, Type::String, PO, None),
        f!("matchConditions", 12, List, Type::Message(&MatchCondition), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("matchPolicy", 9, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("namespaceSelector", 5, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("objectSelector", 11, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("reinvocationPolicy", 10, Single, Type::String, PO, None),
        f!("rules", 3, List, Type::Message(&RuleWithOperations), O, Some(&ATOMIC)),
        f!("sideEffects", 6, Single, Type::String, PR, None),
        f!("timeoutSeconds", 7, Single, Type::Int32, PO, None),
    ],
    by_number: &[5, 1, 9, 2, 6, 10, 11, 0, 4, 8, 7, 3],
    inlines: &[],
};

pub(crate) static MutatingWebhookConfiguration: Message = Message {
    name: "MutatingWebhookConfiguration", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("webhooks", 2, List, Type::Message(&MutatingWebhook), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static MutatingWebhookConfigurationList: Message = Message {
    name: "MutatingWebhookConfigurationList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&MutatingWebhookConfiguration), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Mutation: Message = Message {
    name: "Mutation", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("applyConfiguration", 3, Single, Type::Message(&ApplyConfiguration), PO, None),
        f!("jsonPatch", 4, Single, Type::Message(&JSONPatch), PO, None),
        f!("patchType", 2, Single, Type::String, R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static NamedRuleWithOperations: Message = Message {
    name: "NamedRuleWithOperations", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("resourceNames", 1, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 2, message: &RuleWithOperations }],
};

pub(crate) static ParamKind: Message = Message {
    name: "ParamKind", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiVersion", 1, Single, Type::String, O, None),
        f!("kind", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ParamRef: Message = Message {
    name: "ParamRef", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("name", 1, Single, Type::String, O, None),
        f!("namespace", 2, Single, Type::String, O, None),
        f!("parameterNotFoundAction", 4, Single, Type::String, PO, None),
        f!("selector", 3, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
    ],
    by_number: &[0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static Rule: Message = Message {
    name: "Rule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiGroups", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("apiVersions", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("resources", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("scope", 4, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 2, 3],
    inlines: &[],
};

pub(crate) static RuleWithOperations: Message = Message {
    name: "RuleWithOperations", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("operations", 1, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 2, message: &Rule }],
};

pub(crate) static ServiceReference: Message = Message {
    name: "ServiceReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 2, Single, Type::String, R, None),
        f!("namespace", 1, Single, Type::String, R, None),
        f!("path", 3, Single, Type::String, PO, None),
        f!("port", 4, Single, Type::Int32, PO, None),
    ],
    by_number: &[1, 0, 2, 3],
    inlines: &[],
};

pub(crate) static TypeChecking: Message = Message {
    name: "TypeChecking", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expressionWarnings", 1, List, Type::Message(&ExpressionWarning), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicy: Message = Message {
    name: "ValidatingAdmissionPolicy", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ValidatingAdmissionPolicySpec), O, None),
        f!("status", 3, Single, Type::Message(&ValidatingAdmissionPolicyStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicyBinding: Message = Message {
    name: "ValidatingAdmissionPolicyBinding", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ValidatingAdmissionPolicyBindingSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicyBindingList: Message = Message {
    name: "ValidatingAdmissionPolicyBindingList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ValidatingAdmissionPolicyBinding), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicyBindingSpec: Message = Message {
    name: "ValidatingAdmissionPolicyBindingSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("matchResources", 3, Single, Type::Message(&MatchResources), PO, None),
        f!("paramRef", 2, Single, Type::Message(&ParamRef), PO, None),
        f!("policyName", 1, Single, Type::String, O, None),
        f!("validationActions", 4, List, Type::String, O, Some(&SET)),
    ],
    by_number: &[2, 1, 0, 3],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicyList: Message = Message {
    name: "ValidatingAdmissionPolicyList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ValidatingAdmissionPolicy), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicySpec: Message = Message {
    name: "ValidatingAdmissionPolicySpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("auditAnnotations", 5, List, Type::Message(&AuditAnnotation), O, Some(&ATOMIC)),
        f!("failurePolicy", 4, Single, Type::String, PO, None),
        f!("matchConditions", 6, List, Type::Message(&MatchCondition), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("matchConstraints", 2, Single, Type::Message(&MatchResources), PO, None),
        f!("paramKind", 1, Single, Type::Message(&ParamKind), PO, None),
        f!("validations", 3, List, Type::Message(&Validation), O, Some(&ATOMIC)),
        f!("variables", 7, List, Type::Message(&Variable), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
    ],
    by_number: &[4, 3, 5, 1, 0, 2, 6],
    inlines: &[],
};

pub(crate) static ValidatingAdmissionPolicyStatus: Message = Message {
    name: "ValidatingAdmissionPolicyStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 3, List, Type::Message(&super::meta_v1::Condition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: None, retain_keys: false, merge_key: "" })),
        f!("observedGeneration", 1, Single, Type::Int64, O, None),
        f!("typeChecking", 2, Single, Type::Message(&TypeChecking), PO, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ValidatingWebhook: Message = Message {
    name: "ValidatingWebhook", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("admissionReviewVersions", 8, List, Type::String, R, Some(&ATOMIC)),
        f!("clientConfig", 2, Single, Type::Message(&WebhookClientConfig), R, None),
        f!("failurePolicy", 4, Single, Type::String, PO, None),
        f!("matchConditions", 11, List, Type::Message(&MatchCondition), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("matchPolicy", 9, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("namespaceSelector", 5, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("objectSelector", 10, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("rules", 3, List, Type::Message(&RuleWithOperations), O, Some(&ATOMIC)),
        f!("sideEffects", 6, Single, Type::String, PR, None),
        f!("timeoutSeconds", 7, Single, Type::Int32, PO, None),
    ],
    by_number: &[5, 1, 8, 2, 6, 9, 10, 0, 4, 7, 3],
    inlines: &[],
};

pub(crate) static ValidatingWebhookConfiguration: Message = Message {
    name: "ValidatingWebhookConfiguration", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("webhooks", 2, List, Type::Message(&ValidatingWebhook), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ValidatingWebhookConfigurationList: Message = Message {
    name: "ValidatingWebhookConfigurationList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ValidatingWebhookConfiguration), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Validation: Message = Message {
    name: "Validation", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("expression", 1, Single, Type::String, R, None),
        f!("message", 2, Single, Type::String, O, None),
        f!("messageExpression", 4, Single, Type::String, O, None),
        f!("reason", 3, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static Variable: Message = Message {
    name: "Variable", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("expression", 2, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static WebhookClientConfig: Message = Message {
    name: "WebhookClientConfig", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("caBundle", 2, Single, Type::Bytes, O, None),
        f!("service", 1, Single, Type::Message(&ServiceReference), PO, None),
        f!("url", 3, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};
