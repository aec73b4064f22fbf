//! Columns of DaemonSets, Deployments, ReplicaSets, StatefulSets, ControllerRevisions and
//! PodDisruptionBudgets.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AGE, Column, NAME, Printer, age, column, integer, join, meta, or_none, wide};
use crate::selector::LabelSelector;

const CONTAINERS: Column = wide("Containers", "Names of each container in the template.");
const IMAGES: Column = wide("Images", "Images referenced by each container in the template.");
const SELECTOR: Column = wide("Selector", "Label selector for pods.");

/// Columns of DaemonSets.
pub struct DaemonSet;

impl Printer for DaemonSet {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            integer("Desired", "Number of nodes that should run the pod."),
            integer("Current", "Number of nodes that should and do."),
            integer("Ready", "Number of them whose pod is ready."),
            integer("Up-to-date", "Number of them with the template of the newest revision."),
            integer("Available", "Number of available pods (ready for at least minReadySeconds)."),
            column("Node Selector", "Labels that nodes must have."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ];
        COLUMNS
    }

    fn cells(&self, set: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&set["spec"], &set["status"]);
        let selector = LabelSelector::from_map(&spec["template"]["spec"]["nodeSelector"]);
        let selector = match selector.is_everything() {
            true => "<none>".to_owned(),
            false => selector.to_string(),
        };
        let mut cells = vec![
            json!(meta::name(set)),
            json!(count(&status["desiredNumberScheduled"])),
            json!(count(&status["currentNumberScheduled"])),
            json!(count(&status["numberReady"])),
            json!(count(&status["updatedNumberScheduled"])),
            json!(count(&status["numberAvailable"])),
            json!(selector),
            json!(age(set, now)),
        ];
        cells.extend(template_cells(spec));
        cells
    }
}

/// Columns of Deployments.
pub struct Deployment;

impl Printer for Deployment {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Ready", "Number of the pod with ready state"),
            integer("Up-to-date", "Number of pods with the template of the newest revision."),
            integer("Available", "Number of available pods (ready for at least minReadySeconds)."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ];
        COLUMNS
    }

    fn cells(&self, deployment: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&deployment["spec"], &deployment["status"]);
        let ready = format!("{}/{}", count(&status["readyReplicas"]), count(&spec["replicas"]));
        let mut cells = vec![
            json!(meta::name(deployment)),
            json!(ready),
            json!(count(&status["updatedReplicas"])),
            json!(count(&status["availableReplicas"])),
            json!(age(deployment, now)),
        ];
        cells.extend(template_cells(spec));
        cells
    }
}

/// Columns of ReplicaSets.
pub struct ReplicaSet;

impl Printer for ReplicaSet {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            integer("Desired", "Number of desired pods."),
            integer("Current", "Most recently observed number of replicas."),
            integer("Ready", "Number of pods with a Ready condition."),
            AGE,
            CONTAINERS,
            IMAGES,
            SELECTOR,
        ];
        COLUMNS
    }

    fn cells(&self, set: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&set["spec"], &set["status"]);
        let mut cells = vec![
            json!(meta::name(set)),
            json!(count(&spec["replicas"])),
            json!(count(&status["replicas"])),
            json!(count(&status["readyReplicas"])),
            json!(age(set, now)),
        ];
        cells.extend(template_cells(spec));
        cells
    }
}

/// Columns of StatefulSets.
pub struct StatefulSet;

impl Printer for StatefulSet {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] =
            &[NAME, column("Ready", "Number of the pod with ready state"), AGE, CONTAINERS, IMAGES];
        COLUMNS
    }

    fn cells(&self, set: &Value, now: Timestamp) -> Vec<Value> {
        let (spec, status) = (&set["spec"], &set["status"]);
        let ready = format!("{}/{}", count(&status["readyReplicas"]), count(&spec["replicas"]));
        let [containers, images, _] = template_cells(spec);
        vec![json!(meta::name(set)), json!(ready), json!(age(set, now)), containers, images]
    }
}

/// Columns of ControllerRevisions.
pub struct ControllerRevision;

