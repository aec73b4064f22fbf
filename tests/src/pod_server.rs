//! Pods and Services of the program `pod-server`, as manifests.

/// Where the measured loads go.
pub const PORT: u16 = 8080;
/// Where clients are told who answers, and how they are seen.
pub const WHO_PORT: u16 = 8081;

/// The template of pods that run the program at this path of the machine, by their label `app`. `image` must
/// have the shared libraries that programs of this machine need, as `sheave.local/resolvers:1` has.
pub fn template(app: &str, program: &str, image: &str, more: &str) -> String {
    format!(
        "metadata: {{labels: {{app: {app}}}}}
spec:
  terminationGracePeriodSeconds: 10
{more}
  volumes: [{{name: program, hostPath: {{path: {program}, type: File}}}}]
  containers:
  - name: server
    image: {image}
    command: [/pod-server, '{PORT}', '{WHO_PORT}']
    volumeMounts: [{{name: program, mountPath: /pod-server, readOnly: true}}]
    readinessProbe: {{tcpSocket: {{port: {PORT}}}, periodSeconds: 1}}
"
    )
}

/// One pod, on the node of this number.
pub fn pod(name: &str, node: usize, program: &str) -> String {
    let more = format!("  nodeName: node-{node}");
    let template = template(name, program, "sheave.local/resolvers:1", &more);
    let metadata = format!("metadata: {{name: {name}, labels: {{app: {name}}}}}");
    let (_, spec) = template.split_once('\n').expect("the first line is the metadata");
    format!("apiVersion: v1\nkind: Pod\n{metadata}\n{spec}---\n")
}

/// A Service of both families, by TCP and UDP, at every kind of address; port 80 for loads, 81 to be told.
pub fn service(name: &str, more: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec:
  type: LoadBalancer
  ipFamilyPolicy: RequireDualStack
  selector: {{app: {name}}}
  ports:
  - {{name: load-tcp, protocol: TCP, port: 80, targetPort: {PORT}}}
  - {{name: load-udp, protocol: UDP, port: 80, targetPort: {PORT}}}
  - {{name: who-tcp, protocol: TCP, port: 81, targetPort: {WHO_PORT}}}
  - {{name: who-udp, protocol: UDP, port: 81, targetPort: {WHO_PORT}}}
{more}
---
"
    )
}
