//! Tests a gateway whose database is a standby.

use std::sync::Arc;

use oasis_postgres::testing;

use crate::client::{Feed, get};
use crate::{Gateway, insert, postgres};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_on_a_standby_shows_events_and_says_why_it_polls() {
    let primary = Arc::new(testing::cluster().await);
    let standby = primary.standby().await;
    let url = primary.url("postgres");
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    let writer = postgres(&url).await;
    insert(&writer, "DEV-TEST-0001", "info", 1).await;

    let gateway = Gateway::start(&standby.url("postgres"), &[]).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    insert(&writer, "DEV-TEST-0002", "info", 1).await;
    assert_eq!(feed.ids(2).await, [1, 2]);
    let ready = get(gateway.address, "/ready").await;
    assert_eq!(ready.status, 200, "{:?}", ready.body);
    let why = ready.json()["polls"].as_str().unwrap().to_owned();
    assert!(why.contains("LISTEN") && why.contains("recovery"), "{why}");
    gateway.stop().await;
}
