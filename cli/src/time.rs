//! Parses times on the command line.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_service::args::span;

/// Parses a time (RFC 3339), or an age (`15m`, `2h 30m`, `1d`).
///
/// # Errors
/// The text is neither a time nor an age, or the time is out of range.
pub(crate) fn parse_time(text: &str) -> Result<Ts, String> {
    match text.parse::<Ts>() {
        Ok(ts) => Ok(ts),
        Err(invalid) => match span(text) {
            Some(ago) => Timestamp::now()
                .checked_sub(ago)
                .map_err(|error| error.to_string())
                .and_then(|instant| Ts::new(instant).map_err(|invalid| invalid.to_string())),
            None => Err(format!("{invalid}, or an age such as 15m or 1d")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_or_an_age_is_parsed() {
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
}
