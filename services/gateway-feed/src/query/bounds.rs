//! Reads the parameters of the query API that limit the answer.

use std::ops::RangeInclusive;

use oasis_core::Ts;
use oasis_service::{ApiError, Query};
use oasis_store::Filter;

use super::params::{bad, number, time, with_filter};

/// The parameters of the query API.
pub(super) const EVENTS: &[&str] =
    &with_filter::<{ Filter::FIELDS.len() + 6 }>(&["since", "until", "limit", "offset", "before", "token"]);

/// The allowed values of the parameter `limit`, the maximum number of rows in one answer.
const LIMITS: RangeInclusive<i64> = 1..=1_000;
/// The maximum number of rows that `offset` may skip. To read older rows, clients use the parameter
/// `before`: with `before`, every page takes the same time.
const MOST_OFFSET: i64 = 100_000;

/// The limits of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) since: Option<Ts>,
    pub(super) until: Option<Ts>,
    pub(super) limit: i64,
    pub(super) offset: i64,
    pub(super) before: Option<i64>,
}

pub(super) fn bounds(query: &Query) -> Result<Bounds, ApiError> {
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

#[cfg(test)]
mod tests {
    use oasis_core::{Module, Status, Task};

    use super::super::params::filter;
    use super::*;

    fn events(query: &str) -> Result<(Filter, Bounds), ApiError> {
        let query = Query::parse(Some(query), EVENTS)?;
        Ok((filter(&query)?, bounds(&query)?))
    }

    #[test]
    fn filters_and_bounds_are_parsed() {
        let (filter, bounds) =
            events("vtid=dev-cicdl-0031,UNSET&status=failure&module=core&limit=7").unwrap();
        let vtids: Vec<&str> = filter.vtid.iter().map(Task::as_str).collect();
        assert_eq!(vtids, ["DEV-CICDL-0031", "UNSET"]);
        assert_eq!((filter.status, filter.module), (vec![Status::Failure], vec![Module::core()]));
        assert_eq!((bounds.limit, bounds.offset, bounds.before), (7, 0, None));
        assert!(events("vtid=ALL").unwrap().0.is_open());
    }

    #[test]
    fn a_refusal_names_the_bad_parameter() {
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
            ("status=maybe", "status"),
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
}
