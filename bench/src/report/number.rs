//! Formats the figures of the report.

/// Formats a figure. A figure with a fraction gets two decimals if it is below 10, and one decimal if it is
/// below 100. All other figures are rounded to integers, with commas between the thousands.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if value.fract() != 0.0 && size < 10.0 => format!("{value:.2}"),
        size if value.fract() != 0.0 && size < 100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{value:.0}");
            let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
            let mut out = sign.to_owned();
            for (index, digit) in digits.chars().enumerate() {
                if index > 0 && (digits.len() - index).is_multiple_of(3) {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_large_figures_have_commas() {
        for (value, text) in [
            (0.0, "0"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (123.45, "123"),
            (5.0, "5"),
            (1234.0, "1,234"),
            (100_000.0, "100,000"),
            (-1234.5, "-1,234"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
