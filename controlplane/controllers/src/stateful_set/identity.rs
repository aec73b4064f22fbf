//! What a pod of a StatefulSet keeps when it is made anew: its ordinal, and what follows from it. Pure.

use serde_json::{Value, json};
use sheave_api::ObjectKey;

use crate::controller_reference;

/// Holds the name of the revision whose template the pod was made from.
pub(super) const REVISION_LABEL: &str = "controller-revision-hash";
const NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
const INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// Set and ordinal that a pod's name is made of; `None` for names that no set gives.
pub(super) fn parse(pod: &str) -> Option<(&str, i32)> {
    let (set, digits) = pod.rsplit_once('-')?;
    let is_canonical = digits == "0" || !digits.starts_with('0');
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let ordinal = (is_canonical && is_number).then(|| digits.parse().ok())??;
    Some((set, ordinal))
}

/// A new pod of the set `key` with this uid, from the template of a revision.
pub(super) fn pod_of(
    key: &ObjectKey,
    uid: &str,
    service: &str,
    (revision, template): (&str, &Value),
    ordinal: i32,
) -> Value {
    let name = format!("{}-{ordinal}", key.name);
    let mut metadata = template["metadata"].as_object().cloned().unwrap_or_default();
    for field in ["name", "generateName", "creationTimestamp"] {
        metadata.remove(field);
    }
    metadata.insert("name".to_owned(), json!(name));
    metadata.insert("namespace".to_owned(), json!(key.namespace));
    let reference = controller_reference("apps/v1", "StatefulSet", &key.name, uid);
    metadata.insert("ownerReferences".to_owned(), json!([reference]));
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"],
    });
    let labels = &mut pod["metadata"]["labels"];
    labels[REVISION_LABEL] = json!(revision);
    labels[NAME_LABEL] = json!(name);
    labels[INDEX_LABEL] = json!(ordinal.to_string());
    pod["spec"]["hostname"] = json!(name);
    pod["spec"]["subdomain"] = match service {
        "" => Value::Null,
        service => json!(service),
    };
    pod
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_an_ordinal_or_are_not_of_a_set() {
        assert_eq!(parse("db-0"), Some(("db", 0)));
        assert_eq!(parse("my-db-12"), Some(("my-db", 12)));
        for other in ["db", "db-", "db-01", "db-+1", "db-x", "db-99999999999"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_pod_is_known_by_its_ordinal() {
        let template = json!({
            "metadata": { "labels": { "app": "db" }, "name": "x", "annotations": { "a": "b" } },
            "spec": { "containers": [], "hostname": "other" },
        });
        let key = ObjectKey::new("default", "db");
        let pod = pod_of(&key, "u", "names", ("db-abc", &template), 2);
        let metadata = &pod["metadata"];
        assert_eq!(
            (&metadata["name"], &metadata["namespace"]),
            (&json!("db-2"), &json!("default"))
        );
        assert_eq!(
            metadata["labels"],
            json!({ "app": "db", "apps.kubernetes.io/pod-index": "2",
                "controller-revision-hash": "db-abc", "statefulset.kubernetes.io/pod-name": "db-2" })
        );
        assert_eq!(metadata["annotations"], json!({ "a": "b" }));
        assert_eq!(metadata["ownerReferences"][0]["uid"], "u");
        assert_eq!(pod["spec"]["hostname"], "db-2");
        assert_eq!(pod["spec"]["subdomain"], "names");
        let without = pod_of(&key, "u", "", ("db-abc", &template), 2);
        assert!(without["spec"]["subdomain"].is_null());
    }
}
