//! Checks the stored events: the last delivery from GitHub, and silent agents.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use oasis_core::parse_json;
use serde_json::Value;

use super::database::Database;
use super::report::{Check, Finding, counted};
use crate::gateway::Reader;

/// After this time without a delivery, something may be wrong with the webhook.
const QUIET: SignedDuration = SignedDuration::from_hours(7 * 24);
const CONNECT: &str = "docs/github.md, section Connect a repository, shows three ways";
const NEEDS: &str = "the check needs the database, or the gateway and one of its READ_TOKENS";
/// The maximum length of a list, in bytes.
const MAX_BYTES: usize = 32 << 20;
/// The maximum number of agents that are named.
const MAX_NAMES: usize = 5;

/// Checks when the newest event from GitHub was stored. The event comes from the database, or else from the
/// gateway.
pub(super) async fn last_delivery(database: &Database, gateway: Option<&mut Reader>) -> Finding {
    let found = match (database.last_delivery(), gateway) {
        (Some(found), _) => Ok(found),
        (None, Some(gateway)) => from_gateway(gateway).await,
        (None, None) => Err("neither the database nor the gateway answers".to_owned()),
    };
    match found {
        Ok(recorded) => judge(recorded, Timestamp::now()),
        Err(why) => Finding::warning(Check::GitHub, format!("not checked: {why}"), NEEDS),
    }
}

fn judge(recorded: Option<Timestamp>, now: Timestamp) -> Finding {
    let Some(recorded) = recorded else {
        return Finding::warning(Check::GitHub, "no delivery from GitHub is stored", CONNECT);
    };
    let age = now.duration_since(recorded);
    let message = format!("the last delivery was stored {} ago", crate::agents::age(age.as_secs()));
    if age > QUIET {
        let hint = "if there was activity on GitHub, look at the webhook's recent deliveries there";
        return Finding::warning(Check::GitHub, message, hint);
    }
    Finding::ok(Check::GitHub, message)
}

async fn from_gateway(gateway: &mut Reader) -> Result<Option<Timestamp>, String> {
    let events = list(gateway, "/api/v1/oasis/events?source=github.actions&limit=1").await?;
    let recorded = events.first().and_then(|event| event["recorded_at"].as_str()).map(str::parse);
    recorded.transpose().map_err(|error| format!("the gateway's answer cannot be read: {error}"))
}

/// Checks whether agents are late or lost.
pub(super) async fn silent_agents(gateway: &mut Reader) -> Finding {
    match list(gateway, "/api/v1/oasis/agents").await {
        Ok(agents) => judge_agents(&agents),
        Err(why) => {
            let hint = "if the gateway has READ_TOKENS, set READ_TOKEN to one of them";
            Finding::warning(Check::Agents, format!("not checked: {why}"), hint)
        }
    }
}

fn judge_agents(agents: &[Value]) -> Finding {
    let named = |states: &[&str]| -> BTreeSet<&str> {
        let in_state = agents.iter().filter(|one| one["state"].as_str().is_some_and(|s| states.contains(&s)));
        in_state.filter_map(|one| one["agent"].as_str()).collect()
    };
    let alive = named(&["working", "idle"]);
    // A lost run does not matter if another run of the same agent is alive.
    let silent: Vec<&str> = named(&["late", "lost"]).difference(&alive).copied().collect();
    if silent.is_empty() {
        return Finding::ok(
            Check::Agents,
            format!("{} alive, none late or lost", counted(alive.len(), "agent")),
        );
    }
    let mut names = silent.iter().take(MAX_NAMES).copied().collect::<Vec<_>>().join(", ");
    if silent.len() > MAX_NAMES {
        names.push_str(", …");
    }
    let message = format!("{} late or lost: {names}", counted(silent.len(), "agent"));
    Finding::warning(Check::Agents, message, "`oasis agents --state late,lost` shows since when and where")
}

/// Requests a list from the gateway.
async fn list(gateway: &mut Reader, path: &str) -> Result<Vec<Value>, String> {
    let body = gateway.get(path, MAX_BYTES).await.map_err(|error| format!("{error:#}"))?;
    match parse_json(&body) {
        Ok(Value::Array(list)) => Ok(list),
        Ok(_) | Err(_) => Err(gateway.not_a_gateway("a list")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::report::Verdict;

    #[test]
    fn a_delivery_that_is_a_week_old_is_suspicious() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-01-09T03:04:05Z");
        let of = |recorded: Option<&str>| judge(recorded.map(at), now);
        assert_eq!(of(None).verdict, Verdict::Warning);
        let recent = of(Some("2026-01-09T01:04:05Z"));
        assert_eq!(
            (recent.verdict, recent.message.as_str()),
            (Verdict::Ok, "the last delivery was stored 2h ago")
        );
        assert_eq!(of(Some("2026-01-02T03:04:04Z")).verdict, Verdict::Warning);
    }

    #[test]
    fn a_lost_run_counts_only_if_no_other_run_of_the_agent_is_alive() {
        let agents = |pairs: &[(&str, &str)]| -> Vec<Value> {
            pairs.iter().map(|(agent, state)| json!({ "agent": agent, "state": state })).collect()
        };
        let replaced =
            judge_agents(&agents(&[("a", "lost"), ("a", "idle"), ("b", "working"), ("c", "stopped")]));
        assert_eq!(replaced, Finding::ok(Check::Agents, "2 agents alive, none late or lost"));
        let silent = judge_agents(&agents(&[("a", "lost"), ("a", "late"), ("b", "working")]));
        assert_eq!((silent.verdict, silent.message.as_str()), (Verdict::Warning, "1 agent late or lost: a"));
        let many: Vec<_> = (0..9).map(|n| (format!("a{n}"), "lost".to_owned())).collect();
        let many: Vec<_> = many.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
        assert!(judge_agents(&agents(&many)).message.ends_with("a3, a4, …"));
    }
}
