//! The certificate authority and the leaves it issues.
//!
//! A pair is written key first: a crash in between leaves a key without a certificate, or beside the
//! certificate of an older key, and both are recognised at the next start. ECDSA P-256 throughout.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType,
};
use sha2::{Digest as _, Sha256};
use sheave_join::{first_certificate, renew_before};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::X509Certificate;

use super::files::{self, PkiError};
use super::{NodeSecret, PemPair};

/// Constant, so that the certificate can be made again from the key.
const AUTHORITY_NAME: &str = "sheave-ca";
/// Separates the nodes' secret from anything else that may be derived from the key.
const NODE_SECRET_PURPOSE: &[u8] = b"sheave node secret 1\0";
/// Of the authority's own certificate.
pub(super) const AUTHORITY_VALIDITY: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
/// The authority's certificate is made again with less than this left: longer than any leaf lives.
const RENEW_AUTHORITY_BEFORE: Duration = Duration::from_secs(2 * 365 * 24 * 60 * 60);
/// Certificates begin this long ago, for machines whose clock is a little behind; those of a short life a tenth
/// of it.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60 * 60);

/// What a leaf certificate is to say.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Name of its files, without `.crt` and `.key`.
    pub(super) file: &'static str,
    /// CN: the user name of a client.
    pub(super) common_name: String,
    /// O: the group of a client.
    pub(super) organization: Option<String>,
    /// Which side of a connection shows it.
    pub(super) leaf_use: LeafUse,
}

/// Which side of a connection shows a certificate.
#[derive(Clone, Debug)]
pub(super) enum LeafUse {
    /// Shown by a client.
    Client,
    /// Shown by a server, under these names.
    Server {
        /// DNS names.
        dns_names: Vec<String>,
        /// IP addresses.
        addresses: Vec<IpAddr>,
    },
}

/// The authority: certificate and key, ready to sign.
pub(super) struct Authority {
    certificate: String,
    key: KeyPair,
    key_id: Vec<u8>,
    /// Of the leaves.
    lifetime: Duration,
}

impl Authority {
    /// Loads the authority, or makes it when there is none.
    ///
    /// Its certificate is made again, under the same key and name, when it is lost, near its end, or from
    /// a future that the clock has left since: whatever was signed before stays valid.
    pub(super) fn ensure(
        dir: &Path,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        if files::read(&certificate_path)?.is_some() {
            let authority = Self::load(dir, lifetime)?;
            if is_current(&authority.certificate, now, RENEW_AUTHORITY_BEFORE) {
                return Ok(authority);
            }
        }
        let key = match files::read(&key_path)? {
            Some(pem) => KeyPair::from_pem(&pem)
                .map_err(|_| PkiError::AuthorityDamaged { path: key_path.clone() })?,
            None => KeyPair::generate().map_err(|source| issue_error(AUTHORITY_NAME, source))?,
        };
        let certificate = authority_params(now)
            .self_signed(&key)
            .map_err(|source| issue_error(AUTHORITY_NAME, source))?;
        files::write_if_changed(&key_path, &key.serialize_pem())?;
        files::write(&certificate_path, &certificate.pem())?;
        Self::load(dir, lifetime)
    }

    /// Loads the authority from its two files, to sign leaves that live so long.
    pub(super) fn load(dir: &Path, lifetime: Duration) -> Result<Self, PkiError> {
        let (certificate_path, key_path) = (dir.join("ca.crt"), dir.join("ca.key"));
        let certificate = files::read(&certificate_path)?
            .ok_or_else(|| PkiError::AuthorityDamaged { path: certificate_path.clone() })?;
        let key = files::read(&key_path)?.ok_or_else(|| PkiError::AuthorityKeyMissing {
            key: key_path.clone(),
            certificate: certificate_path.clone(),
        })?;
        let key = KeyPair::from_pem(&key)
            .map_err(|_| PkiError::AuthorityDamaged { path: key_path.clone() })?;
        let (public_key, key_id) = first_certificate(&certificate, |parsed| {
            (parsed.public_key().subject_public_key.data.to_vec(), subject_key_id(parsed))
        })
        .ok_or_else(|| PkiError::AuthorityDamaged { path: certificate_path.clone() })?;
        if public_key != key.der_bytes() {
            return Err(PkiError::AuthorityDamaged { path: key_path });
        }
        Ok(Self { certificate, key, key_id, lifetime })
    }

    /// The authority's own certificate, PEM.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// What the nodes are told. The key itself is nothing that could be guessed, so one hash is enough.
    pub(super) fn node_secret(&self) -> NodeSecret {
        let hash =
            Sha256::new().chain_update(NODE_SECRET_PURPOSE).chain_update(self.key.serialized_der());
        NodeSecret(hash.finalize().into())
    }

