//! Tests of the reading of all events except runs: VTID, time, link, module and meta.

use oasis_core::{NewEvent, Ts};
use serde_json::{Value, json};
use webhook_ingest::github::{Reading, Rules, read};

use crate::payloads::{event_of, text, variant};

pub(crate) const RECEIVED: &str = "2030-01-01T00:00:00.000Z";

pub(crate) fn received() -> Ts {
    RECEIVED.parse().unwrap()
}

/// The event in `payload`. The feed must show the event, and its state must be known.
pub(crate) fn event(name: &str, payload: &[u8]) -> NewEvent {
    match read(event_of(name), payload, &Rules::default(), received()).unwrap() {
        Reading::Event { new, state_known: true, .. } => *new,
        other => panic!("{name}: {other:?}"),
    }
}

pub(crate) fn changed(name: &str, changes: &[(&str, Value)]) -> NewEvent {
    event(name, &variant(name, changes))
}

pub(crate) fn meta(event: &NewEvent) -> Value {
    Value::Object(event.meta.as_map().clone())
}

/// The event's ts, status and link.
pub(crate) fn strict(new: &NewEvent) -> (String, &'static str, Option<&str>) {
    (new.event.ts.to_string(), new.event.status.as_str(), new.event.link.as_ref().map(|link| link.as_str()))
}

pub(crate) fn vtid(new: &NewEvent) -> (&str, Option<&str>) {
    (new.event.task.as_str(), new.meta.as_map().get("vtid_from").and_then(Value::as_str))
}

/// GitHub sends these characters, because a title may contain any text. The repair does not change the dedup
/// key.
#[test]
fn a_nul_or_half_a_character_becomes_a_replacement_character() {
    let plain = text("pull_request.closed");
    let title = "Update the README with new information";
    assert!(plain.contains(title));
    for escape in ["\\u0000", "\\ud83d", "\\udc00"] {
        let payload = plain.replace(title, &format!("[DEV-CICDL-0031] a{escape}b"));
        let new = event("pull_request.closed", payload.as_bytes());
        assert_eq!(vtid(&new), ("DEV-CICDL-0031", Some("pr_title")));
        assert_eq!(meta(&new)["title"], "[DEV-CICDL-0031] a\u{fffd}b.");
        assert_eq!(event("pull_request.closed", payload.as_bytes()).dedup_key, new.dedup_key);
    }
}

#[test]
fn a_pull_request_is_read() {
    let merged = changed(
        "pull_request.closed",
        &[
            ("/pull_request/merged", json!(true)),
            ("/pull_request/title", json!("Fix it (dev-cicdl-0031)")),
            ("/pull_request/head/ref", json!("vt/DEV-OTHER-0001")),
            ("/pull_request/head/repo", Value::Null),
        ],
    );
    assert_eq!(vtid(&merged), ("DEV-CICDL-0031", Some("pr_title")));
    assert_eq!(
        strict(&merged),
        (
            "2019-05-15T15:21:18.000Z".to_owned(),
            "success",
            Some("https://github.com/Codertocat/Hello-World/pull/2")
        )
    );
    assert_eq!(
        meta(&merged),
        json!({
            "repository": "Codertocat/Hello-World", "action": "closed", "actor": "Codertocat",
            "vtid_from": "pr_title", "number": 2, "title": "Fix it (dev-cicdl-0031)",
            "branch": "vt/DEV-OTHER-0001", "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "merged": true,
        })
    );
    let ts = |action: &str| {
        changed(
            "pull_request.closed",
            &[
                ("/action", json!(action)),
                ("/pull_request/created_at", json!("2026-01-01T00:00:01Z")),
                ("/pull_request/updated_at", json!("2026-01-01T00:00:02Z")),
                ("/pull_request/closed_at", json!("2026-01-01T00:00:03Z")),
            ],
        )
        .event
        .ts
        .to_string()
    };
    assert_eq!(ts("opened"), "2026-01-01T00:00:01.000Z");
    assert_eq!(ts("synchronize"), "2026-01-01T00:00:02.000Z");
    assert_eq!(ts("closed"), "2026-01-01T00:00:03.000Z");
    let branch = changed("pull_request.closed", &[("/pull_request/head/ref", json!("vt/DEV-OTHER-0001"))]);
    assert_eq!(vtid(&branch), ("DEV-OTHER-0001", Some("branch")));
}

