//! Who sent a request: read from the client certificate, as Kubernetes reads it.

use rustls_pki_types::CertificateDer;
use sheave_join::Pin;
use sheave_registry::Identity;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Group of everybody who showed a valid certificate.
pub(crate) const AUTHENTICATED_GROUP: &str = "system:authenticated";

/// Reads a certificate that has been verified already: the common name is the user, the organizations are
/// his groups. `None` when it names no user.
pub(crate) fn from_certificate(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let subject = certificate.subject();
    let user = subject.iter_common_name().next()?.as_str().ok()?;
    let groups = subject
        .iter_organization()
        .filter_map(|organization| organization.as_str().ok().map(str::to_owned))
        .chain([AUTHENTICATED_GROUP.to_owned()]);
    let key = Pin::of_public_key(certificate.public_key().raw).to_string();
    (!user.is_empty()).then(|| Identity::new(user, groups).with_key(key))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    fn certificate(names: &[(DnType, &str)]) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (name, value) in names {
            params.distinguished_name.push(name.clone(), *value);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn common_name_is_the_user_and_organization_the_group() {
        let certificate = certificate(&[
            (DnType::OrganizationName, "system:nodes"),
            (DnType::CommonName, "system:node:vm-1"),
        ]);
        let identity = from_certificate(&certificate).unwrap();
        assert_eq!(identity.user, "system:node:vm-1");
        assert_eq!(identity.groups, ["system:nodes", AUTHENTICATED_GROUP]);
        assert_eq!(identity.node(), Some("vm-1"));
    }

    #[test]
    fn a_certificate_without_a_name_is_nobody() {
        assert_eq!(from_certificate(&certificate(&[(DnType::OrganizationName, "staff")])), None);
        assert_eq!(from_certificate(&certificate(&[(DnType::CommonName, "")])), None);
    }
}
