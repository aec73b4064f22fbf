//! Messages of `k8s.io/api/core/v1`.
//!
//! Written by `cargo xtask schema`; do not edit. Facts (names, numbers, types, list keys,
//! patch strategies) from Debian's golang-k8s-api-dev 0.36.4-1 and golang-k8s-apimachinery-dev 0.36.4-3.

use super::super::table::*;

static PACKAGE: Package = Package { name: "k8s.io.api.core.v1", group: "", version: "v1" };

pub(crate) static AWSElasticBlockStoreVolumeSource: Message = Message {
    name: "AWSElasticBlockStoreVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("partition", 3, Single, Type::Int32, O, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("volumeID", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 0, 1, 2],
    inlines: &[],
};

pub(crate) static Affinity: Message = Message {
    name: "Affinity", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("nodeAffinity", 1, Single, Type::Message(&NodeAffinity), PO, None),
        f!("podAffinity", 2, Single, Type::Message(&PodAffinity), PO, None),
        f!("podAntiAffinity", 3, Single, Type::Message(&PodAntiAffinity), PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static AppArmorProfile: Message = Message {
    name: "AppArmorProfile", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("localhostProfile", 2, Single, Type::String, PO, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static AttachedVolume: Message = Message {
    name: "AttachedVolume", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("devicePath", 2, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static AzureDiskVolumeSource: Message = Message {
    name: "AzureDiskVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("cachingMode", 3, Single, Type::String, PO, None),
        f!("diskName", 1, Single, Type::String, R, None),
        f!("diskURI", 2, Single, Type::String, R, None),
        f!("fsType", 4, Single, Type::String, PO, None),
        f!("kind", 6, Single, Type::String, PO, None),
        f!("readOnly", 5, Single, Type::Bool, PO, None),
    ],
    by_number: &[1, 2, 0, 3, 5, 4],
    inlines: &[],
};

pub(crate) static AzureFilePersistentVolumeSource: Message = Message {
    name: "AzureFilePersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("secretName", 1, Single, Type::String, R, None),
        f!("secretNamespace", 4, Single, Type::String, P, None),
        f!("shareName", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 3, 0, 2],
    inlines: &[],
};

pub(crate) static AzureFileVolumeSource: Message = Message {
    name: "AzureFileVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("secretName", 1, Single, Type::String, R, None),
        f!("shareName", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static Binding: Message = Message {
    name: "Binding", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("target", 2, Single, Type::Message(&ObjectReference), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static CSIPersistentVolumeSource: Message = Message {
    name: "CSIPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("controllerExpandSecretRef", 9, Single, Type::Message(&SecretReference), PO, None),
        f!("controllerPublishSecretRef", 6, Single, Type::Message(&SecretReference), PO, None),
        f!("driver", 1, Single, Type::String, R, None),
        f!("fsType", 4, Single, Type::String, O, None),
        f!("nodeExpandSecretRef", 10, Single, Type::Message(&SecretReference), PO, None),
        f!("nodePublishSecretRef", 8, Single, Type::Message(&SecretReference), PO, None),
        f!("nodeStageSecretRef", 7, Single, Type::Message(&SecretReference), PO, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("volumeAttributes", 5, Map, Type::String, O, None),
        f!("volumeHandle", 2, Single, Type::String, R, None),
    ],
    by_number: &[2, 9, 7, 3, 8, 1, 6, 5, 0, 4],
    inlines: &[],
};

pub(crate) static CSIVolumeSource: Message = Message {
    name: "CSIVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("driver", 1, Single, Type::String, R, None),
        f!("fsType", 3, Single, Type::String, PO, None),
        f!("nodePublishSecretRef", 5, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("readOnly", 2, Single, Type::Bool, PO, None),
        f!("volumeAttributes", 4, Map, Type::String, O, None),
    ],
    by_number: &[0, 3, 1, 4, 2],
    inlines: &[],
};

pub(crate) static Capabilities: Message = Message {
    name: "Capabilities", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("add", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("drop", 2, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static CephFSPersistentVolumeSource: Message = Message {
    name: "CephFSPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("monitors", 1, List, Type::String, R, Some(&ATOMIC)),
        f!("path", 2, Single, Type::String, O, None),
        f!("readOnly", 6, Single, Type::Bool, O, None),
        f!("secretFile", 4, Single, Type::String, O, None),
        f!("secretRef", 5, Single, Type::Message(&SecretReference), PO, None),
        f!("user", 3, Single, Type::String, O, None),
    ],
    by_number: &[0, 1, 5, 3, 4, 2],
    inlines: &[],
};

pub(crate) static CephFSVolumeSource: Message = Message {
    name: "CephFSVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("monitors", 1, List, Type::String, R, Some(&ATOMIC)),
        f!("path", 2, Single, Type::String, O, None),
        f!("readOnly", 6, Single, Type::Bool, O, None),
        f!("secretFile", 4, Single, Type::String, O, None),
        f!("secretRef", 5, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("user", 3, Single, Type::String, O, None),
    ],
    by_number: &[0, 1, 5, 3, 4, 2],
    inlines: &[],
};

pub(crate) static CinderPersistentVolumeSource: Message = Message {
    name: "CinderPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("secretRef", 4, Single, Type::Message(&SecretReference), PO, None),
        f!("volumeID", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 0, 1, 2],
    inlines: &[],
};

pub(crate) static CinderVolumeSource: Message = Message {
    name: "CinderVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("secretRef", 4, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("volumeID", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 0, 1, 2],
    inlines: &[],
};

pub(crate) static ClientIPConfig: Message = Message {
    name: "ClientIPConfig", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("timeoutSeconds", 1, Single, Type::Int32, PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ClusterTrustBundleProjection: Message = Message {
    name: "ClusterTrustBundleProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("labelSelector", 3, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("name", 1, Single, Type::String, PO, None),
        f!("optional", 5, Single, Type::Bool, PO, None),
        f!("path", 4, Single, Type::String, R, None),
        f!("signerName", 2, Single, Type::String, PO, None),
    ],
    by_number: &[1, 4, 0, 3, 2],
    inlines: &[],
};

pub(crate) static ComponentCondition: Message = Message {
    name: "ComponentCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("error", 4, Single, Type::String, O, None),
        f!("message", 3, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 2, 1, 0],
    inlines: &[],
};

pub(crate) static ComponentStatus: Message = Message {
    name: "ComponentStatus", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("conditions", 2, List, Type::Message(&ComponentCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ComponentStatusList: Message = Message {
    name: "ComponentStatusList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ComponentStatus), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ConfigMap: Message = Message {
    name: "ConfigMap", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("binaryData", 3, Map, Type::Bytes, O, None),
        f!("data", 2, Map, Type::String, O, None),
        f!("immutable", 4, Single, Type::Bool, PO, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
    ],
    by_number: &[3, 1, 0, 2],
    inlines: &[],
};

pub(crate) static ConfigMapEnvSource: Message = Message {
    name: "ConfigMapEnvSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("optional", 2, Single, Type::Bool, PO, None),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static ConfigMapKeySelector: Message = Message {
    name: "ConfigMapKeySelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("key", 2, Single, Type::String, R, None),
        f!("optional", 3, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static ConfigMapList: Message = Message {
    name: "ConfigMapList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ConfigMap), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ConfigMapNodeConfigSource: Message = Message {
    name: "ConfigMapNodeConfigSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("kubeletConfigKey", 5, Single, Type::String, R, None),
        f!("name", 2, Single, Type::String, R, None),
        f!("namespace", 1, Single, Type::String, R, None),
        f!("resourceVersion", 4, Single, Type::String, O, None),
        f!("uid", 3, Single, Type::String, O, None),
    ],
    by_number: &[2, 1, 4, 3, 0],
    inlines: &[],
};

pub(crate) static ConfigMapProjection: Message = Message {
    name: "ConfigMapProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&KeyToPath), O, Some(&ATOMIC)),
        f!("optional", 4, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static ConfigMapVolumeSource: Message = Message {
    name: "ConfigMapVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("defaultMode", 3, Single, Type::Int32, PO, None),
        f!("items", 2, List, Type::Message(&KeyToPath), O, Some(&ATOMIC)),
        f!("optional", 4, Single, Type::Bool, PO, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static Container: Message = Message {
    name: "Container", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("args", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("command", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("env", 7, List, Type::Message(&EnvVar), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("envFrom", 19, List, Type::Message(&EnvFromSource), O, Some(&ATOMIC)),
        f!("image", 2, Single, Type::String, O, None),
        f!("imagePullPolicy", 14, Single, Type::String, O, None),
        f!("lifecycle", 12, Single, Type::Message(&Lifecycle), PO, None),
        f!("livenessProbe", 10, Single, Type::Message(&Probe), PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("ports", 6, List, Type::Message(&ContainerPort), O, Some(&Merge { list: Some(ListType::Map(&["containerPort", "protocol"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "containerPort" })),
        f!("readinessProbe", 11, Single, Type::Message(&Probe), PO, None),
        f!("resizePolicy", 23, List, Type::Message(&ContainerResizePolicy), O, Some(&ATOMIC)),
        f!("resources", 8, Single, Type::Message(&ResourceRequirements), O, None),
        f!("restartPolicy", 24, Single, Type::String, PO, None),
        f!("restartPolicyRules", 25, List, Type::Message(&ContainerRestartRule), O, Some(&ATOMIC)),
        f!("securityContext", 15, Single, Type::Message(&SecurityContext), PO, None),
        f!("startupProbe", 22, Single, Type::Message(&Probe), PO, None),
        f!("stdin", 16, Single, Type::Bool, O, None),
        f!("stdinOnce", 17, Single, Type::Bool, O, None),
        f!("terminationMessagePath", 13, Single, Type::String, O, None),
        f!("terminationMessagePolicy", 20, Single, Type::String, O, None),
        f!("tty", 18, Single, Type::Bool, O, None),
        f!("volumeDevices", 21, List, Type::Message(&VolumeDevice), O, Some(&Merge { list: Some(ListType::Map(&["devicePath"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "devicePath" })),
        f!("volumeMounts", 9, List, Type::Message(&VolumeMount), O, Some(&Merge { list: Some(ListType::Map(&["mountPath"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "mountPath" })),
        f!("workingDir", 5, Single, Type::String, O, None),
    ],
    by_number: &[8, 4, 1, 0, 24, 9, 2, 12, 23, 7, 10, 6, 19, 5, 15, 17, 18, 21, 3, 20, 22, 16, 11, 13, 14],
    inlines: &[],
};

pub(crate) static ContainerExtendedResourceRequest: Message = Message {
    name: "ContainerExtendedResourceRequest", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerName", 1, Single, Type::String, R, None),
        f!("requestName", 3, Single, Type::String, R, None),
        f!("resourceName", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static ContainerImage: Message = Message {
    name: "ContainerImage", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("names", 1, List, Type::String, N, Some(&ATOMIC)),
        f!("sizeBytes", 2, Single, Type::Int64, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ContainerPort: Message = Message {
    name: "ContainerPort", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerPort", 3, Single, Type::Int32, R, None),
        f!("hostIP", 5, Single, Type::String, O, None),
        f!("hostPort", 2, Single, Type::Int32, O, None),
        f!("name", 1, Single, Type::String, O, None),
        f!("protocol", 4, Single, Type::String, O, None),
    ],
    by_number: &[3, 2, 0, 4, 1],
    inlines: &[],
};

pub(crate) static ContainerResizePolicy: Message = Message {
    name: "ContainerResizePolicy", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("resourceName", 1, Single, Type::String, R, None),
        f!("restartPolicy", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ContainerRestartRule: Message = Message {
    name: "ContainerRestartRule", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("action", 1, Single, Type::String, O, None),
        f!("exitCodes", 2, Single, Type::Message(&ContainerRestartRuleOnExitCodes), PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ContainerRestartRuleOnExitCodes: Message = Message {
    name: "ContainerRestartRuleOnExitCodes", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("operator", 1, Single, Type::String, O, None),
        f!("values", 2, List, Type::Int32, O, Some(&SET)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ContainerState: Message = Message {
    name: "ContainerState", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("running", 2, Single, Type::Message(&ContainerStateRunning), PO, None),
        f!("terminated", 3, Single, Type::Message(&ContainerStateTerminated), PO, None),
        f!("waiting", 1, Single, Type::Message(&ContainerStateWaiting), PO, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static ContainerStateRunning: Message = Message {
    name: "ContainerStateRunning", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("startedAt", 1, Single, Type::Time, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ContainerStateTerminated: Message = Message {
    name: "ContainerStateTerminated", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containerID", 7, Single, Type::String, O, None),
        f!("exitCode", 1, Single, Type::Int32, R, None),
        f!("finishedAt", 6, Single, Type::Time, O, None),
        f!("message", 4, Single, Type::String, O, None),
        f!("reason", 3, Single, Type::String, O, None),
        f!("signal", 2, Single, Type::Int32, O, None),
        f!("startedAt", 5, Single, Type::Time, O, None),
    ],
    by_number: &[1, 5, 4, 3, 6, 2, 0],
    inlines: &[],
};

pub(crate) static ContainerStateWaiting: Message = Message {
    name: "ContainerStateWaiting", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("message", 2, Single, Type::String, O, None),
        f!("reason", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ContainerStatus: Message = Message {
    name: "ContainerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allocatedResources", 10, Map, Type::Quantity, O, None),
        f!("allocatedResourcesStatus", 14, List, Type::Message(&ResourceStatus), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("containerID", 8, Single, Type::String, O, None),
        f!("image", 6, Single, Type::String, R, None),
        f!("imageID", 7, Single, Type::String, R, None),
        f!("lastState", 3, Single, Type::Message(&ContainerState), O, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("ready", 4, Single, Type::Bool, R, None),
        f!("resources", 11, Single, Type::Message(&ResourceRequirements), PO, None),
        f!("restartCount", 5, Single, Type::Int32, R, None),
        f!("started", 9, Single, Type::Bool, PO, None),
        f!("state", 2, Single, Type::Message(&ContainerState), O, None),
        f!("stopSignal", 15, Single, Type::String, PO, None),
        f!("user", 13, Single, Type::Message(&ContainerUser), PO, None),
        f!("volumeMounts", 12, List, Type::Message(&VolumeMountStatus), O, Some(&Merge { list: Some(ListType::Map(&["mountPath"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "mountPath" })),
    ],
    by_number: &[6, 11, 5, 7, 9, 3, 4, 2, 10, 0, 8, 14, 13, 1, 12],
    inlines: &[],
};

pub(crate) static ContainerUser: Message = Message {
    name: "ContainerUser", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("linux", 1, Single, Type::Message(&LinuxContainerUser), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static DaemonEndpoint: Message = Message {
    name: "DaemonEndpoint", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("Port", 1, Single, Type::Int32, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static DownwardAPIProjection: Message = Message {
    name: "DownwardAPIProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("items", 1, List, Type::Message(&DownwardAPIVolumeFile), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static DownwardAPIVolumeFile: Message = Message {
    name: "DownwardAPIVolumeFile", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fieldRef", 2, Single, Type::Message(&ObjectFieldSelector), PO, None),
        f!("mode", 4, Single, Type::Int32, PO, None),
        f!("path", 1, Single, Type::String, R, None),
        f!("resourceFieldRef", 3, Single, Type::Message(&ResourceFieldSelector), PO, None),
    ],
    by_number: &[2, 0, 3, 1],
    inlines: &[],
};

pub(crate) static DownwardAPIVolumeSource: Message = Message {
    name: "DownwardAPIVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("defaultMode", 2, Single, Type::Int32, PO, None),
        f!("items", 1, List, Type::Message(&DownwardAPIVolumeFile), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static EmptyDirVolumeSource: Message = Message {
    name: "EmptyDirVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("medium", 1, Single, Type::String, O, None),
        f!("sizeLimit", 2, Single, Type::Quantity, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static EndpointAddress: Message = Message {
    name: "EndpointAddress", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("hostname", 3, Single, Type::String, O, None),
        f!("ip", 1, Single, Type::String, R, None),
        f!("nodeName", 4, Single, Type::String, PO, None),
        f!("targetRef", 2, Single, Type::Message(&ObjectReference), PO, None),
    ],
    by_number: &[1, 3, 0, 2],
    inlines: &[],
};

pub(crate) static EndpointPort: Message = Message {
    name: "EndpointPort", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("appProtocol", 4, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, O, None),
        f!("port", 2, Single, Type::Int32, R, None),
        f!("protocol", 3, Single, Type::String, O, None),
    ],
    by_number: &[1, 2, 3, 0],
    inlines: &[],
};

pub(crate) static EndpointSubset: Message = Message {
    name: "EndpointSubset", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("addresses", 1, List, Type::Message(&EndpointAddress), O, Some(&ATOMIC)),
        f!("notReadyAddresses", 2, List, Type::Message(&EndpointAddress), O, Some(&ATOMIC)),
        f!("ports", 3, List, Type::Message(&EndpointPort), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static Endpoints: Message = Message {
    name: "Endpoints", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("subsets", 2, List, Type::Message(&EndpointSubset), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static EndpointsList: Message = Message {
    name: "EndpointsList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Endpoints), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static EnvFromSource: Message = Message {
    name: "EnvFromSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("configMapRef", 2, Single, Type::Message(&ConfigMapEnvSource), PO, None),
        f!("prefix", 1, Single, Type::String, O, None),
        f!("secretRef", 3, Single, Type::Message(&SecretEnvSource), PO, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static EnvVar: Message = Message {
    name: "EnvVar", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("value", 2, Single, Type::String, O, None),
        f!("valueFrom", 3, Single, Type::Message(&EnvVarSource), PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static EnvVarSource: Message = Message {
    name: "EnvVarSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("configMapKeyRef", 3, Single, Type::Message(&ConfigMapKeySelector), PO, None),
        f!("fieldRef", 1, Single, Type::Message(&ObjectFieldSelector), PO, None),
        f!("fileKeyRef", 5, Single, Type::Message(&FileKeySelector), PO, None),
        f!("resourceFieldRef", 2, Single, Type::Message(&ResourceFieldSelector), PO, None),
        f!("secretKeyRef", 4, Single, Type::Message(&SecretKeySelector), PO, None),
    ],
    by_number: &[1, 3, 0, 4, 2],
    inlines: &[],
};

pub(crate) static EphemeralContainer: Message = Message {
    name: "EphemeralContainer", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("targetContainerName", 2, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 1, message: &EphemeralContainerCommon }],
};

pub(crate) static EphemeralContainerCommon: Message = Message {
    name: "EphemeralContainerCommon", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("args", 4, List, Type::String, O, Some(&ATOMIC)),
        f!("command", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("env", 7, List, Type::Message(&EnvVar), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("envFrom", 19, List, Type::Message(&EnvFromSource), O, Some(&ATOMIC)),
        f!("image", 2, Single, Type::String, O, None),
        f!("imagePullPolicy", 14, Single, Type::String, O, None),
        f!("lifecycle", 12, Single, Type::Message(&Lifecycle), PO, None),
        f!("livenessProbe", 10, Single, Type::Message(&Probe), PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("ports", 6, List, Type::Message(&ContainerPort), O, Some(&Merge { list: Some(ListType::Map(&["containerPort", "protocol"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "containerPort" })),
        f!("readinessProbe", 11, Single, Type::Message(&Probe), PO, None),
        f!("resizePolicy", 23, List, Type::Message(&ContainerResizePolicy), O, Some(&ATOMIC)),
        f!("resources", 8, Single, Type::Message(&ResourceRequirements), O, None),
        f!("restartPolicy", 24, Single, Type::String, PO, None),
        f!("restartPolicyRules", 25, List, Type::Message(&ContainerRestartRule), O, Some(&ATOMIC)),
        f!("securityContext", 15, Single, Type::Message(&SecurityContext), PO, None),
        f!("startupProbe", 22, Single, Type::Message(&Probe), PO, None),
        f!("stdin", 16, Single, Type::Bool, O, None),
        f!("stdinOnce", 17, Single, Type::Bool, O, None),
        f!("terminationMessagePath", 13, Single, Type::String, O, None),
        f!("terminationMessagePolicy", 20, Single, Type::String, O, None),
        f!("tty", 18, Single, Type::Bool, O, None),
        f!("volumeDevices", 21, List, Type::Message(&VolumeDevice), O, Some(&Merge { list: Some(ListType::Map(&["devicePath"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "devicePath" })),
        f!("volumeMounts", 9, List, Type::Message(&VolumeMount), O, Some(&Merge { list: Some(ListType::Map(&["mountPath"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "mountPath" })),
        f!("workingDir", 5, Single, Type::String, O, None),
    ],
    by_number: &[8, 4, 1, 0, 24, 9, 2, 12, 23, 7, 10, 6, 19, 5, 15, 17, 18, 21, 3, 20, 22, 16, 11, 13, 14],
    inlines: &[],
};

pub(crate) static EphemeralVolumeSource: Message = Message {
    name: "EphemeralVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("volumeClaimTemplate", 1, Single, Type::Message(&PersistentVolumeClaimTemplate), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static Event: Message = Message {
    name: "Event", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("action", 12, Single, Type::String, O, None),
        f!("count", 8, Single, Type::Int32, O, None),
        f!("eventTime", 10, Single, Type::MicroTime, O, None),
        f!("firstTimestamp", 6, Single, Type::Time, O, None),
        f!("involvedObject", 2, Single, Type::Message(&ObjectReference), R, None),
        f!("lastTimestamp", 7, Single, Type::Time, O, None),
        f!("message", 4, Single, Type::String, O, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), R, None),
        f!("reason", 3, Single, Type::String, O, None),
        f!("related", 13, Single, Type::Message(&ObjectReference), PO, None),
        f!("reportingComponent", 14, Single, Type::String, N, None),
        f!("reportingInstance", 15, Single, Type::String, N, None),
        f!("series", 11, Single, Type::Message(&EventSeries), PO, None),
        f!("source", 5, Single, Type::Message(&EventSource), O, None),
        f!("type", 9, Single, Type::String, O, None),
    ],
    by_number: &[7, 4, 8, 6, 13, 3, 5, 1, 14, 2, 12, 0, 9, 10, 11],
    inlines: &[],
};

pub(crate) static EventList: Message = Message {
    name: "EventList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Event), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static EventSeries: Message = Message {
    name: "EventSeries", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("count", 1, Single, Type::Int32, O, None),
        f!("lastObservedTime", 2, Single, Type::MicroTime, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static EventSource: Message = Message {
    name: "EventSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("component", 1, Single, Type::String, O, None),
        f!("host", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ExecAction: Message = Message {
    name: "ExecAction", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("command", 1, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static FCVolumeSource: Message = Message {
    name: "FCVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 3, Single, Type::String, O, None),
        f!("lun", 2, Single, Type::Int32, PO, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("targetWWNs", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("wwids", 5, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[3, 1, 0, 2, 4],
    inlines: &[],
};

pub(crate) static FileKeySelector: Message = Message {
    name: "FileKeySelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("key", 3, Single, Type::String, R, None),
        f!("optional", 4, Single, Type::Bool, PO, None),
        f!("path", 2, Single, Type::String, R, None),
        f!("volumeName", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 2, 0, 1],
    inlines: &[],
};

pub(crate) static FlexPersistentVolumeSource: Message = Message {
    name: "FlexPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("driver", 1, Single, Type::String, R, None),
        f!("fsType", 2, Single, Type::String, O, None),
        f!("options", 5, Map, Type::String, O, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("secretRef", 3, Single, Type::Message(&SecretReference), PO, None),
    ],
    by_number: &[0, 1, 4, 3, 2],
    inlines: &[],
};

pub(crate) static FlexVolumeSource: Message = Message {
    name: "FlexVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("driver", 1, Single, Type::String, R, None),
        f!("fsType", 2, Single, Type::String, O, None),
        f!("options", 5, Map, Type::String, O, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("secretRef", 3, Single, Type::Message(&LocalObjectReference), PO, None),
    ],
    by_number: &[0, 1, 4, 3, 2],
    inlines: &[],
};

pub(crate) static FlockerVolumeSource: Message = Message {
    name: "FlockerVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("datasetName", 1, Single, Type::String, O, None),
        f!("datasetUUID", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static GCEPersistentDiskVolumeSource: Message = Message {
    name: "GCEPersistentDiskVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("partition", 3, Single, Type::Int32, O, None),
        f!("pdName", 1, Single, Type::String, R, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
    ],
    by_number: &[2, 0, 1, 3],
    inlines: &[],
};

pub(crate) static GRPCAction: Message = Message {
    name: "GRPCAction", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("port", 1, Single, Type::Int32, R, None),
        f!("service", 2, Single, Type::String, P, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static GitRepoVolumeSource: Message = Message {
    name: "GitRepoVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("directory", 3, Single, Type::String, O, None),
        f!("repository", 1, Single, Type::String, R, None),
        f!("revision", 2, Single, Type::String, O, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static GlusterfsPersistentVolumeSource: Message = Message {
    name: "GlusterfsPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("endpoints", 1, Single, Type::String, R, None),
        f!("endpointsNamespace", 4, Single, Type::String, PO, None),
        f!("path", 2, Single, Type::String, R, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
    ],
    by_number: &[0, 2, 3, 1],
    inlines: &[],
};

pub(crate) static GlusterfsVolumeSource: Message = Message {
    name: "GlusterfsVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("endpoints", 1, Single, Type::String, R, None),
        f!("path", 2, Single, Type::String, R, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static HTTPGetAction: Message = Message {
    name: "HTTPGetAction", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("host", 3, Single, Type::String, O, None),
        f!("httpHeaders", 5, List, Type::Message(&HTTPHeader), O, Some(&ATOMIC)),
        f!("path", 1, Single, Type::String, O, None),
        f!("port", 2, Single, Type::IntOrString, R, None),
        f!("scheme", 4, Single, Type::String, O, None),
    ],
    by_number: &[2, 3, 0, 4, 1],
    inlines: &[],
};

pub(crate) static HTTPHeader: Message = Message {
    name: "HTTPHeader", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("value", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static HostAlias: Message = Message {
    name: "HostAlias", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hostnames", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("ip", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static HostIP: Message = Message {
    name: "HostIP", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ip", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static HostPathVolumeSource: Message = Message {
    name: "HostPathVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("path", 1, Single, Type::String, R, None),
        f!("type", 2, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ISCSIPersistentVolumeSource: Message = Message {
    name: "ISCSIPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("chapAuthDiscovery", 8, Single, Type::Bool, O, None),
        f!("chapAuthSession", 11, Single, Type::Bool, O, None),
        f!("fsType", 5, Single, Type::String, O, None),
        f!("initiatorName", 12, Single, Type::String, PO, None),
        f!("iqn", 2, Single, Type::String, R, None),
        f!("iscsiInterface", 4, Single, Type::String, O, None),
        f!("lun", 3, Single, Type::Int32, R, None),
        f!("portals", 7, List, Type::String, O, Some(&ATOMIC)),
        f!("readOnly", 6, Single, Type::Bool, O, None),
        f!("secretRef", 10, Single, Type::Message(&SecretReference), PO, None),
        f!("targetPortal", 1, Single, Type::String, R, None),
    ],
    by_number: &[10, 4, 6, 5, 2, 8, 7, 0, 9, 1, 3],
    inlines: &[],
};

pub(crate) static ISCSIVolumeSource: Message = Message {
    name: "ISCSIVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("chapAuthDiscovery", 8, Single, Type::Bool, O, None),
        f!("chapAuthSession", 11, Single, Type::Bool, O, None),
        f!("fsType", 5, Single, Type::String, O, None),
        f!("initiatorName", 12, Single, Type::String, PO, None),
        f!("iqn", 2, Single, Type::String, R, None),
        f!("iscsiInterface", 4, Single, Type::String, O, None),
        f!("lun", 3, Single, Type::Int32, R, None),
        f!("portals", 7, List, Type::String, O, Some(&ATOMIC)),
        f!("readOnly", 6, Single, Type::Bool, O, None),
        f!("secretRef", 10, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("targetPortal", 1, Single, Type::String, R, None),
    ],
    by_number: &[10, 4, 6, 5, 2, 8, 7, 0, 9, 1, 3],
    inlines: &[],
};

pub(crate) static ImageVolumeSource: Message = Message {
    name: "ImageVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("pullPolicy", 2, Single, Type::String, O, None),
        f!("reference", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ImageVolumeStatus: Message = Message {
    name: "ImageVolumeStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("imageRef", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static KeyToPath: Message = Message {
    name: "KeyToPath", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("mode", 3, Single, Type::Int32, PO, None),
        f!("path", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static Lifecycle: Message = Message {
    name: "Lifecycle", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("postStart", 1, Single, Type::Message(&LifecycleHandler), PO, None),
        f!("preStop", 2, Single, Type::Message(&LifecycleHandler), PO, None),
        f!("stopSignal", 3, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static LifecycleHandler: Message = Message {
    name: "LifecycleHandler", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("exec", 1, Single, Type::Message(&ExecAction), PO, None),
        f!("httpGet", 2, Single, Type::Message(&HTTPGetAction), PO, None),
        f!("sleep", 4, Single, Type::Message(&SleepAction), PO, None),
        f!("tcpSocket", 3, Single, Type::Message(&TCPSocketAction), PO, None),
    ],
    by_number: &[0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static LimitRange: Message = Message {
    name: "LimitRange", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&LimitRangeSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static LimitRangeItem: Message = Message {
    name: "LimitRangeItem", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("default", 4, Map, Type::Quantity, O, None),
        f!("defaultRequest", 5, Map, Type::Quantity, O, None),
        f!("max", 2, Map, Type::Quantity, O, None),
        f!("maxLimitRequestRatio", 6, Map, Type::Quantity, O, None),
        f!("min", 3, Map, Type::Quantity, O, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 2, 4, 0, 1, 3],
    inlines: &[],
};

pub(crate) static LimitRangeList: Message = Message {
    name: "LimitRangeList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&LimitRange), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static LimitRangeSpec: Message = Message {
    name: "LimitRangeSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("limits", 1, List, Type::Message(&LimitRangeItem), R, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static LinuxContainerUser: Message = Message {
    name: "LinuxContainerUser", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("gid", 2, Single, Type::Int64, R, None),
        f!("supplementalGroups", 3, List, Type::Int64, O, Some(&ATOMIC)),
        f!("uid", 1, Single, Type::Int64, R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static LoadBalancerIngress: Message = Message {
    name: "LoadBalancerIngress", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hostname", 2, Single, Type::String, O, None),
        f!("ip", 1, Single, Type::String, O, None),
        f!("ipMode", 3, Single, Type::String, PO, None),
        f!("ports", 4, List, Type::Message(&PortStatus), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0, 2, 3],
    inlines: &[],
};

pub(crate) static LoadBalancerStatus: Message = Message {
    name: "LoadBalancerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ingress", 1, List, Type::Message(&LoadBalancerIngress), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static LocalObjectReference: Message = Message {
    name: "LocalObjectReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("name", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static LocalVolumeSource: Message = Message {
    name: "LocalVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, PO, None),
        f!("path", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ModifyVolumeStatus: Message = Message {
    name: "ModifyVolumeStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("status", 2, Single, Type::String, R, None),
        f!("targetVolumeAttributesClassName", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NFSVolumeSource: Message = Message {
    name: "NFSVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("path", 2, Single, Type::String, R, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("server", 1, Single, Type::String, R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static Namespace: Message = Message {
    name: "Namespace", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&NamespaceSpec), O, None),
        f!("status", 3, Single, Type::Message(&NamespaceStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static NamespaceCondition: Message = Message {
    name: "NamespaceCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 4, Single, Type::Time, O, None),
        f!("message", 6, Single, Type::String, O, None),
        f!("reason", 5, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[4, 3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static NamespaceList: Message = Message {
    name: "NamespaceList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Namespace), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NamespaceSpec: Message = Message {
    name: "NamespaceSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("finalizers", 1, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NamespaceStatus: Message = Message {
    name: "NamespaceStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 2, List, Type::Message(&NamespaceCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("phase", 1, Single, Type::String, O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Node: Message = Message {
    name: "Node", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&NodeSpec), O, None),
        f!("status", 3, Single, Type::Message(&NodeStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static NodeAddress: Message = Message {
    name: "NodeAddress", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("address", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NodeAffinity: Message = Message {
    name: "NodeAffinity", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("preferredDuringSchedulingIgnoredDuringExecution", 2, List, Type::Message(&PreferredSchedulingTerm), O, Some(&ATOMIC)),
        f!("requiredDuringSchedulingIgnoredDuringExecution", 1, Single, Type::Message(&NodeSelector), PO, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NodeAllocatableResourceClaimStatus: Message = Message {
    name: "NodeAllocatableResourceClaimStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("containers", 2, List, Type::String, O, Some(&SET)),
        f!("resourceClaimName", 1, Single, Type::String, R, None),
        f!("resources", 3, Map, Type::Quantity, R, None),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static NodeCondition: Message = Message {
    name: "NodeCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastHeartbeatTime", 3, Single, Type::Time, O, None),
        f!("lastTransitionTime", 4, Single, Type::Time, O, None),
        f!("message", 6, Single, Type::String, O, None),
        f!("reason", 5, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 4, 0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static NodeConfigSource: Message = Message {
    name: "NodeConfigSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("configMap", 2, Single, Type::Message(&ConfigMapNodeConfigSource), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeConfigStatus: Message = Message {
    name: "NodeConfigStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("active", 2, Single, Type::Message(&NodeConfigSource), PO, None),
        f!("assigned", 1, Single, Type::Message(&NodeConfigSource), PO, None),
        f!("error", 4, Single, Type::String, O, None),
        f!("lastKnownGood", 3, Single, Type::Message(&NodeConfigSource), PO, None),
    ],
    by_number: &[1, 0, 3, 2],
    inlines: &[],
};

pub(crate) static NodeDaemonEndpoints: Message = Message {
    name: "NodeDaemonEndpoints", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("kubeletEndpoint", 1, Single, Type::Message(&DaemonEndpoint), O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeFeatures: Message = Message {
    name: "NodeFeatures", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("supplementalGroupsPolicy", 1, Single, Type::Bool, PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeList: Message = Message {
    name: "NodeList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Node), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NodeProxyOptions: Message = Message {
    name: "NodeProxyOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("path", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeRuntimeHandler: Message = Message {
    name: "NodeRuntimeHandler", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("features", 2, Single, Type::Message(&NodeRuntimeHandlerFeatures), PO, None),
        f!("name", 1, Single, Type::String, N, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static NodeRuntimeHandlerFeatures: Message = Message {
    name: "NodeRuntimeHandlerFeatures", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("recursiveReadOnlyMounts", 1, Single, Type::Bool, PO, None),
        f!("userNamespaces", 2, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NodeSelector: Message = Message {
    name: "NodeSelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("nodeSelectorTerms", 1, List, Type::Message(&NodeSelectorTerm), R, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeSelectorRequirement: Message = Message {
    name: "NodeSelectorRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("operator", 2, Single, Type::String, R, None),
        f!("values", 3, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static NodeSelectorTerm: Message = Message {
    name: "NodeSelectorTerm", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("matchExpressions", 1, List, Type::Message(&NodeSelectorRequirement), O, Some(&ATOMIC)),
        f!("matchFields", 2, List, Type::Message(&NodeSelectorRequirement), O, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static NodeSpec: Message = Message {
    name: "NodeSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("configSource", 6, Single, Type::Message(&NodeConfigSource), PO, None),
        f!("externalID", 2, Single, Type::String, O, None),
        f!("podCIDR", 1, Single, Type::String, O, None),
        f!("podCIDRs", 7, List, Type::String, O, Some(&Merge { list: Some(ListType::Set), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "" })),
        f!("providerID", 3, Single, Type::String, O, None),
        f!("taints", 5, List, Type::Message(&Taint), O, Some(&ATOMIC)),
        f!("unschedulable", 4, Single, Type::Bool, O, None),
    ],
    by_number: &[2, 1, 4, 6, 5, 0, 3],
    inlines: &[],
};

pub(crate) static NodeStatus: Message = Message {
    name: "NodeStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("addresses", 5, List, Type::Message(&NodeAddress), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("allocatable", 2, Map, Type::Quantity, O, None),
        f!("capacity", 1, Map, Type::Quantity, O, None),
        f!("conditions", 4, List, Type::Message(&NodeCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("config", 11, Single, Type::Message(&NodeConfigStatus), PO, None),
        f!("daemonEndpoints", 6, Single, Type::Message(&NodeDaemonEndpoints), O, None),
        f!("declaredFeatures", 14, List, Type::String, O, Some(&ATOMIC)),
        f!("features", 13, Single, Type::Message(&NodeFeatures), PO, None),
        f!("images", 8, List, Type::Message(&ContainerImage), O, Some(&ATOMIC)),
        f!("nodeInfo", 7, Single, Type::Message(&NodeSystemInfo), O, None),
        f!("phase", 3, Single, Type::String, O, None),
        f!("runtimeHandlers", 12, List, Type::Message(&NodeRuntimeHandler), O, Some(&ATOMIC)),
        f!("volumesAttached", 10, List, Type::Message(&AttachedVolume), O, Some(&ATOMIC)),
        f!("volumesInUse", 9, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[2, 1, 10, 3, 0, 5, 9, 8, 13, 12, 4, 11, 7, 6],
    inlines: &[],
};

pub(crate) static NodeSwapStatus: Message = Message {
    name: "NodeSwapStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("capacity", 1, Single, Type::Int64, PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static NodeSystemInfo: Message = Message {
    name: "NodeSystemInfo", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("architecture", 10, Single, Type::String, R, None),
        f!("bootID", 3, Single, Type::String, R, None),
        f!("containerRuntimeVersion", 6, Single, Type::String, R, None),
        f!("kernelVersion", 4, Single, Type::String, R, None),
        f!("kubeProxyVersion", 8, Single, Type::String, R, None),
        f!("kubeletVersion", 7, Single, Type::String, R, None),
        f!("machineID", 1, Single, Type::String, R, None),
        f!("operatingSystem", 9, Single, Type::String, R, None),
        f!("osImage", 5, Single, Type::String, R, None),
        f!("swap", 11, Single, Type::Message(&NodeSwapStatus), PO, None),
        f!("systemUUID", 2, Single, Type::String, R, None),
    ],
    by_number: &[6, 10, 1, 3, 8, 2, 5, 4, 7, 0, 9],
    inlines: &[],
};

pub(crate) static ObjectFieldSelector: Message = Message {
    name: "ObjectFieldSelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiVersion", 1, Single, Type::String, O, None),
        f!("fieldPath", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ObjectReference: Message = Message {
    name: "ObjectReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiVersion", 5, Single, Type::String, O, None),
        f!("fieldPath", 7, Single, Type::String, O, None),
        f!("kind", 1, Single, Type::String, O, None),
        f!("name", 3, Single, Type::String, O, None),
        f!("namespace", 2, Single, Type::String, O, None),
        f!("resourceVersion", 6, Single, Type::String, O, None),
        f!("uid", 4, Single, Type::String, O, None),
    ],
    by_number: &[2, 4, 3, 6, 0, 5, 1],
    inlines: &[],
};

pub(crate) static PersistentVolume: Message = Message {
    name: "PersistentVolume", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PersistentVolumeSpec), O, None),
        f!("status", 3, Single, Type::Message(&PersistentVolumeStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaim: Message = Message {
    name: "PersistentVolumeClaim", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PersistentVolumeClaimSpec), O, None),
        f!("status", 3, Single, Type::Message(&PersistentVolumeClaimStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimCondition: Message = Message {
    name: "PersistentVolumeClaimCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastProbeTime", 3, Single, Type::Time, O, None),
        f!("lastTransitionTime", 4, Single, Type::Time, O, None),
        f!("message", 6, Single, Type::String, O, None),
        f!("reason", 5, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[5, 4, 0, 1, 3, 2],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimList: Message = Message {
    name: "PersistentVolumeClaimList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&PersistentVolumeClaim), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimSpec: Message = Message {
    name: "PersistentVolumeClaimSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("accessModes", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("dataSource", 7, Single, Type::Message(&TypedLocalObjectReference), PO, None),
        f!("dataSourceRef", 8, Single, Type::Message(&TypedObjectReference), PO, None),
        f!("resources", 2, Single, Type::Message(&VolumeResourceRequirements), O, None),
        f!("selector", 4, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("storageClassName", 5, Single, Type::String, PO, None),
        f!("volumeAttributesClassName", 9, Single, Type::String, PO, None),
        f!("volumeMode", 6, Single, Type::String, PO, None),
        f!("volumeName", 3, Single, Type::String, O, None),
    ],
    by_number: &[0, 3, 8, 4, 5, 7, 1, 2, 6],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimStatus: Message = Message {
    name: "PersistentVolumeClaimStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("accessModes", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("allocatedResourceStatuses", 7, Map, Type::String, O, None),
        f!("allocatedResources", 5, Map, Type::Quantity, O, None),
        f!("capacity", 3, Map, Type::Quantity, O, None),
        f!("conditions", 4, List, Type::Message(&PersistentVolumeClaimCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("currentVolumeAttributesClassName", 8, Single, Type::String, PO, None),
        f!("modifyVolumeStatus", 9, Single, Type::Message(&ModifyVolumeStatus), PO, None),
        f!("phase", 1, Single, Type::String, O, None),
    ],
    by_number: &[7, 0, 3, 4, 2, 1, 5, 6],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimTemplate: Message = Message {
    name: "PersistentVolumeClaimTemplate", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PersistentVolumeClaimSpec), R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PersistentVolumeClaimVolumeSource: Message = Message {
    name: "PersistentVolumeClaimVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("claimName", 1, Single, Type::String, R, None),
        f!("readOnly", 2, Single, Type::Bool, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PersistentVolumeList: Message = Message {
    name: "PersistentVolumeList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&PersistentVolume), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PersistentVolumeSource: Message = Message {
    name: "PersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("awsElasticBlockStore", 2, Single, Type::Message(&AWSElasticBlockStoreVolumeSource), PO, None),
        f!("azureDisk", 16, Single, Type::Message(&AzureDiskVolumeSource), PO, None),
        f!("azureFile", 13, Single, Type::Message(&AzureFilePersistentVolumeSource), PO, None),
        f!("cephfs", 9, Single, Type::Message(&CephFSPersistentVolumeSource), PO, None),
        f!("cinder", 8, Single, Type::Message(&CinderPersistentVolumeSource), PO, None),
        f!("csi", 22, Single, Type::Message(&CSIPersistentVolumeSource), PO, None),
        f!("fc", 10, Single, Type::Message(&FCVolumeSource), PO, None),
        f!("flexVolume", 12, Single, Type::Message(&FlexPersistentVolumeSource), PO, None),
        f!("flocker", 11, Single, Type::Message(&FlockerVolumeSource), PO, None),
        f!("gcePersistentDisk", 1, Single, Type::Message(&GCEPersistentDiskVolumeSource), PO, None),
        f!("glusterfs", 4, Single, Type::Message(&GlusterfsPersistentVolumeSource), PO, None),
        f!("hostPath", 3, Single, Type::Message(&HostPathVolumeSource), PO, None),
        f!("iscsi", 7, Single, Type::Message(&ISCSIPersistentVolumeSource), PO, None),
        f!("local", 20, Single, Type::Message(&LocalVolumeSource), PO, None),
        f!("nfs", 5, Single, Type::Message(&NFSVolumeSource), PO, None),
        f!("photonPersistentDisk", 17, Single, Type::Message(&PhotonPersistentDiskVolumeSource), PO, None),
        f!("portworxVolume", 18, Single, Type::Message(&PortworxVolumeSource), PO, None),
        f!("quobyte", 15, Single, Type::Message(&QuobyteVolumeSource), PO, None),
        f!("rbd", 6, Single, Type::Message(&RBDPersistentVolumeSource), PO, None),
        f!("scaleIO", 19, Single, Type::Message(&ScaleIOPersistentVolumeSource), PO, None),
        f!("storageos", 21, Single, Type::Message(&StorageOSPersistentVolumeSource), PO, None),
        f!("vsphereVolume", 14, Single, Type::Message(&VsphereVirtualDiskVolumeSource), PO, None),
    ],
    by_number: &[9, 0, 11, 10, 14, 18, 12, 4, 3, 6, 8, 7, 2, 21, 17, 1, 15, 16, 19, 13, 20, 5],
    inlines: &[],
};

pub(crate) static PersistentVolumeSpec: Message = Message {
    name: "PersistentVolumeSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("accessModes", 3, List, Type::String, O, Some(&ATOMIC)),
        f!("capacity", 1, Map, Type::Quantity, O, None),
        f!("claimRef", 4, Single, Type::Message(&ObjectReference), PO, None),
        f!("mountOptions", 7, List, Type::String, O, Some(&ATOMIC)),
        f!("nodeAffinity", 9, Single, Type::Message(&VolumeNodeAffinity), PO, None),
        f!("persistentVolumeReclaimPolicy", 5, Single, Type::String, O, None),
        f!("storageClassName", 6, Single, Type::String, O, None),
        f!("volumeAttributesClassName", 10, Single, Type::String, PO, None),
        f!("volumeMode", 8, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0, 2, 5, 6, 3, 8, 4, 7],
    inlines: &[Inline { number: 2, message: &PersistentVolumeSource }],
};

pub(crate) static PersistentVolumeStatus: Message = Message {
    name: "PersistentVolumeStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastPhaseTransitionTime", 4, Single, Type::Time, PO, None),
        f!("message", 2, Single, Type::String, O, None),
        f!("phase", 1, Single, Type::String, O, None),
        f!("reason", 3, Single, Type::String, O, None),
    ],
    by_number: &[2, 1, 3, 0],
    inlines: &[],
};

pub(crate) static PhotonPersistentDiskVolumeSource: Message = Message {
    name: "PhotonPersistentDiskVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("pdID", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Pod: Message = Message {
    name: "Pod", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PodSpec), O, None),
        f!("status", 3, Single, Type::Message(&PodStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PodAffinity: Message = Message {
    name: "PodAffinity", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("preferredDuringSchedulingIgnoredDuringExecution", 2, List, Type::Message(&WeightedPodAffinityTerm), O, Some(&ATOMIC)),
        f!("requiredDuringSchedulingIgnoredDuringExecution", 1, List, Type::Message(&PodAffinityTerm), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodAffinityTerm: Message = Message {
    name: "PodAffinityTerm", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("labelSelector", 1, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("matchLabelKeys", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("mismatchLabelKeys", 6, List, Type::String, O, Some(&ATOMIC)),
        f!("namespaceSelector", 4, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("namespaces", 2, List, Type::String, O, Some(&ATOMIC)),
        f!("topologyKey", 3, Single, Type::String, R, None),
    ],
    by_number: &[0, 4, 5, 3, 1, 2],
    inlines: &[],
};

pub(crate) static PodAntiAffinity: Message = Message {
    name: "PodAntiAffinity", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("preferredDuringSchedulingIgnoredDuringExecution", 2, List, Type::Message(&WeightedPodAffinityTerm), O, Some(&ATOMIC)),
        f!("requiredDuringSchedulingIgnoredDuringExecution", 1, List, Type::Message(&PodAffinityTerm), O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodAttachOptions: Message = Message {
    name: "PodAttachOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("container", 5, Single, Type::String, O, None),
        f!("stderr", 3, Single, Type::Bool, O, None),
        f!("stdin", 1, Single, Type::Bool, O, None),
        f!("stdout", 2, Single, Type::Bool, O, None),
        f!("tty", 4, Single, Type::Bool, O, None),
    ],
    by_number: &[2, 3, 1, 4, 0],
    inlines: &[],
};

pub(crate) static PodCertificateProjection: Message = Message {
    name: "PodCertificateProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("certificateChainPath", 6, Single, Type::String, O, None),
        f!("credentialBundlePath", 4, Single, Type::String, O, None),
        f!("keyPath", 5, Single, Type::String, O, None),
        f!("keyType", 2, Single, Type::String, O, None),
        f!("maxExpirationSeconds", 3, Single, Type::Int32, PO, None),
        f!("signerName", 1, Single, Type::String, O, None),
        f!("userAnnotations", 7, Map, Type::String, O, None),
    ],
    by_number: &[5, 3, 4, 1, 2, 0, 6],
    inlines: &[],
};

pub(crate) static PodCondition: Message = Message {
    name: "PodCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastProbeTime", 3, Single, Type::Time, O, None),
        f!("lastTransitionTime", 4, Single, Type::Time, O, None),
        f!("message", 6, Single, Type::String, O, None),
        f!("observedGeneration", 7, Single, Type::Int64, O, None),
        f!("reason", 5, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[6, 5, 0, 1, 4, 2, 3],
    inlines: &[],
};

pub(crate) static PodDNSConfig: Message = Message {
    name: "PodDNSConfig", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("nameservers", 1, List, Type::String, O, Some(&ATOMIC)),
        f!("options", 3, List, Type::Message(&PodDNSConfigOption), O, Some(&ATOMIC)),
        f!("searches", 2, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static PodDNSConfigOption: Message = Message {
    name: "PodDNSConfigOption", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, O, None),
        f!("value", 2, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodExecOptions: Message = Message {
    name: "PodExecOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("command", 6, List, Type::String, R, Some(&ATOMIC)),
        f!("container", 5, Single, Type::String, O, None),
        f!("stderr", 3, Single, Type::Bool, O, None),
        f!("stdin", 1, Single, Type::Bool, O, None),
        f!("stdout", 2, Single, Type::Bool, O, None),
        f!("tty", 4, Single, Type::Bool, O, None),
    ],
    by_number: &[3, 4, 2, 5, 1, 0],
    inlines: &[],
};

pub(crate) static PodExtendedResourceClaimStatus: Message = Message {
    name: "PodExtendedResourceClaimStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("requestMappings", 1, List, Type::Message(&ContainerExtendedResourceRequest), R, Some(&ATOMIC)),
        f!("resourceClaimName", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodIP: Message = Message {
    name: "PodIP", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("ip", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodList: Message = Message {
    name: "PodList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Pod), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodLogOptions: Message = Message {
    name: "PodLogOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("container", 1, Single, Type::String, O, None),
        f!("follow", 2, Single, Type::Bool, O, None),
        f!("insecureSkipTLSVerifyBackend", 9, Single, Type::Bool, O, None),
        f!("limitBytes", 8, Single, Type::Int64, PO, None),
        f!("previous", 3, Single, Type::Bool, O, None),
        f!("sinceSeconds", 4, Single, Type::Int64, PO, None),
        f!("sinceTime", 5, Single, Type::Time, PO, None),
        f!("stream", 10, Single, Type::String, PO, None),
        f!("tailLines", 7, Single, Type::Int64, PO, None),
        f!("timestamps", 6, Single, Type::Bool, O, None),
    ],
    by_number: &[0, 1, 4, 5, 6, 9, 8, 3, 2, 7],
    inlines: &[],
};

pub(crate) static PodOS: Message = Message {
    name: "PodOS", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodPortForwardOptions: Message = Message {
    name: "PodPortForwardOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("ports", 1, List, Type::Int32, O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodProxyOptions: Message = Message {
    name: "PodProxyOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("path", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodReadinessGate: Message = Message {
    name: "PodReadinessGate", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditionType", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodResourceClaim: Message = Message {
    name: "PodResourceClaim", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("resourceClaimName", 3, Single, Type::String, PO, None),
        f!("resourceClaimTemplateName", 4, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static PodResourceClaimStatus: Message = Message {
    name: "PodResourceClaimStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("resourceClaimName", 2, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodSchedulingGate: Message = Message {
    name: "PodSchedulingGate", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodSchedulingGroup: Message = Message {
    name: "PodSchedulingGroup", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("podGroupName", 1, Single, Type::String, PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static PodSecurityContext: Message = Message {
    name: "PodSecurityContext", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("appArmorProfile", 11, Single, Type::Message(&AppArmorProfile), PO, None),
        f!("fsGroup", 5, Single, Type::Int64, PO, None),
        f!("fsGroupChangePolicy", 9, Single, Type::String, PO, None),
        f!("runAsGroup", 6, Single, Type::Int64, PO, None),
        f!("runAsNonRoot", 3, Single, Type::Bool, PO, None),
        f!("runAsUser", 2, Single, Type::Int64, PO, None),
        f!("seLinuxChangePolicy", 13, Single, Type::String, PO, None),
        f!("seLinuxOptions", 1, Single, Type::Message(&SELinuxOptions), PO, None),
        f!("seccompProfile", 10, Single, Type::Message(&SeccompProfile), PO, None),
        f!("supplementalGroups", 4, List, Type::Int64, O, Some(&ATOMIC)),
        f!("supplementalGroupsPolicy", 12, Single, Type::String, PO, None),
        f!("sysctls", 7, List, Type::Message(&Sysctl), O, Some(&ATOMIC)),
        f!("windowsOptions", 8, Single, Type::Message(&WindowsSecurityContextOptions), PO, None),
    ],
    by_number: &[7, 5, 4, 9, 1, 3, 11, 12, 2, 8, 0, 10, 6],
    inlines: &[],
};

pub(crate) static PodSpec: Message = Message {
    name: "PodSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("activeDeadlineSeconds", 5, Single, Type::Int64, PO, None),
        f!("affinity", 18, Single, Type::Message(&Affinity), PO, None),
        f!("automountServiceAccountToken", 21, Single, Type::Bool, PO, None),
        f!("containers", 2, List, Type::Message(&Container), R, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("dnsConfig", 26, Single, Type::Message(&PodDNSConfig), PO, None),
        f!("dnsPolicy", 6, Single, Type::String, O, None),
        f!("enableServiceLinks", 30, Single, Type::Bool, PO, None),
        f!("ephemeralContainers", 34, List, Type::Message(&EphemeralContainer), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("hostAliases", 23, List, Type::Message(&HostAlias), O, Some(&Merge { list: Some(ListType::Map(&["ip"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "ip" })),
        f!("hostIPC", 13, Single, Type::Bool, O, None),
        f!("hostNetwork", 11, Single, Type::Bool, O, None),
        f!("hostPID", 12, Single, Type::Bool, O, None),
        f!("hostUsers", 37, Single, Type::Bool, PO, None),
        f!("hostname", 16, Single, Type::String, O, None),
        f!("hostnameOverride", 41, Single, Type::String, PO, None),
        f!("imagePullSecrets", 15, List, Type::Message(&LocalObjectReference), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("initContainers", 20, List, Type::Message(&Container), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("nodeName", 10, Single, Type::String, O, None),
        f!("nodeSelector", 7, Map, Type::String, O, Some(&Merge { list: None, atomic: true, patch: None, retain_keys: false, merge_key: "" })),
        f!("os", 36, Single, Type::Message(&PodOS), PO, None),
        f!("overhead", 32, Map, Type::Quantity, O, None),
        f!("preemptionPolicy", 31, Single, Type::String, PO, None),
        f!("priority", 25, Single, Type::Int32, PO, None),
        f!("priorityClassName", 24, Single, Type::String, O, None),
        f!("readinessGates", 28, List, Type::Message(&PodReadinessGate), O, Some(&ATOMIC)),
        f!("resourceClaims", 39, List, Type::Message(&PodResourceClaim), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: true, merge_key: "name" })),
        f!("resources", 40, Single, Type::Message(&ResourceRequirements), PO, None),
        f!("restartPolicy", 3, Single, Type::String, O, None),
        f!("runtimeClassName", 29, Single, Type::String, PO, None),
        f!("schedulerName", 19, Single, Type::String, O, None),
        f!("schedulingGates", 38, List, Type::Message(&PodSchedulingGate), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
        f!("schedulingGroup", 43, Single, Type::Message(&PodSchedulingGroup), PO, None),
        f!("securityContext", 14, Single, Type::Message(&PodSecurityContext), PO, None),
        f!("serviceAccount", 9, Single, Type::String, O, None),
        f!("serviceAccountName", 8, Single, Type::String, O, None),
        f!("setHostnameAsFQDN", 35, Single, Type::Bool, PO, None),
        f!("shareProcessNamespace", 27, Single, Type::Bool, PO, None),
        f!("subdomain", 17, Single, Type::String, O, None),
        f!("terminationGracePeriodSeconds", 4, Single, Type::Int64, PO, None),
        f!("tolerations", 22, List, Type::Message(&Toleration), O, Some(&ATOMIC)),
        f!("topologySpreadConstraints", 33, List, Type::Message(&TopologySpreadConstraint), O, Some(&Merge { list: Some(ListType::Map(&["topologyKey", "whenUnsatisfiable"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "topologyKey" })),
        f!("volumes", 1, List, Type::Message(&Volume), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: true, merge_key: "name" })),
    ],
    by_number: &[41, 3, 27, 38, 0, 5, 18, 34, 33, 17, 10, 11, 9, 32, 15, 13, 37, 1, 29, 16, 2, 39, 8, 23, 22, 4, 36, 24, 28, 6, 21, 20, 40, 7, 35, 19, 12, 30, 25, 26, 14, 31],
    inlines: &[],
};

pub(crate) static PodStatus: Message = Message {
    name: "PodStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allocatedResources", 19, Map, Type::Quantity, O, None),
        f!("conditions", 2, List, Type::Message(&PodCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("containerStatuses", 8, List, Type::Message(&ContainerStatus), O, Some(&ATOMIC)),
        f!("ephemeralContainerStatuses", 13, List, Type::Message(&ContainerStatus), O, Some(&ATOMIC)),
        f!("extendedResourceClaimStatus", 18, Single, Type::Message(&PodExtendedResourceClaimStatus), PO, None),
        f!("hostIP", 5, Single, Type::String, O, None),
        f!("hostIPs", 16, List, Type::Message(&HostIP), O, Some(&Merge { list: Some(ListType::Atomic), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "ip" })),
        f!("initContainerStatuses", 10, List, Type::Message(&ContainerStatus), O, Some(&ATOMIC)),
        f!("message", 3, Single, Type::String, O, None),
        f!("nodeAllocatableResourceClaimStatuses", 21, List, Type::Message(&NodeAllocatableResourceClaimStatus), O, Some(&ATOMIC)),
        f!("nominatedNodeName", 11, Single, Type::String, O, None),
        f!("observedGeneration", 17, Single, Type::Int64, O, None),
        f!("phase", 1, Single, Type::String, O, None),
        f!("podIP", 6, Single, Type::String, O, None),
        f!("podIPs", 12, List, Type::Message(&PodIP), O, Some(&Merge { list: Some(ListType::Map(&["ip"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "ip" })),
        f!("qosClass", 9, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("resize", 14, Single, Type::String, O, None),
        f!("resourceClaimStatuses", 15, List, Type::Message(&PodResourceClaimStatus), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: true, merge_key: "name" })),
        f!("resources", 20, Single, Type::Message(&ResourceRequirements), PO, None),
        f!("startTime", 7, Single, Type::Time, PO, None),
    ],
    by_number: &[12, 1, 8, 16, 5, 13, 20, 2, 15, 7, 10, 14, 3, 17, 18, 6, 11, 4, 0, 19, 9],
    inlines: &[],
};

pub(crate) static PodStatusResult: Message = Message {
    name: "PodStatusResult", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("status", 2, Single, Type::Message(&PodStatus), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodTemplate: Message = Message {
    name: "PodTemplate", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("template", 2, Single, Type::Message(&PodTemplateSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PodTemplateList: Message = Message {
    name: "PodTemplateList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&PodTemplate), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static PodTemplateSpec: Message = Message {
    name: "PodTemplateSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&PodSpec), O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static PortStatus: Message = Message {
    name: "PortStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("error", 3, Single, Type::String, PO, None),
        f!("port", 1, Single, Type::Int32, R, None),
        f!("protocol", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static PortworxVolumeSource: Message = Message {
    name: "PortworxVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("volumeID", 1, Single, Type::String, R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static PreferredSchedulingTerm: Message = Message {
    name: "PreferredSchedulingTerm", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("preference", 2, Single, Type::Message(&NodeSelectorTerm), R, None),
        f!("weight", 1, Single, Type::Int32, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Probe: Message = Message {
    name: "Probe", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("failureThreshold", 6, Single, Type::Int32, O, None),
        f!("initialDelaySeconds", 2, Single, Type::Int32, O, None),
        f!("periodSeconds", 4, Single, Type::Int32, O, None),
        f!("successThreshold", 5, Single, Type::Int32, O, None),
        f!("terminationGracePeriodSeconds", 7, Single, Type::Int64, PO, None),
        f!("timeoutSeconds", 3, Single, Type::Int32, O, None),
    ],
    by_number: &[1, 5, 2, 3, 0, 4],
    inlines: &[Inline { number: 1, message: &ProbeHandler }],
};

pub(crate) static ProbeHandler: Message = Message {
    name: "ProbeHandler", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("exec", 1, Single, Type::Message(&ExecAction), PO, None),
        f!("grpc", 4, Single, Type::Message(&GRPCAction), PO, None),
        f!("httpGet", 2, Single, Type::Message(&HTTPGetAction), PO, None),
        f!("tcpSocket", 3, Single, Type::Message(&TCPSocketAction), PO, None),
    ],
    by_number: &[0, 2, 3, 1],
    inlines: &[],
};

pub(crate) static ProjectedVolumeSource: Message = Message {
    name: "ProjectedVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("defaultMode", 2, Single, Type::Int32, PO, None),
        f!("sources", 1, List, Type::Message(&VolumeProjection), N, Some(&ATOMIC)),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static QuobyteVolumeSource: Message = Message {
    name: "QuobyteVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("group", 5, Single, Type::String, O, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("registry", 1, Single, Type::String, R, None),
        f!("tenant", 6, Single, Type::String, O, None),
        f!("user", 4, Single, Type::String, O, None),
        f!("volume", 2, Single, Type::String, R, None),
    ],
    by_number: &[2, 5, 1, 4, 0, 3],
    inlines: &[],
};

pub(crate) static RBDPersistentVolumeSource: Message = Message {
    name: "RBDPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 3, Single, Type::String, O, None),
        f!("image", 2, Single, Type::String, R, None),
        f!("keyring", 6, Single, Type::String, O, None),
        f!("monitors", 1, List, Type::String, R, Some(&ATOMIC)),
        f!("pool", 4, Single, Type::String, O, None),
        f!("readOnly", 8, Single, Type::Bool, O, None),
        f!("secretRef", 7, Single, Type::Message(&SecretReference), PO, None),
        f!("user", 5, Single, Type::String, O, None),
    ],
    by_number: &[3, 1, 0, 4, 7, 2, 6, 5],
    inlines: &[],
};

pub(crate) static RBDVolumeSource: Message = Message {
    name: "RBDVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 3, Single, Type::String, O, None),
        f!("image", 2, Single, Type::String, R, None),
        f!("keyring", 6, Single, Type::String, O, None),
        f!("monitors", 1, List, Type::String, R, Some(&ATOMIC)),
        f!("pool", 4, Single, Type::String, O, None),
        f!("readOnly", 8, Single, Type::Bool, O, None),
        f!("secretRef", 7, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("user", 5, Single, Type::String, O, None),
    ],
    by_number: &[3, 1, 0, 4, 7, 2, 6, 5],
    inlines: &[],
};

pub(crate) static RangeAllocation: Message = Message {
    name: "RangeAllocation", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("data", 3, Single, Type::Bytes, R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("range", 2, Single, Type::String, R, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ReplicationController: Message = Message {
    name: "ReplicationController", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ReplicationControllerSpec), O, None),
        f!("status", 3, Single, Type::Message(&ReplicationControllerStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ReplicationControllerCondition: Message = Message {
    name: "ReplicationControllerCondition", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("lastTransitionTime", 3, Single, Type::Time, O, None),
        f!("message", 5, Single, Type::String, O, None),
        f!("reason", 4, Single, Type::String, O, None),
        f!("status", 2, Single, Type::String, R, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[4, 3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static ReplicationControllerList: Message = Message {
    name: "ReplicationControllerList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ReplicationController), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ReplicationControllerSpec: Message = Message {
    name: "ReplicationControllerSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("minReadySeconds", 4, Single, Type::Int32, O, None),
        f!("replicas", 1, Single, Type::Int32, PO, None),
        f!("selector", 2, Map, Type::String, O, Some(&Merge { list: None, atomic: true, patch: None, retain_keys: false, merge_key: "" })),
        f!("template", 3, Single, Type::Message(&PodTemplateSpec), PO, None),
    ],
    by_number: &[1, 2, 3, 0],
    inlines: &[],
};

pub(crate) static ReplicationControllerStatus: Message = Message {
    name: "ReplicationControllerStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("availableReplicas", 5, Single, Type::Int32, O, None),
        f!("conditions", 6, List, Type::Message(&ReplicationControllerCondition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("fullyLabeledReplicas", 2, Single, Type::Int32, O, None),
        f!("observedGeneration", 3, Single, Type::Int64, O, None),
        f!("readyReplicas", 4, Single, Type::Int32, O, None),
        f!("replicas", 1, Single, Type::Int32, R, None),
    ],
    by_number: &[5, 2, 3, 4, 0, 1],
    inlines: &[],
};

pub(crate) static ResourceClaim: Message = Message {
    name: "ResourceClaim", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("request", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ResourceFieldSelector: Message = Message {
    name: "ResourceFieldSelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("containerName", 1, Single, Type::String, O, None),
        f!("divisor", 3, Single, Type::Quantity, O, None),
        f!("resource", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static ResourceHealth: Message = Message {
    name: "ResourceHealth", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("health", 2, Single, Type::String, O, None),
        f!("message", 6, Single, Type::String, PO, None),
        f!("resourceID", 1, Single, Type::String, R, None),
    ],
    by_number: &[2, 0, 1],
    inlines: &[],
};

pub(crate) static ResourceQuota: Message = Message {
    name: "ResourceQuota", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ResourceQuotaSpec), O, None),
        f!("status", 3, Single, Type::Message(&ResourceQuotaStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ResourceQuotaList: Message = Message {
    name: "ResourceQuotaList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ResourceQuota), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ResourceQuotaSpec: Message = Message {
    name: "ResourceQuotaSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hard", 1, Map, Type::Quantity, O, None),
        f!("scopeSelector", 3, Single, Type::Message(&ScopeSelector), PO, None),
        f!("scopes", 2, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[0, 2, 1],
    inlines: &[],
};

pub(crate) static ResourceQuotaStatus: Message = Message {
    name: "ResourceQuotaStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("hard", 1, Map, Type::Quantity, O, None),
        f!("used", 2, Map, Type::Quantity, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static ResourceRequirements: Message = Message {
    name: "ResourceRequirements", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("claims", 3, List, Type::Message(&ResourceClaim), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: None, retain_keys: false, merge_key: "" })),
        f!("limits", 1, Map, Type::Quantity, O, None),
        f!("requests", 2, Map, Type::Quantity, O, None),
    ],
    by_number: &[1, 2, 0],
    inlines: &[],
};

pub(crate) static ResourceStatus: Message = Message {
    name: "ResourceStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("resources", 2, List, Type::Message(&ResourceHealth), O, Some(&Merge { list: Some(ListType::Map(&["resourceID"])), atomic: false, patch: None, retain_keys: false, merge_key: "" })),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static SELinuxOptions: Message = Message {
    name: "SELinuxOptions", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("level", 4, Single, Type::String, O, None),
        f!("role", 2, Single, Type::String, O, None),
        f!("type", 3, Single, Type::String, O, None),
        f!("user", 1, Single, Type::String, O, None),
    ],
    by_number: &[3, 1, 2, 0],
    inlines: &[],
};

pub(crate) static ScaleIOPersistentVolumeSource: Message = Message {
    name: "ScaleIOPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 9, Single, Type::String, O, None),
        f!("gateway", 1, Single, Type::String, R, None),
        f!("protectionDomain", 5, Single, Type::String, O, None),
        f!("readOnly", 10, Single, Type::Bool, O, None),
        f!("secretRef", 3, Single, Type::Message(&SecretReference), PR, None),
        f!("sslEnabled", 4, Single, Type::Bool, O, None),
        f!("storageMode", 7, Single, Type::String, O, None),
        f!("storagePool", 6, Single, Type::String, O, None),
        f!("system", 2, Single, Type::String, R, None),
        f!("volumeName", 8, Single, Type::String, O, None),
    ],
    by_number: &[1, 8, 4, 5, 2, 7, 6, 9, 0, 3],
    inlines: &[],
};

pub(crate) static ScaleIOVolumeSource: Message = Message {
    name: "ScaleIOVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 9, Single, Type::String, O, None),
        f!("gateway", 1, Single, Type::String, R, None),
        f!("protectionDomain", 5, Single, Type::String, O, None),
        f!("readOnly", 10, Single, Type::Bool, O, None),
        f!("secretRef", 3, Single, Type::Message(&LocalObjectReference), PR, None),
        f!("sslEnabled", 4, Single, Type::Bool, O, None),
        f!("storageMode", 7, Single, Type::String, O, None),
        f!("storagePool", 6, Single, Type::String, O, None),
        f!("system", 2, Single, Type::String, R, None),
        f!("volumeName", 8, Single, Type::String, O, None),
    ],
    by_number: &[1, 8, 4, 5, 2, 7, 6, 9, 0, 3],
    inlines: &[],
};

pub(crate) static ScopeSelector: Message = Message {
    name: "ScopeSelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("matchExpressions", 1, List, Type::Message(&ScopedResourceSelectorRequirement), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ScopedResourceSelectorRequirement: Message = Message {
    name: "ScopedResourceSelectorRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("operator", 2, Single, Type::String, R, None),
        f!("scopeName", 1, Single, Type::String, R, None),
        f!("values", 3, List, Type::String, O, Some(&ATOMIC)),
    ],
    by_number: &[1, 0, 2],
    inlines: &[],
};

pub(crate) static SeccompProfile: Message = Message {
    name: "SeccompProfile", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("localhostProfile", 2, Single, Type::String, PO, None),
        f!("type", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Secret: Message = Message {
    name: "Secret", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("data", 2, Map, Type::Bytes, O, None),
        f!("immutable", 5, Single, Type::Bool, PO, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("stringData", 4, Map, Type::String, O, None),
        f!("type", 3, Single, Type::String, O, None),
    ],
    by_number: &[2, 0, 4, 3, 1],
    inlines: &[],
};

pub(crate) static SecretEnvSource: Message = Message {
    name: "SecretEnvSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("optional", 2, Single, Type::Bool, PO, None),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static SecretKeySelector: Message = Message {
    name: "SecretKeySelector", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("key", 2, Single, Type::String, R, None),
        f!("optional", 3, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static SecretList: Message = Message {
    name: "SecretList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Secret), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static SecretProjection: Message = Message {
    name: "SecretProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&KeyToPath), O, Some(&ATOMIC)),
        f!("optional", 4, Single, Type::Bool, PO, None),
    ],
    by_number: &[0, 1],
    inlines: &[Inline { number: 1, message: &LocalObjectReference }],
};

pub(crate) static SecretReference: Message = Message {
    name: "SecretReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("name", 1, Single, Type::String, O, None),
        f!("namespace", 2, Single, Type::String, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static SecretVolumeSource: Message = Message {
    name: "SecretVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("defaultMode", 3, Single, Type::Int32, PO, None),
        f!("items", 2, List, Type::Message(&KeyToPath), O, Some(&ATOMIC)),
        f!("optional", 4, Single, Type::Bool, PO, None),
        f!("secretName", 1, Single, Type::String, O, None),
    ],
    by_number: &[3, 1, 0, 2],
    inlines: &[],
};

pub(crate) static SecurityContext: Message = Message {
    name: "SecurityContext", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allowPrivilegeEscalation", 7, Single, Type::Bool, PO, None),
        f!("appArmorProfile", 12, Single, Type::Message(&AppArmorProfile), PO, None),
        f!("capabilities", 1, Single, Type::Message(&Capabilities), PO, None),
        f!("privileged", 2, Single, Type::Bool, PO, None),
        f!("procMount", 9, Single, Type::String, PO, None),
        f!("readOnlyRootFilesystem", 6, Single, Type::Bool, PO, None),
        f!("runAsGroup", 8, Single, Type::Int64, PO, None),
        f!("runAsNonRoot", 5, Single, Type::Bool, PO, None),
        f!("runAsUser", 4, Single, Type::Int64, PO, None),
        f!("seLinuxOptions", 3, Single, Type::Message(&SELinuxOptions), PO, None),
        f!("seccompProfile", 11, Single, Type::Message(&SeccompProfile), PO, None),
        f!("windowsOptions", 10, Single, Type::Message(&WindowsSecurityContextOptions), PO, None),
    ],
    by_number: &[2, 3, 9, 8, 7, 5, 0, 6, 4, 11, 10, 1],
    inlines: &[],
};

pub(crate) static SerializedReference: Message = Message {
    name: "SerializedReference", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("reference", 1, Single, Type::Message(&ObjectReference), O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static Service: Message = Message {
    name: "Service", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("spec", 2, Single, Type::Message(&ServiceSpec), O, None),
        f!("status", 3, Single, Type::Message(&ServiceStatus), O, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ServiceAccount: Message = Message {
    name: "ServiceAccount", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("automountServiceAccountToken", 4, Single, Type::Bool, PO, None),
        f!("imagePullSecrets", 3, List, Type::Message(&LocalObjectReference), O, Some(&ATOMIC)),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ObjectMeta), O, None),
        f!("secrets", 2, List, Type::Message(&ObjectReference), O, Some(&Merge { list: Some(ListType::Map(&["name"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "name" })),
    ],
    by_number: &[2, 3, 1, 0],
    inlines: &[],
};

pub(crate) static ServiceAccountList: Message = Message {
    name: "ServiceAccountList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&ServiceAccount), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ServiceAccountTokenProjection: Message = Message {
    name: "ServiceAccountTokenProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("audience", 1, Single, Type::String, O, None),
        f!("expirationSeconds", 2, Single, Type::Int64, PO, None),
        f!("path", 3, Single, Type::String, R, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static ServiceList: Message = Message {
    name: "ServiceList", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("items", 2, List, Type::Message(&Service), R, None),
        f!("metadata", 1, Single, Type::Message(&super::meta_v1::ListMeta), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static ServicePort: Message = Message {
    name: "ServicePort", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("appProtocol", 6, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, O, None),
        f!("nodePort", 5, Single, Type::Int32, O, None),
        f!("port", 3, Single, Type::Int32, R, None),
        f!("protocol", 2, Single, Type::String, O, None),
        f!("targetPort", 4, Single, Type::IntOrString, O, None),
    ],
    by_number: &[1, 4, 3, 5, 2, 0],
    inlines: &[],
};

pub(crate) static ServiceProxyOptions: Message = Message {
    name: "ServiceProxyOptions", package: &PACKAGE, has_type_meta: true, atomic: false,
    fields: &[
        f!("path", 1, Single, Type::String, O, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static ServiceSpec: Message = Message {
    name: "ServiceSpec", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("allocateLoadBalancerNodePorts", 20, Single, Type::Bool, PO, None),
        f!("clusterIP", 3, Single, Type::String, O, None),
        f!("clusterIPs", 18, List, Type::String, O, Some(&ATOMIC)),
        f!("externalIPs", 5, List, Type::String, O, Some(&ATOMIC)),
        f!("externalName", 10, Single, Type::String, O, None),
        f!("externalTrafficPolicy", 11, Single, Type::String, O, None),
        f!("healthCheckNodePort", 12, Single, Type::Int32, O, None),
        f!("internalTrafficPolicy", 22, Single, Type::String, PO, None),
        f!("ipFamilies", 19, List, Type::String, O, Some(&ATOMIC)),
        f!("ipFamilyPolicy", 17, Single, Type::String, PO, None),
        f!("loadBalancerClass", 21, Single, Type::String, PO, None),
        f!("loadBalancerIP", 8, Single, Type::String, O, None),
        f!("loadBalancerSourceRanges", 9, List, Type::String, O, Some(&ATOMIC)),
        f!("ports", 1, List, Type::Message(&ServicePort), O, Some(&Merge { list: Some(ListType::Map(&["port", "protocol"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "port" })),
        f!("publishNotReadyAddresses", 13, Single, Type::Bool, O, None),
        f!("selector", 2, Map, Type::String, O, Some(&Merge { list: None, atomic: true, patch: None, retain_keys: false, merge_key: "" })),
        f!("sessionAffinity", 7, Single, Type::String, O, None),
        f!("sessionAffinityConfig", 14, Single, Type::Message(&SessionAffinityConfig), PO, None),
        f!("trafficDistribution", 23, Single, Type::String, PO, None),
        f!("type", 4, Single, Type::String, O, None),
    ],
    by_number: &[13, 15, 1, 19, 3, 16, 11, 12, 4, 5, 6, 14, 17, 9, 2, 8, 0, 10, 7, 18],
    inlines: &[],
};

pub(crate) static ServiceStatus: Message = Message {
    name: "ServiceStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("conditions", 2, List, Type::Message(&super::meta_v1::Condition), O, Some(&Merge { list: Some(ListType::Map(&["type"])), atomic: false, patch: Some(PatchStrategy::Merge), retain_keys: false, merge_key: "type" })),
        f!("loadBalancer", 1, Single, Type::Message(&LoadBalancerStatus), O, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static SessionAffinityConfig: Message = Message {
    name: "SessionAffinityConfig", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("clientIP", 1, Single, Type::Message(&ClientIPConfig), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static SleepAction: Message = Message {
    name: "SleepAction", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("seconds", 1, Single, Type::Int64, R, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static StorageOSPersistentVolumeSource: Message = Message {
    name: "StorageOSPersistentVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 3, Single, Type::String, O, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("secretRef", 5, Single, Type::Message(&ObjectReference), PO, None),
        f!("volumeName", 1, Single, Type::String, O, None),
        f!("volumeNamespace", 2, Single, Type::String, O, None),
    ],
    by_number: &[3, 4, 0, 1, 2],
    inlines: &[],
};

pub(crate) static StorageOSVolumeSource: Message = Message {
    name: "StorageOSVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 3, Single, Type::String, O, None),
        f!("readOnly", 4, Single, Type::Bool, O, None),
        f!("secretRef", 5, Single, Type::Message(&LocalObjectReference), PO, None),
        f!("volumeName", 1, Single, Type::String, O, None),
        f!("volumeNamespace", 2, Single, Type::String, O, None),
    ],
    by_number: &[3, 4, 0, 1, 2],
    inlines: &[],
};

pub(crate) static Sysctl: Message = Message {
    name: "Sysctl", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
        f!("value", 2, Single, Type::String, R, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static TCPSocketAction: Message = Message {
    name: "TCPSocketAction", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("host", 2, Single, Type::String, O, None),
        f!("port", 1, Single, Type::IntOrString, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static Taint: Message = Message {
    name: "Taint", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("effect", 3, Single, Type::String, R, None),
        f!("key", 1, Single, Type::String, R, None),
        f!("timeAdded", 4, Single, Type::Time, PO, None),
        f!("value", 2, Single, Type::String, O, None),
    ],
    by_number: &[1, 3, 0, 2],
    inlines: &[],
};

pub(crate) static Toleration: Message = Message {
    name: "Toleration", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("effect", 4, Single, Type::String, O, None),
        f!("key", 1, Single, Type::String, O, None),
        f!("operator", 2, Single, Type::String, O, None),
        f!("tolerationSeconds", 5, Single, Type::Int64, PO, None),
        f!("value", 3, Single, Type::String, O, None),
    ],
    by_number: &[1, 2, 4, 0, 3],
    inlines: &[],
};

pub(crate) static TopologySelectorLabelRequirement: Message = Message {
    name: "TopologySelectorLabelRequirement", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("key", 1, Single, Type::String, R, None),
        f!("values", 2, List, Type::String, R, Some(&ATOMIC)),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static TopologySelectorTerm: Message = Message {
    name: "TopologySelectorTerm", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("matchLabelExpressions", 1, List, Type::Message(&TopologySelectorLabelRequirement), O, Some(&ATOMIC)),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static TopologySpreadConstraint: Message = Message {
    name: "TopologySpreadConstraint", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("labelSelector", 4, Single, Type::Message(&super::meta_v1::LabelSelector), PO, None),
        f!("matchLabelKeys", 8, List, Type::String, O, Some(&ATOMIC)),
        f!("maxSkew", 1, Single, Type::Int32, R, None),
        f!("minDomains", 5, Single, Type::Int32, PO, None),
        f!("nodeAffinityPolicy", 6, Single, Type::String, PO, None),
        f!("nodeTaintsPolicy", 7, Single, Type::String, PO, None),
        f!("topologyKey", 2, Single, Type::String, R, None),
        f!("whenUnsatisfiable", 3, Single, Type::String, R, None),
    ],
    by_number: &[2, 6, 7, 0, 3, 4, 5, 1],
    inlines: &[],
};

pub(crate) static TypedLocalObjectReference: Message = Message {
    name: "TypedLocalObjectReference", package: &PACKAGE, has_type_meta: false, atomic: true,
    fields: &[
        f!("apiGroup", 1, Single, Type::String, P, None),
        f!("kind", 2, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
    ],
    by_number: &[0, 1, 2],
    inlines: &[],
};

pub(crate) static TypedObjectReference: Message = Message {
    name: "TypedObjectReference", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("apiGroup", 1, Single, Type::String, P, None),
        f!("kind", 2, Single, Type::String, R, None),
        f!("name", 3, Single, Type::String, R, None),
        f!("namespace", 4, Single, Type::String, PO, None),
    ],
    by_number: &[0, 1, 2, 3],
    inlines: &[],
};

pub(crate) static Volume: Message = Message {
    name: "Volume", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[0],
    inlines: &[Inline { number: 2, message: &VolumeSource }],
};

pub(crate) static VolumeDevice: Message = Message {
    name: "VolumeDevice", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("devicePath", 2, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static VolumeMount: Message = Message {
    name: "VolumeMount", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("mountPath", 3, Single, Type::String, R, None),
        f!("mountPropagation", 5, Single, Type::String, PO, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("readOnly", 2, Single, Type::Bool, O, None),
        f!("recursiveReadOnly", 7, Single, Type::String, PO, None),
        f!("subPath", 4, Single, Type::String, O, None),
        f!("subPathExpr", 6, Single, Type::String, O, None),
    ],
    by_number: &[2, 3, 0, 5, 1, 6, 4],
    inlines: &[],
};

pub(crate) static VolumeMountStatus: Message = Message {
    name: "VolumeMountStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("mountPath", 2, Single, Type::String, R, None),
        f!("name", 1, Single, Type::String, R, None),
        f!("readOnly", 3, Single, Type::Bool, O, None),
        f!("recursiveReadOnly", 4, Single, Type::String, PO, None),
        f!("volumeStatus", 5, Single, Type::Message(&VolumeStatus), PO, None),
    ],
    by_number: &[1, 0, 2, 3, 4],
    inlines: &[],
};

pub(crate) static VolumeNodeAffinity: Message = Message {
    name: "VolumeNodeAffinity", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("required", 1, Single, Type::Message(&NodeSelector), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static VolumeProjection: Message = Message {
    name: "VolumeProjection", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("clusterTrustBundle", 5, Single, Type::Message(&ClusterTrustBundleProjection), PO, None),
        f!("configMap", 3, Single, Type::Message(&ConfigMapProjection), PO, None),
        f!("downwardAPI", 2, Single, Type::Message(&DownwardAPIProjection), PO, None),
        f!("podCertificate", 6, Single, Type::Message(&PodCertificateProjection), PO, None),
        f!("secret", 1, Single, Type::Message(&SecretProjection), PO, None),
        f!("serviceAccountToken", 4, Single, Type::Message(&ServiceAccountTokenProjection), PO, None),
    ],
    by_number: &[4, 2, 1, 5, 0, 3],
    inlines: &[],
};

pub(crate) static VolumeResourceRequirements: Message = Message {
    name: "VolumeResourceRequirements", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("limits", 1, Map, Type::Quantity, O, None),
        f!("requests", 2, Map, Type::Quantity, O, None),
    ],
    by_number: &[0, 1],
    inlines: &[],
};

pub(crate) static VolumeSource: Message = Message {
    name: "VolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("awsElasticBlockStore", 4, Single, Type::Message(&AWSElasticBlockStoreVolumeSource), PO, None),
        f!("azureDisk", 22, Single, Type::Message(&AzureDiskVolumeSource), PO, None),
        f!("azureFile", 18, Single, Type::Message(&AzureFileVolumeSource), PO, None),
        f!("cephfs", 14, Single, Type::Message(&CephFSVolumeSource), PO, None),
        f!("cinder", 13, Single, Type::Message(&CinderVolumeSource), PO, None),
        f!("configMap", 19, Single, Type::Message(&ConfigMapVolumeSource), PO, None),
        f!("csi", 28, Single, Type::Message(&CSIVolumeSource), PO, None),
        f!("downwardAPI", 16, Single, Type::Message(&DownwardAPIVolumeSource), PO, None),
        f!("emptyDir", 2, Single, Type::Message(&EmptyDirVolumeSource), PO, None),
        f!("ephemeral", 29, Single, Type::Message(&EphemeralVolumeSource), PO, None),
        f!("fc", 17, Single, Type::Message(&FCVolumeSource), PO, None),
        f!("flexVolume", 12, Single, Type::Message(&FlexVolumeSource), PO, None),
        f!("flocker", 15, Single, Type::Message(&FlockerVolumeSource), PO, None),
        f!("gcePersistentDisk", 3, Single, Type::Message(&GCEPersistentDiskVolumeSource), PO, None),
        f!("gitRepo", 5, Single, Type::Message(&GitRepoVolumeSource), PO, None),
        f!("glusterfs", 9, Single, Type::Message(&GlusterfsVolumeSource), PO, None),
        f!("hostPath", 1, Single, Type::Message(&HostPathVolumeSource), PO, None),
        f!("image", 30, Single, Type::Message(&ImageVolumeSource), PO, None),
        f!("iscsi", 8, Single, Type::Message(&ISCSIVolumeSource), PO, None),
        f!("nfs", 7, Single, Type::Message(&NFSVolumeSource), PO, None),
        f!("persistentVolumeClaim", 10, Single, Type::Message(&PersistentVolumeClaimVolumeSource), PO, None),
        f!("photonPersistentDisk", 23, Single, Type::Message(&PhotonPersistentDiskVolumeSource), PO, None),
        f!("portworxVolume", 24, Single, Type::Message(&PortworxVolumeSource), PO, None),
        f!("projected", 26, Single, Type::Message(&ProjectedVolumeSource), PO, None),
        f!("quobyte", 21, Single, Type::Message(&QuobyteVolumeSource), PO, None),
        f!("rbd", 11, Single, Type::Message(&RBDVolumeSource), PO, None),
        f!("scaleIO", 25, Single, Type::Message(&ScaleIOVolumeSource), PO, None),
        f!("secret", 6, Single, Type::Message(&SecretVolumeSource), PO, None),
        f!("storageos", 27, Single, Type::Message(&StorageOSVolumeSource), PO, None),
        f!("vsphereVolume", 20, Single, Type::Message(&VsphereVirtualDiskVolumeSource), PO, None),
    ],
    by_number: &[16, 8, 13, 0, 14, 27, 19, 18, 15, 20, 25, 11, 4, 3, 12, 7, 10, 2, 5, 29, 24, 1, 21, 22, 26, 23, 28, 6, 9, 17],
    inlines: &[],
};

pub(crate) static VolumeStatus: Message = Message {
    name: "VolumeStatus", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("image", 1, Single, Type::Message(&ImageVolumeStatus), PO, None),
    ],
    by_number: &[0],
    inlines: &[],
};

pub(crate) static VsphereVirtualDiskVolumeSource: Message = Message {
    name: "VsphereVirtualDiskVolumeSource", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("fsType", 2, Single, Type::String, O, None),
        f!("storagePolicyID", 4, Single, Type::String, O, None),
        f!("storagePolicyName", 3, Single, Type::String, O, None),
        f!("volumePath", 1, Single, Type::String, R, None),
    ],
    by_number: &[3, 0, 2, 1],
    inlines: &[],
};

pub(crate) static WeightedPodAffinityTerm: Message = Message {
    name: "WeightedPodAffinityTerm", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("podAffinityTerm", 2, Single, Type::Message(&PodAffinityTerm), R, None),
        f!("weight", 1, Single, Type::Int32, R, None),
    ],
    by_number: &[1, 0],
    inlines: &[],
};

pub(crate) static WindowsSecurityContextOptions: Message = Message {
    name: "WindowsSecurityContextOptions", package: &PACKAGE, has_type_meta: false, atomic: false,
    fields: &[
        f!("gmsaCredentialSpec", 2, Single, Type::String, PO, None),
        f!("gmsaCredentialSpecName", 1, Single, Type::String, PO, None),
        f!("hostProcess", 4, Single, Type::Bool, PO, None),
        f!("runAsUserName", 3, Single, Type::String, PO, None),
    ],
    by_number: &[1, 0, 3, 2],
    inlines: &[],
};
