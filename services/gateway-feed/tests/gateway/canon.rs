//! Tests the report of work that names no task.

use serde_json::{Value, json};

use crate::client::{get, post};
use crate::{Gateway, database, postgres};

const CANON: &str = "/api/v1/oasis/canon";

async fn send(gateway: &Gateway, event: Value) {
    let answer = post(gateway.address, "/events/ingest", event.to_string()).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
}

fn run(repository: &str, vtid: &str, status: &str) -> Value {
    json!({"source": "github.actions", "kind": "workflow_run", "status": status, "vtid": vtid,
           "meta": {"repository": repository}})
}

fn ping(agent: &str, vtid: &str, repeat: bool) -> Value {
    let meta = if repeat { json!({"agent": agent, "repeat": true}) } else { json!({"agent": agent}) };
    json!({"source": "agent.ping", "kind": "ping", "status": "info", "vtid": vtid, "module": "X",
           "meta": meta})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_counts_work_without_a_task() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    for event in [
        run("acme/shop", "DEV-SHOP-0001", "success"),
        run("acme/shop", "UNSET", "failure"),
        // A run that has not ended is counted when it ends.
        run("acme/shop", "UNSET", "in_progress"),
        run("acme/web", "DEV-WEB-0001", "success"),
        json!({"source": "gcp.deploy", "kind": "deploy", "status": "success", "module": "API"}),
        ping("idle", "IDLE", false),
        ping("idle", "IDLE", true),
        ping("busy", "IDLE", false),
        ping("busy", "DEV-SHOP-0001", false),
    ] {
        send(&gateway, event).await;
    }
    // A run of long ago, and a run in a private channel.
    let sql = postgres(&db.url).await;
    let insert = "INSERT INTO oasis_events \
                  (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
                  VALUES (now() - $1::text::interval, 'UNSET', 'UNSET', 'CORE', 'github.actions', \
                  'workflow_run', 'success', 'UNSET-CORE-WORKFLOW-RUN', 'vt/UNSET-workflow-run', $2)";
    sql.execute(insert, &[&"40 days", &"devhub"]).await.unwrap();
    sql.execute(insert, &[&"1 second", &"private"]).await.unwrap();

    let report = get(gateway.address, CANON).await.json();
    let count = |total: i64, without_task: i64| json!({"total": total, "without_task": without_task});
    assert_eq!(report["runs"], count(3, 1), "{report}");
    assert_eq!(report["deploys"], count(1, 1));
    assert_eq!(report["agents"], count(2, 1));
    assert_eq!((&report["days"], &report["complete"]), (&json!(30), &json!(true)));
    let trend = report["trend"].as_array().unwrap();
    assert_eq!(trend.iter().map(|day| day["runs"]["total"].as_i64().unwrap()).sum::<i64>(), 3);
    let worst: Vec<_> = report["worst"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(worst, ["idle", "API", "acme/shop"]);
    assert!(report["worst"][2]["newest"].is_i64());

    let longer = get(gateway.address, &format!("{CANON}?days=90")).await.json();
    assert_eq!(longer["runs"], count(4, 2));
    // The same answer is given again for a while.
    send(&gateway, run("acme/shop", "UNSET", "success")).await;
    assert_eq!(get(gateway.address, CANON).await.json(), report);
    for bad in ["days=0", "days=91", "days=x", "day=1"] {
        assert_eq!(get(gateway.address, &format!("{CANON}?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_for_those_who_may_read() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--read-tokens", "reader-token-of-the-test"]).await;
    assert_eq!(get(gateway.address, CANON).await.status, 401);
    assert_eq!(get(gateway.address, &format!("{CANON}?token=reader-token-of-the-test")).await.status, 200);
}
