//! What the cluster gives to every new pod: an account, a priority, patience with nodes that are
//! away.

use serde_json::{Value, json};
use sheave_api::{ObjectKey, Status, kinds, meta, resource};

use crate::cache::feed::Sink;

const DEFAULT_ACCOUNT: &str = "default";
/// Priorities that exist in every cluster.
const SYSTEM_PRIORITIES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
/// Taints of nodes that are away, and how long pods stay on them unless they say otherwise.
const AWAY: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const AWAY_SECONDS: i64 = 300;

/// Completes a new pod, or refuses it with 403.
pub(super) fn complete(sink: &Sink, pod: &mut Value) -> Result<(), Status> {
    service_account(sink, pod)?;
    priority(pod)?;
    for taint in AWAY {
        tolerate(&mut pod["spec"], taint);
    }
    Ok(())
}

/// Pods run as their namespace's `default` account unless they name another one, which must exist.
/// The default one is made by a controller soon after the namespace: pods do not wait for it.
fn service_account(sink: &Sink, pod: &mut Value) -> Result<(), Status> {
    let spec = &mut pod["spec"];
    let named = ["serviceAccountName", "serviceAccount"]
        .iter()
        .filter_map(|field| spec[*field].as_str())
        .find(|name| !name.is_empty());
    let name = named.unwrap_or(DEFAULT_ACCOUNT).to_owned();
    spec["serviceAccount"] = Value::from(name.as_str());
    spec["serviceAccountName"] = Value::from(name.as_str());
    if name == DEFAULT_ACCOUNT {
        return Ok(());
    }
    let accounts =
        kinds::by_group_resource(&resource::SERVICE_ACCOUNTS).expect("in the table of kinds");
    let namespace = meta::namespace(pod);
    if sink.cache.get(accounts, &ObjectKey::new(namespace, name.as_str())).is_some() {
        return Ok(());
    }
    let why = format!(
        "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
    );
    Err(forbidden(pod, &why))
}

/// There are no PriorityClasses of one's own yet.
fn priority(pod: &mut Value) -> Result<(), Status> {
    let class = pod["spec"]["priorityClassName"].as_str().unwrap_or_default();
    let priority = match SYSTEM_PRIORITIES.iter().find(|(name, _)| *name == class) {
        Some((_, priority)) => *priority,
        None if class.is_empty() => 0,
        None => {
            let why = format!("no PriorityClass with name {class} was found");
            return Err(forbidden(pod, &why));
        }
    };
    let given = &pod["spec"]["priority"];
    if !given.is_null() && *given != priority {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority \
             admission controller computed {priority} from the given PriorityClass name"
        );
        return Err(forbidden(pod, &why));
    }
    pod["spec"]["priority"] = Value::from(priority);
    if pod["spec"]["preemptionPolicy"].is_null() {
        pod["spec"]["preemptionPolicy"] = Value::from("PreemptLowerPriority");
    }
    Ok(())
}

fn tolerate(spec: &mut Value, taint: &str) {
    let covers = |toleration: &Value| {
        let (key, effect) = (&toleration["key"], &toleration["effect"]);
        (*key == taint || is_empty(key)) && (*effect == "NoExecute" || is_empty(effect))
    };
    if meta::list(&spec["tolerations"]).iter().any(covers) {
        return;
    }
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    let tolerations = spec["tolerations"].as_array_mut().expect("made an array just above");
    tolerations.push(json!({
        "key": taint, "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": AWAY_SECONDS,
    }));
}

fn is_empty(field: &Value) -> bool {
    field.as_str().unwrap_or_default().is_empty()
}

fn forbidden(pod: &Value, why: &str) -> Status {
    let name = meta::name(pod);
    Status::forbidden(format!("pods \"{name}\" is forbidden: {why}")).about(&resource::PODS, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_wait_for_nodes_that_are_away_as_long_as_they_say() {
        let mut spec = json!({ "tolerations": [
            { "key": AWAY[0], "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5 },
        ] });
        for taint in AWAY {
            tolerate(&mut spec, taint);
        }
        let tolerations = spec["tolerations"].as_array().unwrap();
        assert_eq!(tolerations.len(), 2);
        assert_eq!(tolerations[0]["tolerationSeconds"], 5);
        assert_eq!(tolerations[1]["key"], AWAY[1]);
        let mut anything = json!({ "tolerations": [{ "operator": "Exists" }] });
        tolerate(&mut anything, AWAY[0]);
        assert_eq!(anything["tolerations"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn priority_comes_from_the_class() {
        let mut pod = json!({ "metadata": { "name": "a" }, "spec": {} });
        priority(&mut pod).unwrap();
        assert_eq!(pod["spec"]["priority"], 0);
        priority(&mut pod).unwrap();
        pod["spec"]["priorityClassName"] = json!("system-node-critical");
        assert_eq!(priority(&mut pod).unwrap_err().code, 403, "it has another priority");
        pod["spec"]["priority"] = Value::Null;
        priority(&mut pod).unwrap();
        assert_eq!(pod["spec"]["priority"], 2_000_001_000);
        pod["spec"]["priorityClassName"] = json!("gold");
        assert_eq!(
            priority(&mut pod).unwrap_err().message,
            "pods \"a\" is forbidden: no PriorityClass with name gold was found"
        );
    }
}
