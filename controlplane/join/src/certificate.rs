//! What a node must know of its own certificate: whose it is, for which key, and when it is to be renewed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::pem::Pem;

use crate::Pin;

/// Longest time before its end at which a certificate is renewed.
const RENEW_BEFORE_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The common name of a node's certificate is this and the node's name.
const NODE_USER_PREFIX: &str = "system:node:";

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
        let pem = Pem::iter_from_buffer(pem.as_bytes()).next()?.ok()?;
        let certificate = pem.parse_x509().ok()?;
        let name = certificate.subject().iter_common_name().next().and_then(|n| n.as_str().ok());
        let node_name = name.and_then(|name| name.strip_prefix(NODE_USER_PREFIX));
        let validity = certificate.validity();
        Some(Self {
            node_name: node_name.unwrap_or_default().to_owned(),
            pin: Pin::of_public_key(certificate.public_key().raw),
            not_before: time(validity.not_before.timestamp()),
            not_after: time(validity.not_after.timestamp()),
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

    /// How long before its end it is renewed: a third of its life, a month at most.
    pub fn renew_before(&self) -> Duration {
        (self.life() / 3).min(RENEW_BEFORE_MAX)
    }

    /// When it is to be renewed. `early` in 0 to 1 spreads those of many nodes: up to half as long again before.
    pub fn renew_at(&self, early: f64) -> SystemTime {
        let before = self.renew_before().mul_f64(1.0 + early.clamp(0.0, 1.0) / 2.0);
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
