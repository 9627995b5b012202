//! The types of an event: the event itself, an event to append, its dedup key, and its ten public fields.

use std::borrow::Cow;

use serde::Serialize;

use crate::channel::Channel;
use crate::invalid::{Invalid, shown};
use crate::link::Link;
use crate::meta::Meta;
use crate::names::{Kind, Layer, Module};
use crate::sets::{Source, Status};
use crate::task::Task;
use crate::ts::Ts;

/// An event. The struct does not store the `layer`, the `title` and the `ref` of the event, because they are
/// computed from the other fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When the event happened at its source.
    pub ts: Ts,
    /// The task that the event belongs to.
    pub task: Task,
    /// The layer to use if the VTID has no layer segment.
    pub layer_hint: Option<Layer>,
    /// The service that the event is about.
    pub module: Module,
    /// The kind of producer that the event came from.
    pub source: Source,
    /// What happened, such as `workflow_run`.
    pub kind: Kind,
    /// The state that the event reports.
    pub status: Status,
    /// The URL of a page with more information.
    pub link: Option<Link>,
}

impl Event {
    /// The layer segment of the VTID, or else the producer's hint, or else `UNSET`.
    pub fn layer(&self) -> &str {
        self.task.layer().or(self.layer_hint.as_ref().map(Layer::as_str)).unwrap_or("UNSET")
    }

    /// The title: `LAYER-MODULE-ACTION`, such as `CICDL-CORE-WORKFLOW-RUN`. The action is the kind in
    /// capitals, with dashes.
    pub fn title(&self) -> String {
        format!("{}-{}-{}", self.layer(), self.module, self.kind.dashed().to_ascii_uppercase())
    }

    /// The `ref`: `vt/` + vtid + `-` + kind, such as `vt/DEV-CICDL-0031-workflow-run`.
    pub fn reference(&self) -> String {
        format!("vt/{}-{}", self.task.as_str(), self.kind.dashed())
    }
}

/// An event to append to the table.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The event.
    pub event: Event,
    /// The channel to append the event to.
    pub channel: Channel,
    /// Details that have no strict field.
    pub meta: Meta,
    /// The table stores at most one event for each key. Without a key, every append stores a new event.
    pub dedup_key: Option<DedupKey>,
}

/// A text that identifies an event. The text has at most 512 bytes and no control characters. It starts with
/// the name of the producer and a colon, such as `github:`, so two producers never use the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupKey(Box<str>);

impl DedupKey {
    /// The maximum length of a key in bytes, including the producer's name.
    pub const MAX_BYTES: usize = 512;

    /// Makes the key `producer:rest`.
    ///
    /// # Errors
    /// When `rest` is empty, or the key is too long or has control characters.
    pub fn new(producer: &str, rest: &str) -> Result<Self, Invalid> {
        let key = format!("{producer}:{rest}");
        if !rest.is_empty() && key.len() <= Self::MAX_BYTES && !key.contains(char::is_control) {
            Ok(Self(key.into()))
        } else {
            Err(Invalid::new(format!(
                "{} is not a dedup key: expected 1 to {} bytes without control characters",
                shown(rest),
                Self::MAX_BYTES - producer.len() - 1
            )))
        }
    }

    /// Makes the key `producer:` + `kind` + `digest` in hex. The `kind`, such as `push:`, names the data that
    /// the digest was computed from.
    ///
    /// # Errors
    /// When the key is too long, or `kind` has control characters.
    pub fn of_digest(producer: &str, kind: &str, digest: &[u8]) -> Result<Self, Invalid> {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut rest = String::with_capacity(kind.len() + 2 * digest.len());
        rest.push_str(kind);
        for byte in digest {
            rest.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        Self::new(producer, &rest)
    }

    /// Turns the key into a key of one sender: `producer@owner:rest`. Two owners never have the same key.
    /// `owner` must not contain a colon.
    ///
    /// # Errors
    /// When the key becomes too long.
    pub fn owned_by(&self, owner: &str) -> Result<Self, Invalid> {
        let (producer, rest) = self.0.split_once(':').unwrap_or(("", &self.0));
        Self::new(&format!("{producer}@{owner}"), rest)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The names of the ten strict fields, in the order in which they are serialised.
pub const TICKER_FIELDS: [&str; 10] =
    ["ts", "vtid", "layer", "module", "source", "kind", "status", "title", "ref", "link"];

/// The public format of an event. All ten fields are always present, in exactly this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the docs of `Event` explain the fields")]
pub struct Ticker<'a> {
    pub ts: Ts,
    pub vtid: &'a str,
    pub layer: &'a str,
    pub module: &'a str,
    pub source: Source,
    pub kind: &'a str,
    pub status: Status,
    pub title: &'a str,
    #[serde(rename = "ref")]
    pub reference: &'a str,
    pub link: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(task: &str, hint: Option<&str>, kind: &str) -> Event {
        Event {
            ts: "2026-01-02T03:04:05Z".parse().unwrap(),
            task: task.parse().unwrap(),
            layer_hint: hint.map(|hint| Layer::parse(hint).unwrap()),
            module: Module::core(),
            source: Source::GithubActions,
            kind: Kind::parse(kind).unwrap(),
            status: Status::Info,
            link: None,
        }
    }

    #[test]
    fn layer_title_and_ref_are_computed_from_the_other_fields() {
        let full = event("DEV-CICDL-0031", Some("OTHER"), "workflow_run");
        assert_eq!(full.layer(), "CICDL");
        assert_eq!(full.title(), "CICDL-CORE-WORKFLOW-RUN");
        assert_eq!(full.reference(), "vt/DEV-CICDL-0031-workflow-run");
        assert_eq!(event("VTID-0031", Some("INFRA"), "task.init").title(), "INFRA-CORE-TASK-INIT");
        assert_eq!(event("UNSET", None, "push").title(), "UNSET-CORE-PUSH");
        assert_eq!(event("IDLE", None, "ping").reference(), "vt/IDLE-ping");
    }

    #[test]
    fn a_ticker_serialises_its_fields_in_order() {
        let ticker = Ticker {
            ts: "2026-01-02T03:04:05Z".parse().unwrap(),
            vtid: "v",
            layer: "l",
            module: "m",
            source: Source::OasisEvents,
            kind: "k",
            status: Status::Info,
            title: "ti",
            reference: "r",
            link: None,
        };
        let json = serde_json::to_string(&ticker).unwrap();
        let mut at = 0;
        for field in TICKER_FIELDS {
            let key = format!("\"{field}\":");
            at += json[at..].find(&key).unwrap_or_else(|| panic!("{field} is out of order in {json}"));
        }
        assert!(json.ends_with("\"link\":null}"));
    }

    #[test]
    fn empty_keys_long_keys_and_keys_with_control_characters_are_refused() {
        assert!(DedupKey::new("ingest", "a").is_ok());
        assert!(DedupKey::new("ingest", "").is_err());
        assert!(DedupKey::new("ingest", "a\0").is_err());
        assert!(DedupKey::new("ingest", &"a".repeat(505)).is_ok());
        assert!(DedupKey::new("ingest", &"a".repeat(506)).is_err());
        let own = DedupKey::new("ingest", "a:b").unwrap().owned_by("ci").unwrap();
        assert_eq!(own.as_str(), "ingest@ci:a:b");
        assert!(DedupKey::new("ingest", &"a".repeat(505)).unwrap().owned_by("ci").is_err());
        let key = DedupKey::of_digest("github", "push:", &[0, 0x1f, 0xa9, 0xff]).unwrap();
        assert_eq!(key.as_str(), "github:push:001fa9ff");
    }
}
