//! Reads the body of a write to a private stream: one item or an array of items. If one item is bad, the
//! whole request is refused, and the error names the bad items.

use std::fmt::Write;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_service::{ApiError, Request, RequestContext};
use tokio::task::yield_now;

use super::fields::Refusal;
use super::json::{Elements, is_array, is_json};

/// The maximum number of items in one request.
const MOST_ITEMS: usize = 1_000;
/// The maximum size of the JSON of one item, in bytes. Every item that the table accepts is smaller, even if
/// all of its characters are escaped.
const MOST_ITEM_BYTES: usize = 128 << 10;
/// The maximum number of bytes of items that are parsed before other requests get processor time.
const MOST_UNBROKEN_BYTES: usize = 64 << 10;
/// The maximum number of refused items that an error names.
const MOST_NAMED: usize = 10;

/// The words for the items in errors.
pub(crate) struct ItemWords {
    /// One item, such as `line`.
    pub(crate) one: &'static str,
    /// The code of the error for a bad item.
    pub(crate) bad: &'static str,
    /// The code of the error for too many items.
    pub(crate) too_many: &'static str,
}

/// Reads a body that must be JSON, of at most `most` bytes.
///
/// # Errors
/// 415 if the body is not JSON; 413 if it is too large.
pub(crate) async fn json_body(
    request: Request,
    context: &RequestContext,
    most: usize,
) -> Result<Bytes, ApiError> {
    let (head, body) = request.into_parts();
    check_type(&head.headers)?;
    context.read_body(body, most).await
}

fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_json(content_type) {
        return Ok(());
    }
    Err(ApiError::unsupported_media_type("the body must be JSON")
        .hint("add the header Content-Type: application/json"))
}

/// Splits a body that is an array into slices, one for each item. The items are not parsed yet.
///
/// # Errors
/// 400 if the body is not JSON, or if it has no item or too many items.
pub(super) fn slices<'a>(body: &'a [u8], words: &ItemWords) -> Result<Vec<&'a [u8]>, ApiError> {
    let what = words.one;
    let elements: Elements<'_, MOST_ITEMS> = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            let why = format!("more than {MOST_ITEMS} {what}s in one request");
            return ApiError::bad_request(words.too_many, why);
        }
        ApiError::bad_request("bad_json", format!("the body is not JSON: {error}"))
    })?;
    if elements.0.is_empty() {
        return Err(ApiError::bad_request(words.bad, format!("the array contains no {what}")));
    }
    Ok(elements.0.into_iter().map(|element| element.get().as_bytes()).collect())
}

/// Lets other requests have the processor while the items of a large body are parsed.
#[derive(Default)]
pub(super) struct Pauses {
    parsed: usize,
}

impl Pauses {
    /// Pauses before `item` is parsed, if much has been parsed since the last pause.
    pub(super) async fn before(&mut self, item: &[u8]) {
        self.parsed += item.len();
        if self.parsed > MOST_UNBROKEN_BYTES {
            yield_now().await;
            self.parsed = 0;
        }
    }
}

/// Reads the items of a body. A large body takes a long time, so the function yields to other requests in
/// between.
///
/// # Errors
/// 400 if the body is not JSON, has no item or too many items, or if `read` refuses an item.
pub(crate) async fn items<T>(
    body: &[u8],
    words: &ItemWords,
    read: impl Fn(&[u8]) -> Result<T, Refusal>,
) -> Result<Vec<T>, ApiError> {
    let read = |text: &[u8]| {
        if text.len() > MOST_ITEM_BYTES {
            let what = words.one;
            let why = format!("the {what} is too large: the limit is {MOST_ITEM_BYTES} bytes");
            return Err(Refusal::new(why));
        }
        read(text)
    };
    if !is_array(body) {
        return read(body).map(|item| vec![item]).map_err(|refusal| refusal.into_error(words.bad));
    }
    let slices = slices(body, words)?;
    let (mut items, mut refused, mut named) = (Vec::with_capacity(slices.len()), 0, String::new());
    let mut pauses = Pauses::default();
    for (nth, slice) in slices.into_iter().enumerate() {
        pauses.before(slice).await;
        match read(slice) {
            Ok(item) => items.push(item),
            Err(refusal) => {
                refused += 1;
                if refused <= MOST_NAMED {
                    let and = if named.is_empty() { "" } else { "; " };
                    // Writing to a string cannot fail.
                    let _ = write!(named, "{and}{} {nth}: {}", words.one, refusal.message);
                }
            }
        }
    }
    if refused == 0 {
        return Ok(items);
    }
    if refused > MOST_NAMED {
        let _ = write!(named, "; and {} more {}s", refused - MOST_NAMED, words.one);
    }
    let what = words.one;
    Err(ApiError::bad_request(words.bad, named)
        .hint(format!("no {what} of this request was stored; the first {what} has the number 0")))
}