#[test]
fn a_push_is_read() {
    let commits = json!([
        {"id": "a", "message": "first", "author": {"email": "ann@example.com"}},
        {"id": "b", "message": "second\n\nDEV-CICDL-0032"},
        {"id": "c", "message": "third DEV-CICDL-0033"},
    ]);
    let push = changed("push.branch", &[("/commits", commits.clone())]);
    assert_eq!(vtid(&push), ("DEV-CICDL-0032", Some("commit_message")));
    assert_eq!(
        strict(&push),
        (
            "2019-05-15T15:20:57.000Z".to_owned(),
            "info",
            Some("https://github.com/Codertocat/Hello-World/commit/6113728f27ae82c7b1a177c8d03f9e96e0adf246")
        )
    );
    assert_eq!(
        meta(&push),
        json!({
            "repository": "Codertocat/Hello-World", "actor": "Codertocat", "vtid_from": "commit_message",
            "branch": "master", "sha": "6113728f27ae82c7b1a177c8d03f9e96e0adf246", "title": "Initial commit",
            "commits": 3,
        })
    );
    let head = ("/head_commit/message", json!("DEV-CICDL-0031"));
    let both = changed("push.branch", &[("/commits", commits), head.clone()]);
    assert_eq!(vtid(&both).0, "DEV-CICDL-0031");
    let all = changed("push.branch", &[("/ref", json!("refs/heads/vt/DEV-CICDL-0030")), head]);
    assert_eq!(vtid(&all), ("DEV-CICDL-0030", Some("branch")));

    let gone = event("push", text("push.deleted_tag").as_bytes());
    assert_eq!(meta(&gone)["tag"], "simple-tag");
    assert_eq!(meta(&gone).get("sha"), None, "a deletion has no commit");
}

#[test]
fn the_time_of_a_push_comes_from_the_repository_or_else_from_the_commit() {
    let of = |pushed_at: Value, head_commit: Value| {
        let changes = [("/repository/pushed_at", pushed_at), ("/head_commit", head_commit)];
        changed("push.branch", &changes).event.ts.to_string()
    };
    let commit = json!({"timestamp": "2026-05-05T07:00:00+02:00"});
    assert_eq!(of(json!(1_557_933_657), commit.clone()), "2019-05-15T15:20:57.000Z");
    assert_eq!(of(json!("2026-05-05T06:00:00Z"), commit.clone()), "2026-05-05T06:00:00.000Z");
    assert_eq!(of(Value::Null, commit.clone()), "2026-05-05T05:00:00.000Z");
    assert_eq!(of(json!(i64::MAX), commit), "2026-05-05T05:00:00.000Z");
    assert_eq!(of(Value::Null, Value::Null), RECEIVED);
}

