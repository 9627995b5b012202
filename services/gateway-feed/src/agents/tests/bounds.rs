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

/// With a token, a client cannot take the places of the agents of other tokens, even if its agents ping
/// regularly.
#[test]
fn the_token_with_the_most_agents_gives_way() {
    let sent = |id: i64, via: &str, instance: &str| {
        let meta = json!({ "instance": instance, "interval": 60, "via": via });
        Observation::read(&stored(id, "ping", "info", "IDLE", &meta)).unwrap()
    };
    let mut registry = registry(20);
    let mut id = 0;
    let mut pings = |registry: &mut Registry, via: &str, numbers: std::ops::Range<i64>| {
        for (n, _) in numbers.clone().flat_map(|n| [(n, 1), (n, 2)]) {
            id += 1;
            registry.observe(sent(id, via, &format!("{via}/{n}")), seconds(0));
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
