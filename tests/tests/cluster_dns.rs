//! Names in a cluster: pods ask for them, and the agent of their node answers.

use sheave_tests::cluster::Cluster;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::wait;
use std::time::Duration;

const IMAGE: &str = "sheave.local/hello:1";
const LIMIT: Duration = Duration::from_secs(60);

/// A headless Service, and a pod that has a name within it.
const HEADLESS: &str = "
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, labels: {app: db}}
spec:
  hostname: first
  subdomain: db
  containers: [{name: db, image: 'sheave.local/hello:1'}]
---
apiVersion: v1
kind: Service
metadata: {name: alias}
spec: {type: ExternalName, externalName: db.default.svc.cluster.local}
";

/// The addresses that a pod is told, by busybox.
fn asked_in(cluster: &Cluster, pod: &str, name: &str) -> String {
    let said = cluster.try_kubectl(&["exec", pod, "--", "nslookup", name]);
    let lines = said.stdout.lines().skip_while(|line| !line.starts_with("Name:"));
    let addresses = lines.filter_map(|line| line.strip_prefix("Address"));
    let address = addresses.filter_map(|line| line.split_once(": ").map(|(_, address)| address));
    address.map(|address| address.trim().to_owned()).collect::<Vec<_>>().join(" ")
}

#[test]
fn pods_find_services_by_name_and_by_variables() {
    let cluster = Cluster::start();
    let address = cluster.value(
        &["service", "kube-dns", "--namespace=kube-system"],
        "{.spec.clusterIP} {.spec.ports[*].port}",
    );
    assert_eq!(address, "10.96.0.10 53 53");
    cluster.kubectl(&["create", "service", "clusterip", "web", "--tcp=80:8080"]);
    let web = cluster.value(&["service", "web"], "{.spec.clusterIP}");
    cluster.kubectl(&["run", "box", "--image", IMAGE]);
    assert!(cluster.kubectl_with_input(&["apply", "-f", "-"], HEADLESS).ok);
    cluster.wait_pod_ready("box");
    cluster.wait_pod_ready("db-0");
    let db = cluster.value(&["pod", "db-0"], "{.status.podIP}");

    let resolv_conf = cluster.kubectl(&["exec", "box", "--", "cat", "/etc/resolv.conf"]);
    assert!(resolv_conf.contains("nameserver 10.96.0.10"), "{resolv_conf}");
    let found = |name: &'static str, expected: &str| {
        wait::until(
            &format!("{name} to lead to {expected}"),
            LIMIT,
            || asked_in(&cluster, "box", name),
            |seen| seen == expected,
        );
    };
    found("web.default.svc.cluster.local", &web);
    found("db.default.svc.cluster.local", &db);
    found("first.db.default.svc.cluster.local", &db);
    found("alias.default.svc.cluster.local", &db);
    found("kubernetes.default.svc.cluster.local", "10.96.0.1");
    let none =
        cluster.try_kubectl(&["exec", "box", "--", "nslookup", "no.default.svc.cluster.local"]);
    assert!(none.stdout.contains("NXDOMAIN") || none.stderr.contains("NXDOMAIN"), "{none:?}");

    // By the search path, with what the C library has in it: the address behind the name answers.
    let page = cluster.kubectl(&["exec", "box", "--", "wget", "-q", "-O", "-", "http://db:8080/"]);
    assert_eq!(page.trim(), "first");

    let variables = cluster.kubectl(&["exec", "box", "--", "env"]);
    for line in ["KUBERNETES_SERVICE_HOST=10.96.0.1", &format!("WEB_SERVICE_HOST={web}")] {
        assert!(variables.lines().any(|l| l == line), "{line} in {variables}");
    }

    // An endpoint that goes is no answer any more.
    cluster.kubectl(&["delete", "pod", "db-0", "--now"]);
    found("db.default.svc.cluster.local", "");
}
