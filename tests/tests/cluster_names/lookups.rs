//! What `sheave dns lookup` says is what pods are told.

use std::process::Command;

use serde_json::Value;
use sheave_tests::cluster::{Cluster, program};

/// In the cluster and with the pods of [`crate::policies::check`].
pub(crate) fn check(cluster: &Cluster) {
    let said = looked_up(cluster, "libc", "web");
    assert_eq!(said["servers"][0], "10.96.0.10");
    assert_eq!(said["options"][0], "ndots:5");
    assert_eq!(said["asked"][0]["records"][0]["data"], "10.96.7.1", "{said}");
    assert_eq!(said["asked"][0]["by"], "this node");
    assert_eq!(said["verdict"], "web is found as web.default.svc.cluster.local.");

    // By the pod's own words: as it is first, for it has a dot.
    let said = looked_up(cluster, "few-dots", "web.other");
    assert_eq!(
        (&said["asked"][0]["name"], &said["asked"][0]["by"]),
        (&"web.other.".into(), &"upstream".into())
    );
    assert_eq!(said["verdict"], "web.other is found as web.other.svc.cluster.local.", "{said}");

    let said = looked_up(cluster, "libc", "kubernetes.other");
    let verdict = said["verdict"].as_str().expect("a sentence");
    let why = "there is no Service other/kubernetes; there is one in default";
    assert!(
        verdict.starts_with("kubernetes.other is not found") && verdict.contains(why),
        "{said}"
    );

    // Who asks the machine's resolvers is told what they say.
    let said = looked_up(cluster, "node-words", "web.default.svc.cluster.local");
    assert_ne!(said["asked"][0]["by"], "this node", "{said}");

    let (_, error) = lookup(cluster, &["web", "--from", "default/none"]);
    assert!(error.contains("there is no pod default/none on this node"), "{error}");
    let (_, error) = lookup(cluster, &["web", "--type", "address"]);
    assert!(error.contains("\"address\" is no type of records"), "{error}");
    let (table, _) = lookup(cluster, &["web", "--from", "default/libc", "--type", "A"]);
    assert!(
        table.contains("web.default.svc.cluster.local.  A     10.96.7.1  5    this node"),
        "{table}"
    );
}

fn looked_up(cluster: &Cluster, pod: &str, name: &str) -> Value {
    let (answer, error) = lookup(cluster, &[name, "--from", pod, "--output", "json"]);
    serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer}{error}"))
}

fn lookup(cluster: &Cluster, words: &[&str]) -> (String, String) {
    let mut command = Command::new(program("sheave"));
    command.args(["dns", "lookup"]).args(words).args(cluster.flags());
    let output = command.output().expect("sheave is executable");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).into()
}
