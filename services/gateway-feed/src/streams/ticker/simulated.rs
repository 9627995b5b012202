//! Makes simulated events. The ticker shows them only while the table holds no event of the ticker, so that
//! a new user sees what a feed looks like. Simulated events are never stored and have no id.

use oasis_core::{Channel, Event, Kind, Layer, Module, Source, Status, Task, Ts};
use oasis_store::StoredEvent;

/// Every simulated event belongs to this task.
const VTID: &str = "DEV-CICDL-0031";

/// How many events a new client sees at once.
const FIRST: u64 = 5;

/// The events of one simulated task. After the last event, the first event follows again.
const STORY: [(&str, Source, &str, Status); 10] = [
    ("CORE", Source::GithubActions, "push", Status::Info),
    ("CORE", Source::GithubActions, "pull_request", Status::Info),
    ("CORE", Source::GithubActions, "workflow_run", Status::Queued),
    ("CORE", Source::GithubActions, "workflow_run", Status::InProgress),
    ("CORE", Source::GithubActions, "check_run", Status::Success),
    ("CORE", Source::GithubActions, "workflow_run", Status::Success),
    ("CORE", Source::GithubActions, "pull_request", Status::Success),
    ("GATEWAY-FEED", Source::GcpDeploy, "deploy", Status::InProgress),
    ("GATEWAY-FEED", Source::GcpDeploy, "deploy", Status::Success),
    ("PLANNER", Source::AgentPing, "ping", Status::InProgress),
];

/// The `nth` simulated event, with the time `now`.
fn event(nth: u64, now: Ts) -> StoredEvent {
    // The remainder is below the length of `STORY`, so it is a valid index.
    let (module, source, kind, status) = STORY[(nth % STORY.len() as u64) as usize];
    let event = Event {
        ts: now,
        task: VTID.parse().unwrap_or(Task::Unset),
        layer_hint: None,
        module: Module::from_name(module),
        source,
        kind: Kind::from_name(kind),
        status,
        link: None,
    };
    StoredEvent {
        id: 0,
        ts: now,
        layer: Layer::stored(event.layer().to_owned()),
        title: event.title(),
        reference: event.reference(),
        task: event.task,
        module: event.module,
        source,
        kind: event.kind,
        status,
        link: None,
        channel: Channel::devhub(),
        recorded_at: now.instant(),
        meta: None,
    }
}

/// The events for the ticks that follow the tick `after` (`None` for a new client), up to and including the
/// tick `upto`. A new client gets [`FIRST`] events. A client that has missed many ticks gets at most as
/// many events as a new client.
pub(crate) fn events(after: Option<u64>, upto: u64, now: Ts) -> impl Iterator<Item = StoredEvent> {
    let first = after.map_or(upto, |after| upto.max(after + FIRST)) + 1;
    (first..=upto + FIRST).map(move |nth| event(nth, now))
}
