//! Tests what a registry knows after it has been seeded, and which returns are due then.

use std::collections::BTreeMap;

use super::helpers::{back, due, keys, lost, ping, seconds, state, unstarted};
use crate::agents::state::State;

#[test]
fn the_seed_makes_the_agents_known_and_their_silence_is_counted_from_then_on() {
    let mut registry = unstarted(10);
    assert!(!registry.is_known() && registry.wants_seed().is_none());
    registry.start();
    registry.up(seconds(1));
    let epoch = registry.wants_seed().unwrap();
    // The tail reads these events while the seed is being read.
    registry.observe(ping(12, "b", "info"), seconds(2));
    registry.observe(lost(13, "c", 9), seconds(2));
    let table = [
        ping(1, "a", "in_progress"),
        ping(5, "a", "in_progress"),
        ping(9, "c", "info"),
        ping(11, "b", "info"),
    ];
    registry.seed(epoch + 1, table.clone().map(|observation| (observation, seconds(86_000))), seconds(3));
    assert!(!registry.is_known(), "a seed for another start of the tail is ignored");
    registry.seed(epoch, table.map(|observation| (observation, seconds(86_000))), seconds(3));
    let states: BTreeMap<String, (State, i64)> = registry
        .all(seconds(91))
        .map(|(agent, state)| (agent.ping.who.instance.clone(), (state, agent.ping.id)))
        .collect();
    let expected = [("a", (State::Working, 5)), ("b", (State::Idle, 12)), ("c", (State::Lost, 9))];
    assert_eq!(states, expected.map(|(name, state)| (name.to_owned(), state)).into());
    assert_eq!((keys(&registry, 152).len(), keys(&registry, 153).len()), (1, 2));
    registry.start();
    assert!(!registry.is_known() && registry.all(seconds(200)).next().is_none(), "the tail has restarted");
}

/// The return from a loss was not reported, because no gateway was running.
#[test]
fn a_return_that_was_not_reported_is_reported_after_a_restart() {
    let events = [ping(1, "i", "info"), lost(2, "i", 1), ping(3, "i", "info"), back(4, "i")];
    for (known, owed) in [(3, 1), (4, 0)] {
        let mut registry = unstarted(10);
        registry.start();
        registry.up(seconds(0));
        let epoch = registry.wants_seed().unwrap();
        registry.seed(
            epoch,
            events[..known].iter().cloned().map(|observation| (observation, seconds(9))),
            seconds(0),
        );
        assert_eq!((state(&registry, 0), due(&registry, 0).len()), (State::Idle, owed));
    }
}

/// If the last ping of an agent is not a repeat, the seed holds no earlier ping. So the seed may begin with
/// a loss.
#[test]
fn a_return_with_a_ping_that_is_not_a_repeat_is_reported_after_a_restart() {
    let events = [lost(2, "i", 1), ping(3, "i", "info"), back(4, "i")];
    for (known, owed) in [(2, vec!["gateway:back:i:2".to_owned()]), (3, vec![])] {
        let mut registry = unstarted(10);
        registry.start();
        registry.up(seconds(0));
        let epoch = registry.wants_seed().unwrap();
        registry.seed(
            epoch,
            events[..known].iter().cloned().map(|observation| (observation, seconds(9))),
            seconds(0),
        );
        assert_eq!((state(&registry, 0), keys(&registry, 0)), (State::Idle, owed.into_iter().collect()));
    }
}
