//! The administrator's kubeconfig: where the API server is and who we are to it.
//!
//! It reads the form the server writes (embedded data), as JSON or the block YAML that is written there,
//! by looking for the four values it needs; it is no general kubeconfig reader, which kubectl is for.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use base64::Engine;

/// Where and who.
pub(crate) struct Access {
    /// `https://host:port`.
    pub(crate) server: String,
    pub(crate) ca_pem: Vec<u8>,
    pub(crate) certificate_pem: Vec<u8>,
    pub(crate) key_pem: Vec<u8>,
}

/// Reads a kubeconfig that the server wrote.
pub(crate) fn read(path: &Path) -> Result<Access> {
    let text = std::fs::read_to_string(path).with_context(|| {
        let what_to_do = match is_node_alone(path) {
            true => {
                "this machine is a node, and its control plane is elsewhere: run this there, or copy that \
                 file from there, put the URL of `sheave join` in place of its server, and name it with \
                 --kubeconfig"
            }
            false => {
                "start the cluster with `sheave up`, run this as root, or name the kubeconfig with --kubeconfig"
            }
        };
        format!("cannot read {}: {what_to_do}", path.display())
    })?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

/// Whether the machine whose administrator's kubeconfig would be at `path` has joined a cluster, and so has no
/// control plane of its own.
pub(crate) fn is_node_alone(path: &Path) -> bool {
    let server_dir = path.parent();
    let data_dir = server_dir.and_then(Path::parent);
    let is_node = data_dir.is_some_and(|dir| dir.join("agent/pki/node.crt").exists());
    is_node && server_dir.is_some_and(|dir| !dir.exists())
}

fn parse(text: &str) -> Result<Access> {
    let value = |key: &str| {
        let mut lines = text.lines().filter_map(|line| {
            let (name, value) = line.trim().trim_start_matches("- ").split_once(':')?;
            (name.trim_matches('"') == key)
                .then(|| value.trim().trim_end_matches(',').trim_matches('"').to_owned())
        });
        lines.next().ok_or_else(|| anyhow!("the field {key} is missing"))
    };
    let data = |key: &str| {
        let text = value(key)?;
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(text).with_context(|| format!("the field {key} is not base64"))
    };
    Ok(Access {
        server: value("server")?,
        ca_pem: data("certificate-authority-data")?,
        certificate_pem: data("client-certificate-data")?,
        key_pem: data("client-key-data")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_forms_are_read() {
        let yaml = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Y2E=\n    \
                    server: https://127.0.0.1:6443\nusers:\n- user:\n    client-certificate-data: \
                    Y2VydA==\n    client-key-data: a2V5\n";
        let json = "{\n \"server\": \"https://127.0.0.1:6443\",\n \"certificate-authority-data\": \
                    \"Y2E=\",\n \"client-certificate-data\": \"Y2VydA==\",\n \"client-key-data\": \
                    \"a2V5\"\n}";
        for text in [yaml, json] {
            let access = parse(text).unwrap();
            assert_eq!(access.server, "https://127.0.0.1:6443");
            assert_eq!((&access.ca_pem[..], &access.key_pem[..]), (&b"ca"[..], &b"key"[..]));
            assert_eq!(access.certificate_pem, b"cert");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = parse("server: https://x\n").err().unwrap();
        assert_eq!(error.to_string(), "the field certificate-authority-data is missing");
    }

    #[test]
    fn on_a_node_alone_it_is_said_where_the_control_plane_is_asked() {
        let data_dir = tempfile::tempdir().unwrap();
        let path = data_dir.path().join("server/admin.kubeconfig");
        let said = |path| format!("{:#}", read(path).err().unwrap());
        assert!(said(&path).contains("start the cluster with `sheave up`"));
        std::fs::create_dir_all(data_dir.path().join("agent/pki")).unwrap();
        std::fs::write(data_dir.path().join("agent/pki/node.crt"), "").unwrap();
        assert!(said(&path).contains("its control plane is elsewhere"), "{}", said(&path));
        std::fs::create_dir(data_dir.path().join("server")).unwrap();
        assert!(said(&path).contains("start the cluster with `sheave up`"), "a server that starts");
    }
}
