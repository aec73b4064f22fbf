//! The real `sheave-server` process: how fast it is ready, how it ends, and what it says when it cannot
//! start.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where and ends")]

mod join;
mod node;
mod process;
mod services;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use process::{Server, free_port};

#[test]
fn ready_within_half_a_second_and_ends_on_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut server = Server::start(dir.path(), free_port());
    let took = started.elapsed();
    assert!(took < Duration::from_millis(500), "ready after {took:?}");
    let namespaces = server.kubectl(&["get", "namespaces", "--output=name"]);
    assert!(namespaces.contains("namespace/kube-system"), "{namespaces}");
    assert!(server.terminate().success());
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), free_port());
    server.kubectl(&["create", "configmap", "kept", "--from-literal=a=b"]);
    server.kill();
    // On another port: what names the server must follow.
    let server = Server::start(dir.path(), free_port());
    let port = server.port;
    let published = format!("--for=jsonpath={{.ports[0].port}}={port}");
    server.kubectl(&["wait", "endpointslice/kubernetes", &published, "--timeout=10s"]);
    let value = server.kubectl(&["get", "configmap", "kept", "--output=jsonpath={.data.a}"]);
    assert_eq!(value, "b");
}

#[test]
fn a_taken_port_is_named_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = Server::refused(&dir.path().join("data"), port);
    assert!(said.contains(&format!("port {port} is taken")) && said.contains("--bind"), "{said}");
    assert!(!dir.path().join("data").exists());
}

#[test]
fn a_second_server_on_the_same_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Server::start(dir.path(), free_port());
    let said = Server::refused(dir.path(), free_port());
    assert!(said.contains("in use by another process"), "{said}");
}

#[test]
fn a_file_in_place_of_the_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    std::fs::write(&file, "").unwrap();
    let said = Server::refused(&file, free_port());
    assert!(said.contains("data") && said.contains("--data-dir"), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "one sentence: {said}");
}

#[test]
fn a_full_disk_says_so_and_how_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    // The smaller, the earlier: in the store's file, or in a certificate.
    for size in ["8k", "32k"] {
        let said = Server::refused_on_full_disk(dir.path(), size);
        // The store has its own to log, before or after.
        let sentence = said.lines().find(|line| line.starts_with("sheave-server: cannot "));
        let sentence = sentence.unwrap_or_else(|| panic!("{size}: {said}"));
        assert!(sentence.contains("No space left on device"), "{size}: {said}");
        assert!(sentence.contains("free some space"), "{size}: {said}");
    }
}

#[test]
fn ranges_that_overlap_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let said = Server::refused_with(
        &dir.path().join("data"),
        free_port(),
        &["--service-cidr", "10.244.0.0/16"],
    );
    assert!(said.contains("--service-cidr") && said.contains("overlap"), "{said}");
}
