//! Services as kubectl makes them, on a server whose flags say what may be given out.

use std::fs;
use std::time::{Duration, Instant};

use crate::process::{Server, free_port};

const FLAGS: [&str; 3] = [
    "--service-cidr=10.96.0.0/16,fd00:96::/112",
    "--load-balancer-pool=192.0.2.10-192.0.2.11",
    "--external-ip-pool=198.51.100.0/24",
];

fn apply(server: &Server, manifest: &str) -> Vec<String> {
    let file = server.data_dir.join("manifest.yaml");
    fs::write(&file, manifest).unwrap();
    ["apply", "--validate=strict", "-f", file.to_str().unwrap()].map(str::to_owned).to_vec()
}

fn applied(server: &Server, manifest: &str) {
    let arguments = apply(server, manifest);
    server.kubectl(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

fn refused(server: &Server, manifest: &str) -> String {
    let arguments = apply(server, manifest);
    server.kubectl_refused(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn service(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{ports: [{{port: 80}}], selector: {{app: web}}, {more}}}\n"
    )
}

#[test]
fn a_load_balancer_is_given_an_address_that_stays_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start_with(dir.path(), free_port(), &FLAGS);
    applied(&server, &service("web", "type: LoadBalancer"));
    let address = "--for=jsonpath={.status.loadBalancer.ingress[0].ip}";
    server.kubectl(&["wait", "service/web", address, "--timeout=10s"]);
    let shown = server.kubectl(&["get", "service", "web", "--no-headers"]);
    let shown = shown.split_whitespace().nth(3).unwrap().to_owned();
    assert!(["192.0.2.10", "192.0.2.11"].contains(&shown.as_str()), "{shown}");
    server.kill();

    let server = Server::start_with(dir.path(), free_port(), &FLAGS);
    applied(&server, &service("other", "type: LoadBalancer"));
    server.kubectl(&["wait", "service/other", address, "--timeout=10s"]);
    let addresses = "--output=jsonpath={.items[*].status.loadBalancer.ingress[*].ip}";
    let addresses = server.kubectl(&["get", "services", addresses]);
    let mut addresses: Vec<_> = addresses.split_whitespace().collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["192.0.2.10", "192.0.2.11"]);
    let kept = server.kubectl(&["get", "service", "web", "--no-headers"]);
    assert_eq!(kept.split_whitespace().nth(3), Some(shown.as_str()));
    applied(&server, &service("late", "type: LoadBalancer"));
    server.kubectl(&["wait", "service/late", "--for=jsonpath={.spec.clusterIP}", "--timeout=10s"]);
    let pending = server.kubectl(&["get", "service", "late", "--no-headers"]);
    assert_eq!(pending.split_whitespace().nth(3), Some("<pending>"));
}

/// The address of a Service, once it is there.
fn address_of(server: &Server, namespace: &str, name: &str) -> String {
    let namespace = format!("--namespace={namespace}");
    let field = format!("--field-selector=metadata.name={name}");
    let path = "--output=jsonpath={.items[*].spec.clusterIP}";
    let limit = Instant::now() + Duration::from_secs(10);
    loop {
        let address = server.kubectl(&["get", "services", &namespace, &field, path]);
        if !address.is_empty() {
            return address;
        }
        assert!(Instant::now() < limit, "there is no Service {name}");
    }
}

#[test]
fn names_are_asked_of_a_service_that_stays_as_somebody_made_it() {
    let dir = tempfile::tempdir().unwrap();
    let one_family = ["--service-cidr=10.96.0.0/16"];
    let mut server = Server::start_with(dir.path(), free_port(), &one_family);
    assert_eq!(address_of(&server, "kube-system", "kube-dns"), "10.96.0.10");
    let ports = "--output=jsonpath={.spec.ports[*].port}/{.spec.ports[*].protocol}";
    let get = ["get", "service", "kube-dns", "--namespace=kube-system"];
    assert_eq!(server.kubectl(&[&get[..], &[ports]].concat()), "53 53/UDP TCP");
    let label = ["label", "service", "kube-dns", "--namespace=kube-system", "k8s-app=mine"];
    server.kubectl(&[&label[..], &["--overwrite"]].concat());
    server.kill();

    let server = Server::start_with(dir.path(), free_port(), &FLAGS);
    assert_eq!(address_of(&server, "kube-system", "kube-dns"), "10.96.0.10");
    let label = "--output=jsonpath={.metadata.labels.k8s-app}";
    assert_eq!(server.kubectl(&[&get[..], &[label]].concat()), "mine");
    // But for an address of the family that is new.
    let both = ["10.96.0.10", "fd00:96::a"];
    let addresses = "--output=jsonpath={.spec.clusterIPs[*]}";
    let limit = Instant::now() + Duration::from_secs(10);
    while server.kubectl(&[&get[..], &[addresses]].concat()) != both.join(" ") {
        assert!(Instant::now() < limit, "kube-dns is not given a second address");
    }
}

#[test]
fn what_may_not_be_is_refused_in_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), free_port(), &FLAGS);
    for (more, sentence) in [
        (
            "externalIPs: [203.0.113.1]",
            "spec.externalIPs[0]: Forbidden: 203.0.113.1 is not in an allowed range: this cluster \
             allows 198.51.100.0-198.51.100.255; an administrator allows more with sheave-server \
             --external-ip-pool CIDR",
        ),
        (
            "loadBalancerClass: a/b",
            "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
        ),
        (
            "type: LoadBalancer, loadBalancerSourceRanges: [x]",
            "spec.LoadBalancerSourceRanges[0]: Invalid value: \"x\": must be a valid CIDR value",
        ),
        (
            "ipFamilies: [IPv4, IPv6]",
            "spec.ipFamilyPolicy: Invalid value: \"SingleStack\": must be 'RequireDualStack' or \
             'PreferDualStack' when multiple IP families are specified",
        ),
    ] {
        let said = refused(&server, &service("web", more));
        assert!(said.contains(sentence), "{said}");
    }
    applied(&server, &service("web", "externalIPs: [198.51.100.7]"));
}

#[test]
fn a_dual_stack_service_has_an_address_of_each_family() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(dir.path(), free_port(), &FLAGS);
    applied(&server, &service("web", "ipFamilyPolicy: PreferDualStack"));
    let output = "--output=jsonpath={.spec.clusterIPs[0]} {.spec.clusterIPs[1]} {.spec.ipFamilies}";
    let shown = server.kubectl(&["get", "service", "web", output]);
    let words: Vec<_> = shown.split(' ').collect();
    assert!(words[0].starts_with("10.96.") && words[1].starts_with("fd00:96::"), "{shown}");
    assert_eq!(words[2], r#"["IPv4","IPv6"]"#);
}
