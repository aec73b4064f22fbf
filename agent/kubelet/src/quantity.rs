//! Kubernetes quantities ("500m", "1Gi", "1e3") as exact numbers.

/// A non-negative amount, exact to a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity {
    nano: i128,
}

const NANO: i128 = 1_000_000_000;

impl Quantity {
    pub(crate) const ZERO: Self = Self { nano: 0 };
    pub(crate) const ONE: Self = Self { nano: NANO };

    /// Reads what the API server has already checked; `None` for what is no quantity, is negative or
    /// does not fit.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(split);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let (numerator, denominator) = scale(suffix)?;
        let denominator =
            denominator.checked_mul(10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)?;
        let product = digits.checked_mul(numerator)?.checked_mul(NANO)?;
        Some(Self { nano: ceiling(product, denominator) })
    }

    pub(crate) fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Bytes, or whole units, rounded up.
    pub(crate) fn units(self) -> i64 {
        i64::try_from(ceiling(self.nano, NANO)).unwrap_or(i64::MAX)
    }

    /// Thousandths, rounded up.
    pub(crate) fn milli(self) -> i64 {
        i64::try_from(ceiling(self.nano, NANO / 1000)).unwrap_or(i64::MAX)
    }

    pub(crate) fn from_units(units: u64) -> Self {
        Self { nano: i128::from(units) * NANO }
    }

    /// How often `divisor` fits, rounded up: how the downward API shows amounts.
    pub(crate) fn divided_by(self, divisor: Self) -> i64 {
        if divisor.is_zero() {
            return self.units();
        }
        i64::try_from(ceiling(self.nano, divisor.nano)).unwrap_or(i64::MAX)
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { nano: self.nano.saturating_add(other.nano) }
    }
}

fn ceiling(numerator: i128, denominator: i128) -> i128 {
    numerator / denominator + i128::from(numerator % denominator != 0)
}

/// A suffix as a fraction.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 1));
    let decimal = |power: u32| Some((1000_i128.pow(power), 1));
    match suffix {
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "" => Some((1, 1)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => {
            let power: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs())?;
            Some(if power < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_notation() {
        let units = |text: &str| Quantity::parse(text).map(Quantity::units);
        let cases = [
            ("1", 1),
            ("500m", 1),
            ("1.5", 2),
            ("64Mi", 64 << 20),
            ("1Gi", 1 << 30),
            ("1e3", 1000),
            ("2E3", 2000),
            ("1E", 1_000_000_000_000_000_000),
            ("100k", 100_000),
            ("0.5Gi", 1 << 29),
        ];
        for (text, expected) in cases {
            assert_eq!(units(text), Some(expected), "{text}");
        }
        assert_eq!(Quantity::parse("250m").map(Quantity::milli), Some(250));
        assert_eq!(Quantity::parse("0.1").map(Quantity::milli), Some(100));
        for wrong in ["", "-1", "1.2.3", "5x", "Mi", "."] {
            assert_eq!(Quantity::parse(wrong), None, "{wrong}");
        }
    }
}
