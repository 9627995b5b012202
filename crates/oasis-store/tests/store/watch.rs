//! Tests the state of the deploy-watcher, the lock of its pollers, and the rights that the deploy-watcher
//! needs.

use jiff::Timestamp;
use oasis_store::{LogWalk, UnreadEntry, WatchState};

use crate::{client, database, store};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn unread(insert_id: &str) -> UnreadEntry {
    let (log_name, reason) = ("projects/acme/logs/x".into(), "no kind".into());
    UnreadEntry { log_name, timestamp: at(1), insert_id: insert_id.into(), reason, entry: vec![0, 255] }
}

#[tokio::test]
async fn the_state_is_stored_and_its_cursor_never_moves_back() {
    let db = database().await;
    let store = store(&db.url);
    assert_eq!(store.watch_state("acme").await.unwrap(), None);
    let walk = Some(LogWalk { from: at(5), began: at(6), token: "next".into() });
    let state = WatchState { cursor: at(10), walk };
    store.keep_watch_state("acme", &state, &[unread("a"), unread("a"), unread("b")]).await.unwrap();
    assert_eq!(store.watch_state("acme").await.unwrap(), Some(state));
    let behind = WatchState { cursor: at(9), walk: None };
    store.keep_watch_state("acme", &behind, &[unread("b")]).await.unwrap();
    let kept = store.watch_state("acme").await.unwrap();
    assert_eq!(kept, Some(WatchState { cursor: at(10), walk: None }));
    assert_eq!(store.watch_state("other").await.unwrap(), None);
    let client = client(&db.url).await;
    let rows =
        client.query("SELECT insert_id, entry FROM oasis_unread_entries ORDER BY 1", &[]).await.unwrap();
    let rows: Vec<(String, Vec<u8>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("a".to_owned(), vec![0, 255]), ("b".to_owned(), vec![0, 255])]);
}

#[tokio::test]
async fn only_one_poller_holds_the_lock_at_a_time() {
    let db = database().await;
    let (one, two) = (store(&db.url), store(&db.url));
    let lock = one.watch_lock().await.unwrap().unwrap();
    assert!(two.watch_lock().await.unwrap().is_none() && one.watch_lock().await.unwrap().is_none());
    lock.release().await;
    let lock = two.watch_lock().await.unwrap().expect("the lock was released, so it should be free");
    // A poller that dies while it holds the lock does not block other pollers for long.
    drop(lock);
    while one.watch_lock().await.unwrap().is_none() {}
}

/// The test reads the rights from docs/database.md.
#[tokio::test]
async fn the_documented_rights_are_enough_and_missing_rights_are_named() {
    let db = database().await;
    let owner = client(&db.url).await;
    let role = format!("oasis_watcher_{}", std::process::id());
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 'pw'")).await.unwrap();
    let mut url = url::Url::parse(&db.url).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("pw")).unwrap();
    let (store, docs) = (store(url.as_str()), include_str!("../../../../docs/database.md"));
    assert_eq!(store.check_watch().await.len(), 4);
    let documented = docs.split("```").find(|block| block.contains("ON public.oasis_watch_state")).unwrap();
    let documented = documented.trim_start_matches("sql").replace(" app", &format!(" {role}"));
    let (grants, policies) = documented.split_once("CREATE POLICY").unwrap();
    owner.batch_execute(grants).await.unwrap();
    assert_eq!(store.check_watch().await.len(), 4, "without a policy, row level security hides all rows");
    owner.batch_execute(&format!("CREATE POLICY{policies}")).await.unwrap();
    assert_eq!(store.check_watch().await, Vec::<String>::new());
    let state = WatchState { cursor: at(10), walk: None };
    for _ in 0..2 {
        store.keep_watch_state("acme", &state, &[unread("a")]).await.unwrap();
    }
    assert_eq!(store.watch_state("acme").await.unwrap(), Some(state));
    owner.batch_execute(&format!("REVOKE UPDATE ON oasis_watch_state FROM {role}")).await.unwrap();
    let reasons = store.check_watch().await;
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].starts_with("this role needs UPDATE on oasis_watch_state"), "{reasons:?}");
    owner.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}
