//! What a reader may ask for: filters, cursors, bounds. Every parameter that is bad, repeated or unknown is a 400 that
//! names it.

use std::fmt::Display;
use std::str::FromStr;

use oasis_core::{Channel, Ts};
use oasis_service::{ApiError, Query};
use oasis_store::Filter;

use crate::fanout::subscriber::Begin;

/// Values in one comma-separated list.
const MOST_VALUES: usize = 50;
/// Rows of the query API's answer.
const LIMITS: std::ops::RangeInclusive<i64> = 1..=1_000;
/// Rows that may be passed over; further back, `before` pages in constant time.
const MOST_OFFSET: i64 = 100_000;

/// The feed's parameters.
pub(crate) const FEED: &[&str] =
    &["vtid", "layer", "module", "source", "kind", "status", "since", "last_event_id", "token"];
/// The query API's parameters.
pub(crate) const EVENTS: &[&str] = &[
    "vtid", "layer", "module", "source", "kind", "status", "since", "until", "limit", "offset", "before",
    "token",
];

/// A 400 that names the parameter.
pub(crate) fn bad(name: &str, why: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("bad_parameter", format!("parameter `{name}`: {why}"))
}

/// The filter of a request, on the public channel.
pub(crate) fn filter(query: &Query) -> Result<Filter, ApiError> {
    let mut filter = Filter::all(Channel::devhub());
    for field in Filter::FIELDS {
        let texts = list(query, field.name)?;
        field.accept(&mut filter, &texts).map_err(|why| bad(field.name, why))?;
    }
    Ok(filter)
}

/// The values of a comma-separated list, each text once; none when it was not given (or, for tasks, is `ALL`).
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
        Err(bad(name, format!("at most {MOST_VALUES} values")))
    }
}