impl Printer for ControllerRevision {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Controller", "The object whose former state it is."),
            integer("Revision", "Counts the states; the newest is the highest."),
            AGE,
        ];
        COLUMNS
    }

    fn cells(&self, revision: &Value, now: Timestamp) -> Vec<Value> {
        let controller = meta::controller(revision).map_or_else(String::new, |owner| {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            let group = text("apiVersion").split_once('/').map_or("", |(group, _)| group);
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text("kind").to_lowercase(), text("name"))
        });
        vec![
            json!(meta::name(revision)),
            json!(or_none(controller)),
            json!(count(&revision["revision"])),
            json!(age(revision, now)),
        ]
    }
}

/// Columns of PodDisruptionBudgets.
pub struct PodDisruptionBudget;

impl Printer for PodDisruptionBudget {
    fn columns(&self) -> &'static [Column] {
        const COLUMNS: &[Column] = &[
            NAME,
            column("Min Available", "The minimum number of pods that must be available."),
            column("Max Unavailable", "The maximum number of pods that may be unavailable."),
            integer("Allowed Disruptions", "Number of pods that may be evicted now."),
            AGE,
        ];
        COLUMNS
    }

    fn cells(&self, budget: &Value, now: Timestamp) -> Vec<Value> {
        let amount = |field: &str| match &budget["spec"][field] {
            Value::Null => json!("N/A"),
            Value::String(percent) => json!(percent),
            number => json!(number.to_string()),
        };
        vec![
            json!(meta::name(budget)),
            amount("minAvailable"),
            amount("maxUnavailable"),
            json!(count(&budget["status"]["disruptionsAllowed"])),
            json!(age(budget, now)),
        ]
    }
}

fn count(field: &Value) -> i64 {
    field.as_i64().unwrap_or(0)
}

fn template_cells(spec: &Value) -> [Value; 3] {
    let containers = meta::list(&spec["template"]["spec"]["containers"]);
    let of = |field: &'static str| join(containers.iter().map(|it| it[field].as_str()), ",");
    let selector = LabelSelector::from_object(&spec["selector"]).unwrap_or_default();
    [json!(of("name")), json!(of("image")), json!(selector.to_string())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_show_what_they_allow() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let metadata = json!({ "name": "web", "creationTimestamp": "2026-01-01T00:59:15Z" });
        let cells = |spec: Value| {
            let status = json!({ "disruptionsAllowed": 1 });
            let object = json!({ "metadata": metadata, "spec": spec, "status": status });
            json!(PodDisruptionBudget.cells(&object, now))
        };
        assert_eq!(cells(json!({ "minAvailable": 2 })), json!(["web", "2", "N/A", 1, "45s"]));
        let percent = cells(json!({ "maxUnavailable": "25%" }));
        assert_eq!(percent, json!(["web", "N/A", "25%", 1, "45s"]));
    }

    #[test]
    fn workloads_show_counts_and_templates() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let spec = json!({
            "replicas": 3,
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "spec": { "containers": [
                { "name": "a", "image": "x:1" }, { "name": "b", "image": "y:2" },
            ]}},
        });
        let metadata = json!({ "name": "web", "creationTimestamp": "2026-01-01T00:59:15Z" });
        let status = json!({ "replicas": 3, "readyReplicas": 2, "updatedReplicas": 3 });
        let object = json!({ "metadata": metadata, "spec": spec, "status": status });
        assert_eq!(
            json!(Deployment.cells(&object, now)),
            json!(["web", "2/3", 3, 0, "45s", "a,b", "x:1,y:2", "app=web"])
        );
        assert_eq!(
            json!(ReplicaSet.cells(&object, now)),
            json!(["web", 3, 3, 2, "45s", "a,b", "x:1,y:2", "app=web"])
        );
        assert_eq!(
            json!(StatefulSet.cells(&object, now)),
            json!(["web", "2/3", "45s", "a,b", "x:1,y:2"])
        );
    }

    #[test]
    fn revisions_show_whose_they_are() {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let mut revision = json!({ "revision": 3, "metadata": {
            "name": "web-x", "creationTimestamp": "2026-01-01T00:59:15Z", "ownerReferences": [
                { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "controller": true },
            ] } });
        let cells = |revision: &Value| json!(ControllerRevision.cells(revision, now));
        assert_eq!(cells(&revision), json!(["web-x", "statefulset.apps/web", 3, "45s"]));
        revision["metadata"]["ownerReferences"] = json!([]);
        assert_eq!(cells(&revision), json!(["web-x", "<none>", 3, "45s"]));
    }
}
