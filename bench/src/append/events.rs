//! Makes the events to append. Each event has ten fields, about 300 bytes in all, and a unique dedup key. The
//! tasks, modules and statuses vary as in the events of a real team.

use anyhow::Context;
use oasis_core::{
    Channel, DedupKey, Event, Invalid, Kind, Link, Meta, Module, NewEvent, Source, Status, Task, Ts,
};
use ring::digest::{SHA256, digest};
use tokio_postgres::Client;

const LAYERS: [&str; 5] = ["CICDL", "GATEWAY", "AGENTS", "DATABASE", "FRONTEND"];
const MODULES: [&str; 6] =
    ["CORE", "GATEWAY-FEED", "WEBHOOK-INGEST", "OASIS-STORE", "DEPLOY", "AGENT-RUNNER"];
const KINDS: [&str; 6] =
    ["workflow_run", "workflow_job", "pull_request", "task.step", "deploy.service", "agent.heartbeat"];
const TASKS: u64 = 2_000;
/// The time of the first event: 2026-01-02T03:04:05Z, in seconds since 1970.
const BEGINNING: i64 = 1_767_323_045;

/// How many details (`meta`) an event has in addition to its ten fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// No details.
    Plain,
    /// About as many details as `webhook-ingest` stores for a workflow run.
    Delivery,
}

/// Makes events, each with a different dedup key.
#[derive(Default)]
pub(super) struct Events {
    made: u64,
}

impl Events {
    pub(super) fn make(&mut self, count: usize, size: Size) -> Vec<NewEvent> {
        let first = self.made;
        self.made += count as u64;
        // `event` never fails, because all constants above are valid. So `filter_map` drops no event.
        (first..self.made).filter_map(|nth| event(nth, size).ok()).collect()
    }
}

fn event(nth: u64, size: Size) -> Result<NewEvent, Invalid> {
    // Because of the multiplication, consecutive events do not have consecutive task numbers.
    let task = nth.wrapping_mul(7_919) % TASKS;
    let cycle = |count: usize, every: u64| (nth / every) as usize % count;
    let layer = LAYERS[task as usize % LAYERS.len()];
    // The dedup key of a GitHub delivery contains a SHA-256, so this dedup key also contains a SHA-256.
    let hash: String =
        digest(&SHA256, &nth.to_be_bytes()).as_ref().iter().map(|b| format!("{b:02x}")).collect();
    let kind = KINDS[cycle(KINDS.len(), 3)];
    let meta = match size {
        Size::Plain => Meta::default(),
        Size::Delivery => Meta::default()
            .with("repository", Some("example/oasis-devhub"))
            .with("actor", Some("a-developer"))
            .with("action", Some("completed"))
            .with("name", Some("Build and test"))
            .with("title", Some(format!("DEV-{layer}-{task:04}: follow the table, not the clock")))
            .with("branch", Some(format!("feature/DEV-{layer}-{task:04}-follow")))
            .with("sha", Some(&hash[..40]))
            .with("run_id", Some(19_000_000_000 + nth))
            .with("run_number", Some(nth))
            .with("attempt", Some(1)),
    };
    Ok(NewEvent {
        event: Event {
            ts: Ts::from_unix_seconds(BEGINNING + (nth / 50) as i64)?,
            task: format!("DEV-{layer}-{task:04}").parse::<Task>()?,
            layer_hint: None,
            module: Module::parse(MODULES[cycle(MODULES.len(), 7)])?,
            source: Source::ALL[cycle(Source::ALL.len(), 2)],
            kind: Kind::parse(kind)?,
            status: Status::ALL[cycle(Status::ALL.len(), 1)],
            link: Some(Link::parse(&format!(
                "https://github.com/example/oasis-devhub/actions/runs/{}",
                19_000_000_000 + nth
            ))?),
        },
        channel: Channel::devhub(),
        meta,
        dedup_key: Some(DedupKey::new("github", &format!("{kind}:{hash}"))?),
    })
}

/// The mean length of up to 10,000 events in the table, in bytes. The length of an event is the length of the
/// JSON with ten fields that a client gets.
pub(super) async fn json_length(client: &Client) -> anyhow::Result<i64> {
    let sql = "SELECT avg(octet_length(to_json(ten)::text))::int8 \
               FROM (SELECT ts, vtid, layer, module, source, kind, status, title, ref, link \
                     FROM oasis_events LIMIT 10000) AS ten";
    client.query_one(sql, &[]).await?.get::<_, Option<i64>>(0).context("the table is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn make_returns_the_requested_number_of_events_with_new_keys() {
        let mut events = Events::default();
        assert_eq!(events.make(5_000, Size::Plain).len(), 5_000);
        let more = events.make(10, Size::Delivery);
        assert_eq!(more.len(), 10);
        assert_ne!(more[0].dedup_key, Events::default().make(1, Size::Plain)[0].dedup_key);
    }
}
