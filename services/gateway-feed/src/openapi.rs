//! Answers `GET /openapi/{file}`: the descriptions of the API. They contain nothing secret, so everyone may
//! read them.

use std::sync::LazyLock;

use hyper::{HeaderMap, StatusCode};
use oasis_service::{ApiError, Response};

use crate::console::Content;

macro_rules! file {
    ($name:literal) => {
        ($name, Content::packed(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"))))
    };
}

/// The names of the descriptions, and their contents.
static FILES: LazyLock<[(&str, Content); 3]> =
    LazyLock::new(|| [file!("gateway-v1.yml"), file!("oasis-v1.yml"), file!("streams-v1.yml")]);

/// Answers with the description `name`.
///
/// # Errors
/// 404 if there is no such description.
pub(crate) fn answer(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    let (_, content) = FILES.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let paths: Vec<_> = FILES.iter().map(|(name, _)| format!("/openapi/{name}")).collect();
        ApiError::not_found().hint(format!("the descriptions are {}", paths.join(", ")))
    })?;
    Ok(content.answer(StatusCode::OK, "application/yaml", "no-cache", headers))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hyper::Method;
    use oasis_contract::paths;

    use crate::console::Page;
    use crate::route::{Action, Route};

    /// A path in which each parameter has a value.
    fn filled(path: &str) -> String {
        let value = |part: &str| match part {
            "{vtid}" => "DEV-CICDL-0031".to_owned(),
            "{file}" => "oasis-v1.yml".to_owned(),
            part if part.starts_with('{') => "a".to_owned(),
            part => part.to_owned(),
        };
        path.split('/').map(value).collect::<Vec<_>>().join("/")
    }

    /// The paths that each service has, and those of other services.
    const OTHERS: [&str; 6] =
        ["/health", "/ready", "/metrics", "/webhooks/github", "/webhooks/health", "/poll"];

    /// A route of each sort. A new route is an error of the compiler until this function lists it.
    fn examples() -> Vec<Route> {
        let all = vec![
            Route::Feed,
            Route::Health,
            Route::Events,
            Route::Agents,
            Route::Canon,
            Route::Ingest,
            Route::Rooms,
            Route::Room(String::new()),
            Route::RoomLogs(String::new()),
            Route::Resources,
            Route::ResourceStream,
            Route::Casts,
            Route::Cast(String::new()),
            Route::CastEvents(String::new()),
            Route::OwnCastEvents,
            Route::Audit,
            Route::AuditSummary,
            Route::OpenApi(String::new()),
            Route::Page(Page::Top),
            Route::Asset(String::new()),
        ];
        for route in &all {
            match route {
                #[cfg(feature = "test-stream")]
                Route::TestLines(_) => {}
                Route::Feed
                | Route::Health
                | Route::Events
                | Route::Agents
                | Route::Canon
                | Route::Ingest
                | Route::Rooms
                | Route::Room(_)
                | Route::RoomLogs(_)
                | Route::Resources
                | Route::ResourceStream
                | Route::Casts
                | Route::Cast(_)
                | Route::CastEvents(_)
                | Route::OwnCastEvents
                | Route::Audit
                | Route::AuditSummary
                | Route::OpenApi(_)
                | Route::Page(_)
                | Route::Asset(_) => {}
            }
        }
        all
    }

    #[test]
    fn each_described_path_is_a_route_with_these_methods() {
        let paths = paths();
        assert!(paths.len() > 30, "{paths:?}");
        for (path, methods) in paths.iter().filter(|(path, _)| !OTHERS.contains(path)) {
            let route = Route::parse(&filled(path)).unwrap_or_else(|| panic!("{path} is no route"));
            for method in [Method::GET, Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
                let answers = route.action(&method).is_ok_and(|action| action != Action::Preflight);
                let described = methods.contains(method.as_str().to_ascii_lowercase().as_str());
                assert_eq!(answers, described, "{method} {path}");
            }
        }
    }

    #[test]
    fn each_route_is_described() {
        let names = |path: &&str| Route::parse(&filled(path)).map(|route| route.name());
        let paths = paths();
        let described: BTreeSet<&str> = paths.keys().filter_map(names).collect();
        for route in examples() {
            assert!(described.contains(route.name()), "{} is not described", route.name());
        }
        // Each page of the console has a path of its own.
        let pages = paths.keys().filter(|path| matches!(Route::parse(&filled(path)), Some(Route::Page(_))));
        assert_eq!(pages.count(), 10);
    }
}
