//! The time of an event, in UTC and with milliseconds. The time is always printed in the form
//! `2026-01-02T03:04:05.006Z`.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::invalid::{Invalid, shown};

/// An instant with millisecond precision, from 0001-01-01 to the end of 9999-12-29 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ts(Timestamp);

impl Ts {
    /// The first allowed instant, 0001-01-01T00:00:00Z, in milliseconds of Unix time.
    const FIRST_MS: i64 = -62_135_596_800_000;
    /// The first instant after the allowed range, 9999-12-30T00:00:00Z, in milliseconds of Unix time. The
    /// last instant that jiff can represent is less than a day later.
    const END_MS: i64 = 253_402_128_000_000;

    /// Rounds `instant` down to a millisecond.
    ///
    /// # Errors
    /// When the result is outside of the range of [`Ts`].
    pub fn new(instant: Timestamp) -> Result<Self, Invalid> {
        let ms = instant.as_microsecond().div_euclid(1_000);
        match Timestamp::from_millisecond(ms) {
            Ok(whole) if (Self::FIRST_MS..Self::END_MS).contains(&ms) => Ok(Self(whole)),
            _ => Err(Invalid::new(format!("{instant} is out of range: expected 0001-01-01 to 9999-12-29"))),
        }
    }

    /// Rounds `instant` down to a millisecond. An instant outside of the range of [`Ts`] becomes the nearest
    /// instant of the range. This function is for times that were not sent by a client, such as times from
    /// the machine's clock.
    pub fn clamped(instant: Timestamp) -> Self {
        let ms = instant.as_microsecond().div_euclid(1_000).clamp(Self::FIRST_MS, Self::END_MS - 1);
        // jiff can represent every millisecond of the range, so the default is never used.
        Self(Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The instant that is `seconds` after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When the result is outside of the range of [`Ts`].
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, Invalid> {
        Timestamp::from_second(seconds)
            .map_err(|_| Invalid::new(format!("{seconds} is out of range for a Unix time")))
            .and_then(Self::new)
    }

    /// The instant as a jiff `Timestamp`.
    pub fn instant(self) -> Timestamp {
        self.0
    }
}

impl FromStr for Ts {
    type Err = Invalid;

    /// Parses an RFC 3339 time with any offset, and rounds it down to a millisecond.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let plain = text.len() >= 20 && text.is_ascii() && !text.contains(['[', ' ']);
        let instant = plain.then(|| text.parse::<Timestamp>().ok()).flatten().ok_or_else(|| {
            Invalid::new(format!(
                "{} is not a time: expected RFC 3339, such as 2026-01-02T03:04:05.678Z",
                shown(text)
            ))
        })?;
        Self::new(instant)
    }
}

impl Serialize for Ts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Ts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rfc_3339_times_are_parsed_and_printed_with_milliseconds() {
        for (text, printed) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02T03:04:05.6789Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("1969-12-31T23:59:59.9999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(text.parse::<Ts>().unwrap().to_string(), printed);
        }
        for bad in
            ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", "-000001-01-01T00:00:00Z", "1767323045"]
        {
            assert!(bad.parse::<Ts>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_time_parses_to_the_same_time(ms in Ts::FIRST_MS..Ts::END_MS) {
            let ts = Ts::new(Timestamp::from_millisecond(ms).unwrap()).unwrap();
            let printed = ts.to_string();
            prop_assert_eq!(printed.len(), 24);
            prop_assert_eq!(printed.parse::<Ts>().unwrap(), ts);
        }
    }
}
