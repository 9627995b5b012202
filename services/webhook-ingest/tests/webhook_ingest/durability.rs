//! Tests that each delivery with a 2xx answer is stored exactly once, even if a process is killed.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use oasis_postgres::testing;
use rustix::process::Signal;

use crate::github::{Load, assert_stored};
use crate::process::{EXITS_WITHIN, Receiver, database, free_port, migrate};

/// Returns a random number of deliveries to wait for.
fn random_count() -> usize {
    1 + (RandomState::new().hash_one(0) % 300) as usize
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_the_receiver_loses_no_accepted_delivery() {
    let database = database().await;
    let mut receiver = Receiver::start(&database.url, free_port()).await;
    let mut load = Load::start(16, receiver.address);
    for _ in 0..5 {
        load.wait_for_more(random_count()).await;
        let port = receiver.kill().await;
        receiver = Receiver::start(&database.url, port).await;
    }
    load.wait_for_more(random_count()).await;
    assert_stored(&database.url, &load.finish().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killing_postgres_loses_no_accepted_delivery() {
    let cluster = Arc::new(testing::cluster().await);
    cluster.create_database("oasis").await.unwrap();
    let url = cluster.url("oasis");
    migrate(&url).await.unwrap();
    let receiver = Receiver::start(&url, free_port()).await;
    let mut load = Load::start(16, receiver.address);
    for _ in 0..3 {
        load.wait_for_more(random_count()).await;
        let cluster = cluster.clone();
        let crash = move || cluster.kill().and_then(|()| cluster.restart());
        tokio::task::spawn_blocking(crash).await.unwrap().unwrap();
    }
    load.wait_for_more(random_count()).await;
    assert_stored(&url, &load.finish().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_under_load_loses_no_accepted_delivery() {
    let database = database().await;
    let mut receiver = Receiver::start(&database.url, free_port()).await;
    let mut load = Load::start(16, receiver.address);
    for signal in [Signal::TERM, Signal::INT] {
        load.wait_for_more(random_count()).await;
        receiver.signal(signal);
        assert_eq!(receiver.ended(EXITS_WITHIN).await.code(), Some(0), "{signal:?}");
        receiver = Receiver::start(&database.url, receiver.address.port()).await;
    }
    load.wait_for_more(random_count()).await;
    assert_stored(&database.url, &load.finish().await).await;
}
