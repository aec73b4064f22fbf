//! Services, Endpoints and EndpointSlices.

use super::*;
use crate::kinds::service;

fn of_type(sort: &str) -> Value {
    with(&super::service(), "/spec/type", json!(sort))
}

#[test]
fn a_minimal_service_gets_the_defaults_of_kubernetes() {
    let mut created = create(super::service()).unwrap();
    assert_eq!(
        created["spec"],
        json!({
            "internalTrafficPolicy": "Cluster",
            "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 80 }],
            "selector": { "app": "web" },
            "sessionAffinity": "None",
            "type": "ClusterIP",
        })
    );
    assert_eq!(created["status"], json!({ "loadBalancer": {} }));
    assert!(service::needs_cluster_ip(&created));
    assert!(!service::needs_node_ports(&created));
    service::set_cluster_ip(&mut created, "10.96.0.7");
    assert_eq!(created["spec"]["clusterIPs"], json!(["10.96.0.7"]));
    assert_eq!(created["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_eq!(created["spec"]["ipFamilyPolicy"], "SingleStack");
}

#[test]
fn affinity_and_node_ports_have_defaults_of_their_own() {
    let sticky = with(&super::service(), "/spec/sessionAffinity", json!("ClientIP"));
    let created = create(sticky).unwrap();
    assert_eq!(
        created["spec"]["sessionAffinityConfig"],
        json!({ "clientIP": { "timeoutSeconds": 10800 } })
    );
    let created = create(of_type("NodePort")).unwrap();
    assert_eq!(created["spec"]["externalTrafficPolicy"], "Cluster");
    assert!(service::needs_node_ports(&created));
}

#[test]
fn faults_are_told_as_kubernetes_tells_them() {
    for (pointer, value, sentence) in [
        (
            "/metadata/name",
            json!("1a"),
            "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case",
        ),
        ("/spec/ports", json!(null), "spec.ports: Required value"),
        (
            "/spec/ports",
            json!([{ "port": 80 }, { "port": 81 }]),
            "spec.ports[0].name: Required value, spec.ports[1].name: Required value]",
        ),
        (
            "/spec/ports",
            json!([{ "port": 80, "name": "a" }, { "port": 81, "name": "a" }]),
            "spec.ports[1].name: Duplicate value: \"a\"",
        ),
        (
            "/spec/ports",
            json!([{ "port": 80, "name": "a" }, { "port": 80, "name": "b" }]),
            "spec.ports[1]: Duplicate value: {\"port\":80,\"protocol\":\"TCP\"}",
        ),
        (
            "/spec/ports/0/port",
            json!(0),
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            "/spec/ports/0/nodePort",
            json!(30080),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (
            "/spec/type",
            json!("Magic"),
            "spec.type: Unsupported value: \"Magic\": supported values: \"ClusterIP\", \
             \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ),
        (
            "/spec/clusterIP",
            json!("nowhere"),
            "spec.clusterIPs[0]: Invalid value: \"nowhere\": must be a valid IP address, (e.g. 10.9.8.7 \
             or 2001:db8::ffff)",
        ),
        (
            "/spec/externalIPs",
            json!(["127.0.0.1"]),
            "spec.externalIPs[0]: Invalid value: \"127.0.0.1\": may not be in the loopback range",
        ),
        (
            "/spec/sessionAffinity",
            json!("Cookie"),
            "spec.sessionAffinity: Unsupported value: \"Cookie\": supported values: \"ClientIP\", \"None\"",
        ),
        (
            "/spec/selector",
            json!({ "a": "b c" }),
            "spec.selector[a]: Invalid value: \"b c\": a valid label must be",
        ),
    ] {
        let found = sentences(create(with(&super::service(), pointer, value)));
        let found = found.trim_start_matches('[');
        assert!(found.starts_with(sentence), "{found}");
    }
    assert_eq!(sentences(create(of_type("ExternalName"))), "spec.externalName: Required value");
    let out_of_range = with(&of_type("NodePort"), "/spec/ports/0/nodePort", json!(80));
    let errors = service::validate_node_port_range(&out_of_range, 30000, 32767);
    assert_eq!(
        errors.to_string(),
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range \
         of valid ports is 30000-32767"
    );
}

fn allocated() -> Value {
    let mut object = create(of_type("NodePort")).unwrap();
    service::set_cluster_ip(&mut object, "10.96.0.7");
    object["spec"]["ports"][0]["nodePort"] = json!(30080);
    object
}

#[test]
fn what_was_allocated_is_kept() {
    let old = allocated();
    let applied_again = update(&old, of_type("NodePort")).unwrap();
    assert_eq!(applied_again["spec"], old["spec"]);
    assert_eq!(service::node_ports(&applied_again).collect::<Vec<_>>(), [("TCP", 30080)]);
    let moved = with(&old, "/spec/clusterIP", json!("10.96.0.8"));
    let moved = with(&moved, "/spec/clusterIPs", json!(["10.96.0.8"]));
    assert_eq!(
        sentences(update(&old, moved)),
        "spec.clusterIPs[0]: Invalid value: [\"10.96.0.8\"]: may not change once set"
    );
}

#[test]
fn a_change_of_type_gives_back_what_the_type_has_not() {
    let old = allocated();
    let inner = update(&old, with(&old, "/spec/type", json!("ClusterIP"))).unwrap();
    assert_eq!(inner["spec"]["ports"][0].get("nodePort"), None);
    assert_eq!(inner["spec"].get("externalTrafficPolicy"), None);
    assert_eq!(inner["spec"]["clusterIP"], "10.96.0.7");
    let mut external = with(&old, "/spec/type", json!("ExternalName"));
    external["spec"]["externalName"] = json!("example.com");
    let external = update(&old, external).unwrap();
    assert_eq!(external["spec"].get("clusterIP"), None);
    assert_eq!(service::node_ports(&external).count(), 0);
}

#[test]
fn slices_hold_addresses_of_one_family() {
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "web-1" },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.0.0.1"] }],
        "ports": [{ "port": 80 }],
    });
    let created = create(slice.clone()).unwrap();
    assert_eq!(created["ports"], json!([{ "name": "", "port": 80, "protocol": "TCP" }]));
    assert_eq!(created["metadata"]["generation"], 1);
    assert_eq!(
        sentences(create(with(&slice, "/endpoints/0/addresses/0", json!("fd00::1")))),
        "endpoints[0].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address"
    );
    assert_eq!(
        sentences(create(with(&slice, "/addressType", json!("IPX")))),
        "[addressType: Unsupported value: \"IPX\": supported values: \"FQDN\", \"IPv4\", \"IPv6\"]"
            .trim_matches(['[', ']'])
    );
    let mut other = created.clone();
    other["addressType"] = json!("FQDN");
    other["endpoints"] = json!([{ "addresses": ["a.example"] }]);
    assert_eq!(
        sentences(update(&created, other)),
        "addressType: Invalid value: \"FQDN\": field is immutable"
    );
}
