//! Parses the path of a request into a [`Route`]. Every `match` on a route lists all routes, without a
//! wildcard. So the code does not compile until a new route has a name, methods and an answer.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, HeaderMap,
    HeaderValue, VARY,
};
use hyper::{Method, StatusCode};
use oasis_service::{ApiError, Response, response};

use crate::console::Page;

pub(crate) const FEED: &str = "/api/v1/devhub/feed";
#[cfg(feature = "test-stream")]
const TEST: &str = "/api/v1/test/";
const HEALTH: &str = "/api/v1/devhub/health";
const EVENTS: &str = "/api/v1/oasis/events";
const AGENTS: &str = "/api/v1/oasis/agents";
const INGEST: &str = "/events/ingest";
const MORE_INGEST: [&str; 2] = ["/api/v1/events/ingest", "/api/v1/oasis/events/ingest"];
const CANON: &str = "/api/v1/oasis/canon";
const PAGE: &str = "/";
const ROOMS: &str = "/api/v1/rooms";
const RESOURCES: &str = "/api/v1/events";
const RESOURCE_STREAM: &str = "/api/v1/events/stream";
const CASTS: &str = "/api/casts";
const AUDIT: &str = "/api/v1/audit";
const AUDIT_SUMMARY: &str = "/api/v1/audit/summary";
const ASSETS: &str = "/-/";
const OPENAPI: &str = "/openapi/";

/// A route of the gateway. A path names at most one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// The ticker.
    Feed,
    /// The test stream for some of its channels. The string is the list of the ids of these channels.
    #[cfg(feature = "test-stream")]
    TestLines(String),
    /// The health of the gateway and the mode of the feed.
    Health,
    /// The query API (`GET`), and the second address of ingest (`POST`).
    Events,
    /// The agents and their states.
    Agents,
    /// How much of the work names its task.
    Canon,
    /// Ingest.
    Ingest,
    /// The rooms that the user may read.
    Rooms,
    /// A room. The string is the id, which may be invalid.
    Room(String),
    /// The log of a room. The string is the id, which may be invalid.
    RoomLogs(String),
    /// The resource events of a task (`GET`), and the writes of resource events (`POST`).
    Resources,
    /// The stream of resource events.
    ResourceStream,
    /// The casts of the user (`GET`), and the opening of a cast (`POST`).
    Casts,
    /// A cast. The string is the id, which may be invalid.
    Cast(String),
    /// The stream of a cast. The string is the id, which may be invalid.
    CastEvents(String),
    /// The stream of all casts of the user.
    OwnCastEvents,
    /// The audit log.
    Audit,
    /// A summary of the audit log.
    AuditSummary,
    /// A description of the API. The string is the name of the file, which may be unknown.
    OpenApi(String),
    /// A page of the Live Console.
    Page(Page),
    /// A file that the pages load. The string is the part of the path after `/-/`.
    Asset(String),
}

/// What a request asks for, according to its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    Send,
    /// Opens or changes a room.
    Put,
    /// Changes a cast.
    Change,
    /// Closes a room.
    Delete,
    /// A browser asks whether a page of another origin may read.
    Preflight,
}

