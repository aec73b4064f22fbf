//! Kubernetes quantities: `500m`, `1.5Gi`, `2e3`. Exact, compared by value, printed in canonical form.
//!
//! Kubernetes keeps nine decimal places and at most 2^63-1; so does this: a value is an integer number of
//! nanos. What is finer is rounded away from zero, what is larger is cut.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde_json::Value;

const NANOS: i128 = 1_000_000_000;
const NANOS_MAX: i128 = (i64::MAX as i128) * NANOS;
/// Digits that are looked at one by one; of the rest it only counts whether all are zero. As many as fit
/// into 127 bits.
const DIGITS_MAX: usize = 38;
/// Decimal places among them: more than nanos, so that binary suffixes lose nothing.
const FRACTION_DIGITS_MAX: usize = 18;
/// More integer digits than the largest value has.
const INTEGER_DIGITS_MAX: usize = 20;

const BINARY_SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Powers of 1000, from 10^-9.
const DECIMAL_SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

/// An amount of a resource. Equality and order are by value: `1000m` equals `1`.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The family of suffixes a quantity was written in, and is printed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    /// `Ki`, `Mi`, ...
    BinarySi,
    /// `m`, `k`, `M`, ...
    DecimalSi,
    /// `e3`.
    DecimalExponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with a suffix.
    #[error(
        "quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    )]
    Format,
    /// A number with letters that are no suffix.
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// A whole number, printed with decimal suffixes: pods, cores.
    pub const fn whole(value: i64) -> Self {
        Self { nanos: value as i128 * NANOS, format: Format::DecimalSi }
    }

    /// Thousandths: CPU.
    pub const fn milli(value: i64) -> Self {
        Self { nanos: value as i128 * (NANOS / 1000), format: Format::DecimalSi }
    }

    /// Bytes, printed with binary suffixes: memory.
    pub const fn bytes(value: i64) -> Self {
        Self { nanos: value as i128 * NANOS, format: Format::BinarySi }
    }

    /// Reads a field, which clients may also send as a JSON number; `None` if it is absent or no quantity.
    pub fn of(field: &Value) -> Option<Self> {
        match field {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }

    /// The whole number, rounded up: bytes, pods.
    pub fn value(self) -> i64 {
        self.rounded_up(NANOS)
    }

    /// Thousandths, rounded up: CPU; cut to what fits.
    pub fn milli_value(self) -> i64 {
        self.rounded_up(NANOS / 1000)
    }

    /// True below zero.
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// True for zero.
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// True if nothing follows the decimal point.
    pub fn is_whole(self) -> bool {
        self.nanos % NANOS == 0
    }

    fn rounded_up(self, unit: i128) -> i64 {
        let units = -((-self.nanos).div_euclid(unit));
        i64::try_from(units).unwrap_or(if units < 0 { i64::MIN } else { i64::MAX })
    }
}

impl std::ops::Add for Quantity {
    type Output = Self;

    /// The sum, in the format of the first that is not zero; cut at the limits.
    fn add(self, other: Self) -> Self {
        let format = if self.is_zero() { other.format } else { self.format };
        Self { nanos: (self.nanos + other.nanos).clamp(-NANOS_MAX, NANOS_MAX), format }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let number_len =
            unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_len);
        let (integer, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (integer.is_empty() && fraction.is_empty()) {
            return Err(QuantityError::Format);
        }
        let (format, exponent_10, exponent_2) = scale(suffix)?;
        let magnitude = magnitude(integer, fraction, exponent_10, exponent_2);
        let nanos = if text.starts_with('-') { -magnitude } else { magnitude };
        Ok(Self { nanos, format })
    }
}

/// Format, power of ten and power of two that a suffix stands for.
fn scale(suffix: &str) -> Result<(Format, i64, u32), QuantityError> {
    if let Some(power) = DECIMAL_SUFFIXES.iter().position(|known| *known == suffix) {
        return Ok((Format::DecimalSi, 3 * power as i64 - 9, 0));
    }
    if let Some(power) = BINARY_SUFFIXES.iter().position(|known| *known == suffix) {
        return Ok((Format::BinarySi, 0, 10 * power as u32));
    }
    let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
    let exponent = exponent.parse().map_err(|_| QuantityError::Suffix)?;
    Ok((Format::DecimalExponent, exponent, 0))
}

/// Nanos of `integer.fraction * 10^exponent_10 * 2^exponent_2`, rounded up, cut to the maximum.
fn magnitude(integer: &str, fraction: &str, exponent_10: i64, exponent_2: u32) -> i128 {
    let integer = integer.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if integer.is_empty() && fraction.is_empty() {
        return 0;
    }
    if integer.len() > INTEGER_DIGITS_MAX && exponent_10 >= 0 {
        return NANOS_MAX;
    }
    let integer_kept = &integer[..integer.len().min(DIGITS_MAX)];
    let integer_dropped = &integer[integer_kept.len()..];
    let places = FRACTION_DIGITS_MAX.min(DIGITS_MAX - integer_kept.len()).min(fraction.len());
    let (fraction_kept, fraction_dropped) = fraction.split_at(places);
    let inexact = integer_dropped.bytes().chain(fraction_dropped.bytes()).any(|b| b != b'0');
    let digits: i128 = format!("{integer_kept}{fraction_kept}")
        .parse()
        .expect("at most 38 decimal digits fit into 127 bits");
    let power = 9 + exponent_10 - fraction_kept.len() as i64 + integer_dropped.len() as i64;
    let Some(scaled) = digits.checked_mul(1 << exponent_2) else { return NANOS_MAX };
    let ten_to = |power: i64| u32::try_from(power).ok().and_then(|p| 10_i128.checked_pow(p));
    let nanos = if power >= 0 {
        ten_to(power).and_then(|factor| scaled.checked_mul(factor)).unwrap_or(NANOS_MAX)
            + i128::from(inexact)
    } else {
        match ten_to(-power) {
            Some(divisor) => {
                let round_up = inexact || scaled % divisor != 0;
                scaled / divisor + i128::from(round_up)
            }
            None => 1,
        }
    };
    nanos.min(NANOS_MAX)
}

