//! Parses durations in the form that people write, such as `1m 30s`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Parses a duration above zero, such as `40s` or `1m 30s`, for clap's `value_parser`.
///
/// # Errors
/// When `text` is not such a duration. The message is for the person who typed the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    span(text)
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is not a duration above zero: expected a time such as 40s or 2m"))
}

/// Parses a length of time, in which a day has 24 hours. `None` if `text` is malformed or negative.
pub fn span(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|duration| !duration.is_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_durations_above_zero_are_accepted() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0s", "-1s", "40", "soon"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
