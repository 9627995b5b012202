//! The Live Console: the files of `console/`, embedded.
//!
//! - `GET /`, `GET /vtid/{VTID}`, `GET /agents`: the page
//! - `GET /-/{HASH}/…`: what it is made of. HASH is over all files, so an answer never changes

mod strip;

use std::io::Write;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, HeaderName,
    HeaderValue, VARY,
};
use hyper::{HeaderMap, StatusCode};
use oasis_core::Vtid;
use oasis_service::{ApiError, Response, response};
use ring::digest::{Context, SHA256};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file below `console/`, and what is in it.
type File = (&'static str, &'static str);

/// Scripts that no other imports: the two that the page names itself, and what is only types.
const NOT_MODULES: &[&str] = &["app/main.js", "app/theme.js", "client/types.js"];

macro_rules! files {
    ($($path:literal,)*) => { &[$(($path, include_str!(concat!("../../../console/", $path)))),*] };
}

const FILES: &[File] = files![
    "app/agents.js",
    "app/axis.js",
    "app/base.css",
    "app/beats.js",
    "app/chart.js",
    "app/dialogs.css",
    "app/dom.js",
    "app/drawer.js",
    "app/filters.css",
    "app/filters.js",
    "app/groups.js",
    "app/hand.js",
    "app/header.js",
    "app/home.css",
    "app/home.js",
    "app/how-to-send.js",
    "app/index.html",
    "app/journey.js",
    "app/keys.js",
    "app/look.js",
    "app/main.js",
    "app/narrow.css",
    "app/notify.js",
    "app/now.css",
    "app/now.js",
    "app/pages.css",
    "app/parts.css",
    "app/past.js",
    "app/rate.js",
    "app/row.js",
    "app/run.js",
    "app/runs.js",
    "app/settings.js",
    "app/steps.js",
    "app/store.js",
    "app/task.js",
    "app/theme.js",
    "app/ticker.css",
    "app/ticker.js",
    "app/time.js",
    "app/top.css",
    "app/view.js",
    "client/backoff.js",
    "client/connector.js",
    "client/errors.js",
    "client/feed.js",
    "client/index.js",
    "client/ledger.js",
    "client/poll.js",
    "client/query.js",
    "client/sse.js",
    "client/stream.js",
    "client/timers.js",
    "client/types.js",
    "client/wire.js",
];

struct Console {
    hash: String,
    page: Served,
    files: Vec<(&'static str, Served)>,
}

/// A content, and the same compressed once somebody has asked for it.
struct Served {
    plain: Bytes,
    gzip: OnceLock<Bytes>,
}

impl Served {
    fn new(content: String) -> Self {
        Self { plain: content.into(), gzip: OnceLock::new() }
    }

    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::with_capacity(self.plain.len() / 2), Compression::best());
            // A vector takes all that is written; were it not so, the plain text would do.
            let _ = encoder.write_all(&self.plain);
            encoder.finish().unwrap_or_default().into()
        })
    }
}

static CONSOLE: LazyLock<Console> = LazyLock::new(|| {
    let files: Vec<(&str, Served)> = FILES
        .iter()
        .map(|(path, content)| {
            let plain = if path.ends_with(".css") { strip::css(content) } else { strip::script(content) };
            (*path, Served::new(plain))
        })
        .collect();
    let mut digest = Context::new(&SHA256);
    for (path, content) in &files {
        digest.update(path.as_bytes());
        digest.update(&content.plain.len().to_le_bytes());
        digest.update(&content.plain);
    }
    let hash: String = digest.finish().as_ref()[..3].iter().map(|byte| format!("{byte:02x}")).collect();
    // A module is asked for only once the one that imports it has come; told all at once, they come at once.
    let modules: String = FILES
        .iter()
        .filter(|(path, _)| path.ends_with(".js") && !NOT_MODULES.contains(path))
        .map(|(path, _)| format!("<link rel=modulepreload href=/-/{hash}/{path}>"))
        .collect();
    let html = include_str!("../../../console/app/index.html");
    let page = html.replace("<!-- modules -->", &modules).replace("/-/HASH/", &format!("/-/{hash}/"));
    let page = page.lines().map(str::trim).collect();
    Console { hash, page: Served::new(page), files }
});

/// Whether the page shows itself at `path`.
pub(crate) fn is_page(path: &str) -> bool {
    matches!(path, "/" | "/agents") || task(path).is_some()
}

