//! Makes PostgreSQL databases for tests. Each test gets a fresh one, and there is nothing to install or
//! clean up.
//!
//! The first call in a process starts a throw-away server. A watchdog process ends that server and removes
//! its folder, however the test process ends. If `TEST_DATABASE_URL` or `DATABASE_URL` is set, the server
//! that it names is used instead; `TEST_DATABASE_URL` comes first. The functions panic instead of returning
//! errors, so that a missing PostgreSQL fails a test and never skips it.

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

/// The connections that the server allows: enough for parallel tests, each with a pool.
const CONNECTIONS: &str = "500";
/// A test database that is older than this was left by a killed test process.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

static SERVER: OnceCell<Server> = OnceCell::const_new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
/// Only one session at a time can copy a template.
static CREATE: Mutex<()> = Mutex::const_new(());

/// The database of one test.
pub struct TestDatabase {
    /// Its URL, including the password.
    pub url: String,
    /// Set if the server outlives the tests: the URL for the DROP DATABASE, and the name to drop.
    drop: Option<(String, String)>,
}

/// A private server that one test may crash and restart. Dropping it ends the server and removes its folder.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    _watchdog: Watchdog,
}

/// A fresh database with the schema that `migrate` makes.
///
/// `migrate` gets the URL of an empty database. It runs only once in each process, so all tests of a process
/// must pass the same function. For another schema use [`empty_database`].
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
            // A template with open sessions cannot be copied, and the migrations may have left a pool.
            server.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quoted(&name))).await;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            server.execute(&format!("{end} = '{name}'")).await;
            name
        })
        .await;
    server.create(template).await
}

/// A fresh, empty database.
///
/// # Panics
///
/// When there is no server.
pub async fn empty_database() -> TestDatabase {
    server().await.create("template0").await
}

/// A durable server for this test alone, which the test may kill. `DATABASE_URL` has no effect on it.
///
/// # Panics
///
/// When it cannot be started.
pub async fn cluster() -> TestCluster {
    start_private(true).await.unwrap_or_else(|error| panic!("no private PostgreSQL for this test: {error}"))
}

struct Server {
    /// The URL of the `postgres` database, or the URL in the environment.
    admin: Url,
    /// `None` for a server from the environment.
    private: Option<TestCluster>,
}

async fn server() -> &'static Server {
    let started = SERVER.get_or_try_init(async || {
        let named = ["TEST_DATABASE_URL", "DATABASE_URL"].map(|name| std::env::var(name).ok());
        let (admin, private) = match named.into_iter().flatten().find(|url| !url.is_empty()) {
            Some(url) => (url, None),
            None => {
                let cluster = start_private(false).await?;
                (cluster.url("postgres"), Some(cluster))
            }
        };
        // The value may contain a password, so the message does not show it.
        let admin = Url::parse(&admin).expect("TEST_DATABASE_URL or DATABASE_URL must be a postgres:// URL");
        let server = Server { admin, private };
        if server.private.is_none() {
            server.sweep().await?;
        }
        Ok::<_, Error>(server)
    });
    started.await.unwrap_or_else(|error| panic!("no PostgreSQL for the tests: {error}"))
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

    /// A database name that no other process on the server uses. It contains the time, for [`Server::sweep`].
    fn fresh_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = hex(&random::<4>().expect("every Unix has /dev/urandom"));
        format!("oasis_test_{}_{random}_{count}", unix_seconds())
    }

    /// Drops the databases that killed test processes left on a server that outlives them.
    async fn sweep(&self) -> Result<(), Error> {
        let what = || "list the databases".to_owned();
        let (client, connection) = tokio_postgres::connect(self.admin.as_str(), NoTls).await.context(what)?;
        tokio::spawn(connection);
        let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'oasis\\_test\\_%'";
        for row in client.query(sql, &[]).await.context(what)? {
            let name: String = row.get(0);
            let made = name.split('_').nth(2).and_then(|seconds| seconds.parse().ok());
            if made.is_some_and(|made: u64| made + STALE.as_secs() < unix_seconds()) {
                // Best effort: another process may be sweeping, or a session may have the database open.
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&name))).await;
            }
        }
        Ok(())
    }
}

/// Starts a server in a new folder below the system's temporary folder.
async fn start_private(durable: bool) -> Result<TestCluster, Error> {
    let start = move || {
        let dir = std::env::temp_dir().join(format!("oasis-test-{}", hex(&random::<8>()?)));
        let what = || format!("making {}", dir.display());
        // If we are root, the server's account must be able to enter the folder. `data` is closed to others.
        fs::DirBuilder::new().mode(0o711).create(&dir).context(what)?;
        // The watchdog starts before the server, with the real path of the folder.
        let place = Place::make(&dir)?;
        let watchdog = Watchdog::start(&place.dir).context(|| "running /bin/sh".into())?;
        let settings = vec![("max_connections".to_owned(), CONNECTIONS.to_owned())];
        let options = Options { durable, settings, ..Options::new(place.dir) };
        // Tests crash the server, not the machine, and syncing 1,000 new files takes seconds on a busy disk.
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
        // The test's runtime may have no thread other than this one, so another thread does the work.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
            let limit = Duration::from_secs(10);
            runtime.block_on(async { tokio::time::timeout(limit, execute(&admin, &sql)).await.ok()?.ok() })
        });
        // Best effort: a later run sweeps a database that remains.
        let _ = thread.join();
    }
}
