//! Tests of the resource events of mapped services (`RESOURCES`).

use serde_json::{Value, json};

use crate::Setup;
use crate::entries::{Deploy, PROJECT, REGION, at};

impl Setup {
    /// A setup whose watcher, which has just started, maps services to workloads.
    async fn mapped(mapping: &str) -> Self {
        let setup = Self::new().await;
        setup.with_mapping(mapping)
    }

    /// Replaces the watcher with a new one that has this mapping.
    pub(crate) fn with_mapping(mut self, mapping: &str) -> Self {
        let watcher = crate::watcher(&self.db.url, &self.logs, &[PROJECT]);
        self.watcher = watcher.with_resources(mapping.parse().unwrap());
        self
    }

    /// All rows in the order of their ids: the channel, the time, the status of the deploy, and `meta` of the
    /// resource events.
    async fn rows(&self) -> Vec<(String, String, Value)> {
        let sql = "SELECT channel, ts::text, CASE channel WHEN 'resources' THEN meta::text \
                   ELSE to_jsonb(status)::text END FROM oasis_events ORDER BY id";
        let rows = self.sql.query(sql, &[]).await.unwrap();
        let json = |row: &tokio_postgres::Row| serde_json::from_str(row.get(2)).unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), json(row))).collect()
    }

    /// The values of all rows, without their times.
    async fn values(&self) -> Vec<Value> {
        self.rows().await.into_iter().map(|(_, _, value)| value).collect()
    }
}

#[tokio::test]
async fn a_deploy_changes_the_status_of_each_workload_of_its_service() {
    let mapping =
        format!("gateway=cluster:eu/project:shop/workload:api,{PROJECT}/{REGION}/gateway=workload:edge");
    let setup = Setup::mapped(&mapping).await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([
        deploy.request_v1(at(0), "a1"),
        deploy.revision(at(30), "s1", "True"),
        deploy.service(at(31), "s2", "True"),
        Deploy::new("other", 1).revision(at(40), "s3", "True"),
    ]);
    assert_eq!(setup.poll().await.published, 3);
    let link = "https://console.cloud.google.com/run/detail/europe-west1/gateway/revisions?project=acme-prod";
    let of = |ids: Value, status: &str, message: &str| {
        let mut meta = json!({
            "resource_type": "workload", "status": status, "message": message, "service": "gateway",
            "vtid": "DEV-CICDL-0031", "link": link,
        });
        meta.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        meta
    };
    let api = json!({"workload_id": "api", "project_id": "shop", "cluster_id": "eu"});
    let edge = json!({"workload_id": "edge"});
    let (started, ready) = ("A deploy of gateway has started.", "The revision gateway-00042-abc is ready.");
    let rows = setup.rows().await;
    let expected = [
        json!("in_progress"),
        of(api.clone(), "Deploying", started),
        of(edge.clone(), "Deploying", started),
        json!("success"),
        of(api, "Running", ready),
        of(edge, "Running", ready),
        json!("success"),
    ];
    assert_eq!(rows.iter().map(|(_, _, value)| value.clone()).collect::<Vec<_>>(), expected);
    assert!(rows[..3].iter().all(|(_, ts, _)| *ts == rows[0].1), "{rows:?}");
    // Another process reads the same entries, and stores nothing.
    let setup = setup.with_mapping(&mapping);
    assert_eq!(setup.poll().await.published, 0);
    assert_eq!(setup.rows().await, rows);
}

#[tokio::test]
async fn a_failed_deploy_has_the_message_of_the_failure() {
    let setup = Setup::mapped("gateway=workload:api").await;
    let deploy = Deploy::new("gateway", 42);
    setup.add([deploy.revision(at(0), "s1", "False")]);
    setup.poll().await;
    let values = setup.values().await;
    let [failure, resource] = values.as_slice() else { panic!("{values:?}") };
    assert_eq!((failure, &resource["status"]), (&json!("failure"), &json!("Failed")));
    assert_eq!(resource["message"], "The user-provided container failed to start");
}

/// The table refuses the resource event of one deploy. This deploy is put aside, and the other one is stored.
#[tokio::test]
async fn a_deploy_and_its_resource_events_are_stored_together_or_not_at_all() {
    let setup = Setup::mapped("gateway=workload:api,shop=workload:bad").await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (meta ->> 'workload_id' <> 'bad')";
    setup.sql.batch_execute(refuse).await.unwrap();
    setup.add([
        Deploy::new("shop", 1).revision(at(0), "s1", "True"),
        Deploy::new("gateway", 1).revision(at(1), "s2", "True"),
    ]);
    let read = setup.poll().await;
    assert_eq!((read.seen, read.published, read.unread), (2, 1, 1));
    let values = setup.values().await;
    assert_eq!((values.len(), &values[1]["workload_id"]), (2, &json!("api")));
}
