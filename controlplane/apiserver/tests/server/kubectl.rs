//! The API as the real kubectl uses it.

use std::process::Stdio;

use crate::serving::Serving;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 2
  selector:
    matchLabels: { app: web }
  template:
    metadata:
      labels: { app: web }
    spec:
      containers:
      - name: app
        image: nginx:1.27
        ports:
        - containerPort: 80
"#;

impl Serving {
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", &self.pki.kubeconfig)
            .env("HOME", self.dir.path());
        command.kill_on_drop(true);
        command
    }

    /// Runs kubectl with text on standard input: success, standard output, standard error.
    async fn run_with(&self, arguments: &[&str], input: &str) -> (bool, String, String) {
        let mut child = self
            .kubectl(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests drive the real kubectl: install kubernetes-client");
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout), text(output.stderr))
    }

    async fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, "").await
    }

    async fn ok_with(&self, arguments: &[&str], input: &str) -> String {
        let (success, stdout, stderr) = self.run_with(arguments, input).await;
        assert!(success, "kubectl {}:\n{stdout}{stderr}", arguments.join(" "));
        stdout
    }

    async fn refused(&self, arguments: &[&str], input: &str) -> String {
        let (success, stdout, stderr) = self.run_with(arguments, input).await;
        assert!(!success, "kubectl {} succeeded:\n{stdout}", arguments.join(" "));
        stderr
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn version_and_discovery() {
    let serving = Serving::start().await;
    let version = serving.ok(&["version"]).await;
    assert!(version.contains("Server Version: v1.36.0"), "{version}");
    let resources = serving.ok(&["api-resources"]).await;
    for expected in ["deployments", "deploy", "apps/v1", "pods", "configmaps", "pdb", "ds"] {
        assert!(resources.contains(expected), "{expected} is missing in\n{resources}");
    }
    let versions = serving.ok(&["api-versions"]).await;
    assert_eq!(
        versions.lines().collect::<Vec<_>>(),
        ["apps/v1", "coordination.k8s.io/v1", "discovery.k8s.io/v1", "policy/v1", "v1"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn get_shows_tables_and_yaml() {
    let serving = Serving::start().await;
    let table = serving.ok(&["get", "namespaces"]).await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["NAME", "STATUS", "AGE"]);
    assert!(table.contains("kube-system"), "{table}");
    let yaml = serving.ok(&["get", "namespace", "default", "-o", "yaml"]).await;
    assert!(yaml.contains("kind: Namespace") && yaml.contains("name: default"), "{yaml}");
    let none = serving.run_with(&["get", "pods"], "").await;
    assert!(none.2.contains("No resources found in default namespace."), "{}", none.2);
    let missing = serving.refused(&["get", "pod", "web"], "").await;
    assert!(missing.contains("Error from server (NotFound): pods \"web\" not found"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_sends_protobuf() {
    let serving = Serving::start().await;
    serving.ok(&["create", "configmap", "colours", "--from-literal=sky=blue"]).await;
    let value = serving.ok(&["get", "cm", "colours", "-o", "jsonpath={.data.sky}"]).await;
    assert_eq!(value, "blue");
    serving.ok(&["create", "secret", "generic", "key", "--from-literal=a=b"]).await;
    serving.ok(&["create", "namespace", "shop"]).await;
    serving
        .ok(&["create", "deployment", "web", "--image=nginx", "--replicas=3", "-n", "shop"])
        .await;
    let replicas = ["get", "deploy", "web", "-n", "shop", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(serving.ok(&replicas).await, "3");
    let taken = serving.refused(&["create", "configmap", "colours"], "").await;
    assert!(taken.contains("configmaps \"colours\" already exists"), "{taken}");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_then_change_then_apply() {
    let serving = Serving::start().await;
    let apply = ["apply", "-f", "-"];
    assert!(serving.ok_with(&apply, DEPLOYMENT).await.contains("created"));
    assert!(serving.ok_with(&apply, DEPLOYMENT).await.contains("unchanged"));
    let changed = DEPLOYMENT.replace("nginx:1.27", "nginx:1.28");
    assert!(serving.ok_with(&apply, &changed).await.contains("configured"));
    let image = "jsonpath={.spec.template.spec.containers[0].image} {.metadata.generation}";
    assert_eq!(serving.ok(&["get", "deploy", "web", "-o", image]).await, "nginx:1.28 2");
    serving.ok(&["scale", "deployment", "web", "--replicas=5"]).await;
    serving.ok(&["set", "image", "deployment/web", "app=nginx:1.29"]).await;
    let wide = serving.ok(&["get", "deploy", "web", "-o", "wide"]).await;
    assert!(wide.contains("0/5") && wide.contains("nginx:1.29"), "{wide}");
}

#[tokio::test(flavor = "multi_thread")]
async fn patch_label_and_delete() {
    let serving = Serving::start().await;
    serving.ok(&["create", "configmap", "a", "--from-literal=k=1"]).await;
    for (format, patch) in [
        ("strategic", r#"{"data":{"s":"1"}}"#),
        ("merge", r#"{"data":{"k":null}}"#),
        ("json", r#"[{"op":"add","path":"/data/j","value":"2"}]"#),
    ] {
        serving.ok(&["patch", "configmap", "a", "--type", format, "-p", patch]).await;
    }
    let data = serving.ok(&["get", "cm", "a", "-o", "jsonpath={.data}"]).await;
    assert_eq!(data, r#"{"j":"2","s":"1"}"#);
    serving.ok(&["label", "configmap", "a", "tier=web"]).await;
    let listed = serving.ok(&["get", "cm", "-l", "tier in (web,db)", "-o", "name"]).await;
    assert_eq!(listed.trim(), "configmap/a");
    assert_eq!(serving.ok(&["get", "cm", "-l", "tier!=web,tier", "-o", "name"]).await, "");
    let deleted = serving.ok(&["delete", "configmap", "a", "--wait=true", "--timeout=10s"]).await;
    assert!(deleted.contains("deleted"), "{deleted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn get_watch_prints_changes() {
    let serving = Serving::start().await;
    serving.ok(&["create", "configmap", "a"]).await;
    let mut watch = serving
        .kubectl(&["get", "configmaps", "--watch", "--no-headers"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.starts_with("a "), "{first}");
    serving.ok(&["create", "configmap", "b", "--from-literal=k=v"]).await;
    let second = lines.next_line().await.unwrap().unwrap();
    assert_eq!(second.split_whitespace().take(2).collect::<Vec<_>>(), ["b", "1"]);
    watch.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn run_expose_and_describe() {
    let serving = Serving::start().await;
    serving.ok(&["create", "serviceaccount", "default"]).await;
    serving.ok(&["run", "web", "--image=nginx:1.27", "--port=80", "--labels=app=web"]).await;
    serving.ok(&["expose", "pod", "web", "--port=8080", "--target-port=80"]).await;
    let service = serving.ok(&["get", "service", "web", "-o", "wide"]).await;
    assert!(service.contains("8080/TCP") && service.contains("app=web"), "{service}");
    let described = serving.ok(&["describe", "pod", "web"]).await;
    assert!(described.contains("Image:        nginx:1.27"), "{described}");
    assert!(serving.ok(&["describe", "service", "web"]).await.contains("TargetPort:"));
    let dry = ["apply", "--dry-run=server", "-f", "-"];
    assert!(serving.ok_with(&dry, DEPLOYMENT).await.contains("created (server dry run)"));
    assert_eq!(serving.ok(&["get", "deployments", "-o", "name"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_explained() {
    let serving = Serving::start().await;
    let apply = ["apply", "-f", "-"];
    let unknown = DEPLOYMENT.replace("  replicas: 2", "  replica: 2");
    let error = serving.refused(&apply, &unknown).await;
    assert!(error.contains("unknown field \"spec.replica\""), "{error}");
    let wrong_type = DEPLOYMENT.replace("replicas: 2", "replicas: two");
    assert!(serving.refused(&apply, &wrong_type).await.contains("replicas"));
    let port = DEPLOYMENT.replace("containerPort: 80", "containerPort: 80000");
    let error = serving.refused(&apply, &port).await;
    assert!(error.contains("containerPort: Invalid value: 80000"), "{error}");
    serving.ok(&["create", "configmap", "a", "--from-literal=k=1"]).await;
    let stale = serving.ok(&["get", "configmap", "a", "-o", "json"]).await;
    serving.ok(&["label", "configmap", "a", "x=y"]).await;
    let error = serving.refused(&["replace", "-f", "-"], &stale).await;
    assert!(error.contains("the object has been modified; please apply your changes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_reads_the_schema() {
    let serving = Serving::start().await;
    let explained = serving.ok(&["explain", "deployment.spec.replicas"]).await;
    assert!(explained.contains("FIELD: replicas <integer>"), "{explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_am_i_and_what_may_i() {
    let serving = Serving::start().await;
    let whoami = serving.ok(&["auth", "whoami"]).await;
    assert!(whoami.contains("sheave-admin") && whoami.contains("system:masters"), "{whoami}");
    assert_eq!(serving.ok(&["auth", "can-i", "delete", "nodes"]).await.trim(), "yes");
    let (allowed, answer, _) =
        serving.run_with(&["auth", "can-i", "delete", "nodes", "--as=jane"], "").await;
    assert!(!allowed && answer.starts_with("no"), "{answer}");
    let refused = serving.refused(&["get", "secrets", "--as=jane"], "").await;
    assert!(refused.contains("User \"jane\" cannot list resource \"secrets\""), "{refused}");
    assert!(serving.ok(&["auth", "can-i", "--list"]).await.contains("*.*"));
}
