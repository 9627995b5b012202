//! What an agent's ping says beside the strict fields: who it is, and how often it can be heard.
//!
//! A ping is an event of source `agent.ping` and kind `ping`: working is `in_progress`, idle `info`, stopped
//! well `success`, stopped badly `failure`. An agent that is not heard of gives a `ping.lost`, its return a
//! `ping.back`.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::meta::Meta;

/// The kind of what an agent sends.
pub const PING: &str = "ping";
/// The kind of what is told of an agent that is not heard of any more.
pub const LOST: &str = "ping.lost";
/// The kind of what is told of its return.
pub const BACK: &str = "ping.back";

/// Who pings: one run of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinger {
    /// Its name.
    pub agent: String,
    /// What it is for, such as `PLANNER`.
    pub role: Option<String>,
    /// Tells its runs apart; `host:pid:start` from our own program.
    pub instance: String,
    /// Where it runs.
    pub host: Option<String>,
    /// Its process there.
    pub pid: Option<u32>,
    /// Since when, in RFC 3339.
    pub started: Option<String>,
}

impl Pinger {
    /// The longest instance that is kept apart from others, in bytes.
    pub const MAX_INSTANCE: usize = 200;

    /// Reads who sent a ping from its `meta`; `module` names whoever gives no name.
    pub fn read(meta: &Map<String, Value>, module: &str) -> Self {
        let text = |name: &str| meta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let agent = text("agent").unwrap_or(module);
        let instance = text("instance").unwrap_or(agent);
        Self {
            agent: cut(agent),
            role: text("role").map(cut),
            instance: cut(instance),
            host: text("host").map(cut),
            pid: meta.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok()),
            started: text("started").map(cut),
        }
    }

    /// The entries of `meta` that [`Pinger::read`] reads.
    pub fn meta(&self) -> Meta {
        Meta::default()
            .with("agent", Some(self.agent.as_str()))
            .with("role", self.role.as_deref())
            .with("instance", Some(self.instance.as_str()))
            .with("host", self.host.as_deref())
            .with("pid", self.pid.map(u64::from))
            .with("started", self.started.as_deref())
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(Pinger::MAX_INSTANCE)].to_owned()
}

/// How long after a ping the next one is stored at the latest, as the ping promises; `None` when it promises
/// none. At least a second and at most a day, whatever it says.
pub fn interval(meta: &Map<String, Value>) -> Option<Duration> {
    let seconds = meta.get("interval").and_then(Value::as_f64).filter(|seconds| *seconds > 0.0)?;
    Some(Duration::from_secs_f64(seconds.clamp(1.0, 86_400.0)))
}

/// Whether a ping only says again what the one before it said.
pub fn is_repeat(meta: &Map<String, Value>) -> bool {
    meta.get("repeat") == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_written_is_read() {
        let pinger = Pinger {
            agent: "planner".into(),
            role: Some("PLANNER".into()),
            instance: "build-7:42:1767323045".into(),
            host: Some("build-7".into()),
            pid: Some(42),
            started: Some("2026-01-02T03:04:05.000Z".into()),
        };
        assert_eq!(Pinger::read(pinger.meta().as_map(), "X"), pinger);
    }

    #[test]
    fn whoever_names_nothing_is_known_by_its_module() {
        let pinger = Pinger::read(&of(json!({ "agent": "", "pid": -1, "role": 7 })), "PLANNER");
        assert_eq!((pinger.agent.as_str(), pinger.instance.as_str()), ("PLANNER", "PLANNER"));
        assert_eq!((pinger.role, pinger.pid), (None, None));
        assert_eq!(Pinger::read(&of(json!({ "agent": "a" })), "X").instance, "a");
    }

    #[test]
    fn intervals_are_bounded() {
        let seconds = |value: Value| interval(&of(json!({ "interval": value }))).map(|i| i.as_secs());
        assert_eq!(seconds(json!(60)), Some(60));
        assert_eq!(seconds(json!(0.01)), Some(1));
        assert_eq!(seconds(json!(1e300)), Some(86_400));
        for none in [json!(0), json!(-1), json!("60"), Value::Null] {
            assert_eq!(seconds(none), None);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_cut(agent in "\\PC{0,300}") {
            let pinger = Pinger::read(&of(json!({ "agent": agent })), "X");
            prop_assert!(pinger.agent.len() <= Pinger::MAX_INSTANCE);
        }
    }
}
