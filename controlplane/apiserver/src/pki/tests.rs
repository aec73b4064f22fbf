//! What a second start keeps, mends and refuses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::authority::AUTHORITY_VALIDITY;
use super::*;

fn config(data_dir: &Path) -> PkiConfig {
    PkiConfig {
        data_dir: data_dir.to_owned(),
        hostname: "vm-1".to_owned(),
        addresses: vec!["192.0.2.10".parse().unwrap()],
        service_address: "10.96.0.1".parse().unwrap(),
        node_name: "vm-1".to_owned(),
        server_url: "https://127.0.0.1:6443".to_owned(),
        certificate_lifetime: CERTIFICATE_LIFETIME,
    }
}

fn now() -> SystemTime {
    SystemTime::now()
}

#[test]
fn a_second_start_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    let second = ensure(&config(dir.path()), now()).unwrap();
    assert_eq!(first.ca, second.ca);
    assert_eq!(first.server.certificate, second.server.certificate);
    assert_eq!(first.admin.key, second.admin.key);
    assert_eq!(first.node.certificate, second.node.certificate);
    assert_eq!(first.node_secret, second.node_secret);
    assert_eq!(format!("{:?}", first.node_secret), "NodeSecret", "never in a log");
    let other = tempfile::tempdir().unwrap();
    let other = ensure(&config(other.path()), now()).unwrap();
    assert_ne!(first.node_secret, other.node_secret, "each cluster has its own");
}

#[test]
fn keys_are_private() {
    let dir = tempfile::tempdir().unwrap();
    let pki = ensure(&config(dir.path()), now()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in ["ca.key", "server.key", "admin.key"] {
        assert_eq!(mode(&dir.path().join("server/pki").join(file)), 0o600, "{file}");
    }
    assert_eq!(mode(&dir.path().join("agent/pki/node.key")), 0o600);
    assert_eq!(mode(&pki.kubeconfig), 0o600);
    assert_eq!(mode(&dir.path().join("server/pki")), 0o700);
}

#[test]
fn a_new_address_makes_a_new_server_certificate_only() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    let mut moved = config(dir.path());
    moved.addresses.push("192.0.2.11".parse().unwrap());
    let second = ensure(&moved, now()).unwrap();
    assert_ne!(first.server.certificate, second.server.certificate);
    assert_eq!(first.ca, second.ca);
    assert_eq!(first.admin.certificate, second.admin.certificate);
}

#[test]
fn a_leaf_near_its_end_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let early = now() + CERTIFICATE_LIFETIME - day * 40;
    let kept = ensure(&config(dir.path()), early).unwrap();
    assert_eq!(first.admin.certificate, kept.admin.certificate);
    let late = now() + CERTIFICATE_LIFETIME - day * 20;
    let renewed = ensure(&config(dir.path()), late).unwrap();
    assert_ne!(first.admin.certificate, renewed.admin.certificate);
    let text = fs::read_to_string(&renewed.kubeconfig).unwrap();
    assert_eq!(text, kubeconfig::render("https://127.0.0.1:6443", &renewed.ca, &renewed.admin));
}

#[test]
fn whatever_a_crash_left_is_mended() {
    // (file to change, what the crash left in it; None: the file is not there)
    let cases: [(&str, Option<&str>); 7] = [
        ("server/pki/ca.crt", None), // the very first start died after the authority's key
        ("server/pki/server.crt", None),
        ("server/pki/server.key", None),
        ("server/pki/admin.crt", Some("")),
        ("server/pki/admin.key.new", Some("-----BEGIN PRIV")),
        ("agent/pki/ca.crt", None),
        ("server/admin.kubeconfig", Some("apiVersion: v1\nkind: Con")),
    ];
    for (file, content) in cases {
        let dir = tempfile::tempdir().unwrap();
        ensure(&config(dir.path()), now()).unwrap();
        match content {
            None => fs::remove_file(dir.path().join(file)).unwrap(),
            Some(content) => fs::write(dir.path().join(file), content).unwrap(),
        }
        let mended =
            ensure(&config(dir.path()), now()).unwrap_or_else(|error| panic!("{file}: {error}"));
        let again = ensure(&config(dir.path()), now()).unwrap();
        assert_eq!(mended.server.certificate, again.server.certificate, "{file}");
        assert_eq!(
            mended.ca,
            fs::read_to_string(dir.path().join("agent/pki/ca.crt")).unwrap(),
            "{file}"
        );
        let kubeconfig = fs::read_to_string(&mended.kubeconfig).unwrap();
        assert!(kubeconfig.ends_with("current-context: sheave\n"), "{file}");
    }
}

#[test]
fn a_key_that_is_not_the_certificates_is_replaced_with_it() {
    // The crash between writing the new key and the new certificate of a renewal.
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    fs::copy(dir.path().join("server/pki/admin.key"), dir.path().join("server/pki/server.key"))
        .unwrap();
    let mended = ensure(&config(dir.path()), now()).unwrap();
    assert_ne!(first.server.certificate, mended.server.certificate);
    assert_ne!(mended.server.key, mended.admin.key);
}

#[test]
fn the_authority_is_never_replaced_silently() {
    let dir = tempfile::tempdir().unwrap();
    ensure(&config(dir.path()), now()).unwrap();
    fs::remove_file(dir.path().join("server/pki/ca.key")).unwrap();
    let error = ensure(&config(dir.path()), now()).unwrap_err();
    assert!(matches!(error, PkiError::AuthorityKeyMissing { .. }), "{error}");
    fs::write(dir.path().join("server/pki/ca.key"), "nonsense").unwrap();
    let error = ensure(&config(dir.path()), now()).unwrap_err();
    assert!(matches!(error, PkiError::AuthorityDamaged { .. }), "{error}");
}

#[test]
fn a_lost_authority_certificate_is_made_again_and_leaves_stay() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    fs::remove_file(dir.path().join("server/pki/ca.crt")).unwrap();
    let second = ensure(&config(dir.path()), now()).unwrap();
    assert_eq!(first.admin.certificate, second.admin.certificate);
    assert_eq!(first.server.certificate, second.server.certificate);
}

#[test]
fn the_authority_outlives_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    let key = fs::read_to_string(dir.path().join("server/pki/ca.key")).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let late = ensure(&config(dir.path()), now() + AUTHORITY_VALIDITY + day).unwrap();
    assert_ne!(first.ca, late.ca);
    assert_eq!(key, fs::read_to_string(dir.path().join("server/pki/ca.key")).unwrap());
}

#[test]
fn a_clock_that_was_ahead_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let ahead = ensure(&config(dir.path()), now() + day).unwrap();
    let mended = ensure(&config(dir.path()), now()).unwrap();
    assert_ne!(ahead.ca, mended.ca);
    assert_ne!(ahead.server.certificate, mended.server.certificate);
    let again = ensure(&config(dir.path()), now()).unwrap();
    assert_eq!(mended.server.certificate, again.server.certificate);
}

#[test]
fn another_authority_makes_all_leaves_new() {
    let dir = tempfile::tempdir().unwrap();
    let first = ensure(&config(dir.path()), now()).unwrap();
    for file in ["server/pki/ca.crt", "server/pki/ca.key"] {
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    let second = ensure(&config(dir.path()), now()).unwrap();
    assert_ne!(first.ca, second.ca);
    assert_ne!(first.server.certificate, second.server.certificate);
    assert_ne!(first.node.certificate, second.node.certificate);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("server"), "a file").unwrap();
    let error = ensure(&config(dir.path()), now()).unwrap_err();
    assert!(error.to_string().contains("server"), "{error}");
}
