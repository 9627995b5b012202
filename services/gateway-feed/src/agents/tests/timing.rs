//! Tests when an agent is late, when an agent is missed, and which `since` the registry computes.

use serde_json::json;

use super::helpers::{due, keys, lost, only, ping, registry, seconds, state, stored};
use crate::agents::observation::Observation;
use crate::agents::state::State;

#[test]
fn an_agent_is_late_after_1_5_intervals_and_missed_after_2_5() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(100));
    assert_eq!(state(&registry, 189), State::Working);
    assert_eq!(state(&registry, 190), State::Late);
    assert_eq!(due(&registry, 249), []);
    assert_eq!(keys(&registry, 250), ["gateway:lost:i:1".to_owned()].into());
    // An agent is lost only if the table has a loss.
    assert_eq!(state(&registry, 250), State::Late);
    registry.observe(lost(2, "i", 1), seconds(251));
    assert_eq!((state(&registry, 251), due(&registry, 10_000)), (State::Lost, vec![]));
    assert_eq!(only(&registry, 251).0.since().to_string(), "2026-01-02T03:04:05.002Z");
}

#[test]
fn a_repeated_ping_ends_the_silence_but_keeps_since() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(0));
    registry.observe(ping(2, "i", "in_progress"), seconds(80));
    assert_eq!(state(&registry, 160), State::Working);
    assert_eq!(only(&registry, 160).0.since().to_string(), "2026-01-02T03:04:05.001Z");
    registry.observe(ping(3, "i", "info"), seconds(161));
    assert_eq!(
        (state(&registry, 161), only(&registry, 161).0.since().to_string()),
        (State::Idle, "2026-01-02T03:04:05.003Z".to_owned())
    );
    let task = json!({ "instance": "i", "interval": 60 });
    registry.observe(
        Observation::read(&stored(4, "ping", "info", "DEV-TEST-0001", &task)).unwrap(),
        seconds(162),
    );
    assert_eq!(only(&registry, 162).0.since().to_string(), "2026-01-02T03:04:05.004Z", "the task changed");
    // A ping that was read before changes nothing.
    registry.observe(ping(2, "i", "in_progress"), seconds(170));
    assert_eq!((state(&registry, 170), only(&registry, 170).0.ping.id), (State::Idle, 4));
}

/// The order of the rows in the table decides, not the clock of the agent. An agent may start again under
/// the same name on a machine with a slow clock.
#[test]
fn a_ping_after_a_stop_starts_the_agent_again() {
    let mut registry = registry(10);
    registry.observe(ping(3, "i", "success"), seconds(60));
    registry.observe(Observation { id: 4, ..ping(2, "i", "in_progress") }, seconds(60));
    assert_eq!((state(&registry, 60), keys(&registry, 210).len()), (State::Working, 1));
}

#[test]
fn an_agent_that_stopped_is_never_lost() {
    for (status, at) in [("success", 1), ("failure", 2), ("cancelled", 3)] {
        let mut registry = registry(10);
        registry.observe(ping(at, "i", "in_progress"), seconds(0));
        registry.observe(ping(at + 1, "i", status), seconds(1));
        assert_eq!((state(&registry, 100_000), due(&registry, 100_000)), (State::Stopped, vec![]));
        // The agent is not lost even if the table holds a loss.
        registry.observe(lost(50, "i", at + 1), seconds(2));
        assert_eq!((state(&registry, 3), due(&registry, 3)), (State::Stopped, vec![]));
    }
}

#[test]
fn the_last_interval_counts_and_an_agent_without_an_interval_is_never_late() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(0));
    let idle = json!({ "instance": "i", "interval": 600 });
    registry.observe(Observation::read(&stored(2, "ping", "info", "IDLE", &idle)).unwrap(), seconds(10));
    assert_eq!((state(&registry, 909), due(&registry, 1_509)), (State::Idle, vec![]));
    assert_eq!((state(&registry, 910), due(&registry, 1_510).len()), (State::Late, 1));
    let none = json!({ "instance": "i" });
    registry.observe(Observation::read(&stored(3, "ping", "info", "IDLE", &none)).unwrap(), seconds(20));
    assert_eq!((state(&registry, 1_000_000), due(&registry, 1_000_000)), (State::Idle, vec![]));
}
