//! Property tests of the reading of payloads: examples, damaged examples and generated payloads.

use std::collections::BTreeSet;

use oasis_core::Meta;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};
use webhook_ingest::github::{Reading, Rules, read};

use crate::payloads::{ALL, event_of, text};
use crate::reading::{event, received};

/// The events of the payloads, and `delete`, which has no payload of its own.
fn events() -> BTreeSet<&'static str> {
    ALL.iter().map(|(name, _)| event_of(name)).chain(["delete"]).collect()
}

/// Names of members that the receiver reads. With these names, some generated payloads have the required
/// fields.
const MEMBERS: &[&str] = &[
    "action",
    "workflow_run",
    "workflow",
    "workflow_job",
    "check_run",
    "check_suite",
    "pull_request",
    "deployment",
    "deployment_status",
    "release",
    "hook",
    "repository",
    "sender",
    "ref",
    "head",
    "head_commit",
    "commits",
    "message",
    "title",
    "display_title",
    "head_branch",
    "head_repository",
    "path",
    "html_url",
    "status",
    "conclusion",
    "state",
    "merged",
    "number",
    "id",
    "run_attempt",
    "updated_at",
    "created_at",
    "pushed_at",
    "full_name",
    "login",
    "name",
    "tag_name",
    "after",
];

fn any_json() -> impl Strategy<Value = Value> {
    let words =
        vec!["completed", "success", "DEV-CICDL-0031", "https://h/x", "refs/tags/x", "2026-01-01T00:00:00Z"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(words).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 8, |inner| {
        let members = prop_oneof![8 => select(MEMBERS).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(members, inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    btree_map(select(MEMBERS), any_json(), 0..10)
        .prop_map(|map| Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()))
}

/// Adds every position in `value` to `found`, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found))
        }
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reads a payload. Checks the properties that every event must have.
fn check_reading(event_name: &str, payload: &[u8]) -> Result<(), TestCaseError> {
    let rules = Rules { resources: "octo-org/octo-repo=workload:api".parse().unwrap(), ..Rules::default() };
    let Ok(Reading::Event { new, resources, state_known }) = read(event_name, payload, &rules, received())
    else {
        return Ok(());
    };
    for resource in &resources {
        prop_assert_eq!((resource.channel.as_str(), &resource.event.ts), ("resources", &new.event.ts));
        prop_assert_eq!(&resource.event.task, &new.event.task);
        prop_assert!(resource.dedup_key.is_some() && resource.dedup_key != new.dedup_key);
    }
    let ticker = (new.event.title(), new.event.reference());
    prop_assert!(new.dedup_key.is_some() && !ticker.0.is_empty() && ticker.1.starts_with("vt/"));
    prop_assert!(Meta::new(new.meta.as_map().clone()).is_ok());
    prop_assert!(new.meta.as_map().len() <= 14);
    prop_assert_eq!(new.meta.as_map().contains_key("vtid_from"), new.event.task.as_str() != "UNSET");
    prop_assert!(state_known || new.event.status.as_str() == "info");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn reading_never_panics_for_any_object(payload in any_object()) {
        let payload = serde_json::to_vec(&payload).unwrap();
        for event_name in events() {
            check_reading(event_name, &payload)?;
        }
    }

    #[test]
    fn reading_never_panics_for_any_bytes(payload in any::<Vec<u8>>()) {
        for event_name in events() {
            check_reading(event_name, &payload)?;
        }
    }

    #[test]
    fn reading_never_panics_for_a_damaged_payload(
        which in 0..ALL.len(),
        place in any::<prop::sample::Index>(),
        damage in any_json(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (name, text) = ALL[which];
        let mut payload: Value = serde_json::from_str(text).unwrap();
        let mut found = Vec::new();
        places(&payload, "", &mut found);
        if let Some(value) = payload.pointer_mut(place.get(&found).as_str()) {
            *value = damage;
        }
        check_reading(event_of(name), &serde_json::to_vec(&payload).unwrap())?;
        let cut = &text.as_bytes()[..cut.index(text.len())];
        prop_assert!(read(event_of(name), cut, &Rules::default(), received()).is_err());
    }

    #[test]
    fn the_vtid_comes_from_the_first_place_that_has_one(
        held in prop::array::uniform3(any::<bool>()),
        event_name in select(vec!["workflow_run", "push", "release"]),
    ) {
        let vtids = ["DEV-AAA-0001", "DEV-BBB-0002", "DEV-CCC-0003"];
        let text = |i: usize| if held[i] { format!("x/{}: y", vtids[i]) } else { "no-task-0001".to_owned() };
        let [a, b, c] = [0, 1, 2].map(text);
        let payload = match event_name {
            "workflow_run" => json!({
                "action": "completed",
                "workflow_run": {
                    "display_title": a, "head_branch": b, "head_commit": {"message": c},
                    "status": "completed", "conclusion": "success",
                },
            }),
            "push" => json!({"ref": a, "head_commit": {"message": b}, "commits": [{}, {"message": c}]}),
            _ => json!({"action": "published", "release": {"name": a, "tag_name": b, "target_commitish": c}}),
        };
        let new = event(event_name, &serde_json::to_vec(&payload).unwrap());
        let first = held.iter().position(|held| *held).map_or("UNSET", |first| vtids[first]);
        prop_assert_eq!(new.event.task.as_str(), first);
    }
}

#[test]
fn no_payload_exceeds_the_size_limit_of_meta() {
    for (name, text) in ALL {
        for huge in ["\u{1}", "\"", "\u{10ffff}", "\u{1}\n"] {
            let mut payload: Value = serde_json::from_str(text).unwrap();
            inflate(&mut payload, &huge.repeat(2_000));
            let payload = serde_json::to_vec(&payload).unwrap();
            let reading = read(event_of(name), &payload, &Rules::default(), received()).unwrap();
            if let Reading::Event { new, .. } = reading {
                let meta: Map<String, Value> = new.meta.as_map().clone();
                assert!(Meta::new(meta).is_ok(), "{name}");
            }
        }
    }
}

fn inflate(value: &mut Value, huge: &str) {
    match value {
        Value::String(text) => huge.clone_into(text),
        Value::Array(all) => all.iter_mut().for_each(|value| inflate(value, huge)),
        Value::Object(map) => map.values_mut().for_each(|value| inflate(value, huge)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn no_email_address_is_kept() {
    for (name, payload) in ALL {
        let reading = read(event_of(name), payload.as_bytes(), &Rules::default(), received()).unwrap();
        if let Reading::Event { new, .. } = reading {
            assert!(!new.meta.to_json().contains('@'), "{name}");
        }
    }
    assert!(text("push.branch").contains("@users.noreply.github.com"));
}
