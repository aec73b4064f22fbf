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
        format!(
            "cannot read {}: start the cluster with `sheave up`, run this as root, or name the \
             kubeconfig with --kubeconfig",
            path.display()
        )
    })?;
    parse(&text).with_context(|| format!("in {}", path.display()))
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
}
