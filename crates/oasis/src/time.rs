//! Times and durations on the command line.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use oasis_core::Ts;

/// Reads a time (RFC 3339), or how long ago it was (`15m`, `2h 30m`, `1d`).
///
/// # Errors
/// When it is neither; the message is for whoever typed it.
pub(crate) fn parse_time(text: &str) -> Result<Ts, String> {
    match text.parse::<Ts>() {
        Ok(ts) => Ok(ts),
        Err(invalid) => match span(text) {
            Some(ago) => Timestamp::now()
                .checked_sub(ago)
                .map_err(|error| error.to_string())
                .and_then(|instant| Ts::new(instant).map_err(|invalid| invalid.to_string())),
            None => Err(format!("{invalid}, or how long ago, such as 15m or 1d")),
        },
    }
}

/// Reads a duration above zero, such as `40s` or `1m 30s`.
///
/// # Errors
/// When it is none.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    span(text)
        .and_then(|span| Duration::try_from(span).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| format!("{text:?} is not a duration above zero: expected one such as 40s or 2m"))
}

/// A length of time that is not negative, with days of 24 hours.
fn span(text: &str) -> Option<SignedDuration> {
    let span: Span = text.parse().ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok().filter(|duration| !duration.is_negative())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_how_long_ago() {
        assert_eq!(parse_time("2026-01-02T03:04:05+02:00").unwrap().to_string(), "2026-01-02T01:04:05.000Z");
        let day_ago = parse_time("1d").unwrap().instant();
        let age = Timestamp::now().duration_since(day_ago).as_secs();
        assert!((86_400..86_460).contains(&age), "{age}");
        for bad in ["", "yesterday", "-5m", "5", "2026-01-02"] {
            let message = parse_time(bad).unwrap_err();
            assert!(message.ends_with("such as 15m or 1d"), "{message}");
        }
        assert!(parse_time("99999d").is_ok());
        assert!(parse_time("9999999d").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "0s", "-1s", "40", "soon"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
