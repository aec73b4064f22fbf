//! What a node must know of its own certificate: whose it is, for which key, and when it is to be renewed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::pem::Pem;
use x509_parser::prelude::X509Certificate;

use crate::Pin;

/// Longest time before its end at which a certificate is renewed.
const RENEW_BEFORE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The common name of a node's certificate, its user name, is this and the node's name.
pub const NODE_USER_PREFIX: &str = "system:node:";

/// How long before its end a certificate of this life is renewed: a third of it, a month at most.
pub fn renew_before(life: Duration) -> Duration {
    (life / 3).min(RENEW_BEFORE_MAX)
}

/// Applies `read` to the first certificate in a PEM text; `None` when there is none.
pub fn first_certificate<T>(pem: &str, read: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
    let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    Some(read(&certificate))
}

/// A certificate, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// `system:node:NAME`, without what all nodes have; empty when it is no node's.
    pub node_name: String,
    /// The key that it is for.
    pub pin: Pin,
    /// From when it is valid.
    pub not_before: SystemTime,
    /// Until when it is valid.
    pub not_after: SystemTime,
}

impl Certificate {
    /// The first certificate in a PEM text; `None` when there is none.
    pub fn from_pem(pem: &str) -> Option<Self> {
        first_certificate(pem, |certificate| {
            let mut names = certificate.subject().iter_common_name();
            let name = names.next().and_then(|name| name.as_str().ok());
            let node_name = name.and_then(|name| name.strip_prefix(NODE_USER_PREFIX));
            let validity = certificate.validity();
            Self {
                node_name: node_name.unwrap_or_default().to_owned(),
                pin: Pin::of_public_key(certificate.public_key().raw),
                not_before: time(validity.not_before.timestamp()),
                not_after: time(validity.not_after.timestamp()),
            }
        })
    }

    /// True when it is of no use any more.
    pub fn is_expired(&self, now: SystemTime) -> bool {
        now >= self.not_after
    }

    /// From its beginning to its end.
    pub fn life(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// When it is to be renewed. `early` in 0 to 1 spreads those of many nodes: up to half as long again before.
    pub fn renew_at(&self, early: f64) -> SystemTime {
        let before = renew_before(self.life()).mul_f64(1.0 + early.clamp(0.0, 1.0) / 2.0);
        self.not_after.checked_sub(before).unwrap_or(self.not_before)
    }
}

fn time(unix: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(u64::try_from(unix).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_certificate_is_renewed_a_month_before_its_end_or_with_a_third_left() {
        let of = |life: Duration| Certificate {
            node_name: "n".into(),
            pin: Pin::of_public_key(b"key"),
            not_before: UNIX_EPOCH + 1000 * DAY,
            not_after: UNIX_EPOCH + 1000 * DAY + life,
        };
        let left = |life: Duration, early: f64| {
            let certificate = of(life);
            certificate.not_after.duration_since(certificate.renew_at(early)).unwrap()
        };
        assert_eq!((left(365 * DAY, 0.0), left(365 * DAY, 1.0)), (30 * DAY, 45 * DAY));
        let minute = Duration::from_secs(60);
        assert_eq!((left(2 * minute, 0.0), left(2 * minute, 1.0)), (minute * 2 / 3, minute));
        let ended = of(DAY);
        assert!(ended.is_expired(ended.not_after) && !ended.is_expired(ended.not_before));
    }
}
