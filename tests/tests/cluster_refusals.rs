//! What is wrong is refused in one clear sentence, and leaves nothing half done.

use sheave_tests::cluster::{Cluster, Settings, program};
use sheave_tests::kubectl::Kubectl;
use sheave_tests::{command, wait};
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(60);

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
fn a_pod_without_an_address_says_that_the_range_is_exhausted() {
    // Room for five pods.
    let variables = vec![("SHEAVE_NODE_CIDR_PREFIX", "29")];
    let cluster = Cluster::start_with(Settings { variables, ..Settings::default() });
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: many}\nspec:\n  \
                    replicas: 5\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: \
                    {a: b}}\n    spec:\n      containers: [{name: a, image: sheave.local/busybox:1, \
                    command: [sleep, \"1000\"]}]\n      terminationGracePeriodSeconds: 0\n";
    cluster.apply(manifest);
    cluster.wait_rollout("many");
    cluster.kubectl(&[
        "run",
        "late",
        "--image=sheave.local/busybox:1",
        "--restart=Always",
        "--command",
        "--",
        "sleep",
        "1000",
    ]);
    let said = wait::until(
        "an event that says why",
        LIMIT,
        || cluster.kubectl(&["describe", "pod", "late"]),
        |said| said.contains("FailedCreatePodSandBox"),
    );
    assert!(said.contains("ranges: 10.244.0.0/29 is exhausted: all of its 5 addresses"), "{said}");
    assert!(said.contains("delete pods or give the node a larger pod CIDR"), "{said}");
    let links = command::output(&["ip", "-json", "link"]);
    assert_eq!(links.matches("\"ifname\":\"shv").count(), 5, "one a pod: {links}");

    // It is tried again by itself once there is room.
    cluster.kubectl(&["scale", "deployment", "many", "--replicas=4"]);
    cluster.wait_pod_ready("late");
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
