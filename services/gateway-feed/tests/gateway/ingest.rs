//! Tests ingest: the forms of events, who may send events, and which requests are refused.

use serde_json::{Value, json};

use crate::client::{Answer, get, post, send};
use crate::{Gateway, database, postgres};

async fn stored(gateway: &Gateway) -> Vec<Value> {
    let page = get(gateway.address, "/api/v1/oasis/events?limit=1000").await.json();
    page.as_array().unwrap().clone()
}

fn plain(change: Value) -> Value {
    let mut event = json!({"source": "oasis.events", "kind": "task.init", "status": "info"});
    for (name, value) in change.as_object().unwrap() {
        event[name] = value.clone();
    }
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_stored_in_each_of_the_forms() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let full = plain(json!({
        "vtid": "abc-cicdl-0031", "module": "GATEWAY", "link": "https://example.com/x",
        "ts": "2026-01-02T03:04:05+01:00", "meta": {"a": [1, null]}, "dedup_key": "k1"
    }));
    let first = post(gateway.address, "/events/ingest", full.to_string()).await;
    assert_eq!(first.status, 201);
    assert_eq!(
        first.json(),
        json!({
            "ok": true, "id": 1, "event_id": "1", "ts": "2026-01-02T02:04:05.000Z", "ids": [1],
            "duplicates": 0
        })
    );
    // The answer to a duplicate describes the stored event.
    let mut later = full.clone();
    later["ts"] = "2030-01-02T03:04:05Z".into();
    let repeated = post(gateway.address, "/events/ingest", later.to_string()).await;
    assert_eq!(
        repeated.json(),
        json!({
            "ok": true, "id": 1, "event_id": "1", "ts": "2026-01-02T02:04:05.000Z", "ids": [1],
            "duplicates": 1
        })
    );
    let again =
        post(gateway.address, "/api/v1/oasis/events", json!([full, plain(json!({}))]).to_string()).await;
    // Ids can have gaps, so the test cannot predict the next id.
    let again = again.json();
    let next = again["ids"][1].as_i64().unwrap();
    assert!(next > 1);
    assert_eq!(again, json!({"ok": true, "ids": [1, next], "duplicates": 1}));

    let agent = json!({
        "service": "oasis-agent", "event": "Task Init", "tenant": "acme", "status": "blocked", "notes": "n",
        "git_sha": "abc", "rid": "r",
        "metadata": {"vtid": "DEV-CICDL-0031", "source": "agent.ping", "x": 1, "notes": "m"},
        "timestamp": "2026-01-02T03:04:05.678Z"
    });
    assert_eq!(post(gateway.address, "/events/ingest", agent.to_string()).await.status, 200);

    let cloud = json!({
        "specversion": "1.0", "id": "1", "source": "/ci", "type": "com.example.Build-Done",
        "time": "2026-01-02T03:04:05Z", "subject": "s", "traceid": "t",
        "data": {"vtid": "VTID-0007", "layer": "INFRA", "status": "success", "extra": true}
    });
    let structured = &[("content-type", "application/cloudevents+json")];
    let answer = send(gateway.address, "POST", "/events/ingest", structured, cloud.to_string()).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let binary = &[
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/ci"),
        ("ce-type", "other"),
        ("content-type", "application/json"),
    ];
    let answer = send(gateway.address, "POST", "/events/ingest", binary, r#"{"vtid":"DEV-X1-0001"}"#).await;
    assert_eq!(answer.json()["duplicates"], 1, "an event with the same source and id is a duplicate");
    let text = &[
        ("ce-specversion", "1.0"),
        ("ce-id", "2"),
        ("ce-source", "/ci"),
        ("ce-type", "note%20it"),
        ("content-type", "text/plain"),
    ];
    assert_eq!(send(gateway.address, "POST", "/events/ingest", text, "hello").await.status, 201);

    let rows = stored(&gateway).await;
    let fields = |nth: usize| {
        ["ts", "vtid", "title", "source", "status"].map(|f| rows[nth][f].as_str().unwrap().to_owned())
    };
    assert_eq!(rows.len(), 5);
    assert_eq!(
        fields(4),
        ["2026-01-02T02:04:05.000Z", "ABC-CICDL-0031", "CICDL-GATEWAY-TASK-INIT", "oasis.events", "info"]
    );
    assert_eq!(rows[4]["meta"], json!({"a": [1, null]}));
    assert_eq!(
        fields(2),
        [
            "2026-01-02T03:04:05.678Z",
            "DEV-CICDL-0031",
            "CICDL-OASIS-AGENT-TASK-INIT",
            "agent.ping",
            "failure"
        ]
    );
    assert_eq!(
        rows[2]["meta"],
        json!({
            "tenant": "acme", "notes": "n", "metadata.notes": "m", "git_sha": "abc", "rid": "r", "x": 1,
            "kind_given": "Task Init"
        })
    );
    assert_eq!(
        fields(1),
        [
            "2026-01-02T03:04:05.000Z",
            "VTID-0007",
            "INFRA-CORE-COM-EXAMPLE-BUILD-DONE",
            "oasis.events",
            "success"
        ]
    );
    assert_eq!(rows[1]["meta"]["ce_source"], "/ci");
    assert_eq!(rows[1]["meta"]["data"], json!({"extra": true}));
    assert_eq!(rows[0]["meta"]["data"], "hello");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_bad_field_and_nothing_is_stored() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let refused = async |body: String, named: &str| {
        let answer: Answer = post(gateway.address, "/events/ingest", body.clone()).await;
        assert_eq!(answer.status, 400, "{body:.200}: {:?}", answer.body);
        let (_, message) = answer.error();
        assert!(message.contains(named), "{body:.200}: {message}");
    };
    for (change, named) in [
        (json!({"status": "done"}), "`status`"),
        (json!({"status": 5}), "`status`"),
        (json!({"kind": null}), "none of the forms"),
        (json!({"kind": "Push"}), "`kind`"),
        (json!({"source": "github"}), "`source`"),
        (json!({"vtid": 31}), "`vtid`"),
        (json!({"module": "not a module"}), "`module`"),
        (json!({"layer": "cicdl"}), "`layer`"),
        (json!({"id": 7}), "`id`"),
        (json!({"link": "javascript:alert(1)"}), "`link`"),
        (json!({"ts": "yesterday"}), "`ts`"),
        (json!({"ts": 1_700_000_000}), "`ts`"),
        (json!({"meta": []}), "`meta`"),
        (json!({"meta": {"a": "\0"}}), "NUL"),
        (json!({"meta": {"a": "x".repeat(17_000)}}), "too large"),
        (json!({"dedup_key": ""}), "`dedup_key`"),
        (json!({"colour": "red"}), "`colour`"),
    ] {
        refused(plain(change).to_string(), named).await;
    }
    for (body, named) in [
        (String::new(), "not JSON"),
        ("{".into(), "not JSON"),
        ("null".into(), "expected an event"),
        (format!("{}{}", plain(json!({})), " ".repeat(200_000)), "too large"),
        (format!("[{{\"kind\":[{}1]}}]", "1,".repeat(100_000)), "event 0: the event is too large"),
        ("[]".into(), "no event"),
        ("[1]".into(), "event 0"),
        (format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)), "not JSON"),
        (json!([plain(json!({})), plain(json!({"status": "done"}))]).to_string(), "event 1: `status`"),
        (json!(vec![plain(json!({})); 1_001]).to_string(), "more than 1000 events"),
        (json!({"specversion": "0.3", "id": "1", "source": "a", "type": "b"}).to_string(), "`specversion`"),
        (json!({"specversion": "1.0", "source": "a", "type": "b"}).to_string(), "`id`"),
        (
            json!({"specversion": "1.0", "id": "1", "source": "a", "type": "b", "Bad-Name": "x"}).to_string(),
            "`Bad-Name`",
        ),
    ] {
        refused(body, named).await;
    }
    let form = send(gateway.address, "POST", "/events/ingest", &[("content-type", "text/plain")], "{}").await;
    assert_eq!(form.status, 415);
    let query = post(gateway.address, "/events/ingest?x=1", plain(json!({})).to_string()).await;
    assert_eq!(query.status, 400);
    let large = post(gateway.address, "/events/ingest", vec![b' '; 21 << 20]).await;
    assert_eq!(large.status, 413);
    assert_eq!(stored(&gateway).await, Vec::<Value>::new());
    let thousand =
        post(gateway.address, "/events/ingest", json!(vec![plain(json!({})); 1_000]).to_string()).await;
    assert_eq!((thousand.status.as_u16(), thousand.json()["ids"].as_array().unwrap().len()), (201, 1_000));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anonymous_ingest_only_senders_with_a_token_may_send() {
    let db = database().await;
    let event = plain(json!({})).to_string();
    let json_type = ("content-type", "application/json");
    let closed = Gateway::start(&db.url, &[]).await;
    let answer = post(closed.address, "/events/ingest", event.clone()).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (403, "ingest_disabled"));
    assert!(answer.json()["error"]["hint"].as_str().unwrap().contains("INGEST_TOKENS"));
    let open = Gateway::start(&db.url, &["--ingest-tokens", "a,b"]).await;
    assert_eq!(post(open.address, "/events/ingest", event.clone()).await.error().0, "token_missing");
    for (token, status) in [("Bearer a", 201), ("bearer b", 201), ("Bearer c", 401), ("Basic a", 401)] {
        let answer = send(
            open.address,
            "POST",
            "/events/ingest",
            &[json_type, ("authorization", token)],
            event.clone(),
        )
        .await;
        assert_eq!(answer.status, status, "{token}");
    }
    let rows = postgres(&db.url).await.query("SELECT FROM oasis_events", &[]).await.unwrap();
    assert_eq!(rows.len(), 2);
    closed.stop().await;
    open.stop().await;
}

