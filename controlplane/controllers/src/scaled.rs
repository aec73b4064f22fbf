//! Fields like `maxUnavailable`: a number, or a percentage of another. Pure.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A percentage is rounded up.
pub(crate) fn up(value: &IntOrString, of: i32) -> i32 {
    scaled(value, of, 99)
}

/// A percentage is rounded down.
pub(crate) fn down(value: &IntOrString, of: i32) -> i32 {
    scaled(value, of, 0)
}

fn scaled(value: &IntOrString, of: i32, added_hundredths: i64) -> i32 {
    match value {
        IntOrString::Int(number) => *number,
        IntOrString::String(text) => {
            // Validated when it was written.
            let percent: i64 = text.trim_end_matches('%').parse().unwrap_or_default();
            let hundredths = percent.saturating_mul(of.into()).saturating_add(added_hundredths);
            i32::try_from(hundredths / 100).unwrap_or(i32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_rounded_as_asked_and_a_number_is_taken_as_it_is() {
        let percent = |text: &str| IntOrString::String(text.to_owned());
        for (value, of, expected) in [
            (percent("25%"), 10, (3, 2)),
            (percent("50%"), 10, (5, 5)),
            (percent("1%"), 1, (1, 0)),
            (percent("0%"), 10, (0, 0)),
            (percent("200%"), i32::MAX, (i32::MAX, i32::MAX)),
            (percent("9223372036854775807%"), 100, (i32::MAX, i32::MAX)),
            (IntOrString::Int(7), 3, (7, 7)),
        ] {
            assert_eq!((up(&value, of), down(&value, of)), expected, "{value:?} of {of}");
        }
    }
}
