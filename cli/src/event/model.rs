//! The fields of an event as the feed or the query API sends it.

use jiff::Timestamp;
use oasis_core::Status;
use serde_json::{Map, Value};

use crate::output::printable;

/// An event. A newer gateway may send values that this version does not know, so most fields are texts. A
/// text that is missing is empty. No text has line breaks or characters that a terminal could take for
/// commands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Event {
    /// `None` for a simulated event. [`Event::read`] also gives `None` for an event of the feed, which sends
    /// the id outside of the event.
    pub(crate) id: Option<u64>,
    pub(crate) ts: String,
    pub(crate) vtid: String,
    pub(crate) module: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) title: String,
    pub(crate) link: String,
    pub(crate) recorded_at: Option<Timestamp>,
    /// The facts that have no field of their own. The feed does not send them.
    pub(crate) meta: Option<Map<String, Value>>,
}

impl Event {
    /// Reads an event.
    pub(crate) fn read(value: &Value) -> Self {
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(one_line).unwrap_or_default();
        Self {
            id: value.get("id").and_then(Value::as_u64),
            ts: field("ts"),
            vtid: field("vtid"),
            module: field("module"),
            source: field("source"),
            kind: field("kind"),
            status: field("status"),
            title: field("title"),
            link: field("link"),
            recorded_at: field("recorded_at").parse().ok(),
            meta: value.get("meta").and_then(Value::as_object).cloned(),
        }
    }

    /// When the event happened.
    pub(crate) fn at(&self) -> Option<Timestamp> {
        self.ts.parse().ok()
    }

    /// The status, if this version knows it.
    pub(crate) fn state(&self) -> Option<Status> {
        self.status.parse().ok()
    }

    /// A text or a number in `meta`; empty if `meta` has neither under this name.
    pub(crate) fn meta(&self, name: &str) -> String {
        match self.meta.as_ref().and_then(|meta| meta.get(name)) {
            Some(Value::String(text)) => one_line(text),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => String::new(),
        }
    }

    /// The first of these texts in `meta` that is not empty.
    pub(crate) fn first_meta(&self, names: &[&str]) -> String {
        names.iter().map(|name| self.meta(name)).find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// The number of the attempt of a run; 0 if the number is unknown. GitHub's link to the first attempt has
    /// no number.
    pub(crate) fn attempt(&self) -> u64 {
        self.meta("attempt").parse().unwrap_or_else(|_| {
            let number = self.link.split_once("/attempts/").map(|(_, rest)| rest);
            number.and_then(|rest| rest.trim_end_matches('/').parse().ok()).unwrap_or(0)
        })
    }

    /// The id of the workflow run that the event belongs to.
    pub(crate) fn run_id(&self) -> Option<String> {
        let known = self.meta("run_id");
        if !known.is_empty() {
            return Some(known);
        }
        let (_, rest) = self.link.split_once("/actions/runs/")?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some(rest[..digits].to_owned()).filter(|id| !id.is_empty())
    }

    /// The repository, such as `acme/gateway`; empty if it is unknown.
    pub(crate) fn repository(&self) -> String {
        let known = self.meta("repository");
        if !known.is_empty() {
            return known;
        }
        let Some(path) = self.link.strip_prefix("https://github.com/") else { return String::new() };
        path.splitn(3, '/').take(2).collect::<Vec<_>>().join("/")
    }
}

fn one_line(text: &str) -> String {
    printable(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn missing_and_hostile_fields_become_texts_of_one_line() {
        let event = Event::read(&json!({"title": "a\x1b[2J\n\u{202e}b", "ts": 7, "meta": {"name": "x\ny"}}));
        assert_eq!((event.title.as_str(), event.ts.as_str()), ("a\u{fffd}[2J \u{fffd}b", ""));
        assert_eq!((event.meta("name").as_str(), event.state()), ("x y", None));
    }

    #[test]
    fn the_run_its_attempt_and_its_repository_are_read_from_the_link_without_meta() {
        let of = |link: &str| {
            let event = Event::read(&json!({ "link": link }));
            (event.repository(), event.run_id(), event.attempt())
        };
        let run = "https://github.com/acme/gateway/actions/runs/17";
        let repository = || "acme/gateway".to_owned();
        assert_eq!(of(run), (repository(), Some("17".to_owned()), 0));
        assert_eq!(of(&format!("{run}/attempts/2")), (repository(), Some("17".to_owned()), 2));
        assert_eq!(of(&format!("{run}/job/5")), (repository(), Some("17".to_owned()), 0));
        assert_eq!(of("https://example.com/x"), (String::new(), None, 0));
    }
}
