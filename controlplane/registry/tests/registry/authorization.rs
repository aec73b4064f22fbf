//! Who may do what.

use serde_json::json;
use sheave_api::resource::{CONFIG_MAPS, EVENTS, LEASES, NODES, PODS, SECRETS, SERVICES};
use sheave_api::selector::FieldSelector;
use sheave_registry::Action;

use super::*;

fn node(name: &str) -> Identity {
    Identity::new(format!("system:node:{name}"), ["system:nodes".to_owned()])
}

#[tokio::test]
async fn strangers_are_refused_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    let jane = Identity::new("jane", []);
    let options = ListOptions::default();
    let kind = kind(&PODS);
    let refused = cluster.registry.list(&jane, kind, Some("default"), &options).await;
    let status = refused.unwrap_err();
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the \
         namespace \"default\""
    );
    let logs = Action::on("get", kind, "default", "web").at(Some("log"));
    assert_eq!(
        cluster.registry.authorize(&jane, &logs).unwrap_err().message,
        "pods \"web\" is forbidden: User \"jane\" cannot get resource \"pods/log\" in API group \"\" \
         in the namespace \"default\""
    );
    let nodes = Action::on("list", super::kind(&NODES), "", "");
    assert!(
        cluster
            .registry
            .authorize(&jane, &nodes)
            .unwrap_err()
            .message
            .ends_with("cannot list resource \"nodes\" in API group \"\" at the cluster scope")
    );
    let impostor = Identity::new("system:node:one", []);
    let own = Action::on("get", super::kind(&NODES), "", "one");
    assert!(cluster.registry.authorize(&impostor, &own).is_err(), "not in the group of nodes");
}

#[tokio::test]
async fn a_node_reaches_its_own_and_nothing_else() {
    let cluster = Cluster::start().await;
    let mut spec = pod("mine");
    spec["spec"]["volumes"] = json!([{ "name": "v", "secret": { "secretName": "used" } }]);
    spec["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "env" } }]);
    cluster.create(&PODS, spec).await.unwrap();
    cluster.create(&PODS, pod("other")).await.unwrap();
    cluster.bind("mine", "one").await.unwrap();
    cluster.bind("other", "two").await.unwrap();
    let allowed = |of: &GroupResource, verb, namespace: &str, name: &str, sub: Option<&str>| {
        let action = Action::on(verb, kind(of), namespace, name).at(sub);
        cluster.registry.authorize(&node("one"), &action).is_ok()
    };
    let status = Some("status");
    for (of, verb, namespace, name, sub, expected) in [
        (&NODES, "create", "", "one", None, true),
        (&NODES, "patch", "", "one", status, true),
        (&NODES, "patch", "", "two", status, false),
        (&NODES, "delete", "", "one", None, false),
        (&PODS, "get", "default", "mine", None, true),
        (&PODS, "patch", "default", "mine", status, true),
        (&PODS, "patch", "default", "mine", None, false),
        (&PODS, "delete", "default", "mine", None, true),
        (&PODS, "get", "default", "other", None, false),
        (&PODS, "patch", "default", "other", status, false),
        (&PODS, "list", "", "", None, false),
        (&LEASES, "update", "kube-node-lease", "one", None, true),
        (&LEASES, "update", "kube-node-lease", "two", None, false),
        (&LEASES, "update", "default", "one", None, false),
        (&EVENTS, "create", "default", "", None, true),
        (&EVENTS, "list", "default", "", None, false),
        (&SERVICES, "list", "", "", None, true),
        (&SERVICES, "update", "default", "x", None, false),
        (&SECRETS, "get", "default", "used", None, true),
        (&SECRETS, "get", "default", "unused", None, false),
        (&SECRETS, "get", "kube-system", "used", None, false),
        (&SECRETS, "list", "default", "", None, false),
        (&CONFIG_MAPS, "get", "default", "env", None, true),
        (&CONFIG_MAPS, "get", "default", "used", None, false),
    ] {
        let found = allowed(of, verb, namespace, name, sub);
        assert_eq!(found, expected, "{verb} {of} {namespace}/{name} {sub:?}");
    }
    let own_pods = ListOptions {
        field_selector: FieldSelector::parse("spec.nodeName=one").unwrap(),
        ..ListOptions::default()
    };
    let listed = cluster.registry.list(&node("one"), kind(&PODS), None, &own_pods).await.unwrap();
    assert_eq!(names(&listed), ["mine"]);
}
