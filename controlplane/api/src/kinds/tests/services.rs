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
    assert!(!service::needs_node_ports(&created["spec"]));
    service::with_cluster_ips(&mut created["spec"], &["10.96.0.7".to_owned()]);
    assert_eq!(created["spec"]["clusterIP"], "10.96.0.7");
    assert_eq!(created["spec"]["clusterIPs"], json!(["10.96.0.7"]));
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
    assert!(service::needs_node_ports(&created["spec"]));
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
}

#[test]
fn what_only_load_balancers_have_is_refused_elsewhere() {
    for (pointer, value, sentence) in [
        (
            "/spec/loadBalancerClass",
            json!("a/b"),
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            "/spec/allocateLoadBalancerNodePorts",
            json!(false),
            "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is \
             'LoadBalancer'",
        ),
        (
            "/spec/loadBalancerSourceRanges",
            json!(["10.0.0.0/8"]),
            "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            "/spec/healthCheckNodePort",
            json!(31000),
            "spec.healthCheckNodePort: Invalid value: 31000: may only be set when `type` is \
             'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        ),
    ] {
        assert_eq!(sentences(create(with(&of_type("NodePort"), pointer, value))), sentence);
    }
}

#[test]
fn faults_of_load_balancers_are_told_as_kubernetes_tells_them() {
    let balancer = of_type("LoadBalancer");
    let created = create(balancer.clone()).unwrap();
    assert_eq!(created["spec"]["allocateLoadBalancerNodePorts"], true);
    for (pointer, value, sentence) in [
        (
            "/spec/loadBalancerSourceRanges",
            json!([" 10.0.0.0/8 ", "10.0.0.1", "2001:db8::/200"]),
            "[spec.LoadBalancerSourceRanges[1]: Invalid value: \"10.0.0.1\": must be a valid CIDR \
             value, (e.g. 10.9.8.0/24 or 2001:db8::/64), spec.LoadBalancerSourceRanges[2]: Invalid \
             value: \"2001:db8::/200\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or \
             2001:db8::/64)]",
        ),
        (
            "/spec/clusterIP",
            json!("None"),
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer \
             services",
        ),
        (
            "/spec/trafficDistribution",
            json!("PreferFar"),
            "spec.trafficDistribution: Unsupported value: \"PreferFar\": supported values: \
             \"PreferClose\", \"PreferSameNode\", \"PreferSameZone\"",
        ),
        (
            "/spec/ipFamilies",
            json!(["IPv4", "IPv4"]),
            "spec.ipFamilies[1]: Duplicate value: \"IPv4\"",
        ),
        (
            "/spec/clusterIPs",
            json!(["10.96.0.7"]),
            "spec.clusterIPs: Invalid value: [\"10.96.0.7\"]: must be empty when `clusterIP` is not \
             specified",
        ),
    ] {
        assert_eq!(sentences(create(with(&balancer, pointer, value))), sentence);
    }
    let class = sentences(create(with(&balancer, "/spec/loadBalancerClass", json!("a b"))));
    assert!(
        class.starts_with("spec.loadBalancerClass: Invalid value: \"a b\": name part"),
        "{class}"
    );
}

#[test]
fn a_class_and_a_health_check_port_stay_what_they_are() {
    let mut wanted =
        with(&of_type("LoadBalancer"), "/spec/loadBalancerClass", json!("example.com/a"));
    wanted["spec"]["externalTrafficPolicy"] = json!("Local");
    wanted["spec"]["healthCheckNodePort"] = json!(31000);
    let old = create(wanted).unwrap();
    let applied_again = update(&old, with(&old, "/spec/healthCheckNodePort", json!(null))).unwrap();
    assert_eq!(applied_again["spec"]["healthCheckNodePort"], 31000);
    assert_eq!(
        sentences(update(&old, with(&old, "/spec/healthCheckNodePort", json!(31001)))),
        "spec.healthCheckNodePort: Forbidden: field is immutable"
    );
    assert_eq!(
        sentences(update(&old, with(&old, "/spec/loadBalancerClass", json!("example.com/b")))),
        "spec.loadBalancerClass: Invalid value: \"example.com/b\": may not change once set"
    );
    let cluster =
        update(&old, with(&old, "/spec/externalTrafficPolicy", json!("Cluster"))).unwrap();
    assert_eq!(cluster["spec"].get("healthCheckNodePort"), None);
    let plain = update(&old, with(&old, "/spec/type", json!("ClusterIP"))).unwrap();
    for field in ["loadBalancerClass", "allocateLoadBalancerNodePorts", "healthCheckNodePort"] {
        assert_eq!(plain["spec"].get(field), None, "{field}");
    }
}

#[test]
fn the_status_of_a_load_balancer_is_checked_and_goes_with_the_type() {
    let ingress = |ingress: Value| json!({ "loadBalancer": { "ingress": ingress } });
    let old = create(of_type("LoadBalancer")).unwrap();
    let given =
        with(&old, "/status", ingress(json!([{ "ip": "192.0.2.1" }, { "hostname": "a.b" }])));
    let served = update_status(&old, given).unwrap();
    assert_eq!(
        served["status"]["loadBalancer"]["ingress"],
        json!([{ "ip": "192.0.2.1", "ipMode": "VIP" }, { "hostname": "a.b" }])
    );
    let closed = update(&served, with(&served, "/spec/type", json!("ClusterIP"))).unwrap();
    assert_eq!(closed["status"], json!({ "loadBalancer": {} }));
    for (entry, sentence) in [
        (
            json!({ "ip": "x" }),
            "ip: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            json!({ "ip": "192.0.2.1", "ipMode": "X" }),
            "ipMode: Unsupported value: \"X\": supported values: \"Proxy\", \"VIP\"",
        ),
        (
            json!({ "ipMode": "VIP" }),
            "ipMode: Forbidden: may not be specified when `ip` is not set",
        ),
        (
            json!({ "hostname": "192.0.2.1" }),
            "hostname: Invalid value: \"192.0.2.1\": must be a DNS name, not an IP address",
        ),
    ] {
        let found = sentences(update_status(&old, with(&old, "/status", ingress(json!([entry])))));
        assert_eq!(found, format!("status.loadBalancer.ingress[0].{sentence}"));
    }
    let node_port = create(of_type("NodePort")).unwrap();
    let wrong = with(&node_port, "/status", ingress(json!([{ "ip": "192.0.2.1" }])));
    assert_eq!(
        sentences(update_status(&node_port, wrong)),
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    );
}

#[test]
fn node_ports_of_a_load_balancer_go_only_when_they_are_taken_out() {
    let mut old = create(of_type("LoadBalancer")).unwrap();
    old["spec"]["ports"][0]["nodePort"] = json!(30080);
    let patched = with(&old, "/spec/allocateLoadBalancerNodePorts", json!(false));
    let kept = update(&old, patched.clone()).unwrap();
    assert_eq!(kept["spec"]["ports"][0]["nodePort"], 30080);
    let taken_out = update(&old, with(&patched, "/spec/ports/0/nodePort", json!(null))).unwrap();
    assert_eq!(service::node_ports(&taken_out).count(), 0);
}

fn dual() -> Value {
    let mut object = create(super::service()).unwrap();
    let addresses = ["10.96.0.7", "fd00::7"].map(str::to_owned);
    service::with_cluster_ips(&mut object["spec"], &addresses);
    object["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    object["spec"]["ipFamilyPolicy"] = json!("RequireDualStack");
    object
}

#[test]
fn the_second_family_is_given_up_only_in_so_many_words() {
    let old = dual();
    assert_eq!(update(&old, super::service()).unwrap()["spec"], old["spec"]);
    let less = with(&old, "/spec/clusterIPs", json!(["10.96.0.7"]));
    let less = with(&less, "/spec/ipFamilies", json!(["IPv4"]));
    assert_eq!(
        sentences(update(&old, less.clone())),
        "[spec.ipFamilyPolicy: Invalid value: \"RequireDualStack\": must be set to 'SingleStack' when \
         releasing the secondary clusterIP, spec.ipFamilyPolicy: Invalid value: \
         \"RequireDualStack\": must be set to 'SingleStack' when releasing the secondary ipFamily]"
    );
    update(&old, with(&less, "/spec/ipFamilyPolicy", json!("SingleStack"))).unwrap();
    let swapped = with(&old, "/spec/ipFamilies", json!(["IPv6", "IPv4"]));
    let found = sentences(update(&old, swapped));
    assert!(found.contains("expected an IPv6 value as indicated by `ipFamilies[0]`"), "{found}");
    let same = with(&old, "/spec/clusterIPs", json!(["10.96.0.7", "10.96.0.8"]));
    let found = sentences(update(&old, same));
    assert!(found.contains("may specify no more than one IP for each IP family"), "{found}");
}

fn allocated() -> Value {
    let mut object = create(of_type("NodePort")).unwrap();
    service::with_cluster_ips(&mut object["spec"], &["10.96.0.7".to_owned()]);
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
