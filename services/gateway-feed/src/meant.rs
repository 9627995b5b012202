//! Guesses what a request for a path that does not exist was meant to do. The answer to the request then
//! names the right path.

use hyper::Method;

/// What a request was probably meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meant {
    /// To follow the feed.
    Follow,
    /// To read stored events.
    Read,
    /// To send events.
    Send,
    /// To deliver a webhook of GitHub.
    Deliver,
    /// To list the agents.
    List,
    /// To check the health of the gateway.
    Check,
    Unclear,
}

const SEND: &[&str] = &["ingest", "publish", "emit", "telemetry", "send"];
const DELIVER: &[&str] = &["webhook", "webhooks", "github"];
const FOLLOW: &[&str] = &["feed", "stream", "sse", "ticker", "live", "subscribe"];
const LIST: &[&str] = &["agent", "agents", "heartbeat", "heartbeats"];
const CHECK: &[&str] = &["health", "healthz", "healthcheck", "status", "ping"];
const READ: &[&str] = &["event", "events", "oasis", "devhub"];

impl Meant {
    /// Guesses from the method, and from the words of the path.
    pub(crate) fn by(method: &Method, path: &str) -> Self {
        let names = |words: &[&str]| {
            let mut parts = path.split(|c: char| !c.is_ascii_alphanumeric());
            parts.any(|part| words.iter().any(|word| part.eq_ignore_ascii_case(word)))
        };
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        if names(DELIVER) {
            Self::Deliver
        } else if names(SEND) || (!reads && [FOLLOW, LIST, READ].into_iter().any(names)) {
            Self::Send
        } else if names(FOLLOW) {
            Self::Follow
        } else if names(LIST) {
            Self::List
        } else if names(CHECK) {
            Self::Check
        } else if names(READ) {
            Self::Read
        } else {
            Self::Unclear
        }
    }

    /// Names the right path.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Follow => "the feed is at /api/v1/devhub/feed",
            Self::Read => "to read events, send GET to /api/v1/oasis/events",
            Self::Send => "to send events, send POST to /events/ingest",
            Self::Deliver => {
                "the service webhook-ingest receives webhooks of GitHub, on its own port, at /webhooks/github"
            }
            Self::List => "the list of agents is at /api/v1/oasis/agents",
            Self::Check => "the health of the gateway is at /health, /ready and /api/v1/devhub/health",
            Self::Unclear => {
                "the page is at /, the feed at /api/v1/devhub/feed, and the stored events at \
                 /api/v1/oasis/events; to send events, send POST to /events/ingest"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Route;

    #[test]
    fn a_near_miss_names_the_path_that_was_meant() {
        let (get, post) = (Method::GET, Method::POST);
        for (method, path, meant) in [
            (&get, "/events", Meant::Read),
            (&get, "/events/", Meant::Read),
            (&get, "/events/42", Meant::Read),
            (&get, "/events?limit=1", Meant::Read),
            (&get, "/api/v1/event", Meant::Read),
            (&get, "/api/v1/devhub/events", Meant::Read),
            (&get, "/api/v1/oasis/events/", Meant::Read),
            (&get, "/api/v1/oasis", Meant::Read),
            (&post, "/events", Meant::Send),
            (&post, "/events/", Meant::Send),
            (&post, "/api/v1/event", Meant::Send),
            (&post, "/api/v1/devhub/events", Meant::Send),
            (&post, "/api/v1/devhub/feed/", Meant::Send),
            (&post, "/api/v1/oasis/heartbeat", Meant::Send),
            (&Method::PUT, "/Events/1", Meant::Send),
            (&get, "/ingest", Meant::Send),
            (&get, "/feed", Meant::Follow),
            (&get, "/events/stream", Meant::Follow),
            (&get, "/api/v1/devhub/feed/", Meant::Follow),
            (&get, "/api/v1/events-feed", Meant::Follow),
            (&post, "/webhooks/github", Meant::Deliver),
            (&get, "/api/v1/agents", Meant::List),
            (&get, "/healthz", Meant::Check),
            (&get, "/api/v1/health", Meant::Check),
            (&get, "/", Meant::Unclear),
            (&get, "/favicon.ico", Meant::Unclear),
            (&get, "/eventsource.js", Meant::Unclear),
        ] {
            assert_eq!(Meant::by(method, path), meant, "{method} {path}");
        }
    }

    /// The page shows hints as HTML.
    #[test]
    fn a_hint_is_html_and_names_only_paths_that_exist() {
        for meant in [Meant::Follow, Meant::Read, Meant::Send, Meant::List, Meant::Unclear] {
            let hint = meant.hint();
            assert!(!hint.contains(['<', '>', '&', '"']), "{hint}");
            for path in hint.split([' ', ',', ';']).filter(|word| word.starts_with('/')) {
                assert!(Route::parse(path).is_some(), "{path}");
            }
        }
    }
}
