//! Tests of the events that the different kinds of entries produce.

use serde_json::{Value, json};

use crate::Setup;
use crate::entries::{Deploy, at};

/// The client `gcloud` makes a request, and then Cloud Run reports several times that the deploy is ready.
#[tokio::test]
async fn a_deploy_gives_two_events() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.request_v1(at(0), "a1"),
        deploy.revision(at(20), "s1", "True"),
        deploy.revision(at(21), "s2", "True"),
        deploy.service(at(22), "s3", "True"),
        deploy.service(at(25), "s4", "True"),
    ]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.unread, read.more), (5, 2, 0, false));
    let columns = "SELECT ts, vtid, layer, module, source, kind, status, title, ref, link, meta, dedup_key \
                   FROM oasis_events ORDER BY id";
    let row = format!("SELECT coalesce(jsonb_agg(to_jsonb(e)), '[]') FROM ({columns}) AS e");
    let rows: Value = setup
        .sql
        .query_one(&format!("SELECT ({row})::text"), &[])
        .await
        .unwrap()
        .get::<_, &str>(0)
        .parse()
        .unwrap();
    let link = "https://console.cloud.google.com/run/detail/europe-west1/gateway/revisions?project=acme-prod";
    let [request, ready] = &rows.as_array().unwrap()[..] else { panic!("{rows}") };
    assert_eq!(
        request["meta"],
        json!({
            "project": "acme-prod", "region": "europe-west1", "service": "gateway",
            "image": "europe-docker.pkg.dev/acme-prod/app/gateway:1.2.3",
            "principal": "ci@acme-prod.iam.gserviceaccount.com", "operation": "gateway-42-operation",
            "method": "google.cloud.run.v1.Services.ReplaceService",
        })
    );
    assert_eq!(
        ready["meta"],
        json!({
            "project": "acme-prod", "region": "europe-west1", "service": "gateway",
            "revision": "gateway-00042-abc", "operation": "gateway-42-operation",
            "image": "europe-docker.pkg.dev/acme-prod/app/gateway:1.2.3",
            "method": "/Services.ReplaceService",
        })
    );
    for (event, status, seconds) in [(request, "in_progress", 0), (ready, "success", 20)] {
        assert_eq!(event["status"], status);
        assert_eq!((&event["source"], &event["kind"]), (&json!("gcp.deploy"), &json!("deploy")));
        assert_eq!((&event["vtid"], &event["layer"]), (&json!("DEV-CICDL-0031"), &json!("CICDL")));
        assert_eq!(
            (&event["module"], &event["title"]),
            (&json!("API-GATEWAY"), &json!("CICDL-API-GATEWAY-DEPLOY"))
        );
        assert_eq!((&event["ref"], &event["link"]), (&json!("vt/DEV-CICDL-0031-deploy"), &json!(link)));
        let ts: jiff::Timestamp = event["ts"].as_str().unwrap().parse().unwrap();
        assert_eq!(ts, at(seconds));
    }
}

/// The two entries of a long-running operation produce one event, unless Cloud Run refuses the operation.
#[tokio::test]
async fn an_operation_gives_one_event_and_a_refusal_gives_a_second_event() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.request_v2(at(0), "a1", "op-1", true),
        deploy.request_v2(at(5), "a2", "op-1", false),
        deploy.request_v2(at(10), "a3", "op-2", true),
        Deploy::refused(deploy.request_v2(at(15), "a4", "op-2", false)),
        Deploy::refused(deploy.request_v1(at(20), "a5")),
    ]);
    setup.poll().await;
    let task = "DEV-CICDL-0031 API-GATEWAY";
    let expected = [("in_progress"), ("in_progress"), ("failure"), ("failure")];
    assert_eq!(setup.events().await, expected.map(|status| format!("{status} {task}")));
    let why = "SELECT meta->>'reason', meta->>'message' FROM oasis_events WHERE status = 'failure'";
    for row in setup.sql.query(why, &[]).await.unwrap() {
        assert_eq!(row.get::<_, &str>(0), "PERMISSION_DENIED");
        assert_eq!(row.get::<_, &str>(1), "Permission 'run.services.update' denied");
    }
}

