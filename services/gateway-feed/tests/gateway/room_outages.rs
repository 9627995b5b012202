//! Tests rooms while the database is not available: open streams stay open, and new viewers wait.

use std::collections::VecDeque;

use oasis_postgres::testing;
use serde_json::json;

use crate::client::{get, pause, send};
use crate::postgres;
use crate::room_servers::insert_row;
use crate::rooms::{Log, gateway, open_room, token};

#[tokio::test(flavor = "multi_thread")]
async fn streams_outlive_an_outage_of_the_database_and_get_each_line_once() {
    let cluster = testing::cluster().await;
    let url = cluster.url("postgres");
    oasis_store::migrate(&url.parse().unwrap()).await.unwrap();
    let gateway = gateway(&url).await;
    open_room(&gateway, "mine", json!({"owner": "ann", "readers": "owner"})).await;
    open_room(&gateway, "r", json!({})).await;
    let (ann, bob) = (token("ann", 600), token("bob", 600));
    let mut open: VecDeque<Log> = VecDeque::new();
    for nth in 0..20 {
        let token = if nth % 2 == 0 { &ann } else { &bob };
        open.push_back(Log::open(&gateway, "r", "?tail=0", token).await.connected().await);
    }
    cluster.kill().unwrap();
    // A backend may answer for a moment after the kill.
    while get(gateway.address, "/ready").await.status == 200 {
        pause().await;
    }

    // These viewers connect while the gateway cannot decide whether they may read.
    let waiting = async |room: &str, token: &str| {
        let mut log = Log::open(&gateway, room, "", token).await;
        assert!(log.block().await.unwrap().starts_with(": waiting"), "{room}");
        log
    };
    let anns = waiting("mine", &ann).await;
    let mut refused = [waiting("mine", &bob).await, waiting("none", &ann).await];
    let bearer = "Bearer nonsense";
    let answer =
        send(gateway.address, "GET", "/api/v1/rooms/mine/logs", &[("authorization", bearer)], "").await;
    assert_eq!(answer.status, 401);
    // Heartbeats continue without the database.
    let (name, _, data) = open[0].event().await.unwrap();
    assert_eq!(name, "heartbeat", "{data}");
    assert!(data["timestamp"].is_string());

    cluster.restart().unwrap();
    let sql = postgres(&url).await;
    let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    for message in &expected {
        for room in ["room:r", "room:mine"] {
            insert_row(&sql, room, "log", &json!({"message": message}).to_string()).await;
        }
    }
    for log in &mut open {
        assert_eq!(log.messages(50).await, expected);
    }
    for log in &mut refused {
        assert_eq!(log.closed().await, "refused");
    }
    let mut anns = anns.connected().await;
    assert_eq!(anns.messages(50).await, expected);

    // The server repeatedly ends all connections of the gateway.
    for round in 0..2 {
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gateway-feed'";
        sql.batch_execute(end).await.unwrap();
        let message = format!("after {round}");
        insert_row(&sql, "room:r", "log", &json!({"message": message}).to_string()).await;
        // A change of the readers is looked up, although the connections of the pool have broken.
        insert_row(&sql, "room:mine", "room.updated", r#"{"title": "x"}"#).await;
        insert_row(&sql, "room:mine", "log", &json!({"message": message}).to_string()).await;
        for log in open.iter_mut().chain([&mut anns]) {
            assert_eq!(log.messages(1).await, [message.as_str()]);
        }
    }
    gateway.stop().await;
}