/// The gateway's checks accept the event, but a constraint of the table refuses the event. A retry would fail
/// too, so the answer does not ask for a retry.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_only_the_table_refuses_is_answered_with_an_internal_error() {
    let db = database().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (vtid <> 'DEV-TEST-6666')";
    postgres(&db.url).await.batch_execute(refuse).await.unwrap();
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let bad = plain(json!({ "vtid": "DEV-TEST-6666" }));
    for body in [bad.clone(), json!([plain(json!({})), bad])] {
        let answer = post(gateway.address, "/events/ingest", body.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (500, "internal"));
        assert!(answer.json()["error"]["hint"].is_null(), "{}", answer.json());
        assert!(answer.headers.get("retry-after").is_none(), "{:?}", answer.headers);
    }
    assert_eq!(stored(&gateway).await, Vec::<Value>::new());
    assert_eq!(post(gateway.address, "/events/ingest", plain(json!({})).to_string()).await.status, 201);
    gateway.stop().await;
}

/// Only a gateway may report that an agent is lost or back. Such a report from a client is refused as a
/// single event, in an array, and in the agents' form.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_not_report_that_an_agent_is_lost_or_back() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for kind in ["ping.lost", "ping.back"] {
        let forged =
            plain(json!({"source": "agent.ping", "kind": kind, "meta": {"instance": "x", "last_id": 9}}));
        let answer = post(gateway.address, "/events/ingest", forged.to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (400, "bad_event"));
        assert!(answer.error().1.contains(&format!("`kind`: {kind} ")), "{:?}", answer.error());
        let many = json!([plain(json!({})), forged]).to_string();
        let answer = post(gateway.address, "/events/ingest", many).await;
        assert!(answer.error().1.starts_with("event 1: `kind`"), "{:?}", answer.error());
        let agent = json!({
            "service": "a", "event": kind.to_uppercase(), "status": "info",
            "metadata": {"source": "agent.ping"}
        });
        let answer = post(gateway.address, "/events/ingest", agent.to_string()).await;
        assert!(answer.status == 400 && answer.error().1.contains(kind), "{:?}", answer.body);
        let other = plain(json!({"kind": kind})).to_string();
        let answer = post(gateway.address, "/events/ingest", other).await;
        assert_eq!(answer.status, 201, "an event of this kind is accepted from another source");
    }
    assert_eq!(stored(&gateway).await.len(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cdevent_becomes_the_step_of_a_run() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let event = |id: &str, kind: &str, content: Value, custom: Value| {
        json!({
            "specversion": "1.0", "id": id, "source": "/tekton", "type": format!("dev.cdevents.{kind}.0.3.0"),
            "data": {"subject": {"id": "run-1", "content": content}, "customData": custom}
        })
    };
    let uri = "https://tekton.example/run-1";
    let custom = json!({"vtid": "DEV-CICDL-0031", "module": "GATEWAY", "layer": 7, "link": "no link"});
    let batch = json!([
        event("1", "pipelinerun.started", json!({"uri": uri}), custom.clone()),
        event("2", "pipelinerun.finished", json!({"uri": uri, "outcome": "error"}), custom),
        event("3", "service.deployed", json!({"environment": {"id": "prod"}}), json!("base64")),
    ]);
    let headers = &[("content-type", "application/cloudevents-batch+json")];
    let answer = send(gateway.address, "POST", "/events/ingest", headers, batch.to_string()).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    let rows = stored(&gateway).await;
    let fields = |nth: usize| ["vtid", "module", "kind", "status"].map(|f| rows[nth][f].as_str().unwrap());
    assert_eq!(fields(2), ["DEV-CICDL-0031", "GATEWAY", "pipelinerun", "in_progress"]);
    assert_eq!(fields(1), ["DEV-CICDL-0031", "GATEWAY", "pipelinerun", "failure"]);
    assert_eq!(fields(0), ["UNSET", "CORE", "deploy", "success"]);
    assert_eq!((&rows[1]["link"], &rows[0]["link"]), (&json!(uri), &Value::Null));
    assert_eq!(rows[0]["meta"]["ce_type"], "dev.cdevents.service.deployed.0.3.0");
}