#[tokio::test]
async fn a_container_that_does_not_start_gives_a_failure_with_the_reason() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.request_v1(at(0), "a1"),
        deploy.revision(at(5), "s0", "Unknown"),
        deploy.revision(at(60), "s1", "False"),
        deploy.service(at(61), "s2", "False"),
    ]);
    assert_eq!(setup.poll().await.published, 2);
    let why = "SELECT meta->>'reason', meta->>'message', meta->>'revision' \
               FROM oasis_events WHERE status = 'failure'";
    let row = setup.sql.query_one(why, &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "HealthCheckContainerError");
    assert_eq!(row.get::<_, &str>(1), "The user-provided container failed to start");
    assert_eq!(row.get::<_, &str>(2), "gateway-00042-abc");
}

/// A change that only moves traffic makes no revision, so Cloud Run reports only the state of the service.
#[tokio::test]
async fn each_change_of_traffic_gives_an_event() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    let to = |revision: &str| json!([{ "percent": 100, "revisionName": format!("gateway-{revision}") }]);
    let split = json!([
        { "percent": 90, "revisionName": "gateway-00041-xyz" },
        { "percent": 10, "latestRevision": true },
    ]);
    setup.add([
        deploy.revision(at(0), "s1", "True"),
        deploy.service(at(1), "s2", "True"),
        deploy.routed(at(10), "s3", "True", 43, to("00041-xyz")),
        deploy.routed(at(11), "s4", "True", 43, to("00041-xyz")),
        deploy.routed(at(20), "s5", "True", 44, to("00042-abc")),
        deploy.routed(at(30), "s6", "True", 45, split),
        deploy.routed(at(40), "s7", "True", 46, json!([{ "percent": 100, "latestRevision": true }])),
    ]);
    setup.poll().await;
    let of = |revision: &str| format!("success DEV-CICDL-0031 API-GATEWAY gateway-{revision}");
    let expected = ["00042-abc", "00041-xyz", "00042-abc", "00041-xyz", "00042-abc"];
    assert_eq!(setup.events().await, expected.map(of));
    let split = "SELECT meta->>'traffic' FROM oasis_events WHERE meta ? 'traffic'";
    let split: String = setup.sql.query_one(split, &[]).await.unwrap().get(0);
    assert_eq!(split, "gateway-00041-xyz 90%, gateway-00042-abc 10%");
}

/// Cloud Run reports a new revision without traffic twice: in a report of the revision and in a report of the
/// service. The two reports produce one event, in either order. If the revision fails, the event names the
/// revision.
#[tokio::test]
async fn a_revision_without_traffic_gives_one_event() {
    let elsewhere = || json!([{ "percent": 100, "revisionName": "gateway-00041-xyz" }]);
    for (deploy, first) in [
        (Deploy::new("gateway", 42), "revision"),
        (Deploy::new("gateway", 42), "service"),
        (Deploy::new("gateway", 42).named("green"), "revision"),
    ] {
        let setup = Setup::new().await;
        let (revision, service) = if first == "revision" { (1, 2) } else { (2, 1) };
        let failed = Deploy::new("gateway", 43);
        setup.add([
            deploy.revision(at(revision), "s1", "True"),
            deploy.service_with(at(service), "s2", "True", elsewhere()),
            failed.revision(at(10), "s3", "False"),
            failed.service_with(at(11), "s4", "False", elsewhere()),
        ]);
        setup.poll().await;
        let task = "DEV-CICDL-0031 API-GATEWAY";
        let expected =
            [format!("success {task} {}", deploy.revision), format!("failure {task} {}", failed.revision)];
        assert_eq!(setup.events().await, expected, "the report of the {first} came first");
    }
}

