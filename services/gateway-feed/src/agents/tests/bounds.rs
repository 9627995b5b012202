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
    // These agents ping regularly, so they stay.
    for n in 105..120 {
        registry.observe(ping(n, &format!("i{}", n - 100), "info"), seconds(0));
    }
    for n in 120..126 {
        registry.observe(ping(n, &format!("i{}", n - 100), "info"), seconds(0));
        registry.observe(ping(n + 100, &format!("i{}", n - 100), "info"), seconds(0));
    }
    let names: BTreeSet<i64> = registry.all(seconds(0)).map(|(agent, _)| agent.ping.id).collect();
    // The five agents that had stopped were forgotten, so there was room for five new agents. Both pings of
    // the sixth new agent were ignored.
    assert_eq!((names, registry.turned_away), ((105..120).chain(220..225).collect(), 2));
    assert!(registry.is_full(seconds(0)));
    registry.observe(ping(300, "i24", "failure"), seconds(0));
    registry.observe(ping(301, "i25", "info"), seconds(2));
    assert!(registry.all(seconds(2)).any(|(agent, _)| agent.ping.id == 301));
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
    // An agent that pings regularly is never forgotten. All other agents are forgotten to make room for new
    // agents.
    registry.observe(ping(1_999, "alive", "info"), seconds(2));
    for id in 2_000..2_019 {
        registry.observe(ping(id, &format!("i{id}"), "info"), seconds(2));
        registry.observe(ping(id + 100, &format!("i{id}"), "info"), seconds(2));
    }
    let watched: BTreeSet<String> =
        (2_000..2_019).map(|id| format!("i{id}")).chain(["alive".to_owned()]).collect();
    assert_eq!((names(&registry), registry.turned_away), (watched.clone(), 0));
    registry.observe(quiet(3_000), seconds(3));
    assert_eq!((names(&registry), registry.turned_away), (watched, 1));
}

/// A client that sends one ping for each of very many instances cannot prevent it either, although each ping
/// promises another one.
#[test]
fn agents_that_pinged_only_once_make_room() {
    let mut registry = registry(20);
    registry.observe(ping(1, "alive", "info"), seconds(0));
    registry.observe(ping(2, "alive", "info"), seconds(60));
    (10..1_010).for_each(|id| registry.observe(ping(id, &format!("once {id}"), "info"), seconds(61)));
    registry.observe(ping(2_000, "new", "info"), seconds(62));
    let names: BTreeSet<&str> =
        registry.all(seconds(62)).map(|(agent, _)| agent.ping.who.instance.as_str()).collect();
    assert!(names.contains("alive") && names.contains("new"), "{names:?}");
    assert_eq!((registry.turned_away, registry.is_full(seconds(62))), (0, false));
}

/// A ping of the agent `instance`, sent with the token `via`.
fn sent(id: i64, via: &str, instance: &str, repeat: bool) -> Observation {
    let meta = json!({ "instance": instance, "interval": 60, "via": via, "repeat": repeat });
    Observation::read(&stored(id, "ping", "info", "IDLE", &meta)).unwrap()
}

/// With a token, a client cannot take the places of the agents of other tokens. This holds for agents of
/// every kind, whatever the client's own pings promise.
#[test]
fn a_flood_of_one_token_removes_no_agent_of_another_token() {
    for repeat in [false, true] {
        let mut registry = registry(20);
        for (id, instance) in [(1, "lost"), (2, "once"), (3, "other")] {
            registry.observe(sent(id, "mine", instance, false), seconds(0));
        }
        registry.observe(lost(4, "lost", 1), seconds(150));
        let quiet = json!({ "instance": "quiet", "via": "mine" });
        registry
            .observe(Observation::read(&stored(5, "ping", "info", "IDLE", &quiet)).unwrap(), seconds(150));
        for id in 10..1_010 {
            registry.observe(sent(id, "hostile", &format!("hostile/{id}"), repeat), seconds(151));
        }
        let names: BTreeSet<&str> =
            registry.all(seconds(151)).map(|(agent, _)| agent.ping.who.instance.as_str()).collect();
        assert!(["lost", "once", "other", "quiet"].iter().all(|name| names.contains(name)), "{names:?}");
        registry.observe(sent(2_000, "mine", "new", false), seconds(151));
        assert!(registry.all(seconds(151)).any(|(agent, _)| agent.ping.id == 2_000));
    }
}

/// This also holds if the agents of a client ping regularly.
#[test]
fn the_token_with_the_most_agents_gives_way() {
    let mut registry = registry(20);
    let mut id = 0;
    let mut pings = |registry: &mut Registry, via: &str, numbers: std::ops::Range<i64>| {
        for (n, _) in numbers.clone().flat_map(|n| [(n, 1), (n, 2)]) {
            id += 1;
            registry.observe(sent(id, via, &format!("{via}/{n}"), false), seconds(0));
        }
    };
    let number = |registry: &Registry, via: &str| {
        registry.all(seconds(0)).filter(|(agent, _)| agent.ping.via == via).count()
    };
    pings(&mut registry, "mine", 0..3);
    pings(&mut registry, "hostile", 0..100);
    assert_eq!((number(&registry, "mine"), number(&registry, "hostile")), (3, 17));
    assert!(registry.is_full(seconds(0)), "for the hostile token");
    pings(&mut registry, "mine", 3..5);
    pings(&mut registry, "new", 0..4);
    assert_eq!(number(&registry, "mine") + number(&registry, "new"), 9);
    // All shares are nearly equal in the end. No token takes more than its share from another one.
    pings(&mut registry, "mine", 5..100);
    pings(&mut registry, "new", 4..100);
    pings(&mut registry, "hostile", 100..200);
    let shares = ["mine", "new", "hostile"].map(|via| number(&registry, via));
    assert!(shares.iter().all(|share| (6..=7).contains(share)), "{shares:?}");
}

/// The search for agents to forget reads all agents, so a client must not cause one with each of its pings.
#[test]
fn a_token_for_which_few_agents_can_be_forgotten_waits_for_a_second() {
    let mut registry = registry(1_000);
    for id in 0..995 {
        registry.observe(sent(id, "hostile", &format!("regular {id}"), true), seconds(0));
    }
    let once = |registry: &mut Registry, ids: std::ops::Range<i64>, at: u64| {
        ids.for_each(|id| registry.observe(sent(id, "hostile", &format!("once {id}"), false), seconds(at)));
        std::mem::take(&mut registry.turned_away)
    };
    // Five find a place, five replace these, and the others wait.
    assert_eq!(once(&mut registry, 1_000..1_100, 0), 90);
    assert!(registry.is_full(seconds(0)));
    registry.observe(sent(2_000, "mine", "new", false), seconds(0));
    assert!(registry.all(seconds(0)).any(|(agent, _)| agent.ping.id == 2_000), "other tokens need not wait");
    assert!(once(&mut registry, 1_100..1_105, 1) < 5);
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
