//! The API server alone, asked with kubectl: what is wrong is refused in one clear sentence that names
//! the field, labels select, and patches change what they name.

use sheave_tests::command;
use sheave_tests::kubectl::Kubectl;
use sheave_tests::server::Server;

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: sheave.local/hello:1
          env: [{name: GREETING, value: first}]
"#;

#[test]
fn the_api_names_the_field_and_the_remedy() {
    let server = Server::start();
    let refused = |manifest: &str| {
        // Without kubectl's own validation, so that the server's answer is seen.
        let said =
            server.kubectl_with_input(&["create", "--validate=false", "--filename", "-"], manifest);
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
    assert_eq!(server.value(&["services", "--field-selector=metadata.name=odd"], "{.items}"), "[]");

    server.kubectl(&["create", "configmap", "taken"]);
    let said = server.kubectl_refused(&["create", "configmap", "taken"]);
    assert!(said.contains("configmaps \"taken\" already exists"), "{said}");

    // A change to a state that somebody else has changed since.
    let stale = server.kubectl(&["get", "configmap", "taken", "--output=json"]);
    server.kubectl(&["label", "configmap", "taken", "changed=yes"]);
    let said = server.kubectl_with_input(&["replace", "--filename", "-"], &stale);
    assert!(!said.ok && said.stderr.contains("the object has been modified"), "{}", said.stderr);
    assert_eq!(server.value(&["configmap", "taken"], "{.metadata.labels.changed}"), "yes");
}

#[test]
fn an_unknown_field_is_refused_by_the_server() {
    let server = Server::start();
    let body =
        r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"dta":{"a":"b"}}"#;
    let path = "/api/v1/namespaces/default/configmaps?fieldValidation=Strict";
    let said = server.kubectl_with_input(&["create", "--raw", path, "--filename", "-"], body);
    assert!(!said.ok && said.stderr.contains("unknown field \"dta\""), "{said:?}");
    assert!(server.kubectl_refused(&["get", "configmap", "odd"]).contains("not found"));
}

#[test]
fn who_shows_no_certificate_sees_health_and_version_alone() {
    let server = Server::start();
    // Not with kubectl, which asks for a name and a password when it has no certificate.
    let status_of = |path: &str| {
        let url = format!("https://127.0.0.1:{}{path}", server.port);
        let words = ["curl", "--silent", "--insecure", "--output", "/dev/null"];
        command::output(&[&words[..], &["--write-out", "%{http_code}", &url]].concat())
    };
    for path in ["/version", "/livez", "/readyz", "/healthz"] {
        assert_eq!(status_of(path), "200", "{path}");
    }
    for path in ["/api/v1/namespaces/default/secrets", "/api/v1/nodes", "/apis", "/metrics"] {
        assert_eq!(status_of(path), "401", "{path}");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = server.kubeconfig().metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn labels_patches_and_selectors() {
    let server = Server::start();
    for (name, colour) in [("a", "red"), ("b", "green"), ("c", "blue")] {
        server.kubectl(&["create", "configmap", name, "--from-literal=key=old"]);
        server.kubectl(&["label", "configmap", name, &format!("colour={colour}")]);
    }
    let names = |selector: &str| {
        server.value(&["configmaps", "--selector", selector], "{.items[*].metadata.name}")
    };
    assert_eq!(names("colour in (red,green)"), "a b");
    assert_eq!(names("colour,colour!=green"), "a c");
    assert_eq!(names("colour notin (red,green),colour"), "c");
    let field = server
        .value(&["configmaps", "--field-selector=metadata.name=b"], "{.items[*].metadata.name}");
    assert_eq!(field, "b");
    server.kubectl(&["label", "configmap", "a", "colour-"]);
    assert_eq!(names("colour"), "b c");

    let patch = |kind: &str, patch: &str| {
        server.kubectl(&["patch", "configmap", "a", "--type", kind, "--patch", patch]);
        server.value(&["configmap", "a"], "{.data.key}")
    };
    assert_eq!(patch("merge", r#"{"data":{"key":"merged"}}"#), "merged");
    assert_eq!(patch("json", r#"[{"op":"replace","path":"/data/key","value":"json"}]"#), "json");
    assert_eq!(patch("strategic", r#"{"data":{"key":"strategic"}}"#), "strategic");

    // A strategic patch finds a container by its name and leaves its neighbours and fields alone.
    server.apply(DEPLOYMENT);
    let patch = r#"{"spec":{"template":{"spec":{"containers":
        [{"name":"web","env":[{"name":"ADDED","value":"yes"}]}]}}}}"#;
    server.kubectl(&["patch", "deployment", "web", "--patch", patch]);
    let env = server.value(
        &["deployment", "web"],
        "{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[*].name}",
    );
    assert!(
        env.starts_with("sheave.local/hello:1")
            && env.contains("GREETING")
            && env.contains("ADDED"),
        "{env}"
    );
}
