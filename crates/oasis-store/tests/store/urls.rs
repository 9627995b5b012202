//! Tests connections with the URLs that psql accepts, against a real server.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use oasis_postgres::testing;
use oasis_store::{DatabaseUrl, Need};
use url::Url;

use crate::{database, follow, parse, store, until_up};

/// The user and password, the address and the database of a URL, as text.
fn parts(url: &str) -> (String, String, String) {
    let url: Url = url.parse().unwrap();
    let login = format!("{}:{}", url.username(), url.password().unwrap_or_default());
    let server = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    (login, server, url.path().trim_start_matches('/').to_owned())
}

#[tokio::test]
async fn urls_that_psql_accepts_connect() {
    let db = database().await;
    let (login, server, name) = parts(&db.url);
    let (host, port) = server.split_once(':').unwrap();
    let (user, password) = login.split_once(':').unwrap();
    // Nothing listens on this port, and no other test can get it.
    let dead = 1;
    for url in [
        format!("postgres://{login}@127.0.0.1:{dead},{server}/{name}"),
        format!("postgres://{login}@127.0.0.1,{host}/{name}?port={dead},{port}"),
        format!("postgres://{login}@{host}/{name}?port={port}"),
        format!("postgres://{login}@/{name}?host={host}&port={port}"),
        format!("postgres://{login}@/{name}?host=/nowhere,{host}&port={port}"),
        format!("postgres://{login}@db.invalid:{port}/{name}?hostaddr={host}"),
        format!("postgresql:///?user={user}&password={password}&host={host}&port={port}&dbname={name}"),
        format!("postgres://{login}@{server}/{name}?target_session_attrs=primary"),
        format!("postgres://{login}@{server}/{name}?target_session_attrs=prefer-standby"),
        format!("postgres://{login}@{server}/{name}?application_name=a%20b&client_encoding=LATIN1"),
        format!("postgres://{login}@{server}/{name}?options=-c%20statement_timeout%3D9s&sslmode=prefer"),
        format!(
            "postgres://{login}@{server}/{name}?gssencmode=disable&keepalives_count=3&connect_timeout=10"
        ),
        format!("postgres://{login}@{server}/{name}?load_balance_hosts=random&channel_binding=prefer"),
    ] {
        assert_eq!(store(&url).check(Need::ReadWrite).await, Vec::<String>::new(), "{url}");
    }
    let standby = format!("postgres://{login}@{server}/{name}?target_session_attrs=standby");
    let why = store(&standby).check(Need::Read).await;
    assert!(why.len() == 1 && why[0].contains("no connection to the database"), "{why:?}");
    assert!("postgres://u@h/d?service=mine".parse::<DatabaseUrl>().is_err());
}

#[tokio::test]
async fn a_server_that_accepts_connections_but_does_not_answer_leaves_time_for_the_next_server() {
    let db = database().await;
    let (login, server, name) = parts(&db.url);
    let silent = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap()];
    let [first, second] = silent.each_ref().map(|silent| silent.local_addr().unwrap().to_string());
    let reaches_the_last = async |servers: String, query: &str| {
        let url = format!("postgres://{login}@{servers},{server}/{name}{query}");
        let (store, url) = (store(&url), parse(&url));
        let mut updates = follow(store.tail());
        let all = async {
            let migrated = oasis_store::migrate(&url);
            tokio::join!(store.check(Need::ReadWrite), migrated, until_up(&mut updates))
        };
        let (why, migrated, ()) = tokio::time::timeout(Duration::from_secs(60), all).await.unwrap();
        assert_eq!(why, Vec::<String>::new(), "{servers}{query}");
        assert!(migrated.is_ok(), "{servers}{query}: {migrated:?}");
    };
    tokio::join!(
        reaches_the_last(first.clone(), ""),
        reaches_the_last(first.clone(), "?target_session_attrs=prefer-standby"),
        // The time limits of two servers would leave no time for the third one.
        reaches_the_last(format!("{first},{second}"), "?connect_timeout=30"),
    );
    let why = store(&format!("postgres://{login}@{first}/{name}?connect_timeout=2")).check(Need::Read).await;
    assert!(why.len() == 1 && why[0].contains("timeout waiting for server"), "{why:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_url_selects_the_primary_or_the_standby() {
    let primary = Arc::new(testing::cluster().await);
    let standby = primary.standby().await;
    oasis_store::migrate(&parse(&primary.url("postgres"))).await.unwrap();
    // The migrations must have reached the standby.
    while !store(&standby.url("postgres")).check(Need::Read).await.is_empty() {}
    let (login, first, name) = parts(&standby.url("postgres"));
    let (_, second, _) = parts(&primary.url("postgres"));
    for (wanted, is_standby) in [
        ("any", true),
        ("primary", false),
        ("read-write", false),
        ("standby", true),
        ("read-only", true),
        ("prefer-standby", true),
    ] {
        for servers in [format!("{first},{second}"), format!("{second},{first}")] {
            let url = format!("postgres://{login}@{servers}/{name}?target_session_attrs={wanted}");
            let why = store(&url).check(Need::Write).await;
            if wanted == "any" && servers.starts_with(&second) {
                assert_eq!(why, Vec::<String>::new());
                continue;
            }
            let found_standby = why.iter().any(|why| why.contains("the database is a standby"));
            assert_eq!(found_standby, is_standby, "{wanted} {servers}: {why:?}");
        }
    }
}
