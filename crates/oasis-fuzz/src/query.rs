//! The parameters of the query API and of the feed.

use gateway_feed::{EventsRequest, FeedRequest};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue};
use oasis_service::ApiError;
use oasis_store::{Order, PageQuery};

/// The largest message of an error. An error must not repeat a large input.
const MOST_MESSAGE: usize = 1_024;
const LAST: i64 = 7;

/// The input is a query, and, in a second line, a header `Last-Event-ID`.
pub fn query(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (query, last_id) = text.split_once('\n').unwrap_or((text, ""));
    match EventsRequest::parse(Some(query)) {
        Ok(request) => check_events(query, &request),
        Err(error) => check_refusal(&error),
    }
    let Ok(value) = HeaderValue::from_str(last_id) else { return };
    let headers = HeaderMap::from_iter([("last-event-id".parse().unwrap(), value)]);
    match FeedRequest::parse(Some(query), &headers) {
        Ok(request) => assert_eq!(FeedRequest::parse(Some(&printed(query)), &headers).unwrap(), request),
        Err(error) => check_refusal(&error),
    }
}

fn check_events(query: &str, request: &EventsRequest) {
    let page = request.page();
    assert!((1..=1_000).contains(&page.limit) && (0..=100_000).contains(&page.offset));
    assert!(page.since.is_none() || page.until.is_none() || page.since <= page.until);
    assert_eq!(EventsRequest::parse(Some(&printed(query))).unwrap().page(), page);
    // The next page differs only in its place.
    let next = request.next(LAST);
    assert!(HeaderValue::from_str(&next).is_ok() && !next.contains("token="), "{next}");
    let next = EventsRequest::parse(next.strip_prefix('?')).unwrap();
    let order = Order::NewestFirst { before: Some(LAST) };
    assert_eq!(next.page(), PageQuery { order, offset: 0, ..page });
    // The feed has the same filters. It does not have the limits of a page.
    let pairs = form_urlencoded::parse(query.as_bytes());
    let filters =
        pairs.filter(|(name, _)| !["since", "until", "limit", "offset", "before"].contains(&&**name));
    let filters = form_urlencoded::Serializer::new(String::new()).extend_pairs(filters).finish();
    let feed = FeedRequest::parse(Some(&filters), &HeaderMap::new()).unwrap();
    assert_eq!(page.filter, Some(feed.filter()));
}

/// The parameters of an accepted query, printed again.
fn printed(query: &str) -> String {
    let pairs = form_urlencoded::parse(query.as_bytes());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

fn check_refusal(error: &ApiError) {
    assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{error}");
    let message = error.message();
    assert!(message.starts_with("parameter `") || message.starts_with("header `"), "{error}");
    assert!(message.len() <= MOST_MESSAGE, "{error}");
}
