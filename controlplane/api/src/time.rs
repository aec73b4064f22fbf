//! Time as Kubernetes writes it: RFC 3339 in UTC, seconds for `metav1.Time`, microseconds for `MicroTime`.

use jiff::Timestamp;
use serde_json::Value;

/// `metav1.Time`: whole seconds, `2026-11-21T04:00:00Z`.
pub fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime`: six decimals, `2026-11-21T04:00:00.000000Z`.
pub fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Reads either form, with any offset.
pub fn parse(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Reads a timestamp out of a field; `None` if it is absent or no RFC 3339.
pub fn of(field: &Value) -> Option<Timestamp> {
    parse(field.as_str()?)
}

/// Whole seconds from `from` to `to`; negative if `to` is earlier.
pub fn elapsed_seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_round_trip() {
        let at = parse("2026-11-21T05:00:00.123456+01:00").unwrap();
        assert_eq!(seconds(at), "2026-11-21T04:00:00Z");
        assert_eq!(micros(at), "2026-11-21T04:00:00.123456Z");
        assert_eq!(parse(&micros(at)), Some(at));
        assert_eq!(parse("yesterday"), None);
    }
}
