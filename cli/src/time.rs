//! Parses times on the command line, and formats the time between two moments.

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

/// Formats the time between two moments in one or two units, such as `45s`, `2m 3s`, `1h 5m` or `2d 4h`.
pub(crate) fn took(from: Timestamp, to: Timestamp) -> String {
    in_words(to.duration_since(from).as_secs())
}

/// Formats a number of seconds like [`took`].
pub(crate) fn in_words(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_between_two_moments_has_at_most_two_units() {
        let after = |seconds: i64| took(Timestamp::UNIX_EPOCH, Timestamp::from_second(seconds).unwrap());
        let shown = [-5, 0, 59, 60, 123, 3_600, 3_905, 86_399, 187_200].map(after);
        assert_eq!(shown, ["0s", "0s", "59s", "1m", "2m 3s", "1h", "1h 5m", "23h 59m", "2d 4h"]);
    }

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
