//! Tests that the state of a room always matches its stored rows, and that each user sees the list of the
//! rooms that the user may read.

use oasis_core::room::Readers;
use oasis_core::{Channel, RoomState, Ts};
use oasis_store::{ChannelState, RoomPage, RoomQuery, Store};
use tokio_postgres::Client;

use crate::{client, database, insert_row, store};

async fn append(client: &Client, room: &str, kind: &str, meta: &str) {
    client.batch_execute(&insert_row(&format!("room:{room}"), kind, meta)).await.unwrap();
}

async fn state(store: &Store, room: &str) -> Option<ChannelState<RoomState>> {
    store.channels(&[Channel::parse(&format!("room:{room}")).unwrap()]).await.unwrap().states.pop()
}

#[tokio::test]
async fn the_state_of_a_room_follows_its_rows() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let empty = store.channels::<RoomState>(&[]).await.unwrap();
    assert_eq!((empty.states, empty.head), (vec![], 0));
    append(&client, "a", "room.updated", r#"{"owner": "eve"}"#).await;
    assert_eq!(state(&store, "a").await, None, "a room without an opening does not exist");

    append(&client, "a", "room.opened", r#"{"owner": "ann", "readers": "owner", "title": "It's"}"#).await;
    let opened = state(&store, "a").await.unwrap();
    assert_eq!((opened.state.owner.as_deref(), opened.state.title.as_deref()), (Some("ann"), Some("It's")));
    assert_eq!(
        (opened.state.readers, opened.state.is_closed, opened.state.last_id),
        (Readers::Owner, false, 2)
    );
    append(&client, "a", "log", r#"{"message": "x"}"#).await;
    assert_eq!(state(&store, "a").await.unwrap(), opened, "a line does not change the state");
    append(&client, "a", "room.closed", "{}").await;
    append(&client, "a", "room.updated", r#"{"title": null, "readers": "signed_in"}"#).await;
    let closed = state(&store, "a").await.unwrap();
    assert_eq!((closed.state.title.as_deref(), closed.state.readers), (None, Readers::SignedIn));
    assert_eq!((closed.state.is_closed, closed.state.last_id), (true, 5));
    assert!(
        closed.state.updated_at >= closed.state.created_at
            && closed.state.created_at == opened.state.created_at
    );

    append(&client, "b", "room.opened", "{}").await;
    let names = ["room:a", "room:b", "room:c", "devhub"].map(|name| Channel::parse(name).unwrap());
    let both = store.channels::<RoomState>(&names).await.unwrap();
    assert_eq!((both.states.len(), both.head), (2, 6));
    client.batch_execute("DELETE FROM oasis_events").await.unwrap();
    client.batch_execute("UPDATE oasis_feed_state SET families = '{\"room\": 6}'").await.unwrap();
    assert_eq!(store.channels::<RoomState>(&[]).await.unwrap().head, 6);
}

/// A row and its state are in one transaction.
#[tokio::test]
async fn a_state_is_rolled_back_with_its_row() {
    let db = database().await;
    let mut client = client(&db.url).await;
    let store = store(&db.url);
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&insert_row("room:a", "room.opened", "{}")).await.unwrap();
    assert_eq!(state(&store, "a").await, None);
    transaction.rollback().await.unwrap();
    assert_eq!(state(&store, "a").await, None);
}

/// Two sessions change one room at the same time. Both wait for the writers' lock, so no change is lost.
#[tokio::test]
async fn the_state_has_all_changes_that_were_made_at_the_same_time() {
    let db = database().await;
    let store = store(&db.url);
    append(&client(&db.url).await, "a", "room.opened", "{}").await;
    let mut writers = tokio::task::JoinSet::new();
    for member in ["owner", "title"] {
        let client = client(&db.url).await;
        writers.spawn(async move {
            for n in 0..50 {
                append(&client, "a", "room.updated", &format!(r#"{{"{member}": "{n}"}}"#)).await;
            }
        });
    }
    writers.join_all().await;
    let state = state(&store, "a").await.unwrap();
    assert_eq!((state.state.owner.as_deref(), state.state.title.as_deref()), (Some("49"), Some("49")));
    assert_eq!(state.state.last_id, 101);
}

async fn list(store: &Store, viewer: &str, query: &RoomQuery) -> (Vec<String>, Option<i64>) {
    let RoomPage { rooms, next } = store.rooms(viewer, query).await.unwrap();
    (rooms.iter().map(|room| room.channel.id().unwrap().to_owned()).collect(), next)
}

#[tokio::test]
async fn a_user_sees_the_rooms_that_the_user_may_read() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let all = RoomQuery { limit: 9, before: None, vtid: None };
    for (room, meta) in [
        ("open", "{}"),
        ("ann", r#"{"owner": "ann", "readers": "owner"}"#),
        ("bob", r#"{"owner": "bob", "readers": "owner"}"#),
        ("nobody", r#"{"readers": "owner"}"#),
        ("ann-open", r#"{"owner": "ann"}"#),
    ] {
        append(&client, room, "room.opened", meta).await;
    }
    assert_eq!(list(&store, "ann", &all).await, (names(&["ann-open", "ann", "open"]), None));
    assert_eq!(list(&store, "bob", &all).await.0, ["ann-open", "bob", "open"]);
    assert_eq!(list(&store, "", &all).await.0, ["ann-open", "open"]);
    append(&client, "open", "room.updated", "{}").await;
    assert_eq!(list(&store, "ann", &all).await.0, ["open", "ann-open", "ann"]);

    // Page by page.
    let mut query = RoomQuery { limit: 2, ..all.clone() };
    let (first, next) = list(&store, "ann", &query).await;
    assert_eq!(first, ["open", "ann-open"]);
    query.before = next;
    assert!(next.is_some());
    assert_eq!(list(&store, "ann", &query).await, (names(&["ann"]), None));

    // The rooms that have rows of a task.
    let line = |room: &str, task: &str| {
        insert_row(&format!("room:{room}"), "log", "{}")
            .replace("UNSET", task)
            .replace(&format!("'{task}', '{task}'"), &format!("'{task}', 'T'"))
            .replace(&format!("'{task}-CORE"), "'T-CORE")
    };
    for (room, task) in [("open", "DEV-T-1"), ("ann", "DEV-T-1"), ("bob", "DEV-T-1"), ("ann-open", "DEV-T-2")]
    {
        client.batch_execute(&line(room, task)).await.unwrap();
        client.batch_execute(&line(room, task)).await.unwrap();
    }
    for (task, rooms) in [("DEV-T-1", vec!["open", "ann"]), ("DEV-T-2", vec!["ann-open"]), ("UNSET", vec![])]
    {
        let query = RoomQuery { vtid: Some(task.parse().unwrap()), ..all.clone() };
        assert_eq!(list(&store, "ann", &query).await, (names(&rooms), None), "{task}");
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// The timestamps of the rows may be outside of the range that programs can read, so they are not used.
#[tokio::test]
async fn the_times_of_a_room_are_when_its_rows_were_recorded() {
    let db = database().await;
    let client = client(&db.url).await;
    append(&client, "a", "room.opened", "{}").await;
    let sql = "SELECT recorded_at FROM oasis_events";
    let recorded: std::time::SystemTime = client.query_one(sql, &[]).await.unwrap().get(0);
    let state = state(&store(&db.url), "a").await.unwrap();
    assert_eq!(state.state.created_at, Ts::clamped(recorded.try_into().unwrap()));
}
