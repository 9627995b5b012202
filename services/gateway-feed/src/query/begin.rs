//! Reads the parameters of a stream that say where a client begins.

use hyper::header::{HeaderMap, HeaderValue};
use oasis_service::{ApiError, Query};
use oasis_store::Filter;

use super::params::{bad, natural, time, with_filter};
use crate::fanout::source::Begin;

/// The names of the parameter for the cursor. Clients that replace the browser's EventSource use their own.
const CURSOR: [&str; 3] = ["last_event_id", "lastEventId", "lastEventID"];

/// The parameters of the feed.
pub(super) const FEED: &[&str] = &with_filter::<{ Filter::FIELDS.len() + CURSOR.len() + 2 }>(&[
    "since", "token", CURSOR[0], CURSOR[1], CURSOR[2],
]);

/// The parameters of the stream of a room.
pub(crate) const ROOM: &[&str] = &["tail", "since", "token", CURSOR[0], CURSOR[1], CURSOR[2]];

/// The parameters of the stream of resource events.
pub(crate) const RESOURCES: &[&str] = &[
    "cluster_id",
    "project_id",
    "workload_id",
    "resource_type",
    "event_types",
    "since",
    "token",
    CURSOR[0],
    CURSOR[1],
    CURSOR[2],
];

/// The parameters of the stream of a cast.
pub(crate) const CAST: &[&str] = &["events", "token", CURSOR[0], CURSOR[1], CURSOR[2]];

/// Where a client of a stream begins. The header `Last-Event-ID` overrides the parameter `last_event_id`,
/// and both override the parameter `since`. An empty cursor counts as absent.
///
/// # Errors
/// 400 if a cursor or a time is invalid, even if another cursor overrides it.
pub(crate) fn begin(query: &Query, headers: &HeaderMap) -> Result<Begin, ApiError> {
    let mut given = CURSOR.iter().filter_map(|name| Some((name, query.get(name)?)));
    let cursor = given.next();
    if let Some((name, _)) = given.next() {
        return Err(bad(name, "the cursor is given more than once"));
    }
    let given = cursor.filter(|(_, id)| !id.is_empty());
    let given = given
        .map(|(name, id)| natural(id.as_bytes()).ok_or_else(|| bad(name, "expected the id of an event")));
    let given = given.transpose()?;
    let since = time(query, "since")?;
    let header = headers.get("last-event-id").map(HeaderValue::as_bytes);
    if let Some(header) = header.filter(|id| !id.is_empty()) {
        return match natural(header) {
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

#[cfg(test)]
mod tests {
    use oasis_core::Ts;

    use super::*;

    #[test]
    fn the_header_overrides_last_event_id_and_both_override_since() {
        let of = |query: &str, header: Option<&str>| {
            let value = |id: &str| ("last-event-id".parse().unwrap(), HeaderValue::from_str(id).unwrap());
            let headers: HeaderMap = header.map(value).into_iter().collect();
            begin(&Query::parse(Some(query), FEED).unwrap(), &headers)
        };
        let since: Ts = "2026-01-01T22:00:00Z".parse().unwrap();
        assert_eq!(of("", None).unwrap(), Begin::Fresh);
        assert_eq!(of("last_event_id=5&since=2026-01-02T00:00:00Z", None).unwrap(), Begin::After(5));
        assert_eq!(of("lastEventId=5", None).unwrap(), Begin::After(5));
        assert_eq!(of("lastEventID=5", None).unwrap(), Begin::After(5));
        assert_eq!(of("last_event_id=5", Some("7")).unwrap(), Begin::After(7));
        assert_eq!(of("last_event_id=", Some("")).unwrap(), Begin::Fresh);
        assert_eq!(of("since=2026-01-02T00:00:00+02:00", None).unwrap(), Begin::Since(since.instant()));
        assert!(of("last_event_id=x", Some("7")).is_err());
        assert!(of("lastEventId=5&last_event_id=5", None).is_err());
        assert!(of("", Some("abc")).is_err());
        assert!(of("", Some("-1")).is_err());
        assert!(of("since=nonsense", Some("7")).is_err());
    }
}
