//! What the API refuses, asked with the real kubectl: the sentence, kubectl's exit code, and that nothing
//! was stored.

use sheave_tests::command;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::server::Server;

/// Creates what is refused, with kubectl's own checks off, so that the server's answer is seen.
fn refused(server: &Server, manifest: &str) -> String {
    let said =
        server.kubectl_with_input(&["create", "--validate=false", "--filename", "-"], manifest);
    assert!(!said.ok && said.stdout.is_empty(), "accepted: {manifest}");
    said.stderr
}

fn assert_parts(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

fn assert_absent(server: &Server, kind: &str, name: &str) {
    let said = server.kubectl_refused(&["get", kind, name]);
    assert!(said.contains(&format!("\"{name}\" not found")), "{said}");
}

fn service(ports: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: odd}}\n\
         spec: {{type: NodePort, selector: {{a: b}}, ports: [{{{ports}}}]}}\n"
    )
}

#[test]
fn an_unknown_field_is_named() {
    let server = Server::start();
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\ndta: {a: b}\n";
    // As a user types it: kubectl asks for strict validation.
    let said = server.kubectl_with_input(&["create", "--filename", "-"], manifest);
    assert!(!said.ok, "{said:?}");
    let sentence = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: \
                    unknown field \"dta\"";
    assert_parts(&said.stderr, &["(BadRequest)", sentence]);
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    assert_absent(&server, "configmap", "odd");

    let nested = service("port: 80, tragetPort: 8080");
    let said = server.kubectl_with_input(&["apply", "--filename", "-"], &nested);
    assert!(!said.ok, "{said:?}");
    assert_parts(&said.stderr, &["unknown field \"spec.ports[0].tragetPort\""]);
    assert_absent(&server, "service", "odd");
}

#[test]
fn a_wrong_type_is_named() {
    let server = Server::start();
    let said = refused(&server, &service("port: eighty"));
    let sentence = "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal \
                    string into Go struct field ServicePort.spec.ports.port of type int32";
    assert_parts(&said, &["(BadRequest)", sentence]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_absent(&server, "service", "odd");
}

#[test]
fn a_port_out_of_range_is_named() {
    let server = Server::start();
    for port in [0, 70000] {
        let said = refused(&server, &service(&format!("port: {port}, targetPort: 80")));
        let sentence = format!(
            "The Service \"odd\" is invalid: spec.ports[0].port: Invalid value: {port}: must be \
             between 1 and 65535, inclusive"
        );
        assert_parts(&said, &[&sentence]);
    }
    let said = refused(&server, &service("port: 80, nodePort: 80"));
    let sentence = "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. \
                    The range of valid ports is 30000-32767";
    assert_parts(&said, &[sentence]);
    assert_absent(&server, "service", "odd");
    // Nor is an address or a port held for it.
    server.apply(&service("port: 80, targetPort: 8080, nodePort: 30080"));
    server.kubectl(&["delete", "service", "odd"]);
}

#[test]
fn a_taken_name_is_named() {
    let server = Server::start();
    server.kubectl(&["create", "configmap", "taken", "--from-literal=first=yes"]);
    let said =
        server.kubectl_refused(&["create", "configmap", "taken", "--from-literal=second=yes"]);
    assert_eq!(
        said.trim(),
        "error: failed to create configmap: configmaps \"taken\" already exists"
    );
    assert_eq!(server.value(&["configmap", "taken"], "{.data}"), r#"{"first":"yes"}"#);
}

#[test]
fn a_stale_resource_version_is_a_conflict() {
    let server = Server::start();
    server.kubectl(&["create", "configmap", "busy", "--from-literal=key=old"]);
    let stale = server.kubectl(&["get", "configmap", "busy", "--output=json"]);
    server.kubectl(&["label", "configmap", "busy", "changed=yes"]);
    let before = server.value(&["configmap", "busy"], "{.metadata.resourceVersion}");
    let said = server.kubectl_with_input(
        &["replace", "--filename", "-"],
        &stale.replace("\"key\": \"old\"", "\"key\": \"new\""),
    );
    assert!(!said.ok, "{said:?}");
    let sentence = "Operation cannot be fulfilled on configmaps \"busy\": the object has been modified; \
                    please apply your changes to the latest version and try again";
    assert_parts(&said.stderr, &["(Conflict)", sentence]);
    let after = server.value(&["configmap", "busy"], "{.metadata.resourceVersion} {.data.key}");
    assert_eq!(after, format!("{before} old"));
}

#[test]
fn who_shows_no_certificate_is_told_how_to_log_in() {
    let server = Server::start();
    let url = format!("https://127.0.0.1:{}", server.port);
    let kubectl = ["kubectl", "--kubeconfig=/dev/null", "--insecure-skip-tls-verify"];
    // Without a token kubectl asks for a name and a password.
    let own = [&format!("--server={url}"), "--token=guessed", "create", "configmap", "odd"];
    let said = command::run(&[&kubectl[..], &own].concat(), &[], "");
    assert!(!said.ok, "{said:?}");
    let parts = ["Unauthorized", "client certificate", "server/admin.kubeconfig"];
    assert_parts(&said.stderr, &parts);
    let path = format!("{url}/api/v1/nodes");
    let bare = command::output(&["curl", "--silent", "--insecure", &path]);
    assert_parts(&bare, &[r#""code":401"#, r#""reason":"Unauthorized""#, parts[1], parts[2]]);
    assert_absent(&server, "configmap", "odd");
}
