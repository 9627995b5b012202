//! The content of one file, plain and compressed, and the headers with which the file is served.

use std::io::{Read, Write};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue, VARY};
use hyper::{HeaderMap, StatusCode};
use oasis_service::{Response, response};

/// The content of a file, plain and compressed. The missing form is made when a browser requests it for the
/// first time.
pub(crate) struct Content {
    plain: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Content {
    pub(crate) fn new(plain: String) -> Self {
        Self { plain: OnceLock::from(Bytes::from(plain)), gzip: OnceLock::new() }
    }

    /// A content that `build.rs` has compressed.
    pub(crate) fn packed(gzip: &'static [u8]) -> Self {
        Self { plain: OnceLock::new(), gzip: OnceLock::from(Bytes::from_static(gzip)) }
    }

    pub(crate) fn plain(&self) -> &Bytes {
        self.plain.get_or_init(|| {
            let mut plain = Vec::new();
            // A content without a plain form has a compressed one, which `build.rs` has made.
            let packed = self.gzip.get().map_or(&[][..], |gzip| gzip);
            let _ = GzDecoder::new(packed).read_to_end(&mut plain);
            plain.into()
        })
    }

    pub(super) fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.plain().len() / 2), Compression::best());
            // Writing to a vector cannot fail.
            let _ = encoder.write_all(self.plain());
            encoder.finish().unwrap_or_default().into()
        })
    }

    /// The answer to a request with the headers `request_headers`. The answer is compressed if these
    /// headers accept gzip.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        content_type: &'static str,
        cache: &'static str,
        request_headers: &HeaderMap,
    ) -> Response {
        let packed = accepts_gzip(request_headers);
        let bytes = if packed { self.gzip() } else { self.plain() };
        let mut answer = response::content(status, content_type, bytes.clone());
        let headers = answer.headers_mut();
        if packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
        answer
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let never = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !never
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_if_the_request_accepts_it() {
        for (offered, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, identity", false),
            ("br, x-gzip", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(offered))]);
            assert_eq!(accepts_gzip(&headers), taken, "{offered}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
