//! Credentials for registries, from the Secrets that a pod names. Read for one pull and not kept.

use serde::Deserialize;

use crate::cri::v1::AuthConfig;
use crate::data::{DataKey, DataObjects};
use crate::pod::spec::{DataKind, PodSpec};

/// What a Secret of type kubernetes.io/dockerconfigjson holds.
#[derive(Deserialize)]
struct DockerConfig {
    auths: std::collections::BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    /// `username:password` in base64; the runtime reads it as it is.
    #[serde(default)]
    auth: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

/// Credentials for the image's registry, in the order of the pod's `imagePullSecrets`.
pub(crate) fn credentials(spec: &PodSpec, image: &str, data: &DataObjects) -> Vec<AuthConfig> {
    let registry = registry(image);
    let mut found = Vec::new();
    for name in &spec.image_pull_secrets {
        let key = DataKey {
            kind: DataKind::Secret,
            namespace: spec.key.namespace.clone(),
            name: name.clone(),
        };
        let Some(object) = data.get(&key) else { continue };
        let Some(json) = object.data.get(".dockerconfigjson") else { continue };
        let Ok(config) = serde_json::from_slice::<DockerConfig>(json) else { continue };
        let entries = config.auths.into_iter().filter(|(server, _)| host(server) == registry);
        found.extend(entries.map(|(server_address, entry)| AuthConfig {
            username: entry.username,
            password: entry.password,
            auth: entry.auth,
            identity_token: entry.identity_token,
            server_address,
        }));
    }
    found
}

/// The host an image comes from; names without one are Docker Hub's.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => first,
        _ => "docker.io",
    }
}

/// Of a server as configurations name it: with or without scheme and path.
fn host(server: &str) -> &str {
    let server =
        server.strip_prefix("https://").or(server.strip_prefix("http://")).unwrap_or(server);
    match server.split('/').next().unwrap_or(server) {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_registry_of_the_image_is_told() {
        let pod = serde_json::json!({"metadata": {"namespace": "n", "name": "p", "uid": "u"},
            "spec": {"imagePullSecrets": [{"name": "s"}], "containers": []}});
        let (spec, _) = crate::pod::decode::decode(pod.to_string().as_bytes()).unwrap();
        let data = DataObjects::default();
        let config = serde_json::json!({"auths": {
            "https://index.docker.io/v1/": {"auth": "aHVi"},
            "registry.example:5000": {"username": "u", "password": "p"}}});
        let object = sheave_push::v1::DataObject {
            data: [(".dockerconfigjson".to_owned(), config.to_string().into())].into(),
            ..Default::default()
        };
        let key = DataKey { kind: DataKind::Secret, namespace: "n".into(), name: "s".into() };
        data.set(key, object);
        let of = |image| credentials(&spec, image, &data);
        assert_eq!(of("busybox")[0].auth, "aHVi");
        assert_eq!(of("library/busybox:1")[0].auth, "aHVi");
        assert_eq!(of("registry.example:5000/a/b")[0].username, "u");
        assert!(of("other.example/a").is_empty());
    }
}