    /// The leaf found in `dir` when it is still what it should be, a new one otherwise.
    pub(super) fn ensure_leaf(
        &self,
        dir: &Path,
        leaf: &Leaf,
        now: SystemTime,
    ) -> Result<PemPair, PkiError> {
        let certificate_path = dir.join(format!("{}.crt", leaf.file));
        let key_path = dir.join(format!("{}.key", leaf.file));
        if let (Some(certificate), Some(key)) =
            (files::read(&certificate_path)?, files::read(&key_path)?)
        {
            let found = PemPair { certificate, key };
            if self.still_serves(&found, leaf, now, renew_before(self.lifetime)) {
                return Ok(found);
            }
        }
        let pair = self.issue(leaf, now)?;
        files::write(&key_path, &pair.key)?;
        files::write(&certificate_path, &pair.certificate)?;
        Ok(pair)
    }

    /// Signs a new certificate for a new key.
    pub(super) fn issue(&self, leaf: &Leaf, now: SystemTime) -> Result<PemPair, PkiError> {
        let key = KeyPair::generate().map_err(|source| issue_error(&leaf.common_name, source))?;
        Ok(PemPair { certificate: self.sign(leaf, &key, now)?, key: key.serialize_pem() })
    }

    /// Signs a new certificate for somebody's key; PEM.
    pub(super) fn sign(
        &self,
        leaf: &Leaf,
        key: &impl PublicKeyData,
        now: SystemTime,
    ) -> Result<String, PkiError> {
        let failed = |source| issue_error(&leaf.common_name, source);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, &self.key).map_err(failed)?;
        let params = leaf_params(leaf, self.lifetime, now).map_err(failed)?;
        Ok(params.signed_by(key, &issuer).map_err(failed)?.pem())
    }

    /// True when the pair is what the leaf should be, now and for some time to come.
    pub(super) fn still_serves(
        &self,
        pair: &PemPair,
        leaf: &Leaf,
        now: SystemTime,
        to_come: Duration,
    ) -> bool {
        let Ok(key) = KeyPair::from_pem(&pair.key) else { return false };
        first_certificate(&pair.certificate, |certificate| {
            certificate.public_key().subject_public_key.data.as_ref() == key.der_bytes()
                && authority_key_id(certificate).is_some_and(|id| id == self.key_id)
                && is_within(certificate, now, to_come)
                && names_match(certificate, leaf)
        })
        .unwrap_or(false)
    }
}

fn authority_params(now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(AUTHORITY_NAME, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    set_validity(&mut params, now, AUTHORITY_VALIDITY);
    params
}

fn leaf_params(
    leaf: &Leaf,
    lifetime: Duration,
    now: SystemTime,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&leaf.common_name, leaf.organization.as_deref());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now, lifetime);
    match &leaf.leaf_use {
        LeafUse::Client => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        LeafUse::Server { dns_names, addresses } => {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            for name in dns_names {
                params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
            }
            params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        }
    }
    Ok(params)
}

fn subject(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, common_name);
    subject
}

fn set_validity(params: &mut CertificateParams, now: SystemTime, validity: Duration) {
    let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let clock_skew = (validity / 10).min(CLOCK_SKEW_MAX);
    params.not_before = epoch + since_epoch.saturating_sub(clock_skew);
    params.not_after = epoch + since_epoch + validity;
}

fn issue_error(subject: &str, source: rcgen::Error) -> PkiError {
    PkiError::Issue { subject: subject.to_owned(), source }
}

fn unix(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// True when a certificate is valid now and for some time to come.
fn is_within(certificate: &X509Certificate<'_>, now: SystemTime, to_come: Duration) -> bool {
    let validity = certificate.validity();
    validity.not_before.timestamp() <= unix(now)
        && unix(now + to_come) < validity.not_after.timestamp()
}

fn is_current(pem: &str, now: SystemTime, to_come: Duration) -> bool {
    first_certificate(pem, |certificate| is_within(certificate, now, to_come)).unwrap_or(false)
}

fn subject_key_id(certificate: &X509Certificate<'_>) -> Vec<u8> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
        .unwrap_or_default()
}

fn authority_key_id(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => {
            id.key_identifier.as_ref().map(|id| id.0.to_vec())
        }
        _ => None,
    })
}

/// Subject as wanted, and every wanted name present. A name that is no longer wanted does no harm.
fn names_match(certificate: &X509Certificate<'_>, leaf: &Leaf) -> bool {
    let subject = certificate.subject();
    let common_name = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    let organization = subject.iter_organization().next().and_then(|name| name.as_str().ok());
    if common_name != Some(&leaf.common_name) || organization != leaf.organization.as_deref() {
        return false;
    }
    let LeafUse::Server { dns_names, addresses } = &leaf.leaf_use else { return true };
    let Ok(Some(found)) = certificate.subject_alternative_name() else { return false };
    let found = &found.value.general_names;
    let has_dns = |wanted: &String| {
        found.iter().any(|name| matches!(name, GeneralName::DNSName(dns) if dns == wanted))
    };
    let has_address = |wanted: &IpAddr| {
        let octets = match wanted {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        found.iter().any(|name| matches!(name, GeneralName::IPAddress(ip) if *ip == octets))
    };
    dns_names.iter().all(has_dns) && addresses.iter().all(has_address)
}
