//! Tests the reads of resource events, and the indexes that they use.

use std::collections::HashMap;
use std::time::Duration;

use oasis_core::resource::{Place, RESOURCES, ResourceId};
use oasis_core::{Channel, Vtid};
use oasis_store::{ChannelRange, KnownPlaces, RangeOrder, Store, WiderPlaces};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::{client, database, insert_row, store};

async fn insert(client: &Client, meta: Value) {
    let sql = insert_row(RESOURCES, "workload_status_update", &meta.to_string());
    client.batch_execute(&sql).await.unwrap();
}

fn range(place: Place, id: &str, after: i64) -> ChannelRange {
    let place = Some((place, ResourceId::parse(id).unwrap()));
    let (channel, kinds) = (Channel::stored(RESOURCES), Vec::new());
    ChannelRange { channel, place, kinds, after, upto: i64::MAX, limit: 100 }
}

async fn ids(store: &Store, ranges: &[ChannelRange]) -> Vec<Vec<i64>> {
    let found = store.channel_rows(ranges, RangeOrder::OldestFirst).await.unwrap();
    let of_page =
        |page: Option<oasis_store::ChannelPage>| page.unwrap().rows.iter().map(|row| row.id).collect();
    found.pages.into_iter().map(of_page).collect()
}

#[tokio::test]
async fn the_events_of_each_place_are_read_in_id_order_from_its_index() {
    let db = database().await;
    let (store, client) = (store(&db.url), client(&db.url).await);
    for (workload, project) in [("a", "p"), ("b", "p"), ("a", "q"), ("c", "q")] {
        insert(&client, json!({"workload_id": workload, "project_id": project, "cluster_id": "c"})).await;
    }
    insert(&client, json!({"workload_id": 7, "project_id": {"a": 1}})).await;
    // A text that would be too large for an index entry can be stored, and is not found.
    insert(&client, json!({"workload_id": "x".repeat(9_000), "cluster_id": "c"})).await;
    // A room is no resource, whatever its lines contain.
    let line = json!({"workload_id": "a", "message": "m"}).to_string();
    client.batch_execute(&insert_row("room:a", "log", &line)).await.unwrap();
    // Rows of another kind, so that a walk along any other index would be slow.
    let fill = "INSERT INTO oasis_events \
                  (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
                SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'workload_status_update', 'info', \
                'UNSET-CORE-WORKLOAD-STATUS-UPDATE', 'vt/UNSET-workload-status-update', 'resources', \
                jsonb_build_object('workload_id', 'w' || n % 1000, 'project_id', 'p' || n % 100, \
                  'cluster_id', 'c' || n % 10) \
                FROM generate_series(1, 20000) AS n; ANALYZE oasis_events";
    client.batch_execute(fill).await.unwrap();
    let of = async |place, list: &[(&str, i64)]| {
        ids(&store, &list.iter().map(|(id, after)| range(place, id, *after)).collect::<Vec<_>>()).await
    };
    assert_eq!(
        of(Place::Workload, &[("a", 0), ("b", 0), ("a", 1), ("none", 0)]).await,
        [vec![1, 3], vec![2], vec![3], vec![]]
    );
    assert_eq!(of(Place::Project, &[("p", 0), ("q", 3)]).await, [vec![1, 2], vec![4]]);
    assert_eq!(of(Place::Cluster, &[("c", 0)]).await, [vec![1, 2, 3, 4, 6]]);
    assert_eq!(of(Place::Workload, &[("w7", 0)]).await[0].len(), 20);
    for index in ["oasis_events_workloads", "oasis_events_projects", "oasis_events_clusters"] {
        let sql = "SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = $1";
        // A session reports what it has read a little later.
        tokio::time::timeout(Duration::from_secs(20), async {
            while !client.query_one(sql, &[&index]).await.unwrap().get::<_, bool>(0) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{index} was not used"));
    }
}

#[tokio::test]
async fn the_wider_places_come_from_the_last_event_that_named_them() {
    let db = database().await;
    let (store, client) = (store(&db.url), client(&db.url).await);
    for meta in [
        json!({"workload_id": "api", "project_id": "old", "cluster_id": "us"}),
        json!({"workload_id": "api", "project_id": "shop"}),
        json!({"workload_id": "api", "project_id": 7}),
        json!({"workload_id": "api"}),
        json!({"project_id": "shop", "cluster_id": "eu"}),
        json!({"project_id": "shop"}),
    ] {
        insert(&client, meta).await;
    }
    let places = |project: Option<&str>, cluster: Option<&str>, at| WiderPlaces {
        project: project.map(str::to_owned),
        cluster: cluster.map(str::to_owned),
        cluster_at: cluster.map_or(0, |_| at),
    };
    let shop = ("shop".to_owned(), places(None, Some("eu"), 5));
    let api = |found: WiderPlaces| HashMap::from([("api".to_owned(), found)]);
    let found = store.wider_places(&["none", "api"], &[]).await.unwrap();
    assert_eq!(found.workloads["none"], WiderPlaces::default());
    assert_eq!(found.workloads["api"], places(Some("shop"), None, 0));
    // The project of a workload is read without being named.
    assert_eq!(found.projects, HashMap::from([shop.clone()]));
    insert(&client, json!({"workload_id": "api", "cluster_id": "eu"})).await;
    let found = store.wider_places(&["api"], &["shop", "none"]).await.unwrap();
    assert_eq!(found.workloads, api(places(Some("shop"), Some("eu"), 7)));
    assert_eq!(found.projects, HashMap::from([shop, ("none".to_owned(), WiderPlaces::default())]));
    assert_eq!(store.wider_places(&[], &[]).await.unwrap(), KnownPlaces::default());
}

#[tokio::test]
async fn the_events_of_a_task_are_the_newest_ones() {
    let db = database().await;
    let (store, client) = (store(&db.url), client(&db.url).await);
    let of_task = |channel: &str, vtid: &str| {
        let row = insert_row(channel, "build_failed", "{}")
            .replace("'UNSET', 'UNSET'", &format!("'{vtid}', 'CICDL'"));
        row.replace("'UNSET-CORE", "'CICDL-CORE").replace("vt/UNSET", &format!("vt/{vtid}"))
    };
    for (channel, vtid) in [
        (RESOURCES, "DEV-CICDL-0031"),
        (RESOURCES, "DEV-CICDL-0032"),
        (RESOURCES, "DEV-CICDL-0031"),
        ("devhub", "DEV-CICDL-0031"),
    ] {
        client.batch_execute(&of_task(channel, vtid)).await.unwrap();
    }
    let ids = async |vtid: &str, most| {
        let found = store.resource_events(&Vtid::parse(vtid).unwrap(), i64::MAX, most).await.unwrap();
        found.iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(ids("DEV-CICDL-0031", 10).await, [3, 1]);
    assert_eq!(ids("DEV-CICDL-0031", 1).await, [3]);
    assert_eq!(ids("DEV-CICDL-0099", 10).await, [] as [i64; 0]);
}
