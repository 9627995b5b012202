//! Reads and writes the `meta` of an agent's ping. The `meta` names the agent, the run of the agent that sent
//! the ping, and the time within which the run will send its next ping.
//!
//! A ping is an event of source `agent.ping` and kind `ping`. The status of the ping is `in_progress` while
//! the agent works, and `info` while the agent is idle. The last ping has the status `success` if the agent
//! stopped without an error, and `failure` if the agent stopped with an error. If an expected ping does not
//! arrive, a gateway appends an event of kind `ping.lost`. If another ping arrives later, the gateway appends
//! an event of kind `ping.back`.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::meta::{INSTANCE, Meta, VIA};

/// The kind of an agent's ping.
pub const PING: &str = "ping";
/// The kind of the notice that an agent is lost.
pub const LOST: &str = "ping.lost";
/// The kind of the notice that a lost agent is back.
pub const BACK: &str = "ping.back";

/// The entry of `meta` that marks a ping which only repeats the agent's previous ping.
pub const REPEAT: &str = "repeat";

/// Stands for the name of a limited token without a name. The gateway writes `-/` before the instance of each
/// ping of such a token. No token has this name.
pub const NO_NAME: &str = "-";

/// The sender of a ping: one run of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinger {
    /// The agent's name.
    pub agent: String,
    /// The agent's role, such as `PLANNER`.
    pub role: Option<String>,
    /// Identifies the run. `heartbeat-agent` sends `host:pid:start`.
    pub instance: String,
    /// The machine that the agent runs on.
    pub host: Option<String>,
    /// The process id of the agent on that machine.
    pub pid: Option<u32>,
    /// The time at which the run started, in RFC 3339.
    pub started: Option<String>,
}

impl Pinger {
    /// The maximum number of bytes that [`Pinger::read`] keeps of each text. Two instances count as the same
    /// instance if their names are equal up to this length.
    pub const MAX_INSTANCE: usize = 200;

    /// Reads the sender of a ping from the `meta` and the `module` of the ping. An agent without a name gets
    /// the module as its name. An agent without an instance gets its name as the instance.
    pub fn read(meta: &Map<String, Value>, module: &str) -> Self {
        let text = |name: &str| meta.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let agent = text("agent").unwrap_or(module);
        let instance = text(INSTANCE).unwrap_or(agent);
        Self {
            agent: cut(agent),
            role: text("role").map(cut),
            instance: cut(instance),
            host: text("host").map(cut),
            pid: meta.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok()),
            started: text("started").map(cut),
        }
    }

    /// Writes the sender as `meta`. [`Pinger::read`] reads the same sender from this `meta`.
    pub fn meta(&self) -> Meta {
        Meta::default()
            .with("agent", Some(self.agent.as_str()))
            .with("role", self.role.as_deref())
            .with(INSTANCE, Some(self.instance.as_str()))
            .with("host", self.host.as_deref())
            .with("pid", self.pid.map(u64::from))
            .with("started", self.started.as_deref())
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(Pinger::MAX_INSTANCE)].to_owned()
}

/// The interval that a ping promises: the maximum time from this ping until the agent's next ping is stored.
/// `None` if the ping promises no interval. The result is clamped to the range from one second to one hour.
pub fn interval(meta: &Map<String, Value>) -> Option<Duration> {
    let seconds = meta.get("interval").and_then(Value::as_f64).filter(|seconds| *seconds > 0.0)?;
    Some(Duration::from_secs_f64(seconds.clamp(1.0, 3_600.0)))
}

/// The name of the token with which a ping was sent. It is [`NO_NAME`] for a limited token without a name,
/// and empty for other senders without a name.
pub fn via(meta: &Map<String, Value>) -> &str {
    let text = |name: &str| meta.get(name).and_then(Value::as_str);
    let is_limited = || text(INSTANCE)?.strip_prefix(NO_NAME)?.strip_prefix('/').map(|_| NO_NAME);
    text(VIA).or_else(is_limited).unwrap_or_default()
}

/// Whether a ping only repeats the agent's previous ping.
pub fn is_repeat(meta: &Map<String, Value>) -> bool {
    meta.get(REPEAT) == Some(&Value::Bool(true))
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
    fn reading_the_meta_of_a_pinger_returns_the_same_pinger() {
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
    fn an_agent_without_a_name_is_named_after_its_module() {
        let pinger = Pinger::read(&of(json!({ "agent": "", "pid": -1, "role": 7 })), "PLANNER");
        assert_eq!((pinger.agent.as_str(), pinger.instance.as_str()), ("PLANNER", "PLANNER"));
        assert_eq!((pinger.role, pinger.pid), (None, None));
        assert_eq!(Pinger::read(&of(json!({ "agent": "a" })), "X").instance, "a");
    }

    #[test]
    fn limited_tokens_without_a_name_are_a_sender_of_their_own() {
        for (meta, expected) in [
            (json!({ "via": "ci", "instance": "-/i" }), "ci"),
            (json!({ "instance": "-/i" }), "-"),
            (json!({ "instance": "-i" }), ""),
            (json!({ "instance": "i", "agent": "-/a" }), ""),
            (json!({}), ""),
        ] {
            assert_eq!(via(&of(meta.clone())), expected, "{meta}");
        }
    }

    #[test]
    fn intervals_are_clamped_to_one_second_and_one_hour() {
        let seconds = |value: Value| interval(&of(json!({ "interval": value }))).map(|i| i.as_secs());
        assert_eq!(seconds(json!(60)), Some(60));
        assert_eq!(seconds(json!(0.01)), Some(1));
        assert_eq!(seconds(json!(1e300)), Some(3_600));
        for none in [json!(0), json!(-1), json!("60"), Value::Null] {
            assert_eq!(seconds(none), None);
        }
    }

    proptest! {
        #[test]
        fn long_names_are_cut(agent in "\\PC{0,300}") {
            let pinger = Pinger::read(&of(json!({ "agent": agent })), "X");
            prop_assert!(pinger.agent.len() <= Pinger::MAX_INSTANCE);
        }
    }
}
