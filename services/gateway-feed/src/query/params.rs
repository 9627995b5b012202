//! Reads the parameters of a request. A request with a bad, repeated or unknown parameter gets a 400 error
//! that names the parameter.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use oasis_core::{Channel, Ts};
use oasis_service::{ApiError, Query};
use oasis_store::Filter;

/// The maximum number of values in one comma-separated list.
const MOST_VALUES: usize = 50;

/// The names of the parameters of a request that accepts a filter: first the fields of the filter, then the
/// other parameters (`own`).
pub(super) const fn with_filter<const N: usize>(own: &[&'static str]) -> [&'static str; N] {
    let fields = Filter::FIELDS;
    assert!(N == fields.len() + own.len());
    let mut names = [""; N];
    let mut nth = 0;
    while nth < N {
        names[nth] = if nth < fields.len() { fields[nth].name } else { own[nth - fields.len()] };
        nth += 1;
    }
    names
}

/// A 400 error that names the parameter.
pub(crate) fn bad(name: &str, why: impl Display) -> ApiError {
    ApiError::bad_request("bad_parameter", format!("parameter `{name}`: {why}"))
}

/// The filter of a request. The filter accepts only events of the public channel.
pub(crate) fn filter(query: &Query) -> Result<Filter, ApiError> {
    let mut filter = Filter::all(Channel::devhub());
    for field in Filter::FIELDS {
        let texts = list(query, field.name)?;
        field.accept(&mut filter, &texts).map_err(|why| bad(field.name, why))?;
    }
    Ok(filter)
}

/// The values of a comma-separated list, each once. The result is empty if the parameter is absent, or if
/// the parameter is `vtid` and its value is `ALL`.
pub(crate) fn list<'a>(query: &'a Query, name: &'static str) -> Result<Vec<&'a str>, ApiError> {
    let Some(given) = query.get(name) else { return Ok(Vec::new()) };
    if name == "vtid" && given.eq_ignore_ascii_case("ALL") {
        return Ok(Vec::new());
    }
    let mut texts: Vec<&str> = given.split(',').map(str::trim).collect();
    texts.sort_unstable();
    texts.dedup();
    if texts.len() <= MOST_VALUES {
        Ok(texts)
    } else {
        Err(bad(name, format!("at most {MOST_VALUES} values are allowed")))
    }
}

/// The parsed values of a comma-separated list.
pub(crate) fn values<T>(query: &Query, name: &'static str) -> Result<Vec<T>, ApiError>
where
    T: FromStr<Err: Display>,
{
    list(query, name)?.iter().map(|text| text.parse().map_err(|why| bad(name, why))).collect()
}

/// The number in a parameter. `None` if the parameter is absent.
///
/// # Errors
/// 400 if the value is not a number of `range`.
pub(crate) fn number(
    query: &Query,
    name: &'static str,
    range: RangeInclusive<i64>,
) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    match natural(text.as_bytes()).filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None if *range.end() == i64::MAX => Err(bad(name, "expected the id of an event")),
        None => Err(bad(name, format!("expected a whole number from {} to {}", range.start(), range.end()))),
    }
}

/// Parses a number that has only digits, such as the id of an event.
pub(super) fn natural(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Parses the time in a parameter. Returns `None` if the parameter is absent. If the client did not escape
/// the plus sign of a time offset, the plus sign arrives as a blank, and is restored here.
pub(super) fn time(query: &Query, name: &'static str) -> Result<Option<Ts>, ApiError> {
    let parse = |text: &str| text.replace(' ', "+").parse::<Ts>().map_err(|why| bad(name, why));
    query.get(name).map(parse).transpose()
}
