//! Checks answers against the descriptions in `openapi/`: their status, media type and body, and the events
//! of a stream. Only tests use this package. The HTTP clients of the tests call it for every answer.

mod document;
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{Draft, Registry, Validator};
use serde_json::json;

use document::{DOCUMENTS, Place, resolve};

/// Both descriptions, by their addresses.
static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let add = |registry: jsonschema::RegistryBuilder<'static>, document: &'static document::Document| {
        registry.add(document.address, &document.root).expect("the address is valid")
    };
    DOCUMENTS
        .iter()
        .fold(Registry::new().draft(Draft::Draft202012), add)
        .prepare()
        .expect("the references can be resolved")
});

/// The validators that were used before, by the place of their schema.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// The validator for the schema at a place.
fn validator(place: &Place) -> Arc<Validator> {
    let reference = place.reference();
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let build = || {
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&REGISTRY);
        let built = options.should_validate_formats(true).build(&json!({ "$ref": reference }));
        Arc::new(built.unwrap_or_else(|error| panic!("{reference}: {error}")))
    };
    Arc::clone(validators.entry(reference.clone()).or_insert_with(build))
}

/// Checks a JSON text against the schema at a place. A text that nests deeper than serde_json reads counts as
/// right: no program sends such a text, unless SQL wrote the row.
fn check_json(place: &Place, text: &[u8]) -> Result<(), String> {
    let value = match oasis_core::parse_json(text) {
        Err(error) if error.to_string().starts_with("recursion limit exceeded") => return Ok(()),
        parsed => parsed.map_err(|error| format!("{error}: {}", String::from_utf8_lossy(text)))?,
    };
    let validator = validator(place);
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if errors.is_empty() {
        return Ok(());
    }
    Err(format!("{value} does not match {}:\n{}", place.reference(), errors.join("\n")))
}

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
        let Some(schema) = self.schema()? else { return Ok(()) };
        if !self.content_type.is_some_and(|name| name.starts_with("application/json")) {
            return Ok(());
        }
        check_json(&schema.child("schema"), body).map_err(|error| format!("{}: {error}", self.name()))
    }

    /// The events that the stream of the answer may have.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn events(&self) -> Result<Events, String> {
        let media = self.schema()?.ok_or_else(|| format!("{}: a stream has a body", self.name()))?;
        Ok(Events { events: media.child("x-sse-events") })
    }

    /// The place of the answer's media type; `None` if the answer has no body, or if no description has the
    /// path.
    fn schema(&self) -> Result<Option<Place>, String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let place = match (self.method, Place::of_path(path)) {
            // Preflights are not described, and HTTP defines HEAD by GET.
            ("OPTIONS" | "HEAD", _) => return Ok(None),
            (_, None) if self.status == 200 => {
                return Err(format!("{}: the path is not described", self.name()));
            }
            (_, None) => return Ok(None),
            (method, Some(item)) => match item.child(&method.to_ascii_lowercase()).existing() {
                Some(operation) => operation.child("responses").child(&self.status.to_string()),
                None if self.status == 405 => item.component("responses", "MethodNotAllowed"),
                // Another service can have the path.
                None if self.status == 404 => return Ok(None),
                None => return Err(format!("{}: the method is not described", self.name())),
            },
        };
        let place =
            place.existing().ok_or_else(|| format!("{}: the status is not described", self.name()))?;
        let place = resolve(place);
        let content = place.child("content");
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

/// The events of a stream.
#[derive(Clone, Debug)]
pub struct Events {
    events: Place,
}

impl Events {
    /// Checks a block of the stream: its lines, without the empty line after them.
    ///
    /// # Errors
    /// A text that says what is not as described.
    pub fn check(&self, block: &str) -> Result<(), String> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else { return Ok(()) };
        let name = field("event: ").unwrap_or("message");
        let schema = self.events.child(name).existing();
        let schema = schema.ok_or_else(|| format!("the event {name} is not described: {block}"))?;
        check_json(&schema, data.as_bytes())
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
    fn a_path_without_parameters_comes_before_one_with_them() {
        let casts = Place::of_path("/api/casts/events").unwrap();
        let cast = Place::of_path("/api/casts/site-1").unwrap();
        assert!(casts.reference().ends_with("/paths/~1api~1casts~1events"), "{}", casts.reference());
        assert_ne!(casts, cast);
    }

    #[test]
    fn a_block_must_be_as_described() {
        let stream = Answer {
            method: "GET",
            target: "/api/v1/rooms/build-2/logs",
            status: 200,
            content_type: Some("text/event-stream"),
        };
        let events = stream.events().unwrap();
        let line =
            r#"{"timestamp":"2026-01-02T03:04:05.678Z","agentType":"code","level":"info","message":"a"}"#;
        events.check(&format!("id: 1\nevent: log\ndata: {line}")).unwrap();
        events.check(": a comment").unwrap();
        events.check("id: 7").unwrap();
        assert!(events.check(&format!("data: {line}")).unwrap_err().contains("message is not described"));
        assert!(events.check("event: log\ndata: {}").unwrap_err().contains("is a required property"));
        let wrong = line.replace("678Z", "678");
        assert!(events.check(&format!("event: log\ndata: {wrong}")).unwrap_err().contains("/timestamp"));
    }

    #[test]
    fn the_paths_have_their_methods() {
        let paths = paths();
        assert!(paths.len() > 30);
        assert_eq!(paths["/api/casts/{id}"], BTreeSet::from(["get", "patch"]));
    }
}
