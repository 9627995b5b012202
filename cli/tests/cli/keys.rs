//! Tests `oasis keys`, `oasis token revoke` and `oasis check`.

use oasis_store::{DatabaseArgs, Revocation, Store};
use ring::digest::{SHA256, digest};
use serde_json::Value;

use crate::gateway::{database, execute};
use crate::process::{Done, oasis};

fn run(url: &str, arguments: &[&str]) -> Done {
    oasis(arguments).env("DATABASE_URL", url).finish()
}

fn store(url: &str) -> Store {
    Store::new(DatabaseArgs::new(url.parse().unwrap()), "test").unwrap()
}

/// Makes a key, and returns it.
fn create(url: &str, flags: &[&str]) -> String {
    let done = run(url, &[&["keys", "create"], flags].concat());
    assert_eq!((done.code, done.stdout.lines().count()), (0, 1), "{}", done.stderr);
    assert!(done.stderr.contains("it is not shown again"), "{}", done.stderr);
    done.stdout.trim().to_owned()
}

#[tokio::test]
async fn a_key_is_printed_once_and_only_its_hash_is_stored() {
    let db = database().await;
    let key = create(&db.url, &["--user", "ann", "--name", "laptop", "--for", "90d"]);
    assert!(key.starts_with("sk_live_") && key.len() == 8 + 43, "{key}");
    assert_ne!(create(&db.url, &["--user", "bob"]), key);
    let hash = digest(&SHA256, key.as_bytes()).as_ref().try_into().unwrap();
    let found = store(&db.url).api_keys(&[hash]).await.unwrap().pop().unwrap();
    assert_eq!((found.user_id.as_str(), found.name.as_str()), ("ann", "laptop"));
    assert!(key.ends_with(&found.hint) && found.hint.len() == 4);
    let valid_for = found.expires_at.unwrap().instant().duration_since(found.created_at.instant());
    assert!((89..=90).contains(&(valid_for.as_secs() / 86_400)), "{valid_for:?}");

    let table = run(&db.url, &["keys", "list", "--user", "ann"]).stdout;
    assert!(table.contains("laptop") && table.contains(&found.hint) && !table.contains(&key), "{table}");
    let json: Value = serde_json::from_str(&run(&db.url, &["keys", "list", "--json"]).stdout).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["state"]), (&found.id.as_str().into(), &"valid".into()));
    assert_eq!((&json[1]["user"], &json[1]["expires_at"]), (&"bob".into(), &Value::Null));
}

#[tokio::test]
async fn a_revoked_key_is_listed_as_revoked_with_a_revocation_for_the_gateways() {
    let db = database().await;
    create(&db.url, &["--user", "ann"]);
    let id = store(&db.url).list_api_keys(None).await.unwrap().pop().unwrap().id;
    for _ in 0..2 {
        let done = run(&db.url, &["keys", "revoke", &id]);
        assert_eq!((done.code, done.stdout), (0, format!("the key {id} of ann is revoked\n")));
    }
    assert_eq!(store(&db.url).revocations(0).await.unwrap().revocations, [Revocation::Key { id }]);
    assert!(run(&db.url, &["keys", "list"]).stdout.contains("revoked"));
    let done = run(&db.url, &["keys", "revoke", "nothing"]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""));
    assert!(done.stderr.contains("there is no key with the id nothing"), "{}", done.stderr);
    let none = run(&db.url, &["keys", "list", "--user", "bob"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert_eq!(run(&db.url, &["keys", "list", "--user", "bob", "--json"]).stdout, "[]\n");
}

#[tokio::test]
async fn a_token_or_all_keys_and_tokens_of_a_user_are_revoked() {
    let db = database().await;
    for user in ["ann", "ann", "bob"] {
        create(&db.url, &["--user", user]);
    }
    let jti = run(&db.url, &["token", "revoke", "--jti", "j1", "--until", "9000-01-02T03:04:05Z"]);
    assert_eq!((jti.code, jti.stdout.as_str()), (0, "the token j1 is revoked\n"), "{}", jti.stderr);
    // The gateways ignore a revocation that has ended.
    for what in ["--jti", "--sub"] {
        let done = run(&db.url, &["token", "revoke", what, "bob", "--until", "2020-01-02T03:04:05Z"]);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{what}");
        assert!(done.stderr.contains("--until is in the past"), "{}", done.stderr);
    }
    let sub = run(&db.url, &["token", "revoke", "--sub", "ann"]);
    assert!(sub.code == 0 && sub.stdout.ends_with("are revoked, and 2 API keys\n"), "{sub:?}");
    let until = Some("9000-01-02T03:04:05Z".parse().unwrap());
    let revocations = store(&db.url).revocations(0).await.unwrap().revocations;
    assert_eq!(revocations[0], Revocation::Token { jti: "j1".into(), until });
    let Revocation::User { sub, until: None, .. } = &revocations[1] else { panic!("{revocations:?}") };
    assert_eq!(sub, "ann");
    let valid = store(&db.url).list_api_keys(None).await.unwrap();
    let valid: Vec<&str> =
        valid.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.user_id.as_str()).collect();
    assert_eq!(valid, ["bob"]);
}

#[tokio::test]
async fn a_check_reports_what_is_wrong_and_rebuilds_the_states_of_rooms() {
    let db = database().await;
    let ready = run(&db.url, &["check"]);
    assert_eq!((ready.code, ready.stdout.as_str()), (0, "the database is ready\n"), "{}", ready.stderr);
    let rooms = "INSERT INTO oasis_events \
            (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
        SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'room.opened', 'info', \
            'UNSET-CORE-ROOM-OPENED', 'vt/UNSET-room-opened', channel, '{\"owner\": \"ann\"}' \
        FROM unnest(ARRAY['room:a', 'room:b']) AS channel; \
        DELETE FROM oasis_channels WHERE channel = 'room:a'; UPDATE oasis_channels SET owner = 'bob'";
    execute(&db.url, rooms).await;
    let rebuilt = run(&db.url, &["check", "--rebuild"]);
    let expected =
        "read the rows of 2 rooms and casts: added the states of 1, and corrected 0\nthe database is ready\n";
    assert_eq!((rebuilt.code, rebuilt.stdout.as_str()), (0, expected));
    assert!(rebuilt.stderr.contains("of room b disagree"), "{}", rebuilt.stderr);
    let casts = "INSERT INTO oasis_events \
          (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
        VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'cast.queued', 'queued', \
            'UNSET-CORE-CAST-QUEUED', 'vt/UNSET-cast-queued', 'cast:c', '{\"owner\": \"ann\"}'); \
        UPDATE oasis_channels SET owner = 'bob' WHERE channel = 'cast:c'";
    execute(&db.url, casts).await;
    let rebuilt = run(&db.url, &["check", "--rebuild"]);
    assert!(rebuilt.stderr.contains("of cast c disagree about its owner"), "{}", rebuilt.stderr);
    execute(&db.url, "ALTER TABLE oasis_events DISABLE TRIGGER oasis_events_notify").await;
    let wrong = run(&db.url, &["check"]);
    assert!(wrong.code == 1 && wrong.stdout.contains("a trigger of oasis_events is missing"), "{wrong:?}");
    let away = run("postgres://u@127.0.0.1:1/d", &["check"]);
    assert!(away.code == 1 && away.stdout.contains("no connection to the database"), "{away:?}");
}
