//! Times as people write them on a command line.

use std::time::Duration;

/// `90s`, `10m`, `24h`, `7d`.
///
/// # Errors
/// What would do.
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let expected = || "expected a number and a unit, like 90s, 10m, 24h or 7d".to_owned();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("2m", 120), ("24h", 86400), ("365d", 31_536_000)] {
            assert_eq!(parse_lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "24", "h", "1h30m", "-1h", "1w", "99999999999999999999s", "9999999999999999999d"]
        {
            assert!(parse_lifetime(text).is_err(), "{text}");
        }
    }
}
