//! Databases for tests: real PostgreSQL, one fresh database per test, nothing to install or clean up.
//!
//! The first call in a process starts a throw-away server (or uses `TEST_DATABASE_URL`, else `DATABASE_URL`),
//! and a process of its own ends it and removes its folder however the test process ends. These functions
//! panic rather than return errors: a missing PostgreSQL fails the test, it never skips it.

use std::fmt::{self, Display};
use std::fs;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Mutex, OnceCell};
use tokio_postgres::NoTls;
use url::Url;

use crate::cluster::{execute, quoted};
use crate::error::{Context, Error};
use crate::place::{Place, hex, random};
use crate::watchdog::Watchdog;
use crate::{Cluster, Options};

/// Parallel tests times the size of their pools.
const CONNECTIONS: &str = "500";
/// On a server that outlives the tests, older databases of ours are remains.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

static SERVER: OnceCell<Server> = OnceCell::const_new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
/// A template can be copied by one at a time.
static CREATE: Mutex<()> = Mutex::const_new(());

/// A database of one test.
pub struct TestDatabase {
    /// Where it is, with the password.
    pub url: String,
    /// Set if the server outlives the tests: the statement's URL and the name to drop.
    drop: Option<(String, String)>,
}

/// A private server of one test, to crash and restart; ended and removed when dropped.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    _watchdog: Watchdog,
}

/// A fresh database with the schema that `migrate` makes, which gets the URL of an empty database. It runs
/// once in a process, so all tests of a process must pass the same; for another schema use
/// [`empty_database`].
///
/// # Panics
///
/// When there is no server, or `migrate` fails.
pub async fn database<T, E: Display>(migrate: impl AsyncFnOnce(&str) -> Result<T, E>) -> TestDatabase {
    let server = server().await;
    let template = TEMPLATE
        .get_or_init(async || {
            let name = server.fresh_name();
            server.execute(&format!("CREATE DATABASE {} TEMPLATE template0", quoted(&name))).await;
            if let Err(error) = migrate(&server.url(&name)).await {
                panic!("the migrations of the test template failed: {error:#}");
            }
            // Nobody may be connected to what is copied, a pool that the migrations left behind included.
            server.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quoted(&name))).await;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            server.execute(&format!("{end} = '{name}'")).await;
            name
        })
        .await;
    server.create(template).await
}

/// A fresh database with nothing in it.
///
/// # Panics
///
/// When there is no server.
pub async fn empty_database() -> TestDatabase {
    server().await.create("template0").await
}

/// A durable server for this test alone. `DATABASE_URL` has no say here: this one is for killing.
///
/// # Panics
///
/// When it cannot be started.
pub async fn cluster() -> TestCluster {
    private(true).await.unwrap_or_else(|error| panic!("a private PostgreSQL for this test: {error}"))
}

struct Server {
    /// The `postgres` database, or the one that the environment names.
    admin: Url,
    /// `None`: the environment's server.
    private: Option<TestCluster>,
}

async fn server() -> &'static Server {
    let started = SERVER.get_or_try_init(async || {
        let named = ["TEST_DATABASE_URL", "DATABASE_URL"].map(|name| std::env::var(name).ok());
        let (admin, private) = match named.into_iter().flatten().find(|url| !url.is_empty()) {
            Some(url) => (url, None),
            None => {
                let cluster = private(false).await?;
                (cluster.url("postgres"), Some(cluster))
            }
        };
        // The value may hold a password, so it is not shown.
        let admin = Url::parse(&admin).expect("TEST_DATABASE_URL or DATABASE_URL must be a postgres:// URL");
        let server = Server { admin, private };
        if server.private.is_none() {
            server.sweep().await?;
        }
        Ok::<_, Error>(server)
    });
    started.await.unwrap_or_else(|error| panic!("a PostgreSQL for the tests: {error}"))
}

impl Server {
    async fn create(&self, template: &str) -> TestDatabase {
        let name = self.fresh_name();
        {
            let _one_at_a_time = CREATE.lock().await;
            self.execute(&format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(template))).await;
        }
        let url = self.url(&name);
        TestDatabase { url, drop: self.private.is_none().then(|| (self.admin.to_string(), name)) }
    }

    async fn execute(&self, sql: &str) {
        execute(self.admin.as_str(), sql).await.unwrap_or_else(|error| panic!("{error}"));
    }

    fn url(&self, database: &str) -> String {
        let mut url = self.admin.clone();
        url.set_path(database);
        url.into()
    }

    /// Holds the time, to find remains, and differs from those of other processes on the same server.
    fn fresh_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = hex(&random::<4>().expect("every Unix has /dev/urandom"));
        format!("oasis_test_{}_{random}_{count}", unix_seconds())
    }

    /// Drops what killed test processes left on a server that outlives them.
    async fn sweep(&self) -> Result<(), Error> {
        let what = || "list the databases".to_owned();
        let (client, connection) = tokio_postgres::connect(self.admin.as_str(), NoTls).await.context(what)?;
        tokio::spawn(connection);
        let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'oasis\\_test\\_%'";
        for row in client.query(sql, &[]).await.context(what)? {
            let name: String = row.get(0);
            let made = name.split('_').nth(2).and_then(|seconds| seconds.parse().ok());
            if made.is_some_and(|made: u64| made + STALE.as_secs() < unix_seconds()) {
                // Best effort: another process may be sweeping, or somebody may be looking at it.
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&name))).await;
            }
        }
        Ok(())
    }
}

/// A server in a folder of its own below the system's temporary one.
async fn private(durable: bool) -> Result<TestCluster, Error> {
    let start = move || {
        let dir = std::env::temp_dir().join(format!("oasis-test-{}", hex(&random::<8>()?)));
        let what = || format!("making {}", dir.display());
        // As root the server's account has to pass through; the data below is closed to all others.
        fs::DirBuilder::new().mode(0o711).create(&dir).context(what)?;
        // The watchdog has to know the real folder before anything is in it.
        let place = Place::make(&dir)?;
        let watchdog = Watchdog::over(&place.dir).context(|| "running /bin/sh".into())?;
        let settings = vec![("max_connections".to_owned(), CONNECTIONS.to_owned())];
        let options = Options { durable, settings, ..Options::new(place.dir) };
        // Tests crash the server, not the machine; syncing 1,000 new files takes seconds on a busy disk.
        let cluster = Cluster::start_with(options, false)?;
        Ok(TestCluster { cluster, _watchdog: watchdog })
    };
    tokio::task::spawn_blocking(start)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Deref for TestCluster {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl fmt::Debug for TestDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabase").finish_non_exhaustive()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((admin, name)) = self.drop.take() else { return };
        // The test's own runtime may be the one thread that is running this.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
            let limit = Duration::from_secs(10);
            runtime.block_on(async { tokio::time::timeout(limit, execute(&admin, &sql)).await.ok()?.ok() })
        });
        // Best effort: what stays is swept a day later.
        let _ = thread.join();
    }
}
