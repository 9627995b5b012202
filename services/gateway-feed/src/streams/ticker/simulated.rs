//! Makes simulated events. The ticker shows them only while the table holds no event of the ticker, so that
//! a new user sees what a feed looks like. Simulated events are never stored and have no id.

use std::time::Duration;

use oasis_core::{Channel, Event, Kind, Layer, Module, Source, Status, Task, Ts};
use oasis_store::StoredEvent;

/// Every simulated event belongs to this task.
const VTID: &str = "DEV-CICDL-0031";

/// The time between two simulated events.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// The length of the story.
const LENGTH: u64 = STORY.len() as u64;

/// The events of one simulated task. After the last event, the first event follows again.
const STORY: [(&str, Source, &str, Status); 11] = [
    ("CORE", Source::GithubActions, "push", Status::Info),
    ("CORE", Source::GithubActions, "pull_request", Status::Info),
    ("CORE", Source::GithubActions, "workflow_run", Status::Queued),
    ("CORE", Source::GithubActions, "workflow_run", Status::InProgress),
    ("CORE", Source::GithubActions, "check_run", Status::InProgress),
    ("CORE", Source::GithubActions, "check_run", Status::Success),
    ("CORE", Source::GithubActions, "workflow_run", Status::Success),
    ("CORE", Source::GithubActions, "pull_request", Status::Success),
    ("GATEWAY-FEED", Source::GcpDeploy, "deploy", Status::InProgress),
    ("GATEWAY-FEED", Source::GcpDeploy, "deploy", Status::Success),
    ("PLANNER", Source::AgentPing, "ping", Status::InProgress),
];

/// The `nth` simulated event, with the time `ts`.
fn event(nth: u64, ts: Ts) -> StoredEvent {
    // The remainder is below the length of `STORY`, so it is a valid index.
    let (module, source, kind, status) = STORY[(nth % LENGTH) as usize];
    let event = Event {
        ts,
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
        ts,
        layer: Layer::stored(event.layer()),
        title: event.title().into(),
        reference: event.reference().into(),
        task: event.task,
        module: event.module,
        source,
        kind: event.kind,
        status,
        link: None,
        channel: Channel::devhub(),
        recorded_at: ts.instant(),
        meta: None,
    }
}

/// The events for the ticks that follow the tick `after` (`None` for a new client), up to and including the
/// tick `upto`. A new client gets the last whole story, and the events since that story, so that the pages
/// of the console have something to show. A client that has missed many ticks gets at most one story.
pub(crate) fn events(after: Option<u64>, upto: u64, now: Ts) -> impl Iterator<Item = StoredEvent> {
    let last = upto + LENGTH;
    let first = match after {
        None => (last + 1 - LENGTH) / LENGTH * LENGTH,
        Some(after) => upto.max(after + LENGTH) + 1,
    };
    (first..=last).map(move |nth| event(nth, before(now, last - nth)))
}

/// The time that is `ticks` ticks before `now`. So events that are sent at once differ in their times.
fn before(now: Ts, ticks: u64) -> Ts {
    let ago = EVERY.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
    now.instant().checked_sub(ago).map_or(now, Ts::clamped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_client_gets_a_whole_story_from_its_beginning_with_times_in_order() {
        let now: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        for upto in 0..25 {
            let first: Vec<StoredEvent> = events(None, upto, now).collect();
            assert!((STORY.len()..2 * STORY.len()).contains(&first.len()), "{upto}: {}", first.len());
            for (event, (_, _, kind, status)) in first.iter().zip(STORY) {
                assert_eq!((event.kind.as_str(), event.status), (kind, status), "{upto}");
            }
            let apart = |pair: &[StoredEvent]| pair[1].ts.instant().duration_since(pair[0].ts.instant());
            assert!(first.windows(2).all(|pair| apart(pair).unsigned_abs() == EVERY));
            assert_eq!(first.last().map(|event| event.ts), Some(now));
            let next = events(Some(upto), upto + 1, now).next();
            assert_eq!(
                next.map(|event| event.kind),
                events(None, upto + 1, now).last().map(|event| event.kind)
            );
        }
    }

    #[test]
    fn each_tick_adds_one_event_and_many_missed_ticks_add_at_most_one_story() {
        let now: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(events(Some(7), 8, now).count(), 1);
        assert_eq!(events(Some(7), 9, now).map(|event| event.ts).last(), Some(now));
        assert_eq!(events(Some(7), 700, now).count(), STORY.len());
    }
}
