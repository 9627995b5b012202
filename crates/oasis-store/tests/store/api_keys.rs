//! Tests API keys and revocations.

use jiff::{Timestamp, ToSpan};
use oasis_core::{Channel, Ts};
use oasis_store::{ApiKey, NewApiKey, Order, PageQuery, Revocation, Store};

use crate::{client, database, filter, insert_row, store};

fn key(id: &str, user: &str) -> NewApiKey {
    let mut hash = [0; 32];
    hash[..id.len()].copy_from_slice(id.as_bytes());
    let (name, hint) = ("CI".to_owned(), "wxyz".to_owned());
    NewApiKey { id: id.into(), user_id: user.into(), name, hint, hash, expires_at: None }
}

fn in_an_hour() -> Ts {
    Ts::new(Timestamp::now() + 1.hour()).unwrap()
}

fn ids(keys: &[ApiKey]) -> Vec<&str> {
    keys.iter().map(|key| key.id.as_str()).collect()
}

async fn access_rows(store: &Store) -> usize {
    let access = filter("access", []);
    let query = PageQuery::ticker(Some(&access), Order::NewestFirst { before: None }, 99);
    store.page(&query).await.unwrap().events.len()
}

#[tokio::test]
async fn keys_are_found_by_hash_and_listed_by_user() {
    let db = database().await;
    let store = store(&db.url);
    let expires_at = Some(in_an_hour());
    let made = store.create_api_key(&NewApiKey { expires_at, ..key("k1", "ann") }).await.unwrap();
    assert_eq!((made.id.as_str(), made.hint.as_str(), made.expires_at), ("k1", "wxyz", expires_at));
    for (id, user) in [("k2", "bob"), ("k3", "ann")] {
        store.create_api_key(&key(id, user)).await.unwrap();
    }
    let hashes = [key("k1", "").hash, key("k3", "").hash, [9; 32]];
    assert_eq!(ids(&store.api_keys(&hashes).await.unwrap()), ["k1", "k3"]);
    assert_eq!(store.api_keys(&hashes[..1]).await.unwrap(), [made]);
    assert!(store.api_keys(&[]).await.unwrap().is_empty());
    assert_eq!(ids(&store.list_api_keys(Some("ann")).await.unwrap()), ["k1", "k3"]);
    assert_eq!(ids(&store.list_api_keys(None).await.unwrap()), ["k1", "k2", "k3"]);
    let taken = store.create_api_key(&NewApiKey { hash: key("k1", "").hash, ..key("k4", "ann") }).await;
    assert!(taken.is_err(), "two keys must not have the same hash");
}

#[tokio::test]
async fn a_key_is_revoked_once_with_one_revocation_for_the_gateways() {
    let db = database().await;
    let store = store(&db.url);
    assert_eq!(store.revoke_api_key("k1").await.unwrap(), None);
    assert_eq!(access_rows(&store).await, 0);
    store.create_api_key(&key("k1", "ann")).await.unwrap();
    let revoked = store.revoke_api_key("k1").await.unwrap().unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(store.revocations(0).await.unwrap().revocations, [Revocation::Key { id: "k1".into() }]);
    assert_eq!(store.revoke_api_key("k1").await.unwrap(), Some(revoked));
    assert_eq!(access_rows(&store).await, 1);
}

#[tokio::test]
async fn a_revoked_user_loses_the_keys_of_this_user() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    for (id, user) in [("k1", "ann"), ("k2", "bob"), ("k3", "ann")] {
        store.create_api_key(&key(id, user)).await.unwrap();
    }
    let before = Ts::new(Timestamp::now()).unwrap();
    let user = Revocation::User { sub: "ann".into(), before, until: Some(in_an_hour()) };
    let token = Revocation::Token { jti: "j".into(), until: None };
    let ended = Revocation::Token { jti: "old".into(), until: Some("2026-01-02T03:04:05Z".parse().unwrap()) };
    assert_eq!(store.revoke(&user).await.unwrap(), 2);
    for other in [&token, &ended] {
        assert_eq!(store.revoke(other).await.unwrap(), 0);
    }
    assert_eq!(store.revoke(&Revocation::Key { id: "k2".into() }).await.unwrap(), 1);
    let revoked = store.list_api_keys(None).await.unwrap();
    assert!(revoked.iter().all(|key| key.revoked_at.is_some()));
    // Rows with another meta are ignored.
    for meta in ["{}", r#"{"what": "sub", "sub": 7, "before": "x"}"#] {
        client.batch_execute(&insert_row("access", "access.revoked", meta)).await.unwrap();
    }
    let expected = [user, token, Revocation::Key { id: "k2".into() }];
    let all = store.revocations(0).await.unwrap();
    assert_eq!(all.revocations, expected);
    let later = store.revocations(all.head).await.unwrap();
    assert_eq!((later.revocations, later.head), (vec![], all.head));
    assert_eq!(Revocation::channel(), Channel::parse("access").unwrap());
}
