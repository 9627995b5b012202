//! Tests the resource events of `oasis up --demo` and of `oasis emit --resource`.

use std::collections::BTreeSet;
use std::time::Instant;

use oasis_postgres::testing;
use serde_json::{Value, json};
use tokio_postgres::NoTls;

use crate::process::{Home, LIMIT, POLL, Up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_two_clusters_with_projects_and_workloads() {
    let db = testing::empty_database().await;
    let home = Home::new();
    let mut command = home.up_command(&["--demo"]);
    command.env("DATABASE_URL", &db.url);
    let up = Up::start(command);
    let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let workloads = "SELECT DISTINCT concat_ws('/', meta ->> 'cluster_id', meta ->> 'project_id') \
                     FROM oasis_events WHERE channel = 'resources' AND meta ? 'workload_id'";
    let expected = ["eu/platform", "eu/shop", "us/platform-us", "us/shop-us"].map(str::to_owned);
    let deadline = Instant::now() + LIMIT;
    loop {
        let rows = sql.query(workloads, &[]).await.unwrap();
        let found: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        if found == BTreeSet::from(expected.clone()) {
            break;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        tokio::time::sleep(POLL).await;
    }
    up.interrupt();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resource_event_needs_no_settings_and_is_stored_once() {
    let db = testing::empty_database().await;
    let home = Home::new();
    let mut command = home.up_command(&[]);
    command.env("DATABASE_URL", &db.url).env("INGEST_TOKENS", "ci=s3cret:rooms");
    let up = Up::start(command);
    let emit = |flags: &[&str]| {
        let mut command = home.command(env!("CARGO_BIN_EXE_oasis"));
        command.args(["emit", "--resource", "workload:api", "--status", "Running"]).args(flags);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let flags = ["--project", "shop", "--cluster", "eu", "--set", "replicas=3", "--vtid", "DEV-CICDL-0042"];
    let flags = [&flags[..], &["--ts", "2026-01-02T03:04:05Z", "--dedup-key", "roll-7"]].concat();
    let (code, id, stderr) = emit(&flags);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(emit(&flags), (code, id.clone(), stderr));

    let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let rows = "SELECT id, meta::text, kind, vtid, ts::text FROM oasis_events WHERE channel = 'resources'";
    let row = sql.query_one(rows, &[]).await.unwrap();
    assert_eq!(format!("{}\n", row.get::<_, i64>(0)), id);
    let meta: Value = serde_json::from_str(row.get(1)).unwrap();
    let expected = json!({
        "resource_type": "workload", "workload_id": "api", "project_id": "shop", "cluster_id": "eu",
        "status": "Running", "replicas": 3, "vtid": "DEV-CICDL-0042",
    });
    assert_eq!(meta, expected);
    assert_eq!((row.get(2), row.get(3)), ("workload_status_update", "DEV-CICDL-0042"));
    assert!(row.get::<_, &str>(4).starts_with("2026-01-02 "), "{row:?}");

    // The token of the user comes first, and the error of the gateway is shown.
    for (token, answer) in [("wrong", "(401 "), ("s3cret", "(403 resources_not_allowed)")] {
        let (code, stdout, stderr) = emit(&["--token", token]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""));
        assert!(stderr.starts_with("error: ") && stderr.contains(answer), "{stderr}");
    }
    up.interrupt();
}