impl Route {
    /// Returns `None` for a path that names no route.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        if let Some(asset) = path.strip_prefix(ASSETS) {
            return Some(Self::Asset(asset.to_owned()));
        }
        if let Some(name) = path.strip_prefix(OPENAPI) {
            return Some(Self::OpenApi(name.to_owned()));
        }
        #[cfg(feature = "test-stream")]
        if let Some(ids) = path.strip_prefix(TEST).and_then(|rest| rest.strip_suffix("/lines")) {
            return Some(Self::TestLines(ids.to_owned()));
        }
        if let Some(rest) = path.strip_prefix(ROOMS).and_then(|rest| rest.strip_prefix('/')) {
            return match rest.split_once('/') {
                None => Some(Self::Room(rest.to_owned())),
                Some((id, "logs")) => Some(Self::RoomLogs(id.to_owned())),
                Some(_) => None,
            };
        }
        if let Some(rest) = path.strip_prefix(CASTS).and_then(|rest| rest.strip_prefix('/')) {
            return match rest.split_once('/') {
                None if rest == "events" => Some(Self::OwnCastEvents),
                None => Some(Self::Cast(rest.to_owned())),
                Some((id, "events")) => Some(Self::CastEvents(id.to_owned())),
                Some(_) => None,
            };
        }
        match path {
            CASTS => Some(Self::Casts),
            AUDIT => Some(Self::Audit),
            AUDIT_SUMMARY => Some(Self::AuditSummary),
            ROOMS => Some(Self::Rooms),
            RESOURCES => Some(Self::Resources),
            RESOURCE_STREAM => Some(Self::ResourceStream),
            FEED => Some(Self::Feed),
            HEALTH => Some(Self::Health),
            EVENTS => Some(Self::Events),
            AGENTS => Some(Self::Agents),
            CANON => Some(Self::Canon),
            INGEST => Some(Self::Ingest),
            more if MORE_INGEST.contains(&more) => Some(Self::Ingest),
            _ => Page::parse(path).map(Self::Page),
        }
    }

    /// The name of the route in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Feed => FEED,
            #[cfg(feature = "test-stream")]
            Self::TestLines(_) => TEST,
            Self::Health => HEALTH,
            Self::Events => EVENTS,
            Self::Agents => AGENTS,
            Self::Canon => CANON,
            Self::Ingest => INGEST,
            Self::Rooms => ROOMS,
            Self::Room(_) => "/api/v1/rooms/{id}",
            Self::RoomLogs(_) => "/api/v1/rooms/{id}/logs",
            Self::Resources => RESOURCES,
            Self::ResourceStream => RESOURCE_STREAM,
            Self::Casts => CASTS,
            Self::Cast(_) => "/api/casts/{id}",
            Self::CastEvents(_) => "/api/casts/{id}/events",
            Self::OwnCastEvents => "/api/casts/events",
            Self::Audit => AUDIT,
            Self::AuditSummary => AUDIT_SUMMARY,
            Self::OpenApi(_) => "/openapi/{file}",
            Self::Page(_) => PAGE,
            Self::Asset(_) => ASSETS,
        }
    }

    /// The methods that the route answers, in the format of the header `Allow`. Only this function lists
    /// them.
    fn methods(&self) -> &'static str {
        match self {
            #[cfg(feature = "test-stream")]
            Self::TestLines(_) => "GET, HEAD, OPTIONS",
            Self::Feed
            | Self::Health
            | Self::Agents
            | Self::Canon
            | Self::OpenApi(_)
            | Self::Rooms
            | Self::ResourceStream
            | Self::CastEvents(_)
            | Self::OwnCastEvents
            | Self::Audit
            | Self::AuditSummary => "GET, HEAD, OPTIONS",
            Self::Cast(_) => "GET, HEAD, PATCH, OPTIONS",
            Self::Room(_) => "GET, HEAD, PUT, DELETE, OPTIONS",
            Self::RoomLogs(_) => "GET, HEAD, POST, OPTIONS",
            Self::Events | Self::Resources | Self::Casts => "GET, HEAD, POST, OPTIONS",
            Self::Ingest => "POST",
            Self::Page(_) | Self::Asset(_) => "GET, HEAD",
        }
    }

    fn answers(&self, method: &Method) -> bool {
        self.methods().split(", ").any(|answered| answered == method.as_str())
    }

    /// What a request with `method` asks for.
    ///
    /// # Errors
    /// 405 if the route does not answer the method.
    pub(crate) fn action(&self, method: &Method) -> Result<Action, ApiError> {
        let action = match *method {
            Method::GET | Method::HEAD => Some(Action::Read),
            Method::POST => Some(Action::Send),
            Method::PUT => Some(Action::Put),
            Method::PATCH => Some(Action::Change),
            Method::DELETE => Some(Action::Delete),
            Method::OPTIONS => Some(Action::Preflight),
            _ => None,
        };
        action.filter(|_| self.answers(method)).ok_or_else(|| ApiError::method_not_allowed(self.methods()))
    }

    /// Lets pages of any origin read the answers of a route that answers preflights. A browser sends no
    /// cookies with the requests of these pages, unless the origin is `trusted`.
    pub(crate) fn allow_origins(&self, trusted: Option<&HeaderValue>, headers: &mut HeaderMap) {
        if self.answers(&Method::OPTIONS) {
            let origin = match trusted.filter(|_| self.is_private()) {
                Some(origin) => {
                    let yes = HeaderValue::from_static("true");
                    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
                    origin.clone()
                }
                None => HeaderValue::from_static("*"),
            };
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.is_private() {
                headers.append(VARY, HeaderValue::from_static("Origin"));
            }
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "ETag, Link, Retry-After, X-VTID, X-Request-Id, X-RateLimit-Limit, \
                     X-RateLimit-Remaining, X-RateLimit-Reset",
                ),
            );
        }
    }

    /// The answer to a preflight. Pages of other origins may read. They may write only to private routes,
    /// which always need a token.
    pub(crate) fn preflight(&self) -> Response {
        let mut answer = response::status(StatusCode::NO_CONTENT);
        let headers = answer.headers_mut();
        headers.insert(ALLOW, HeaderValue::from_static(self.methods()));
        let methods = if self.is_private() { self.methods() } else { "GET, HEAD" };
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "Authorization, Content-Type, Cache-Control, Last-Event-ID, X-Request-Id, X-Requested-With, \
                 X-VTID, X-Api-Key, Idempotency-Key",
            ),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        answer
    }

    /// Whether every request needs a user or a service.
    fn is_private(&self) -> bool {
        match self {
            Self::Rooms
            | Self::Room(_)
            | Self::RoomLogs(_)
            | Self::Resources
            | Self::ResourceStream
            | Self::Casts
            | Self::Cast(_)
            | Self::CastEvents(_)
            | Self::OwnCastEvents
            | Self::Audit
            | Self::AuditSummary => true,
            #[cfg(feature = "test-stream")]
            Self::TestLines(_) => false,
            Self::Feed
            | Self::Health
            | Self::Events
            | Self::Agents
            | Self::Canon
            | Self::OpenApi(_)
            | Self::Ingest
            | Self::Page(_)
            | Self::Asset(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_names_its_route() {
        for (path, route) in [
            (FEED, Some(Route::Feed)),
            (HEALTH, Some(Route::Health)),
            (EVENTS, Some(Route::Events)),
            (AGENTS, Some(Route::Agents)),
            (CANON, Some(Route::Canon)),
            ("/openapi/x.yml", Some(Route::OpenApi("x.yml".to_owned()))),
            ("/docs", Some(Route::Page(Page::Docs))),
            (INGEST, Some(Route::Ingest)),
            ("/api/v1/events/ingest", Some(Route::Ingest)),
            ("/api/v1/oasis/events/ingest", Some(Route::Ingest)),
            ("/api/v1/rooms", Some(Route::Rooms)),
            ("/api/v1/rooms/a.b", Some(Route::Room("a.b".to_owned()))),
            ("/api/v1/rooms/", Some(Route::Room(String::new()))),
            ("/api/v1/rooms/a/logs", Some(Route::RoomLogs("a".to_owned()))),
            ("/api/v1/rooms/../logs", Some(Route::RoomLogs("..".to_owned()))),
            ("/api/v1/rooms/a/logs/", None),
            ("/api/v1/rooms/a/b", None),
            ("/api/v1/roomsy", None),
            ("/api/v1/events", Some(Route::Resources)),
            ("/api/v1/events/stream", Some(Route::ResourceStream)),
            ("/api/v1/events/streams", None),
            ("/api/casts", Some(Route::Casts)),
            ("/api/casts/a.b", Some(Route::Cast("a.b".to_owned()))),
            ("/api/casts/events", Some(Route::OwnCastEvents)),
            ("/api/v1/audit", Some(Route::Audit)),
            ("/api/v1/audit/summary", Some(Route::AuditSummary)),
            ("/casts", Some(Route::Page(Page::Casts))),
            ("/casts/a", Some(Route::Page(Page::Cast))),
            ("/casts/a b", Some(Route::Page(Page::NoSuchCast))),
            ("/audit", Some(Route::Page(Page::Casts))),
            ("/canon", Some(Route::Page(Page::Canon))),
            ("/api/casts/a/events", Some(Route::CastEvents("a".to_owned()))),
            ("/api/casts/a/b", None),
            ("/", Some(Route::Page(Page::Top))),
            ("/agents", Some(Route::Page(Page::Top))),
            ("/vtid/DEV-CICDL-0031", Some(Route::Page(Page::Task))),
            ("/vtid/nothing", Some(Route::Page(Page::NoSuchTask))),
            ("/rooms", Some(Route::Page(Page::Rooms))),
            ("/rooms/build-1", Some(Route::Page(Page::Room))),
            ("/rooms/..", Some(Route::Page(Page::NoSuchRoom))),
            ("/rooms/a%20b", Some(Route::Page(Page::NoSuchRoom))),
            ("/rooms/", None),
            ("/rooms/build-1/", None),
            ("/vtid/", None),
            ("/vtid/DEV-CICDL-0031/", None),
            ("/-/", Some(Route::Asset(String::new()))),
            ("/-/abc/app/main.js", Some(Route::Asset("abc/app/main.js".to_owned()))),
            ("/-", None),
            ("/api/v1/devhub/feed/", None),
            ("", None),
        ] {
            assert_eq!(Route::parse(path), route, "{path}");
        }
    }

    #[test]
    fn each_route_answers_only_its_methods() {
        let named = |route: &Route| {
            let methods = [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::PUT];
            methods.map(|method| route.action(&method).ok())
        };
        let (read, send, preflight) = (Some(Action::Read), Some(Action::Send), Some(Action::Preflight));
        for route in [Route::Feed, Route::Health, Route::Agents, Route::Rooms, Route::ResourceStream] {
            assert_eq!(named(&route), [read, read, None, preflight, None], "{route:?}");
        }
        for route in [Route::Events, Route::Resources] {
            assert_eq!(named(&route), [read, read, send, preflight, None], "{route:?}");
        }
        let put = Some(Action::Put);
        assert_eq!(named(&Route::Room(String::new())), [read, read, None, preflight, put]);
        assert_eq!(named(&Route::RoomLogs(String::new())), [read, read, send, preflight, None]);
        assert_eq!(named(&Route::Ingest), [None, None, send, None, None]);
        for route in [Route::Page(Page::Top), Route::Asset(String::new())] {
            assert_eq!(named(&route), [read, read, None, None, None], "{route:?}");
        }
    }
}
