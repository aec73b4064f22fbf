//! The admin kubeconfig: certificates embedded, so that the file can be copied elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{ADMIN_USER, PemPair};

/// A kubeconfig with one cluster, one user and one context, all embedded.
pub(super) fn render(server_url: &str, ca: &str, admin: &PemPair) -> String {
    let ca = STANDARD.encode(ca);
    let certificate = STANDARD.encode(&admin.certificate);
    let key = STANDARD.encode(&admin.key);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: sheave
  cluster:
    server: {server_url}
    certificate-authority-data: {ca}
users:
- name: {ADMIN_USER}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: sheave
  context:
    cluster: sheave
    user: {ADMIN_USER}
current-context: sheave
"
    )
}