/// Older entries do not name an operation. The dedup key of these entries contains the revision. But if the
/// change moved traffic to an older revision, the dedup key contains the generation of the service.
#[tokio::test]
async fn entries_without_an_operation_are_identified_by_revision_or_generation() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42).without_operation();
    let back = json!([{ "percent": 100, "revisionName": "gateway-00041-xyz" }]);
    setup.add([
        deploy.request_v1(at(0), "a1"),
        deploy.revision(at(1), "s1", "True"),
        deploy.revision(at(2), "s2", "True"),
        deploy.service(at(3), "s3", "True"),
        deploy.routed(at(10), "s4", "True", 43, back.clone()),
        deploy.routed(at(11), "s5", "True", 43, back.clone()),
        deploy.routed(at(30), "s6", "True", 45, back),
    ]);
    setup.poll().await;
    let of = |revision: &str| format!("success DEV-CICDL-0031 API-GATEWAY gateway-{revision}");
    let request = "in_progress DEV-CICDL-0031 API-GATEWAY".to_owned();
    let expected = [request, of("00042-abc"), of("00041-xyz"), of("00041-xyz")];
    assert_eq!(setup.events().await, expected);
}

/// Labels can be missing or invalid, and the name of a service can be invalid as the name of a module.
#[tokio::test]
async fn labels_are_optional() {
    let setup = Setup::new().await;
    let with = |service: &'static str, labels: Value| Deploy::new(service, 1).labels(labels);
    setup.add([
        with("web-shop", json!({})).revision(at(0), "s1", "True"),
        with("9lives", json!({ "vtid": "soon", "vt_layer": "infra" })).revision(at(1), "s2", "True"),
        with("api", json!({ "vtid": "vtid-0031", "vt_layer": "infra" })).revision(at(2), "s3", "True"),
    ]);
    setup.poll().await;
    let sql = "SELECT concat_ws(' ', vtid, layer, module) FROM oasis_events ORDER BY id";
    let rows: Vec<String> = setup.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, ["UNSET UNSET WEB-SHOP", "UNSET INFRA X9LIVES", "VTID-0031 INFRA API"]);
}

/// The three entries report a validation, a deletion and a job.
#[tokio::test]
async fn entries_that_are_not_deploys_give_no_event() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    let mut dry_run = deploy.request_v2(at(0), "a1", "op-1", true);
    dry_run["protoPayload"]["request"]["validateOnly"] = true.into();
    let mut deleted = deploy.request_v1(at(1), "a2");
    deleted["protoPayload"]["methodName"] = "google.cloud.run.v1.Services.DeleteService".into();
    let mut job = deploy.revision(at(2), "s1", "True");
    job["protoPayload"]["response"]["kind"] = "Job".into();
    setup.add([dry_run, deleted, job]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.unread), (3, 0, 0));
}

/// An unreadable entry is stored once, with its bytes. It does not block other entries.
#[tokio::test]
async fn unreadable_entries_are_put_aside() {
    let setup = Setup::new().await;
    let deploy = Deploy::new("gateway", 42);
    let mut text = deploy.revision(at(0), "s1", "True");
    text["protoPayload"] = Value::Null;
    let mut no_kind = deploy.revision(at(1), "s2", "True");
    no_kind["protoPayload"]["response"] = Value::Null;
    let mut no_ready = deploy.revision(at(2), "s3", "True");
    no_ready["protoPayload"]["response"]["status"]["conditions"] = json!([]);
    setup.add([text, no_kind, no_ready, deploy.revision(at(3), "s4", "True")]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.unread), (4, 1, 3));
    let kept = "SELECT insert_id, reason, octet_length(entry) FROM oasis_unread_entries ORDER BY ts";
    let kept = setup.sql.query(kept, &[]).await.unwrap();
    let reasons: Vec<(&str, &str)> = kept.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        reasons,
        [
            ("s1", "the entry has no protoPayload"),
            ("s2", "the response has no kind"),
            ("s3", "the response has no Ready condition"),
        ]
    );
    assert!(kept.iter().all(|row| row.get::<_, i32>(2) > 50));
    // Another process reads the same entries, but does not store them twice.
    let again = crate::watcher(&setup.db.url, &setup.logs, &[crate::PROJECT]);
    again.poll().await.unwrap();
    let count = "SELECT count(*) FROM oasis_unread_entries";
    assert_eq!(setup.sql.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 3);
}
