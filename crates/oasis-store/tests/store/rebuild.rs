//! Tests that the states of rooms can be rebuilt from their rows. A rebuild gives no user more access.

use oasis_core::room::Readers;
use oasis_core::{Channel, RoomState};
use oasis_store::{ChannelState, Rebuilt, Store};

use crate::{client, database, insert_row, store};

async fn states(store: &Store, names: &[&str]) -> Vec<ChannelState<RoomState>> {
    let channels: Vec<Channel> = names.iter().map(|name| Channel::stored(name)).collect();
    let mut states = store.channels(&channels).await.unwrap().states;
    states.sort_by(|a, b| a.channel.cmp(&b.channel));
    states
}

fn may_read(room: &ChannelState<RoomState>, viewer: &str) -> bool {
    room.state.readers == Readers::SignedIn || room.state.owner.as_deref() == Some(viewer)
}

#[tokio::test]
async fn lost_states_and_wrong_titles_are_restored_from_the_rows() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    for (room, kind, meta) in [
        ("room:a", "room.opened", r#"{"owner": "ann", "readers": "owner"}"#),
        ("room:b", "room.opened", r#"{"title": "B"}"#),
        ("room:b", "room.closed", "{}"),
        ("room:c", "room.opened", "{}"),
        ("room:none", "room.updated", r#"{"owner": "eve"}"#),
    ] {
        client.batch_execute(&insert_row(room, kind, meta)).await.unwrap();
    }
    let rooms = ["room:a", "room:b", "room:c", "room:none"];
    let before = states(&store, &rooms).await;
    assert_eq!(before.len(), 3);
    let unchanged = store.rebuild_channels().await.unwrap();
    assert_eq!(unchanged, Rebuilt { channels: 3, ..Rebuilt::default() });

    let harm = "DELETE FROM oasis_channels WHERE channel = 'room:a'; \
                UPDATE oasis_channels SET data = '{}', last_id = 0 WHERE channel = 'room:b'";
    client.batch_execute(harm).await.unwrap();
    let rebuilt = store.rebuild_channels().await.unwrap();
    assert_eq!(rebuilt.added, [Channel::stored("room:a")]);
    assert_eq!(rebuilt.corrected, [Channel::stored("room:b")]);
    assert_eq!(states(&store, &rooms).await, before);

    // A room whose rows are gone keeps its state.
    client.batch_execute("DELETE FROM oasis_events WHERE channel = 'room:c'").await.unwrap();
    store.rebuild_channels().await.unwrap();
    assert_eq!(states(&store, &rooms).await, before);
}

#[tokio::test]
async fn a_rebuild_never_gives_more_access_than_before() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let opened = r#"{"owner": "ann", "readers": "signed_in"}"#;
    for (room, harm) in [
        ("room:closed", "state = 'closed'"),
        ("room:private", "readers = 'owner'"),
        ("room:taken", "owner = 'bob'"),
        ("room:nobodys", "owner = NULL"),
    ] {
        client.batch_execute(&insert_row(room, "room.opened", opened)).await.unwrap();
        let harm = format!("UPDATE oasis_channels SET {harm} WHERE channel = '{room}'");
        client.batch_execute(&harm).await.unwrap();
    }
    for _ in 0..2 {
        let rebuilt = store.rebuild_channels().await.unwrap();
        assert_eq!((rebuilt.channels, rebuilt.narrowed.len()), (4, 4));
        let states = states(&store, &["room:closed", "room:private", "room:taken", "room:nobodys"]).await;
        let [closed, nobodys, private, taken] = &states[..] else { panic!("{states:?}") };
        assert!(closed.state.is_closed && !may_read(private, "bob") && may_read(private, "ann"));
        assert_eq!((taken.state.owner.as_deref(), nobodys.state.owner.as_deref()), (None, None));
    }
    // A state that gives more access than the rows is corrected.
    client.batch_execute(&insert_row("room:z", "room.opened", r#"{"readers": "owner"}"#)).await.unwrap();
    client.batch_execute(&insert_row("room:z", "room.closed", "{}")).await.unwrap();
    let harm = "UPDATE oasis_channels SET readers = 'signed_in', state = 'open' WHERE channel = 'room:z'";
    client.batch_execute(harm).await.unwrap();
    assert_eq!(store.rebuild_channels().await.unwrap().corrected, [Channel::stored("room:z")]);
    let z = states(&store, &["room:z"]).await.pop().unwrap();
    assert!(z.state.is_closed && !may_read(&z, "ann"));
    // The next change of the room gives access again.
    let update = insert_row("room:taken", "room.updated", r#"{"owner": "ann"}"#);
    client.batch_execute(&update).await.unwrap();
    let rebuilt = store.rebuild_channels().await.unwrap();
    assert!(!rebuilt.narrowed.contains(&Channel::stored("room:taken")), "{rebuilt:?}");
    assert_eq!(states(&store, &["room:taken"]).await[0].state.owner.as_deref(), Some("ann"));
}

/// There are more rooms than one transaction handles.
#[tokio::test]
async fn many_rooms_are_rebuilt_in_several_transactions() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let row = insert_row("room:x", "room.opened", "{}").replace("VALUES (", "SELECT ");
    let row = row.trim_end_matches(')').replace("'room:x'", "'room:' || n");
    client.batch_execute(&format!("{row} FROM generate_series(1, 1200) AS n")).await.unwrap();
    // A transaction that finds only rooms without an opening does not end the rebuild.
    let row = row.replace("room.opened", "room.updated").replace("ROOM-OPENED", "ROOM-UPDATED");
    let row = row.replace("room-opened", "room-updated").replace("'room:' ||", "'room:0-' ||");
    client.batch_execute(&format!("{row} FROM generate_series(1, 700) AS n")).await.unwrap();
    client.batch_execute("DELETE FROM oasis_channels").await.unwrap();
    let rebuilt = store.rebuild_channels().await.unwrap();
    assert_eq!((rebuilt.channels, rebuilt.added.len()), (1_200, 1_200));
}
