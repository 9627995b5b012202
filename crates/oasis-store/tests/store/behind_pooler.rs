//! Tests the store behind PgBouncer in transaction mode. Each transaction may run in a different server
//! session, so the store must not rely on a particular session.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use oasis_core::Family;
use oasis_postgres::testing;
use oasis_store::{Need, Order, PageQuery, Store, Update, WatchState, migrate, migrate_in};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::migration_sessions::session_state;
use crate::{client, collect, database, filter, follow, new, next, parse, store};

/// A PgBouncer process in front of a server. Dropping this value ends the process.
struct PgBouncer {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl PgBouncer {
    /// Starts PgBouncer for the database at `url`, and waits until it answers.
    async fn start(url: &str) -> Self {
        let mut url: Url = url.parse().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("oasis-pgbouncer-{}-{port}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // If the test runs as root, PgBouncer runs as another user, because PgBouncer refuses to run as root.
        // This user must be able to read the settings.
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "[databases]\n* = host={} port={} user={} password={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = \
             transaction\ndefault_pool_size = 4\n",
            url.host_str().unwrap(),
            url.port().unwrap_or(5432),
            url.username(),
            url.password().unwrap_or_default(),
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("pgbouncer");
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "nobody"]);
        }
        let process =
            command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let process = process.expect("this test needs pgbouncer: apt-get install pgbouncer");
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(port)).unwrap();
        url.set_query(Some("sslmode=disable"));
        let this = Self { process, folder, url: url.into() };
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        while tokio_postgres::connect(&this.url, tokio_postgres::NoTls).await.is_err() {
            assert!(Instant::now() < deadline, "pgbouncer did not answer within 20 s");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        this
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs pgbouncer; .ci/run runs this test"]
async fn the_whole_store_works_behind_a_transaction_pooler() {
    let db = database().await;
    let pooler = PgBouncer::start(&db.url).await;
    assert_eq!(oasis_store::migrate(&parse(&pooler.url)).await.unwrap().applied, Vec::<String>::new());
    let store = store(&pooler.url);
    assert_eq!(store.check(Need::ReadWrite).await, Vec::<String>::new());

    // The pooler accepts LISTEN, but no notification arrives. The tail notices this, and polls.
    let mut updates = follow(store.tail());
    while !matches!(next(&mut updates).await, Update::Up { polls: Some(_) }) {}
    // Several writers append at once, so that several server sessions are in use.
    let appenders = [store.appender().unwrap(), store.appender().unwrap(), store.appender().unwrap()];
    let mut callers = JoinSet::new();
    for caller in 0..300_usize {
        let appender = appenders[caller % 3].clone();
        let key = (caller / 2).to_string();
        callers.spawn(async move {
            appender.append(vec![new("DEV-TEST-0001", Some(&key))], Instant::now()).await.unwrap()[0]
        });
    }
    let mut stored = 0;
    while let Some(appended) = callers.join_next().await {
        stored += usize::from(!appended.unwrap().duplicate);
    }
    assert_eq!(stored, 150);
    let ids: Vec<i64> = collect(&mut updates, 150).await.iter().map(|event| event.id).collect();
    assert!(ids.len() == 150 && ids.is_sorted(), "{ids:?}");

    let filter = filter("devhub", [("vtid", vec!["DEV-TEST-0001".to_owned()])]);
    let order = Order::NewestFirst { before: None };
    let bounds = PageQuery {
        until: Some("2026-06-01T00:00:00Z".parse().unwrap()),
        ..PageQuery::ticker(Some(&filter), order, 50)
    };
    for query in [PageQuery::ticker(Some(&filter), order, 50), bounds] {
        assert_eq!(store.page(&query).await.unwrap().events.len(), 50);
    }

    // The lock of the pollers works, because the pooler keeps an open transaction in one server session.
    let lock = store.watch_lock().await.unwrap().expect("no poller should hold the lock");
    assert!(store.watch_lock().await.unwrap().is_none());
    lock.release().await;
    assert!(store.watch_lock().await.unwrap().is_some());
    let state = WatchState { cursor: "2026-01-02T03:04:05Z".parse().unwrap(), walk: None };
    store.keep_watch_state("acme", &state, &[]).await.unwrap();
    assert_eq!(store.watch_state("acme").await.unwrap(), Some(state));

    let pruned = store.prune(&Family::devhub(), std::time::Duration::from_secs(0), |_| ()).await.unwrap();
    assert_eq!(pruned.rows, 150);
    while !matches!(next(&mut updates).await, Update::Pruned(_)) {}
    assert_eq!(client(&db.url).await.query("SELECT FROM oasis_events", &[]).await.unwrap().len(), 0);
}

/// If the tail has an additional direct connection, notifications wake the tail.
#[tokio::test]
#[ignore = "needs pgbouncer; .ci/run runs this test"]
async fn the_tail_listens_on_the_direct_connection() {
    let db = database().await;
    let pooler = PgBouncer::start(&db.url).await;
    let flags = ["test", "--database-url", &pooler.url, "--listen-database-url", &db.url];
    let args = <crate::pages::Flags as clap::Parser>::try_parse_from(flags).unwrap().database;
    let store = Store::new(args, "test").unwrap();
    let mut updates = follow(store.tail());
    while next(&mut updates).await != (Update::Up { polls: None }) {}
    store.appender().unwrap().append(vec![new("UNSET", None)], Instant::now()).await.unwrap();
    assert_eq!(collect(&mut updates, 1).await.len(), 1);
}

/// A pooled session outlives the migration. If it kept a lock, the next migration would wait for the lock.
#[tokio::test]
#[ignore = "needs pgbouncer; .ci/run runs this test"]
async fn a_migration_leaves_nothing_in_the_pooled_sessions() {
    let db = testing::empty_database().await;
    let pooler = PgBouncer::start(&db.url).await;
    let direct = client(&db.url).await;
    let state = session_state(&direct).await;
    for schema in ["public", "devhub"] {
        let schema = schema.parse().unwrap();
        let migrated = migrate_in(&parse(&pooler.url), &schema).await.unwrap();
        assert_eq!(migrated.applied.len() as i64, migrated.version);
        // Each open transaction has a server session of its own, so these clients reach all sessions.
        let mut pooled = Vec::new();
        for _ in 0..4 {
            let session = client(&pooler.url).await;
            session.batch_execute("BEGIN").await.unwrap();
            assert_eq!(session_state(&session).await, state);
            pooled.push(session);
        }
        let again = migrate_in(&parse(&db.url), &schema).await.unwrap();
        assert_eq!(again.applied, Vec::<String>::new());
    }
    // A migration that is refused leaves nothing either.
    direct.batch_execute("UPDATE oasis_schema_history SET checksum = '7'").await.unwrap();
    migrate(&parse(&pooler.url)).await.unwrap_err();
    assert_eq!(session_state(&client(&pooler.url).await).await, state);
}
