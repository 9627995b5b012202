//! Tests how many agents the registry keeps, and for how long.

use std::collections::BTreeSet;

use serde_json::json;

use super::helpers::{lost, ping, registry, seconds, stored};
use crate::agents::observation::Observation;
use crate::agents::registry::Registry;

#[test]
fn a_full_registry_forgets_ended_agents_and_then_ignores_new_agents() {
    let mut registry = registry(20);
    for n in 0..20 {
        let status = if n < 5 { "success" } else { "info" };
        registry.observe(ping(n, &format!("i{n}"), status), seconds(0));
    }
    for n in 20..26 {
        registry.observe(ping(n, &format!("i{n}"), "info"), seconds(0));
    }
    let names: BTreeSet<i64> = registry.all(seconds(0)).map(|(agent, _)| agent.ping.id).collect();
    // The five agents that had stopped were forgotten, so there was room for five new agents. The sixth new
    // agent was ignored.
    assert_eq!((names, registry.turned_away), ((5..25).collect(), 1));
    registry.observe(ping(30, "i24", "failure"), seconds(0));
    registry.observe(ping(31, "i25", "info"), seconds(2));
    assert!(registry.all(seconds(2)).any(|(agent, _)| agent.ping.id == 31));
    // A loss of an unknown agent is ignored.
    registry.observe(lost(40, "stranger", 1), seconds(2));
    assert_eq!(registry.all(seconds(2)).count(), 20);
}

/// Even a client that sends pings for very many instances cannot prevent the gateway from watching other
/// agents.
#[test]
fn agents_without_an_interval_are_forgotten_first() {
    let quiet = |id: i64| {
        let meta = json!({ "instance": format!("quiet {id}") });
        Observation::read(&stored(id, "ping", "info", "IDLE", &meta)).unwrap()
    };
    let mut registry = registry(20);
    registry.observe(ping(1, "stopped", "success"), seconds(0));
    registry.observe(ping(2, "lost", "info"), seconds(0));
    registry.observe(lost(3, "lost", 2), seconds(0));
    registry.observe(ping(4, "alive", "info"), seconds(0));
    (10..1_010).for_each(|id| registry.observe(quiet(id), seconds(1)));
    let names = |registry: &Registry| -> BTreeSet<String> {
        registry.all(seconds(1)).map(|(agent, _)| agent.ping.who.instance.clone()).collect()
    };
    let kept = names(&registry);
    assert!(["stopped", "lost", "alive", "quiet 1009"].iter().all(|name| kept.contains(*name)), "{kept:?}");
    assert!(!kept.contains("quiet 10") && registry.turned_away == 0);
    // An agent whose next ping is expected is never forgotten. All other agents are forgotten to make room
    // for new agents.
    for id in 2_000..2_019 {
        registry.observe(ping(id, &format!("i{id}"), "info"), seconds(2));
    }
    let watched: BTreeSet<String> =
        (2_000..2_019).map(|id| format!("i{id}")).chain(["alive".to_owned()]).collect();
    assert_eq!((names(&registry), registry.turned_away), (watched.clone(), 0));
    registry.observe(quiet(3_000), seconds(3));
    assert_eq!((names(&registry), registry.turned_away), (watched, 1));
}

#[test]
fn agents_that_ended_are_forgotten_after_a_day() {
    let mut registry = registry(20);
    registry.observe(ping(1, "alive", "info"), seconds(0));
    registry.observe(ping(2, "stopped", "success"), seconds(0));
    let none = json!({ "instance": "promises nothing" });
    registry.observe(Observation::read(&stored(3, "ping", "info", "IDLE", &none)).unwrap(), seconds(0));
    registry.observe(ping(4, "lost", "info"), seconds(0));
    registry.observe(lost(5, "lost", 4), seconds(150));
    let names = |registry: &Registry| {
        registry.all(seconds(0)).map(|(agent, _)| agent.ping.id).collect::<BTreeSet<_>>()
    };
    registry.forget(seconds(86_400));
    assert_eq!(names(&registry), [1, 2, 3, 4].into());
    registry.forget(seconds(86_401));
    assert_eq!(names(&registry), [1, 4].into());
    registry.forget(seconds(86_551));
    assert_eq!(names(&registry), [1].into());
}