fn task(path: &str) -> Option<&str> {
    path.strip_prefix("/vtid/").filter(|task| !task.is_empty() && !task.contains('/'))
}

/// The page at `path`. A browser that goes where it may not, or where there can be no task, gets it as well, with the
/// error's status: it holds nothing secret, says what is wrong and asks for the token.
///
/// # Errors
/// The same, for a program that asks.
pub(crate) fn page(
    path: &str,
    allowed: Result<(), ApiError>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let there = || match task(path).map(Vtid::parse) {
        Some(Err(_)) => Err(ApiError::not_found().hint("a task is named like DEV-CICDL-0031")),
        Some(Ok(_)) | None => Ok(()),
    };
    let status = match allowed.and_then(|()| there()) {
        Ok(()) => StatusCode::OK,
        Err(error) if wants_page(headers) => error.status(),
        Err(error) => return Err(error),
    };
    let mut answer = serve(status, "text/html; charset=utf-8", &CONSOLE.page, "no-cache", headers);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // Its address may hold a token.
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    Ok(answer)
}

/// Whether it is a browser that goes somewhere, rather than a program that asks.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}

/// What is at `path`, which stands after `/-/`.
pub(crate) fn asset(path: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let found = path
        .strip_prefix(CONSOLE.hash.as_str())
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|path| CONSOLE.files.iter().find(|(known, _)| *known == path));
    let Some((path, content)) = found else {
        return Err(ApiError::not_found().hint("the page is at /; reload it"));
    };
    let cache = "public, max-age=31536000, immutable";
    Ok(serve(StatusCode::OK, content_type(path), content, cache, headers))
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn serve(
    status: StatusCode,
    content_type: &'static str,
    content: &Served,
    cache: &'static str,
    asked: &HeaderMap,
) -> Response {
    let packed = takes_gzip(asked);
    let bytes = if packed { content.gzip() } else { &content.plain };
    let mut answer = response::content(status, content_type, bytes.clone());
    let headers = answer.headers_mut();
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
    answer
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let offered = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|list| list.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let never = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !never
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What the page may weigh, all files together, plain and as browsers get it.
    const PLAIN: usize = 150 * 1024;
    const PACKED: usize = 64 * 1024;

    #[test]
    fn every_file_is_embedded() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console");
        let mut there = BTreeSet::new();
        for folder in ["app", "client"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if !name.ends_with(".md") && !name.ends_with(".ts") {
                    there.insert(format!("{folder}/{name}"));
                }
            }
        }
        let embedded: BTreeSet<_> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(embedded, there);
    }

    #[test]
    fn the_budget_holds() {
        let all = || CONSOLE.files.iter().map(|(_, content)| content).chain([&CONSOLE.page]);
        let plain: usize = all().map(|content| content.plain.len()).sum();
        let packed: usize = all().map(|content| content.gzip().len()).sum();
        assert!(plain <= PLAIN && packed <= PACKED, "{plain} bytes, {packed} compressed");
    }

    #[test]
    fn encodings_are_negotiated() {
        for (offered, taken) in [
            ("gzip, deflate, br, zstd", true),
            ("br;q=1.0, GZIP;q=0.8", true),
            ("gzip;q=0", false),
            ("gzip; q=0.000, identity", false),
            ("br, x-gzip", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(offered))]);
            assert_eq!(takes_gzip(&headers), taken, "{offered}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    /// What `strip` takes for granted.
    #[test]
    fn no_text_goes_over_lines_and_no_comment_follows_code() {
        for (path, content) in FILES.iter().filter(|(path, _)| path.ends_with(".js")) {
            for (number, line) in content.lines().enumerate() {
                // Within a text that goes on, blanks would be text; behind a comment, all that follows is one.
                let goes_on = line.matches('`').count() % 2 == 1;
                let ends_in_comment = line.contains(" // ");
                let is_comment = line.trim_start().starts_with(['*', '/']);
                assert!(is_comment || !(goes_on || ends_in_comment), "{path}:{}", number + 1);
            }
        }
    }

    #[test]
    fn the_page_names_what_is_there() {
        let page = String::from_utf8(CONSOLE.page.plain.to_vec()).unwrap();
        assert!(!page.contains("HASH"), "{page}");
        for part in page.split(['"', '=', '>']).filter_map(|part| part.strip_prefix("/-/")) {
            assert!(asset(part, &HeaderMap::new()).is_ok(), "{part}");
        }
    }
}
