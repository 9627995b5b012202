//! A request to ingest, in each form of an event.

use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::event::{check, escaped, json_headers, read};

/// Larger events of some forms are refused.
const MOST_ESCAPED: usize = 128 << 10;
/// The largest message of an error. An error must not repeat a large input.
const MOST_MESSAGE: usize = 2 << 10;

/// The input is a request: lines of headers, an empty line and a body. If the input does not begin with
/// headers, it is a body of JSON.
pub fn ingest(data: &[u8]) {
    let (headers, body) = request(data).unwrap_or_else(|| (json_headers(), data));
    let events = match read(&headers, body) {
        Ok(events) => events,
        Err(error) => {
            let status = error.status();
            assert!(
                [StatusCode::BAD_REQUEST, StatusCode::UNSUPPORTED_MEDIA_TYPE].contains(&status),
                "{error}"
            );
            assert!((1..=MOST_MESSAGE).contains(&error.message().len()), "{error}");
            return;
        }
    };
    assert!(!events.is_empty());
    events.iter().for_each(check);
    assert_eq!(read(&headers, body).unwrap(), events);
    let is_binary = headers.keys().any(|name| name.as_str().starts_with("ce-"));
    let Ok(text) = std::str::from_utf8(body) else { return };
    if is_binary {
        return;
    }
    // The same body in another form means the same.
    let escaped = escaped(text);
    if escaped.len() <= MOST_ESCAPED {
        assert_eq!(read(&headers, escaped.as_bytes()).unwrap(), events);
    }
    if !text.trim_start().starts_with('[') {
        assert_eq!(read(&headers, format!("[{text}]").as_bytes()).unwrap(), events);
    }
}

/// Splits a request. `None` if it does not begin with headers.
fn request(data: &[u8]) -> Option<(HeaderMap, &[u8])> {
    let end = data.windows(2).position(|pair| pair == b"\n\n")?;
    let mut headers = HeaderMap::new();
    for line in data[..end].split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some((headers, &data[end + 2..]))
}
