//! Checks answers against the descriptions in `openapi/`: their status, media type and JSON, and the events
//! of streams. Only tests use this package. The main HTTP clients of the tests call it for every answer.

mod document;
mod events;
mod schema;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use document::{DOCUMENTS, Place, resolve};
use schema::check_json;

pub use events::Events;

/// The methods of each described path, in lower case.
pub fn paths() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let paths = DOCUMENTS.iter().flat_map(document::Document::paths);
    paths.map(|(path, item)| (path, document::methods(item).collect())).collect()
}

/// An answer to check.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The method of the request, in capitals.
    pub method: &'a str,
    /// The path of the request, possibly with a query.
    pub target: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The header `Content-Type` of the answer.
    pub content_type: Option<&'a str>,
}

impl Answer<'_> {
    /// Checks an answer that is not a stream.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn check(&self, body: &[u8]) -> Result<(), String> {
        let media = self.media()?;
        if self.method == "HEAD" && !body.is_empty() {
            return Err(format!("{}: the answer has a body", self.name()));
        }
        let is_json = self.content_type.is_some_and(|name| name.starts_with("application/json"));
        let Some(media) = media.filter(|_| is_json && self.method != "HEAD") else { return Ok(()) };
        check_json(&media.child("schema"), body).map_err(|error| format!("{}: {error}", self.name()))
    }

    /// Checks the status and the media type of an answer.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn check_head(&self) -> Result<(), String> {
        self.media().map(drop)
    }

    /// The events that the stream of the answer may have.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn events(&self) -> Result<Events, String> {
        let events = self.media()?.and_then(|media| media.child("x-sse-events").existing());
        events.map(Events::new).ok_or_else(|| format!("{}: the answer is not a stream", self.name()))
    }

    /// The place of the answer's media type; `None` if the answer has no body.
    fn media(&self) -> Result<Option<Place>, String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let item = Place::of_path(path);
        let method = match self.method {
            // Preflights are not described.
            "OPTIONS" => return Ok(None),
            // HTTP defines HEAD by GET.
            "HEAD" => "get".to_owned(),
            method => method.to_ascii_lowercase(),
        };
        let operation = item.as_ref().and_then(|item| item.child(&method).existing());
        let place = match (operation, item) {
            (Some(operation), _) => operation.child("responses").child(&self.status.to_string()),
            (None, _) if self.status == 405 => Place::component("responses", "MethodNotAllowed"),
            // The path can also be one of another service.
            (None, _) if self.status == 404 => Place::component("responses", "NoSuchPage"),
            (None, Some(_)) => return Err(format!("{}: the method is not described", self.name())),
            (None, None) => return Err(format!("{}: the path is not described", self.name())),
        };
        let place =
            place.existing().ok_or_else(|| format!("{}: the status is not described", self.name()))?;
        let content = resolve(place).child("content");
        match (content.value(), self.content_type) {
            (None, None) => Ok(None),
            (None, Some(found)) => Err(format!("{}: the answer has no body, but was {found}", self.name())),
            (Some(_), None) => Err(format!("{}: the answer has no Content-Type", self.name())),
            (Some(_), Some(found)) => {
                let media = content.child(found).existing();
                media.map(Some).ok_or_else(|| format!("{}: {found} is not described", self.name()))
            }
        }
    }

    fn name(&self) -> String {
        format!("{} {} {}", self.method, self.target, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Answer<'_> = Answer {
        method: "GET",
        target: "/api/v1/rooms?limit=2",
        status: 200,
        content_type: Some("application/json"),
    };

    fn problem(answer: Answer<'_>, body: &str) -> String {
        answer.check(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn an_answer_must_be_as_described() {
        LIST.check(br#"{"rooms":[],"next":null}"#).unwrap();
        assert!(problem(LIST, r#"{"rooms":[]}"#).contains("\"next\" is a required property"));
        assert!(problem(LIST, r#"{"rooms":[{"id":"a b"}],"next":null}"#).contains("/rooms/0/id"));
        assert!(problem(LIST, "[").contains("EOF"));
        let other = Answer { content_type: Some("text/plain"), ..LIST };
        assert!(problem(other, "").ends_with("text/plain is not described"));
        assert!(problem(Answer { status: 201, ..LIST }, "").ends_with("the status is not described"));
        assert!(
            problem(Answer { target: "/api/v1/rome", ..LIST }, "").ends_with("the path is not described")
        );
        assert!(problem(Answer { method: "PUT", ..LIST }, "").ends_with("the method is not described"));
    }

    #[test]
    fn a_path_without_a_description_has_only_errors() {
        let error = r#"{"error":{"code":"not_found","message":"there is nothing at this path"}}"#;
        let unknown = Answer { target: "/api/v1/rome", status: 404, ..LIST };
        // The method of a described path can have no description, too.
        for answer in [unknown, Answer { status: 405, ..unknown }, Answer { method: "POST", ..unknown }] {
            answer.check(error.as_bytes()).unwrap();
            assert!(problem(answer, "{}").contains("\"error\" is a required property"));
        }
        let elsewhere = Answer { method: "PUT", target: "/api/v1/rooms", ..unknown };
        assert!(problem(elsewhere, "{}").contains("\"error\" is a required property"));
        let page = Answer { content_type: Some("text/html; charset=utf-8"), ..unknown };
        page.check(b"<!doctype html>").unwrap();
        assert!(problem(Answer { status: 405, ..page }, "").ends_with("is not described"));
        assert!(problem(Answer { content_type: None, ..unknown }, "").ends_with("no Content-Type"));
        for status in [200, 204, 400, 500] {
            let problem = problem(Answer { status, ..unknown }, error);
            assert!(problem.ends_with("the path is not described"), "{problem}");
        }
    }

    #[test]
    fn an_answer_to_head_has_the_status_and_the_type_of_get_and_no_body() {
        let head = Answer { method: "HEAD", ..LIST };
        head.check(b"").unwrap();
        assert!(problem(head, "{}").ends_with("the answer has a body"));
        assert!(problem(Answer { status: 201, ..head }, "").ends_with("the status is not described"));
        let other = Answer { content_type: Some("text/plain"), ..head };
        assert!(problem(other, "").ends_with("text/plain is not described"));
        Answer { target: "/events/ingest", status: 405, ..head }.check(b"").unwrap();
    }

    #[test]
    fn the_head_of_an_answer_is_checked_without_its_body() {
        LIST.check_head().unwrap();
        assert!(Answer { status: 201, ..LIST }.check_head().is_err());
        assert!(Answer { content_type: Some("text/plain"), ..LIST }.check_head().is_err());
        assert!(LIST.events().unwrap_err().ends_with("the answer is not a stream"));
    }

    #[test]
    fn a_path_without_parameters_comes_before_one_with_them() {
        let casts = Place::of_path("/api/casts/events").unwrap();
        let cast = Place::of_path("/api/casts/site-1").unwrap();
        assert!(casts.reference().ends_with("/paths/~1api~1casts~1events"), "{}", casts.reference());
        assert_ne!(casts, cast);
        let log = Place::of_path("/api/v1/rooms/build-2/logs");
        assert_eq!(Place::of_path("/api/v1/rooms//logs"), log);
    }

    #[test]
    fn the_paths_have_their_methods() {
        let paths = paths();
        assert!(paths.len() > 30);
        assert_eq!(paths["/api/casts/{id}"], BTreeSet::from(["get", "patch"]));
    }
}
