//! What `kubectl explain` says about the kinds and fields people meet first. Our own words, one
//! sentence each.

use crate::schema::Message;

/// Of the two fields that every kind has.
pub(super) const TYPE_META: [(&str, &str); 2] = [
    ("apiVersion", "Group and version that the object is written in, e.g. apps/v1."),
    ("kind", "What the object is, e.g. Deployment."),
];

/// By package and message: the message itself (no field), then its fields.
type Entry = (&'static str, &'static [(&'static str, &'static str)]);

/// A message's description, or that of one of its fields.
pub(super) fn of(message: &Message, field: Option<&str>) -> Option<&'static str> {
    let (_, lines) = TEXTS.iter().find(|(name, _)| {
        let (package, name) = name.rsplit_once('/').unwrap_or_default();
        name == message.name && message.package.name.ends_with(package)
    })?;
    let wanted = field.unwrap_or_default();
    if let Some((_, text)) = lines.iter().find(|(name, _)| *name == wanted) {
        return Some(text);
    }
    let (_, text) = EVERYWHERE.iter().find(|(name, _)| *name == wanted)?;
    Some(text)
}

/// Fields that mean the same wherever they are.
const EVERYWHERE: &[(&str, &str)] = &[
    ("metadata", "Name, namespace, labels, annotations and what the API keeps about the object."),
    ("spec", "What is wanted."),
    ("status", "What is; written by the system."),
];