/// The values of a comma-separated list, as their type reads them.
pub(crate) fn values<T>(query: &Query, name: &'static str) -> Result<Vec<T>, ApiError>
where
    T: FromStr<Err: Display>,
{
    list(query, name)?.iter().map(|text| text.parse().map_err(|why| bad(name, why))).collect()
}

/// Where a client of the feed begins: its header beats `last_event_id`, which beats `since`. An empty cursor is none.
pub(crate) fn begin(query: &Query, header: Option<&[u8]>) -> Result<Begin, ApiError> {
    let given = query.get("last_event_id").filter(|id| !id.is_empty());
    let given = given
        .map(|id| cursor(id.as_bytes()).ok_or_else(|| bad("last_event_id", "expected the id of an event")));
    let given = given.transpose()?;
    let since = query.get("since").map(|_| time(query, "since")).transpose()?.flatten();
    if let Some(header) = header.filter(|id| !id.is_empty()) {
        return match cursor(header) {
            Some(id) => Ok(Begin::After(id)),
            None => Err(ApiError::bad_request(
                "bad_header",
                "header `Last-Event-ID`: expected the id of an event",
            )),
        };
    }
    Ok(match (given, since) {
        (Some(id), _) => Begin::After(id),
        (None, Some(since)) => Begin::Since(since.instant()),
        (None, None) => Begin::Fresh,
    })
}

fn cursor(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// An instant, if it was given. An offset's plus sign that was sent without its escape arrives as a blank.
pub(crate) fn time(query: &Query, name: &'static str) -> Result<Option<Ts>, ApiError> {
    let parse = |text: &str| text.replace(' ', "+").parse::<Ts>().map_err(|why| bad(name, why));
    query.get(name).map(parse).transpose()
}

/// The bounds of one answer of the query API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) since: Option<Ts>,
    pub(crate) until: Option<Ts>,
    pub(crate) limit: i64,
    pub(crate) offset: i64,
    pub(crate) before: Option<i64>,
}

pub(crate) fn bounds(query: &Query) -> Result<Bounds, ApiError> {
    let (since, until) = (time(query, "since")?, time(query, "until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        return Err(bad("until", "it is earlier than `since`"));
    }
    Ok(Bounds {
        since,
        until,
        limit: number(query, "limit", LIMITS)?.unwrap_or(50),
        offset: number(query, "offset", 0..=MOST_OFFSET)?.unwrap_or(0),
        before: number(query, "before", 0..=i64::MAX)?,
    })
}

fn number(
    query: &Query,
    name: &'static str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, ApiError> {
    let Some(text) = query.get(name) else { return Ok(None) };
    match cursor(text.as_bytes()).filter(|number| range.contains(number)) {
        Some(number) => Ok(Some(number)),
        None if *range.end() == i64::MAX => Err(bad(name, "expected the id of an event")),
        None => Err(bad(name, format!("expected a whole number from {} to {}", range.start(), range.end()))),
    }
}

#[cfg(test)]
mod tests {
    use oasis_core::{Module, Status, Task};

    use super::*;

    fn events(query: &str) -> Result<(Filter, Bounds), ApiError> {
        let query = Query::parse(Some(query), EVENTS)?;
        Ok((filter(&query)?, bounds(&query)?))
    }

    #[test]
    fn filters() {
        let (filter, bounds) =
            events("vtid=dev-cicdl-0031,UNSET&status=failure&module=core&limit=7").unwrap();
        let vtids: Vec<&str> = filter.vtid.iter().map(Task::as_str).collect();
        assert_eq!(vtids, ["DEV-CICDL-0031", "UNSET"]);
        assert_eq!((filter.status, filter.module), (vec![Status::Failure], vec![Module::core()]));
        assert_eq!((bounds.limit, bounds.offset, bounds.before), (7, 0, None));
        assert!(events("vtid=ALL").unwrap().0.is_open());
    }

    #[test]
    fn whatever_is_bad_is_named() {
        for (query, name) in [
            ("limit=0", "limit"),
            ("limit=1001", "limit"),
            ("limit=abc", "limit"),
            ("limit=", "limit"),
            ("limit=-1", "limit"),
            ("limit=+5", "limit"),
            ("offset=-1", "offset"),
            ("before=x", "before"),
            ("before=99999999999999999999", "before"),
            ("since=yesterday", "since"),
            ("until=", "until"),
            ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
            ("vtid=nonsense", "vtid"),
            ("vtid=", "vtid"),
            ("vtid=DEV-CICDL-0031,", "vtid"),
            ("status=done", "status"),
            ("source=github", "source"),
            ("kind=Push", "kind"),
            ("layer=a-b", "layer"),
            ("colour=red", "colour"),
            ("limit=5&limit=5", "limit"),
        ] {
            let error = events(query).unwrap_err();
            assert!(error.message().contains(&format!("`{name}`")), "{query}: {}", error.message());
        }
        let many = format!("kind={}", vec!["a"; 60].join(","));
        assert!(events(&many).is_ok(), "repeated values count once");
    }

    #[test]
    fn cursors() {
        let of = |query: &str, header: Option<&str>| {
            begin(&Query::parse(Some(query), FEED).unwrap(), header.map(str::as_bytes))
        };
        let since: Ts = "2026-01-01T22:00:00Z".parse().unwrap();
        assert_eq!(of("", None).unwrap(), Begin::Fresh);
        assert_eq!(of("last_event_id=5&since=2026-01-02T00:00:00Z", None).unwrap(), Begin::After(5));
        assert_eq!(of("last_event_id=5", Some("7")).unwrap(), Begin::After(7));
        assert_eq!(of("last_event_id=", Some("")).unwrap(), Begin::Fresh);
        assert_eq!(of("since=2026-01-02T00:00:00+02:00", None).unwrap(), Begin::Since(since.instant()));
        assert!(of("last_event_id=x", Some("7")).is_err());
        assert!(of("", Some("abc")).is_err());
        assert!(of("", Some("-1")).is_err());
        assert!(of("since=nonsense", Some("7")).is_err());
    }
}
