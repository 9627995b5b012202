//! Computes the size of numbers in `meta`. Numbers keep all their digits (the feature `arbitrary_precision`
//! of serde_json), so a number is not limited to 64 bits.

use serde_json::Number;

/// The maximum number of bytes that Postgres prints for `number`. Postgres prints all digits of a number, and
/// no exponent: `1e400000` has 400,001 digits. A very large exponent is capped, so the computation does not
/// overflow.
///
/// Postgres stores up to 131,072 digits before the point, and up to 16,383 digits after it. A number that
/// fits in a `meta` has fewer digits.
pub(super) fn printed_size(number: &Number) -> usize {
    let text = number.as_str();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return text.len() };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = exponent.trim_start_matches(['+', '-']);
    let shift = digits.parse().unwrap_or(usize::MAX).min(usize::MAX / 4);
    // The exponent moves the point. Postgres prints zeros in the places for which the mantissa has no digits.
    let (whole, fraction) = match exponent.starts_with('-') {
        true => (whole.len(), fraction.len() + shift),
        false => (whole.len() + shift, fraction.len().saturating_sub(shift)),
    };
    whole + if fraction > 0 { 1 + fraction } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_at_least_the_size_that_postgres_prints() {
        for (number, printed) in [
            ("0", "0"),
            ("-12.50", "-12.50"),
            ("1e3", "1000"),
            ("1.5E+3", "1500"),
            ("1.5678e2", "156.78"),
            ("-1.5e-3", "-0.0015"),
            ("123e-2", "1.23"),
            ("1.50e1", "15.0"),
        ] {
            let size = printed_size(&number.parse().unwrap());
            assert!((printed.len()..printed.len() + 3).contains(&size), "{number}: {size}");
        }
        for huge in ["1e400000", "-1e-400000", "1e99999999999999999999", "0e-99999999999999999999"] {
            assert!(printed_size(&huge.parse().unwrap()) > 400_000, "{huge}");
        }
    }
}
