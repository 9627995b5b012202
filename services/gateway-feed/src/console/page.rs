//! Answers `GET /`, `GET /vtid/{VTID}`, `GET /agents`, `GET /rooms`, `GET /rooms/{ID}`, `GET /casts`, `GET
//! /casts/{ID}`, `GET /audit` and `GET /canon` with the document of the Live Console. The script of the
//! document reads from the address which page to show. `GET /docs` has a document of its own. A browser that
//! opens any other address gets a page that says so.

use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, VARY};
use hyper::{HeaderMap, StatusCode};
use oasis_core::Vtid;
use oasis_core::cast::CastId;
use oasis_core::room::RoomId;
use oasis_service::{ApiError, Response};

use super::bundle::{BUNDLE, DOCS, missing_document};
use super::content::Content;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// The start page, or the page of the agents.
    Top,
    /// The page of a task.
    Task,
    /// A page for a task name that no task can have.
    NoSuchTask,
    /// The list of the rooms.
    Rooms,
    /// The page of a room.
    Room,
    /// A page for an id that no room can have.
    NoSuchRoom,
    /// The list of the casts, or the audit log.
    Casts,
    /// The page of a cast.
    Cast,
    /// The page of work without a task.
    Canon,
    /// The page with the descriptions of the API.
    Docs,
    /// A page for an id that no cast can have.
    NoSuchCast,
}

impl Page {
    /// Returns `None` for a path that names no page.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        if matches!(path, "/" | "/agents") {
            return Some(Self::Top);
        }
        if path == "/rooms" {
            return Some(Self::Rooms);
        }
        let below = |folder: &str| path.strip_prefix(folder).filter(|id| !id.is_empty() && !id.contains('/'));
        if let Some(task) = below("/vtid/") {
            return Some(if Vtid::parse(task).is_ok() { Self::Task } else { Self::NoSuchTask });
        }
        if matches!(path, "/casts" | "/audit") {
            return Some(Self::Casts);
        }
        match path {
            "/canon" => return Some(Self::Canon),
            "/docs" => return Some(Self::Docs),
            _ => {}
        }
        if let Some(cast) = below("/casts/") {
            return Some(if CastId::parse(cast).is_ok() { Self::Cast } else { Self::NoSuchCast });
        }
        let room = below("/rooms/")?;
        Some(if RoomId::parse(room).is_ok() { Self::Room } else { Self::NoSuchRoom })
    }

    /// Answers with the page if the reader is `admitted`. After an error, a browser that navigates still
    /// gets the page, but with the status of the error. This is safe, because the page contains nothing
    /// secret. The page then shows what is wrong, or asks for a token.
    ///
    /// # Errors
    /// 401 if the reader is not admitted, and 404 if no task or room can have this name. A browser that
    /// navigates gets the page instead.
    pub(crate) fn answer(
        self,
        admitted: Result<(), ApiError>,
        headers: &HeaderMap,
    ) -> Result<Response, ApiError> {
        // The descriptions are public.
        let admitted = if self == Self::Docs { Ok(()) } else { admitted };
        let status = match admitted.and_then(|()| self.exists()) {
            Ok(()) => StatusCode::OK,
            Err(error) if is_navigation(headers) => error.status(),
            Err(error) => return Err(error),
        };
        Ok(answer(self.document(), status, headers))
    }

    fn document(self) -> &'static Content {
        match self {
            Self::Top => &BUNDLE.top,
            Self::Task | Self::NoSuchTask => &BUNDLE.task,
            Self::Rooms => &BUNDLE.rooms,
            Self::Room | Self::NoSuchRoom => &BUNDLE.room,
            Self::Casts => &BUNDLE.casts,
            Self::Cast | Self::NoSuchCast => &BUNDLE.cast,
            Self::Canon => &BUNDLE.canon,
            Self::Docs => &DOCS,
        }
    }

    fn exists(self) -> Result<(), ApiError> {
        match self {
            // The script of the page finds out whether the room or the cast exists, and whether the reader
            // may read it.
            Self::Top | Self::Task | Self::Rooms | Self::Room | Self::Casts | Self::Cast | Self::Canon => {
                Ok(())
            }
            Self::Docs => Ok(()),
            Self::NoSuchTask => Err(ApiError::not_found().hint("a task name looks like DEV-CICDL-0031")),
            Self::NoSuchRoom => Err(ApiError::not_found()
                .hint("the id of a room has 1 to 128 letters, digits, dots, underscores and hyphens")),
            Self::NoSuchCast => Err(ApiError::not_found()
                .hint("the id of a cast has 1 to 128 letters, digits, dots, underscores and hyphens")),
        }
    }
}

/// Answers a request for a path that does not exist. A browser that opens `path` as a page gets a page with
/// `hint` and a link to the start page. The page contains nothing secret, so every browser gets it.
///
/// # Errors
/// 404 with `hint` for every other client.
pub(crate) fn missing(path: &str, hint: &'static str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let error = ApiError::not_found().hint(hint);
    if !is_navigation(headers) {
        return Err(error);
    }
    let page = Content::new(missing_document(path, hint));
    Ok(answer(&page, error.status(), headers))
}

fn answer(document: &Content, status: StatusCode, headers: &HeaderMap) -> Response {
    let mut answer = document.answer(status, "text/html; charset=utf-8", "no-cache", headers);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    // The address of the page may contain a token.
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer"));
    // Other sites can neither reach the window of the page nor load the page into their own.
    for name in ["cross-origin-opener-policy", "cross-origin-resource-policy"] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("same-origin"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization"));
    answer
}

/// Whether the request comes from a browser that opens a page.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/html"))
}
