//! The event: ten strict fields in their order, and what is stored beside them.

use serde::Serialize;

use crate::channel::Channel;
use crate::invalid::{Invalid, shown};
use crate::link::Link;
use crate::meta::Meta;
use crate::names::{Kind, Layer, Module};
use crate::sets::{Source, Status};
use crate::ts::Ts;
use crate::vtid::Task;

/// One event. What can be derived from its other fields (layer, title, ref) is computed, never given.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When it happened at its source.
    pub ts: Ts,
    /// The task it belongs to.
    pub task: Task,
    /// The layer of an event whose VTID names none.
    pub layer_hint: Option<Layer>,
    /// The service it is about.
    pub module: Module,
    /// Where it came from.
    pub source: Source,
    /// What happened.
    pub kind: Kind,
    /// The state it reports.
    pub status: Status,
    /// Where to read more.
    pub link: Option<Link>,
}

impl Event {
    /// The VTID's layer segment, else the producer's hint, else `UNSET`.
    pub fn layer(&self) -> &str {
        self.task.layer().or(self.layer_hint.as_ref().map(Layer::as_str)).unwrap_or("UNSET")
    }

    /// `LAYER-MODULE-ACTION`, such as `CICDL-CORE-WORKFLOW-RUN`.
    pub fn title(&self) -> String {
        format!("{}-{}-{}", self.layer(), self.module, self.kind.dashed().to_ascii_uppercase())
    }

    /// `vt/` + vtid + `-` + kind, such as `vt/DEV-CICDL-0031-workflow-run`.
    pub fn reference(&self) -> String {
        format!("vt/{}-{}", self.task.as_str(), self.kind.dashed())
    }
}

/// An event on its way into the table.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The event.
    pub event: Event,
    /// The stream it belongs to.
    pub channel: Channel,
    /// What the strict fields have no room for.
    pub meta: Meta,
    /// Two events with the same key are one; without a key every append is a new event.
    pub dedup_key: Option<DedupKey>,
}

/// What makes an event the same as another: at most 512 bytes without control characters. Its first word
/// names the producer (`github:`, `ingest:`, `ce:`), so that no producer can take another's key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DedupKey(Box<str>);

impl DedupKey {
    /// The longest key, in bytes, the producer's word included.
    pub const MAX_BYTES: usize = 512;

    /// The key `producer:rest`.
    ///
    /// # Errors
    /// When `rest` is empty, too long or has control characters.
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

    /// The key `producer:` and, behind what tells kinds of digests apart (such as `push:`), `digest` in hex.
    ///
    /// # Errors
    /// When `kind` is too long or has control characters.
    pub fn of_digest(producer: &str, kind: &str, digest: &[u8]) -> Result<Self, Invalid> {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut rest = String::with_capacity(kind.len() + 2 * digest.len());
        rest.push_str(kind);
        for byte in digest {
            rest.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        Self::new(producer, &rest)
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The names of the ten fields, in their order.
pub const TICKER_FIELDS: [&str; 10] =
    ["ts", "vtid", "layer", "module", "source", "kind", "status", "title", "ref", "link"];

/// The public format of an event: the ten fields, all present, in exactly this order when serialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "the fields are those of `Event`")]
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
    pub link: Option<&'a str>,
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
    fn derives_layer_title_and_ref() {
        let full = event("DEV-CICDL-0031", Some("OTHER"), "workflow_run");
        assert_eq!(full.layer(), "CICDL");
        assert_eq!(full.title(), "CICDL-CORE-WORKFLOW-RUN");
        assert_eq!(full.reference(), "vt/DEV-CICDL-0031-workflow-run");
        assert_eq!(event("VTID-0031", Some("INFRA"), "task.init").title(), "INFRA-CORE-TASK-INIT");
        assert_eq!(event("UNSET", None, "push").title(), "UNSET-CORE-PUSH");
        assert_eq!(event("IDLE", None, "ping").reference(), "vt/IDLE-ping");
    }

    #[test]
    fn the_ticker_has_its_fields_in_order() {
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
            at += json[at..].find(&key).unwrap_or_else(|| panic!("{field} out of order in {json}"));
        }
        assert!(json.ends_with("\"link\":null}"));
    }

    #[test]
    fn dedup_keys_are_bounded() {
        assert!(DedupKey::new("ingest", "a").is_ok());
        assert!(DedupKey::new("ingest", "").is_err());
        assert!(DedupKey::new("ingest", "a\0").is_err());
        assert!(DedupKey::new("ingest", &"a".repeat(505)).is_ok());
        assert!(DedupKey::new("ingest", &"a".repeat(506)).is_err());
        let key = DedupKey::of_digest("github", "push:", &[0, 0x1f, 0xa9, 0xff]).unwrap();
        assert_eq!(key.as_str(), "github:push:001fa9ff");
    }
}