const TEXTS: &[Entry] = &[
    (
        "meta.v1/ObjectMeta",
        &[
            ("", "What all objects have in common."),
            ("annotations", "Text by key for tools and people; not for selection."),
            ("creationTimestamp", "When the object was created; set by the server."),
            (
                "deletionTimestamp",
                "When the object is to be gone; set by the server when deletion is asked for.",
            ),
            (
                "deletionGracePeriodSeconds",
                "Seconds that the object may take to end; set together with deletionTimestamp.",
            ),
            ("finalizers", "The object stays until this list is empty."),
            ("generateName", "Beginning of a name that the server completes when name is empty."),
            ("generation", "Counts the changes of what is wanted; set by the server."),
            ("labels", "Text by key that selectors match."),
            ("managedFields", "Which manager set which fields."),
            ("name", "Unique within the namespace and kind; cannot be changed."),
            ("namespace", "The namespace that the object is in; cannot be changed."),
            (
                "ownerReferences",
                "Objects that this one belongs to; when all are gone, so is this one.",
            ),
            (
                "resourceVersion",
                "Version of the stored object; a write based on an older one fails.",
            ),
            ("uid", "Unique over all time; set by the server."),
        ],
    ),
    (
        "meta.v1/LabelSelector",
        &[
            ("", "Selects objects by labels; all parts must match."),
            ("matchLabels", "Labels that must have exactly these values."),
            ("matchExpressions", "Conditions on labels: In, NotIn, Exists, DoesNotExist."),
        ],
    ),
    ("core.v1/Namespace", &[("", "A scope for names.")]),
    ("core.v1/Node", &[("", "A machine that runs pods.")]),
    ("core.v1/Pod", &[("", "Containers that run together on one node and share an address.")]),
    (
        "core.v1/PodSpec",
        &[
            ("", "How a pod runs."),
            ("activeDeadlineSeconds", "Seconds that the pod may run before it is ended."),
            ("affinity", "Rules about which nodes, and which pods beside it, are wanted."),
            ("containers", "The containers; at least one."),
            ("dnsPolicy", "Which name servers the containers use."),
            ("hostNetwork", "Use the node's network instead of an address of its own."),
            ("imagePullSecrets", "Secrets in this namespace to pull images with."),
            ("initContainers", "Containers that run one after the other before the others start."),
            ("nodeName", "The node that the pod runs on; set by the scheduler."),
            ("nodeSelector", "Labels that the node must have."),
            ("restartPolicy", "Whether ended containers start again: Always, OnFailure or Never."),
            ("serviceAccountName", "The ServiceAccount that the pod acts as."),
            (
                "terminationGracePeriodSeconds",
                "Seconds between the request to end and the kill; 30 if not given.",
            ),
            ("tolerations", "Taints that the pod may run in spite of."),
            ("topologySpreadConstraints", "How pods of a kind are spread over nodes and zones."),
            ("volumes", "What containers can mount."),
        ],
    ),
    (
        "core.v1/Container",
        &[
            ("", "One container of a pod."),
            ("args", "Arguments; the image's CMD if not given."),
            ("command", "What is executed, without a shell; the image's ENTRYPOINT if not given."),
            ("env", "Environment variables."),
            ("envFrom", "ConfigMaps and Secrets whose entries become environment variables."),
            ("image", "The image's name."),
            ("imagePullPolicy", "When the image is pulled: Always, IfNotPresent or Never."),
            ("lifecycle", "What happens right after the start and before the end."),
            ("livenessProbe", "When it fails, the container is restarted."),
            ("name", "Unique within the pod."),
            ("ports", "Ports that the container listens on."),
            ("readinessProbe", "While it fails, Services send nothing to the pod."),
            ("resources", "What the container needs and what it may use at most."),
            ("startupProbe", "Until it succeeds, the other probes wait."),
            ("volumeMounts", "Where the pod's volumes appear in the container."),
            ("workingDir", "Directory that the command starts in."),
        ],
    ),
    ("core.v1/Service", &[("", "A stable name and address for a set of pods.")]),
    (
        "core.v1/ServiceSpec",
        &[
            ("", "Which pods, at which ports, reachable how."),
            ("clusterIP", "The address; chosen by the server if empty, None for no address."),
            ("externalName", "For type ExternalName: the name that DNS answers."),
            (
                "externalTrafficPolicy",
                "Cluster: any pod answers; Local: only pods on the same node.",
            ),
            (
                "internalTrafficPolicy",
                "Cluster: any pod answers; Local: only pods on the same node.",
            ),
            ("ports", "The ports."),
            ("selector", "Labels of the pods that answer."),
            ("sessionAffinity", "ClientIP keeps a client at one pod; None does not."),
            ("type", "ClusterIP, NodePort, LoadBalancer or ExternalName."),
        ],
    ),
    (
        "core.v1/ServicePort",
        &[
            ("", "One port of a Service."),
            ("name", "Unique within the Service; needed if there is more than one port."),
            ("nodePort", "For NodePort: the port on every node; chosen by the server if 0."),
            ("port", "The port at the Service's address."),
            ("protocol", "TCP, UDP or SCTP."),
            ("targetPort", "Number or name of the pods' port; the same as port if not given."),
        ],
    ),
    ("core.v1/Endpoints", &[("", "The addresses behind a Service; EndpointSlice holds the same.")]),
    (
        "core.v1/ConfigMap",
        &[
            ("", "Configuration for pods to read."),
            ("binaryData", "Bytes by key."),
            ("data", "Text by key."),
            ("immutable", "If true, the content can no longer be changed."),
        ],
    ),
    (
        "core.v1/Secret",
        &[
            ("", "Like a ConfigMap, for what not everybody may read."),
            ("data", "Bytes by key."),
            ("immutable", "If true, the content can no longer be changed."),
            ("stringData", "Text by key; written into data, never shown."),
            ("type", "What the content is, e.g. kubernetes.io/tls."),
        ],
    ),
    ("core.v1/ServiceAccount", &[("", "An identity for pods.")]),
    ("core.v1/Event", &[("", "A report of something that happened to an object.")]),
    (
        "coordination.v1/Lease",
        &[("", "Who holds something, and since when; nodes renew theirs to show that they live.")],
    ),
    ("discovery.v1/EndpointSlice", &[("", "A part of the addresses behind a Service.")]),
    (
        "apps.v1/Deployment",
        &[("", "A number of equal pods, replaced step by step when their template changes.")],
    ),
    (
        "apps.v1/DeploymentSpec",
        &[
            ("", "How many pods, of which template, replaced how."),
            ("minReadySeconds", "Seconds that a new pod must be ready to count as available."),
            ("paused", "If true, a changed template replaces nothing for now."),
            (
                "progressDeadlineSeconds",
                "Seconds without progress after which it counts as failed.",
            ),
            ("replicas", "How many pods; 1 if not given."),
            ("revisionHistoryLimit", "How many old ReplicaSets are kept for a rollback."),
            ("selector", "Which pods belong to it; cannot be changed."),
            ("strategy", "How old pods are replaced: RollingUpdate or Recreate."),
            ("template", "What each pod is made from."),
        ],
    ),
    (
        "apps.v1/StatefulSet",
        &[("", "Pods with names that stay, numbered, made and replaced one after the other.")],
    ),
    (
        "apps.v1/StatefulSetSpec",
        &[
            ("", "How many pods, of which template, in which order."),
            ("minReadySeconds", "Seconds that a new pod must be ready to count as available."),
            ("ordinals", "How the pods are numbered."),
            (
                "persistentVolumeClaimRetentionPolicy",
                "What becomes of claims made of volumeClaimTemplates, of which there are none here.",
            ),
            (
                "podManagementPolicy",
                "OrderedReady: one pod after the other, each once those before it are ready; Parallel: \
                 all at once.",
            ),
            ("replicas", "How many pods; 1 if not given."),
            ("revisionHistoryLimit", "How many old ControllerRevisions are kept for a rollback."),
            ("selector", "Which pods belong to it; cannot be changed."),
            ("serviceName", "The headless Service under which the pods have names in DNS."),
            ("template", "What each pod is made from."),
            ("updateStrategy", "How old pods are replaced: RollingUpdate or OnDelete."),
            ("volumeClaimTemplates", "Not supported: there are no PersistentVolumeClaims here."),
        ],
    ),
    (
        "apps.v1/StatefulSetOrdinals",
        &[
            ("", "How the pods are numbered."),
            ("start", "The number of the first pod; 0 if not given."),
        ],
    ),
    (
        "apps.v1/StatefulSetUpdateStrategy",
        &[
            ("", "How old pods are replaced."),
            ("rollingUpdate", "How far a rolling update goes."),
            ("type", "RollingUpdate: one after the other; OnDelete: when somebody deletes them."),
        ],
    ),
    (
        "apps.v1/RollingUpdateStatefulSetStrategy",
        &[
            ("", "How far a rolling update goes."),
            ("maxUnavailable", "Not supported but as 1: one pod at a time is replaced."),
            ("partition", "Only pods from this one on, counted from the first, are replaced."),
        ],
    ),
    (
        "apps.v1/ControllerRevision",
        &[
            ("", "A former state of a StatefulSet, which `kubectl rollout undo` goes back to."),
            ("data", "The state, as a patch."),
            ("revision", "Counts the states; the newest is the highest."),
        ],
    ),
    ("apps.v1/ReplicaSet", &[("", "A number of equal pods; usually made by a Deployment.")]),
    (
        "apps.v1/ReplicaSetSpec",
        &[
            ("", "How many pods, of which template."),
            ("minReadySeconds", "Seconds that a new pod must be ready to count as available."),
            ("replicas", "How many pods; 1 if not given."),
            ("selector", "Which pods belong to it; cannot be changed."),
            ("template", "What each pod is made from."),
        ],
    ),
];
