//! Takes the known fields out of a JSON object one by one, and refuses an object that has unknown fields.

use oasis_core::report::vtid_given;
use oasis_core::{Invalid, Layer, Link, Task, Ts};
use oasis_service::ApiError;
use serde_json::{Map, Value};

/// The maximum number of bytes of a field's name that an error shows.
const MOST_SHOWN: usize = 64;

/// Why an event is refused: a message and a hint for the sender.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// The answer to a request with one bad item or object.
    pub(crate) fn into_error(self, code: &'static str) -> ApiError {
        let error = ApiError::bad_request(code, self.message);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// A refusal of the field `name`. Clients may send a field with a long name, so only its beginning is
    /// shown.
    pub(crate) fn field(name: &str, why: impl std::fmt::Display) -> Self {
        let shown = &name[..name.floor_char_boundary(MOST_SHOWN)];
        Self::new(format!("`{shown}`: {why}"))
    }
}

/// The fields of one object. In error messages, `path` precedes the name of a field.
pub(crate) struct Fields {
    map: Map<String, Value>,
    path: &'static str,
}

impl Fields {
    pub(crate) fn new(map: Map<String, Value>, path: &'static str) -> Self {
        Self { map, path }
    }

    pub(crate) fn refuse(&self, name: &str, why: impl std::fmt::Display) -> Refusal {
        Refusal::field(&format!("{}{name}", self.path), why)
    }

    /// Takes the value of a field out of the object. Null counts as absent.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, Refusal> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.refuse(name, "expected a string")),
        }
    }

    pub(crate) fn object(&mut self, name: &str) -> Result<Map<String, Value>, Refusal> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(self.refuse(name, "expected a JSON object")),
        }
    }

    pub(crate) fn parsed<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Refusal> {
        let text = self.text(name)?;
        text.map(|text| parse(&text).map_err(|why| self.refuse(name, why))).transpose()
    }

    pub(crate) fn required<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<T, Refusal> {
        let value = self.parsed(name, parse)?;
        value.ok_or_else(|| self.refuse(name, "it is missing"))
    }

    /// Takes the task. If the text of the field is not a task, the event is not refused: the task is `UNSET`,
    /// and the second value is the text for `meta.vtid_given`.
    pub(crate) fn task(&mut self, name: &str) -> Result<(Task, Option<Value>), Refusal> {
        Ok(match self.text(name)? {
            None => (Task::Unset, None),
            Some(text) => match text.trim().parse() {
                Ok(task) => (task, None),
                Err(_) => (Task::Unset, Some(vtid_given(&text))),
            },
        })
    }

    pub(crate) fn time(&mut self, name: &str, now: Ts) -> Result<Ts, Refusal> {
        Ok(self.parsed(name, str::parse)?.unwrap_or(now))
    }

    pub(crate) fn link(&mut self, name: &str) -> Result<Option<Link>, Refusal> {
        self.parsed(name, Link::parse)
    }

    pub(crate) fn layer(&mut self, name: &str) -> Result<Option<Layer>, Refusal> {
        self.parsed(name, Layer::parse)
    }

    /// As [`Fields::finish`], with another hint.
    pub(crate) fn finish_with(self, hint: &str) -> Result<(), Refusal> {
        self.finish().map_err(|refusal| Refusal { hint: Some(hint.to_owned()), ..refusal })
    }

    /// The fields that have not been taken.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.map
    }

    /// Refuses the object if it has fields that have not been taken. The message names the first of these
    /// fields.
    pub(crate) fn finish(self) -> Result<(), Refusal> {
        let Some(name) = self.map.keys().next() else { return Ok(()) };
        let hint = match name.as_str() {
            "id" | "recorded_at" => "leave the field out: the database assigns id and recorded_at",
            _ => "put other data into `meta`",
        };
        let refusal = self.refuse(name, "unknown field");
        Err(Refusal { hint: Some(hint.into()), ..refusal })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ingest::cloud;

    /// The name of a field comes from the client, and may have any length.
    #[test]
    fn a_refusal_shows_only_the_beginning_of_a_long_name() {
        let long = "n".repeat(10_000);
        let unknown = || Map::from_iter([(long.clone(), json!([]))]);
        let mut cloud_event = unknown();
        for (name, value) in [("specversion", "1.0"), ("id", "1"), ("source", "/ci"), ("type", "a")] {
            cloud_event.insert(name.to_owned(), value.into());
        }
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        for refusal in [
            Fields::new(unknown(), "").finish().unwrap_err(),
            Fields::new(unknown(), "").refuse(&long, "it is bad"),
            cloud::structured(cloud_event, now).unwrap_err(),
        ] {
            assert!(
                refusal.message.starts_with("`nnn") && refusal.message.len() < 200,
                "{}",
                refusal.message
            );
        }
    }
}
