//! Tests which content losses and returns have, and when losses and returns are due.

use serde_json::{Value, json};

use super::helpers::{back, due, key, keys, lost, ping, registry, seconds, state, stored};
use crate::agents::observation::Observation;
use crate::agents::state::State;

#[test]
fn the_return_of_a_lost_agent_is_reported_once() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(0));
    registry.observe(lost(2, "i", 1), seconds(150));
    registry.observe(ping(9, "i", "in_progress"), seconds(500));
    assert_eq!(state(&registry, 500), State::Working);
    let notices = due(&registry, 500);
    assert_eq!(notices.iter().map(key).collect::<Vec<_>>(), ["gateway:back:i:2"]);
    let event = notices[0].event.as_ref().unwrap();
    assert_eq!((event.event.kind.as_str(), event.event.status.as_str()), ("ping.back", "info"));
    // This loss does not name the time of the last ping. So `away` is measured from the time at which the
    // loss was recorded.
    assert_eq!(event.meta.as_map()["away"], 7);
    registry.notified(&notices[0]);
    assert_eq!(due(&registry, 501), []);
    registry.observe(back(10, "i"), seconds(501));
    assert_eq!((state(&registry, 501), due(&registry, 502)), (State::Working, vec![]));
    // The agent can be lost again. The new loss has a different key.
    assert_eq!(keys(&registry, 650), ["gateway:lost:i:9".to_owned()].into());
}

/// From the loss, another gateway learns everything that the reporting gateway knew about the agent.
#[test]
fn a_loss_describes_the_agent_and_its_last_ping() {
    let mut registry = registry(10);
    let meta = json!({
        "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42,
        "interval": 1.5
    });
    registry.observe(
        Observation::read(&stored(7, "ping", "in_progress", "DEV-TEST-0001", &meta)).unwrap(),
        seconds(0),
    );
    let notices = due(&registry, 4);
    let event = notices[0].event.clone().unwrap();
    assert_eq!(event.event.reference(), "vt/DEV-TEST-0001-ping-lost");
    assert_eq!(
        (event.event.title().as_str(), event.event.status.as_str()),
        ("TEST-PLANNER-PING-LOST", "failure")
    );
    let meta_of_loss = Value::Object(event.meta.as_map().clone());
    assert_eq!(
        meta_of_loss,
        json!({
            "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42,
            "interval": 1.5, "last_seen": "2026-01-02T03:04:12.000Z", "last_id": 7
        })
    );
    let read = Observation::read(&stored(8, "ping.lost", "failure", "DEV-TEST-0001", &meta_of_loss)).unwrap();
    registry.observe(read, seconds(5));
    assert_eq!(state(&registry, 5), State::Lost);
    registry
        .observe(Observation::read(&stored(67, "ping", "info", "DEV-TEST-0001", &meta)).unwrap(), seconds(6));
    let notices = due(&registry, 6);
    assert_eq!(notices[0].event.as_ref().unwrap().meta.as_map()["away"], 60);
}

/// The gateway that reported the loss had not read the ping that was committed just before the loss.
#[test]
fn a_ping_that_was_committed_just_before_the_loss_is_a_return() {
    for order in
        [[ping(2, "i", "in_progress"), lost(3, "i", 1)], [lost(3, "i", 1), ping(2, "i", "in_progress")]]
    {
        let mut registry = registry(10);
        registry.observe(ping(1, "i", "in_progress"), seconds(0));
        order.into_iter().for_each(|observation| registry.observe(observation, seconds(150)));
        assert_eq!(state(&registry, 150), State::Working);
        assert_eq!(keys(&registry, 150), ["gateway:back:i:3".to_owned()].into());
    }
}

/// Whichever ping the loss names, a ping after the loss is a return.
#[test]
fn a_loss_that_names_an_impossible_ping_covers_all_pings_before_it() {
    for named in [3, 4_000, i64::MAX, -1] {
        let mut registry = registry(10);
        registry.observe(ping(1, "i", "info"), seconds(0));
        registry.observe(lost(2, "i", named), seconds(0));
        assert_eq!(state(&registry, 0), State::Lost, "{named}");
        registry.observe(ping(3, "i", "info"), seconds(1));
        assert_eq!((state(&registry, 1), keys(&registry, 1).len()), (State::Idle, 1), "{named}");
    }
}

/// Every instance name that the table can hold gives a key, and the same name always gives the same key.
#[test]
fn every_instance_name_gives_a_key() {
    for name in ["a\nb", "\u{7f}", "é😀", &"x".repeat(300), &"é".repeat(300)] {
        let mut registry = registry(2);
        registry.observe(ping(1, name, "info"), seconds(0));
        let notices = due(&registry, 150);
        assert!(key(&notices[0]).starts_with("gateway:lost:"), "{name:?}");
        assert_eq!(notices, due(&registry, 160), "{name:?}");
    }
}
