//! Compares the trigger that keeps the states of casts up to date with the fold of oasis-core, over random
//! histories. The members of `meta` may have any value.

use oasis_core::cast::CASTS;
use oasis_core::{CastState, Channel};
use oasis_store::ChannelState;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::histories::{HistoryRow, folded, insert, stored};
use crate::{client, database, insert_row, store};

fn hostile() -> impl Strategy<Value = Value> {
    let texts = ["ann", "bob", "", "7", "8", "2026-01-02T03:04:05Z", "' || \"", "\u{1f680}"];
    prop_oneof![
        6 => proptest::sample::select(texts.to_vec()).prop_map(Value::from),
        1 => (250_usize..260).prop_map(|size| "x".repeat(size).into()),
        1 => (8_190_usize..8_195).prop_map(|size| "x".repeat(size).into()),
        2 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        3 => proptest::sample::select(vec![json!(1), json!(1.0), json!(100), json!(1e2)]),
        1 => Just(json!(["ann"])),
        2 => (0..9).prop_map(|nth| json!({"name": nth})),
    ]
}

fn attempt() -> impl Strategy<Value = Value> {
    let bad =
        [json!(0), json!(-1), json!(1.5), json!(2.0), json!(2_147_483_648_u64), json!("2"), json!(1e300)];
    prop_oneof![
        8 => (1..4).prop_map(Value::from),
        1 => Just(json!(2_147_483_647)),
        2 => proptest::sample::select(bad.to_vec()),
    ]
}

fn row() -> impl Strategy<Value = HistoryRow> {
    let kinds = [
        "cast.queued",
        "cast.queued",
        "cast.started",
        "cast.succeeded",
        "cast.failed",
        "cast.updated",
        "cast.updated",
        "cast.progress",
        "cast.other",
    ];
    let names = [
        "owner",
        "vtid",
        "spell",
        "repository",
        "runId",
        "startedAt",
        "finishedAt",
        "duration",
        "costCents",
        "artifactUrl",
        "errorMessage",
        "other",
    ];
    let meta = names.map(|name| {
        proptest::option::weighted(0.3, hostile())
            .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    });
    let owner = prop_oneof![Just(json!("ann")), hostile()];
    let parts = (meta, proptest::option::weighted(0.4, attempt()), proptest::option::weighted(0.7, owner));
    let meta = parts.prop_map(|(members, attempt, owner)| {
        let mut meta: Map<String, Value> = members.into_iter().flatten().collect();
        meta.extend(attempt.map(|attempt| ("attempt".to_owned(), attempt)));
        meta.extend(owner.map(|owner| ("owner".to_owned(), owner)));
        meta
    });
    (0..3_u8, proptest::sample::select(kinds.to_vec()), meta).prop_map(|(channel, kind, meta)| HistoryRow {
        channel,
        kind,
        meta,
    })
}

#[tokio::test]
async fn the_trigger_computes_what_the_fold_of_oasis_core_computes() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let mut runner = TestRunner::deterministic();
    let history = proptest::collection::vec(proptest::collection::vec(row(), 1..6), 1..8);
    let mut accepted = 0;
    for case in 0..300 {
        for rows in history.new_tree(&mut runner).unwrap().current() {
            match insert(&client, CASTS, case, &rows).await {
                Ok(()) => accepted += 1,
                // A row may be too large. A fold that raises would refuse rows that the table accepts.
                Err(error) => {
                    let refused = error.as_db_error().and_then(|error| error.constraint());
                    assert!(refused.is_some(), "{error:?}");
                }
            }
        }
    }
    let expected = folded(&client, CastState::fold).await;
    assert!(expected.len() > 200 && accepted > 1_000, "{} of {accepted}", expected.len());
    for status in oasis_core::cast::CastStatus::ALL {
        let count = expected.iter().filter(|found| found.state.status == *status).count();
        assert!(count > 20, "only {count} casts are {status}");
    }
    assert_eq!(stored(&client, &store).await, expected);

    // A rebuild computes the same states from the rows.
    client.batch_execute("DELETE FROM oasis_channels").await.unwrap();
    let rebuilt = store.rebuild_channels().await.unwrap();
    assert_eq!(rebuilt.added.len(), expected.len());
    assert_eq!(stored(&client, &store).await, expected);
}

#[tokio::test]
async fn a_rebuild_corrects_states_and_gives_nobody_more_access() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    for (cast, owner) in [("a", "ann"), ("b", "ann"), ("c", "ann")] {
        let meta = json!({"owner": owner}).to_string();
        client.batch_execute(&insert_row(&format!("cast:{cast}"), "cast.queued", &meta)).await.unwrap();
        client.batch_execute(&insert_row(&format!("cast:{cast}"), "cast.started", "{}")).await.unwrap();
    }
    let damage = "UPDATE oasis_channels SET owner = 'bob' WHERE channel = 'cast:a'; \
                  UPDATE oasis_channels SET state = 'queued', last_id = 3 WHERE channel = 'cast:b'";
    client.batch_execute(damage).await.unwrap();
    let rebuilt = store.rebuild_channels().await.unwrap();
    let names = |channels: &[Channel]| channels.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!((rebuilt.channels, names(&rebuilt.narrowed)), (3, vec!["cast:a".to_owned()]));
    assert_eq!(names(&rebuilt.corrected), ["cast:b"]);
    let found = store.channels::<CastState>(&[Channel::stored("cast:a"), Channel::stored("cast:b")]).await;
    let mut states = found.unwrap().states;
    states.sort_by(|a, b| a.channel.cmp(&b.channel));
    assert_eq!((states[0].state.owner.as_deref(), states[1].state.status.as_str()), (None, "running"));
}

#[tokio::test]
async fn the_casts_of_an_owner_are_listed_newest_first_and_found_by_their_run() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    for nth in 0..5 {
        let owner = if nth == 3 { "bob" } else { "ann" };
        let meta = json!({"owner": owner, "runId": (nth / 2).to_string()}).to_string();
        client.batch_execute(&insert_row(&format!("cast:{nth}"), "cast.queued", &meta)).await.unwrap();
    }
    let names = |casts: &[ChannelState<CastState>]| {
        casts.iter().map(|cast| cast.channel.id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let page = store.casts("ann", 0, 2).await.unwrap();
    assert_eq!((names(&page.casts), page.total), (vec!["4".to_owned(), "2".to_owned()], 4));
    let page = store.casts("ann", 2, 2).await.unwrap();
    assert_eq!(names(&page.casts), ["1", "0"]);
    let page = store.casts("ann", 4, 2).await.unwrap();
    assert_eq!((names(&page.casts).len(), page.total), (0, 4));
    assert_eq!(store.casts("nobody", 0, 2).await.unwrap().total, 0);
    assert_eq!(names(&store.casts_of_run("1").await.unwrap()), ["2", "3"]);
    assert_eq!(store.casts_of_run("9").await.unwrap(), []);
}
