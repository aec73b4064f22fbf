//! What is wrong is refused in one clear sentence, and leaves nothing half done.

use sheave_tests::cluster::{Cluster, program};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{command, wait};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn the_api_names_the_field_and_the_remedy() {
    let cluster = Cluster::start();
    let refused = |manifest: &str| {
        // Without kubectl's own validation, so that the server's answer is seen.
        let said = cluster
            .kubectl_with_input(&["create", "--validate=false", "--filename", "-"], manifest);
        assert!(!said.ok, "accepted: {manifest}");
        said.stderr
    };
    let service = |port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: odd}}\n\
             spec: {{selector: {{a: b}}, ports: [{{port: {port}}}]}}\n"
        )
    };
    let said = refused(&service("70000"));
    assert!(said.contains("spec.ports[0].port: Invalid value: 70000"), "{said}");
    assert!(said.contains("must be between 1 and 65535"), "{said}");
    let said = refused(&service("\"eighty\""));
    assert!(said.contains("port"), "{said}");
    let said = refused("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Big_Name}\n");
    assert!(said.contains("metadata.name: Invalid value: \"Big_Name\""), "{said}");
    assert!(said.contains("RFC 1123"), "{said}");
    let said = refused("apiVersion: v1\nkind: Frobnicator\nmetadata: {name: x}\n");
    assert!(said.contains("Frobnicator"), "{said}");
    assert_eq!(
        cluster.value(&["services", "--field-selector=metadata.name=odd"], "{.items}"),
        "[]"
    );

    cluster.kubectl(&["create", "configmap", "taken"]);
    let said = cluster.kubectl_refused(&["create", "configmap", "taken"]);
    assert!(said.contains("configmaps \"taken\" already exists"), "{said}");

    // A change to a state that somebody else has changed since.
    let stale = cluster.kubectl(&["get", "configmap", "taken", "--output=json"]);
    cluster.kubectl(&["label", "configmap", "taken", "changed=yes"]);
    let said = cluster.kubectl_with_input(&["replace", "--filename", "-"], &stale);
    assert!(!said.ok && said.stderr.contains("the object has been modified"), "{}", said.stderr);
    assert_eq!(cluster.value(&["configmap", "taken"], "{.metadata.labels.changed}"), "yes");
}

#[test]
fn an_unknown_field_is_refused_by_the_server() {
    let cluster = Cluster::start();
    let body =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"dta":{"a":"b"}}"#;
    let path = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict";
    let said = cluster.kubectl_with_input(&["create", "--raw", path, "--filename", "-"], body);
    assert!(!said.ok && said.stderr.contains("unknown field \"dta\""), "{said:?}");
    assert!(cluster.kubectl_refused(&["get", "configmap", "odd"]).contains("not found"));
}

#[test]
fn who_shows_no_certificate_sees_health_and_version_alone() {
    let cluster = Cluster::start();
    let server = format!("https://127.0.0.1:{}", cluster.api_port);
    let anonymous = |path: &str| {
        command::run(
            &[
                "kubectl",
                "--kubeconfig=/dev/null",
                "--insecure-skip-tls-verify",
                "--server",
                &server,
                "get",
                "--raw",
                path,
            ],
            &[],
            "",
        )
    };
    assert!(anonymous("/version").ok);
    assert!(anonymous("/readyz").ok);
    for path in ["/api/v1/namespaces/default/secrets", "/api/v1/nodes", "/metrics"] {
        let said = anonymous(path);
        let refused = said.stderr.contains("Unauthorized") || said.stderr.contains("orbidden");
        assert!(!said.ok && refused, "{path}: {said:?}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = cluster.kubeconfig().metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_missing_image_is_told_in_status_and_events() {
    let cluster = Cluster::start();
    cluster.kubectl(&[
        "run",
        "lost",
        "--image=sheave.local/nowhere:1",
        "--image-pull-policy=Never",
    ]);
    cluster.wait_value(
        &["pod", "lost"],
        "{.status.containerStatuses[0].state.waiting.reason}",
        "ErrImageNeverPull",
    );
    wait::until(
        "an event that names the image",
        LIMIT,
        || cluster.kubectl(&["describe", "pod", "lost"]),
        |said| said.contains("sheave.local/nowhere:1\" is not present"),
    );
    cluster.kubectl(&["delete", "pod", "lost"]);
}

#[test]
fn a_pod_that_fits_nowhere_says_why() {
    let cluster = Cluster::start();
    let manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: huge}\nspec:\n  containers:\n  \
                    - {name: a, image: sheave.local/busybox:1, resources: {requests: {cpu: 1000}}}\n";
    cluster.apply(manifest);
    let message = r#"{.status.conditions[?(@.type=="PodScheduled")].message}"#;
    wait::until(
        "the reason",
        LIMIT,
        || cluster.value(&["pod", "huge"], message),
        |said| said.contains("0/1 nodes are available") && said.contains("Insufficient cpu"),
    );
    assert!(cluster.kubectl(&["describe", "pod", "huge"]).contains("FailedScheduling"));
}

#[test]
fn up_without_root_says_so() {
    let cluster = Cluster::prepare();
    let mut command = cluster.up_command();
    // The user nobody.
    command.uid(65534).gid(65534);
    let said = refusal(&mut command);
    assert!(said.contains("root"), "{said}");
    assert!(!cluster.data_dir.exists() && !cluster.run_dir.exists());
}

#[test]
fn up_with_a_taken_port_names_it() {
    let cluster = Cluster::prepare();
    let taken = TcpListener::bind(("0.0.0.0", cluster.api_port)).expect("the port was free");
    let said = refusal(&mut cluster.up_command());
    drop(taken);
    assert!(said.contains(&cluster.api_port.to_string()), "{said}");
    assert!(said.contains("--api-port"), "the remedy is not told: {said}");
}

#[test]
fn up_without_containerd_says_how_to_get_it() {
    let cluster = Cluster::prepare();
    let empty = cluster.scratch.path().join("no-programs");
    std::fs::create_dir(&empty).expect("scratch is writable");
    let said = refusal(cluster.up_command().env("PATH", &empty));
    assert!(said.contains("containerd"), "{said}");
    assert!(said.contains("install"), "the remedy is not told: {said}");
}

#[test]
fn the_doctor_finds_nothing_missing_on_this_machine() {
    let sheave = program("sheave");
    let said = command::run(&[&sheave.to_string_lossy(), "doctor"], &[], "");
    assert!(said.ok, "{}{}", said.stdout, said.stderr);
}

/// Runs `sheave up`, which must give up by itself; returns what it said.
fn refusal(command: &mut Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sheave is executable");
    let deadline = Instant::now() + Duration::from_secs(30);
    let status = loop {
        match child.try_wait().expect("it is our child") {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    if status.is_none() {
        sheave_tests::cluster::signal(child.id(), nix::sys::signal::Signal::SIGTERM);
        std::thread::sleep(Duration::from_secs(3));
        let _ = child.kill();
    }
    let mut said = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
    child.wait().expect("it is our child");
    let status = status.unwrap_or_else(|| panic!("sheave up went on, saying: {said}"));
    assert!(!status.success(), "sheave up succeeded, saying: {said}");
    assert!(said.lines().count() <= 3, "more than a clear sentence:\n{said}");
    said
}