/// Canonical: no fraction, the largest suffix that allows it. Binary suffixes only for whole numbers from
/// 1024 on.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let is_binary = self.format == Format::BinarySi
            && self.nanos % NANOS == 0
            && self.nanos.abs() >= 1024 * NANOS;
        if is_binary {
            let (mantissa, power) = without_factor(self.nanos / NANOS, 1024, BINARY_SUFFIXES.len());
            return write!(f, "{mantissa}{}", BINARY_SUFFIXES[power]);
        }
        let (mantissa, power) = without_factor(self.nanos, 1000, DECIMAL_SUFFIXES.len());
        let exponent = 3 * power as i64 - 9;
        match self.format {
            Format::DecimalExponent if exponent == 0 => write!(f, "{mantissa}"),
            Format::DecimalExponent => write!(f, "{mantissa}e{exponent}"),
            _ => write!(f, "{mantissa}{}", DECIMAL_SUFFIXES[power]),
        }
    }
}

/// Divides by `factor` as often as nothing remains, less than `times`.
fn without_factor(mut mantissa: i128, factor: i128, times: usize) -> (i128, usize) {
    let mut power = 0;
    while power + 1 < times && mantissa % factor == 0 {
        mantissa /= factor;
        power += 1;
    }
    (mantissa, power)
}

/// Writes every quantity of a map in canonical form, as Kubernetes hands them back; what is none stays.
pub fn canonicalize(resources: &mut Value) {
    for (_, amount) in resources.as_object_mut().into_iter().flatten() {
        if let Some(quantity) = Quantity::of(amount) {
            *amount = Value::from(quantity.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, canonical) in [
            ("0", "0"),
            ("0Ki", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("-1", "-1"),
            ("0.5", "500m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("100000", "100k"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1000Ki", "1000Ki"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("1.5Gi", "1536Mi"),
            ("0.1Ki", "102400m"),
            ("128M", "128M"),
            ("1E", "1E"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("100e1", "1e3"),
            ("1e-3", "1e-3"),
            ("1e0", "1"),
            ("12e6", "12e6"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("1.0000000001", "1000000001n"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775807"),
            ("100E", "9223372036854775807"),
            ("1e100", "9223372036854775807"),
            ("1e-100", "1e-9"),
            ("8Ei", "9223372036854775807"),
            ("133387367857815583382n", "133387367857815583382n"),
            ("10000000000000000000000000000000000000000000e-43", "1"),
            ("10000000000000000000000000000000000000000001e-43", "1000000001e-9"),
        ] {
            let quantity: Quantity = text.parse().unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(quantity.to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, why) in [
            ("", QuantityError::Format),
            ("a", QuantityError::Format),
            (".", QuantityError::Format),
            ("1.2.3", QuantityError::Format),
            ("--1", QuantityError::Format),
            ("1x", QuantityError::Suffix),
            ("1ki", QuantityError::Suffix),
            ("1 Gi", QuantityError::Suffix),
            ("1e", QuantityError::Suffix),
            ("1e1.5", QuantityError::Suffix),
            ("1GB", QuantityError::Suffix),
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(why), "{text}");
        }
    }

    #[test]
    fn values_round_up() {
        let of = |text: &str| text.parse::<Quantity>().unwrap();
        assert_eq!(of("1.2").value(), 2);
        assert_eq!(of("-1.2").value(), -1);
        assert_eq!(of("0.0001").milli_value(), 1);
        assert_eq!(of("2").milli_value(), 2000);
        assert_eq!(of("64Mi").value(), 64 << 20);
        assert_eq!(Quantity::bytes(64 << 20).to_string(), "64Mi");
        assert_eq!(Quantity::milli(250).to_string(), "250m");
        assert_eq!((of("1Gi") + of("1Gi")).to_string(), "2Gi");
        assert!(of("1Gi") > of("1G"));
        assert_eq!(of("1000m"), of("1"));
    }

    proptest! {
        #[test]
        fn printing_round_trips(nanos in -NANOS_MAX..=NANOS_MAX, which in 0..3) {
            let format = [Format::BinarySi, Format::DecimalSi, Format::DecimalExponent][which as usize];
            let quantity = Quantity { nanos, format };
            let again: Quantity = quantity.to_string().parse().unwrap();
            prop_assert_eq!(again, quantity);
            prop_assert_eq!(again.to_string(), quantity.to_string());
        }

        #[test]
        fn parsing_never_panics(text in "[+-]?[0-9.]{0,45}([eEinumkKMGTP]{0,2}[-+]?[0-9]{0,21})") {
            let _ = text.parse::<Quantity>();
        }
    }
}
