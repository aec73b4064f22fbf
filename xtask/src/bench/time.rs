//! Times as daemons tell them, on one scale.

use anyhow::{Context, Result};
use std::time::{SystemTime, UNIX_EPOCH};

/// Microseconds since 1970, now.
pub(super) fn now_micros() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as f64)
}

/// Microseconds since 1970 of a time like `2026-01-02T03:04:05.000006Z`.
pub(super) fn micros(time: &str) -> Result<f64> {
    parse_micros(time).with_context(|| format!("{time:?} is not a time in UTC with microseconds"))
}

fn parse_micros(time: &str) -> Option<f64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.splitn(3, ':');
    let (hour, minute) = (clock.next()?.parse::<i64>().ok()?, clock.next()?.parse::<i64>().ok()?);
    let second: f64 = clock.next()?.parse().ok()?;
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    Some((minutes as f64 * 60.0 + second) * 1e6)
}

/// In the Gregorian calendar, with years that begin in March: the day that may be missing is the last then.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_microsecond() {
        assert_eq!(parse_micros("1970-01-01T00:00:00.000001Z"), Some(1.0));
        assert_eq!(parse_micros("2000-03-01T00:00:00.5Z"), Some(951_868_800_500_000.0));
        assert_eq!(parse_micros("2026-11-30T08:00:00.123456Z"), Some(1_796_025_600_123_456.0));
        assert_eq!(parse_micros("2026-11-30"), None);
    }
}
