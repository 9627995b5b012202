//! What a loss and a return say, and which of them are due.

use serde_json::{Value, json};

use super::helpers::{back, due, key, keys, lost, ping, registry, seconds, state, stored};
use crate::agents::observation::Observation;
use crate::agents::state::State;

#[test]
fn the_return_of_a_lost_one_is_told_once() {
    let mut registry = registry(10);
    registry.observe(ping(1, "i", "in_progress"), seconds(0));
    registry.observe(lost(2, "i", 1), seconds(150));
    registry.observe(ping(9, "i", "in_progress"), seconds(500));
    assert_eq!(state(&registry, 500), State::Working);
    let told = due(&registry, 500);
    assert_eq!(told.iter().map(key).collect::<Vec<_>>(), ["gateway:back:i:2"]);
    let event = told[0].event.as_ref().unwrap();
    assert_eq!((event.event.kind.as_str(), event.event.status.as_str()), ("ping.back", "info"));
    // From when the loss was recorded, since it does not say when the last ping was.
    assert_eq!(event.meta.as_map()["away"], 7);
    registry.notified(&told[0]);
    assert_eq!(due(&registry, 501), []);
    registry.observe(back(10, "i"), seconds(501));
    assert_eq!((state(&registry, 501), due(&registry, 502)), (State::Working, vec![]));
    // And it can be lost again, under another key.
    assert_eq!(keys(&registry, 650), ["gateway:lost:i:9".to_owned()].into());
}

/// Gateways that only read it say what the one that told it says.
#[test]
fn what_a_loss_says() {
    let mut registry = registry(10);
    let meta = json!({
        "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42,
        "interval": 1.5
    });
    registry.observe(
        Observation::read(&stored(7, "ping", "in_progress", "DEV-TEST-0001", &meta)).unwrap(),
        seconds(0),
    );
    let told = due(&registry, 4);
    let event = told[0].event.clone().unwrap();
    assert_eq!(event.event.reference(), "vt/DEV-TEST-0001-ping-lost");
    assert_eq!(
        (event.event.title().as_str(), event.event.status.as_str()),
        ("TEST-PLANNER-PING-LOST", "failure")
    );
    let said = Value::Object(event.meta.as_map().clone());
    assert_eq!(
        said,
        json!({
            "agent": "planner", "role": "PLANNER", "instance": "build-7:42:1", "host": "build-7", "pid": 42,
            "interval": 1.5, "last_seen": "2026-01-02T03:04:12.000Z", "last_id": 7
        })
    );
    let read = Observation::read(&stored(8, "ping.lost", "failure", "DEV-TEST-0001", &said)).unwrap();
    registry.observe(read, seconds(5));
    assert_eq!(state(&registry, 5), State::Lost);
    registry
        .observe(Observation::read(&stored(67, "ping", "info", "DEV-TEST-0001", &meta)).unwrap(), seconds(6));
    let told = due(&registry, 6);
    assert_eq!(told[0].event.as_ref().unwrap().meta.as_map()["away"], 60);
}

/// A ping was committed between what the loss was told for and the loss itself.
#[test]
fn a_ping_that_overtook_its_loss_means_back() {
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

/// Whatever it names: what comes after it is a return.
#[test]
fn a_loss_that_names_what_came_after_it_names_nothing() {
    for named in [3, 4_000, i64::MAX, -1] {
        let mut registry = registry(10);
        registry.observe(ping(1, "i", "info"), seconds(0));
        registry.observe(lost(2, "i", named), seconds(0));
        assert_eq!(state(&registry, 0), State::Lost, "{named}");
        registry.observe(ping(3, "i", "info"), seconds(1));
        assert_eq!((state(&registry, 1), keys(&registry, 1).len()), (State::Idle, 1), "{named}");
    }
}

/// What the table can hold as a name makes a key, the same each time.
#[test]
fn any_name_makes_a_key() {
    for name in ["a\nb", "\u{7f}", "é😀", &"x".repeat(300), &"é".repeat(300)] {
        let mut registry = registry(2);
        registry.observe(ping(1, name, "info"), seconds(0));
        let told = due(&registry, 150);
        assert!(key(&told[0]).starts_with("gateway:lost:"), "{name:?}");
        assert_eq!(told, due(&registry, 160), "{name:?}");
    }
}