#[test]
fn branches_tags_releases_and_hooks_are_read() {
    let branch = [("/ref", json!("vt/dev-cicdl-0031")), ("/ref_type", json!("branch"))];
    let payload = variant("create.tag", &branch);
    for (name, title) in [("create", "CICDL-CORE-CREATE"), ("delete", "CICDL-CORE-DELETE")] {
        let made = event(name, &payload);
        assert_eq!((made.event.title().as_str(), vtid(&made).1), (title, Some("branch")));
        assert_eq!(
            strict(&made),
            (
                "2019-05-15T15:20:56.000Z".to_owned(),
                "info",
                Some("https://github.com/Codertocat/Hello-World")
            )
        );
        assert_eq!(meta(&made)["branch"], "vt/dev-cicdl-0031");
    }
    let release = changed("release.published", &[("/release/tag_name", json!("v1-DEV-CICDL-0031"))]);
    assert_eq!(vtid(&release), ("DEV-CICDL-0031", Some("tag")));
    assert_eq!(strict(&release).0, "2019-05-15T15:20:53.000Z");
    assert_eq!(strict(&release).1, "success");
    let edited = changed("release.published", &[("/action", json!("edited"))]);
    assert_eq!(edited.event.ts, received(), "the payload has no time of the edit");
    let edited = changed(
        "release.published",
        &[("/action", json!("edited")), ("/release/updated_at", json!("2026-01-01T00:00:00Z"))],
    );
    assert_eq!(strict(&edited).0, "2026-01-01T00:00:00.000Z");

    let ping = event("ping", text("ping.organization").as_bytes());
    assert_eq!(strict(&ping), ("2020-12-06T00:30:50.000Z".to_owned(), "info", None));
    assert_eq!(ping.event.reference(), "vt/UNSET-ping");
}

#[test]
fn deployments_and_their_statuses_are_read() {
    let queued = changed(
        "deployment.pages",
        &[("/workflow_run/display_title", json!("DEV-AAA-0001")), ("/deployment/ref", json!("DEV-BBB-0002"))],
    );
    assert_eq!(vtid(&queued), ("DEV-AAA-0001", Some("pr_title")));
    assert_eq!(
        strict(&queued),
        (
            "2022-01-03T01:28:30.000Z".to_owned(),
            "queued",
            Some("https://github.com/Codertocat/Hello-World/actions/runs/289782451")
        )
    );
    let elsewhere = changed("deployment.pages", &[("/workflow_run", Value::Null)]);
    assert_eq!(
        elsewhere.event.link.as_ref().unwrap().as_str(),
        "https://github.com/Codertocat/Hello-World/deployments"
    );

    let status = changed(
        "deployment_status.pages",
        &[
            ("/deployment/ref", json!("vt/DEV-BBB-0002")),
            ("/deployment_status/environment_url", json!("")),
            ("/deployment_status/log_url", json!("https://ci.example/log")),
        ],
    );
    assert_eq!(vtid(&status), ("DEV-BBB-0002", Some("branch")));
    assert_eq!(
        strict(&status),
        ("2022-01-03T01:28:40.000Z".to_owned(), "in_progress", Some("https://ci.example/log"))
    );
    assert_eq!(
        meta(&status),
        json!({
            "repository": "Codertocat/Hello-World", "action": "created", "actor": "Codertocat",
            "vtid_from": "branch", "name": "pages build and deployment", "branch": "vt/DEV-BBB-0002",
            "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e", "run_id": 289_782_451,
            "environment": "github-pages", "status": "in_progress",
        })
    );
}

#[test]
fn the_rules_determine_the_module_and_the_prefixes() {
    let rules = Rules {
        prefixes: "OPS".parse().unwrap(),
        modules: "codertocat/*=repository".parse().unwrap(),
        ..Rules::default()
    };
    let payload = variant("push.branch", &[("/ref", json!("refs/heads/DEV-AAA-0001/OPS-BBB-0002"))]);
    let Ok(Reading::Event { new, .. }) = read("push", &payload, &rules, received()) else { panic!() };
    assert_eq!(new.event.module.as_str(), "HELLO-WORLD");
    assert_eq!(new.event.task.as_str(), "OPS-BBB-0002");
}

#[test]
fn the_dedup_key_depends_on_the_event_name_and_the_bytes() {
    let key = |name: &str, payload: &[u8]| event(name, payload).dedup_key.unwrap();
    let payload = text("create.tag").as_bytes();
    assert_eq!(
        key("create", b"{}").as_str(),
        "github:create:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    assert_eq!(key("create", payload), key("create", payload));
    assert_ne!(key("create", payload), key("delete", payload));
    assert_ne!(key("create", b"{}"), key("create", b"{} "));
}
