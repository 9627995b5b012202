//! Makes PostgreSQL databases for tests. Each test gets a fresh database. You do not have to install anything
//! or clean up.
//!
//! The first call in a process starts a temporary server. A watchdog process ends that server and removes its
//! folder, no matter how the test process ends. If `TEST_DATABASE_URL` or else `DATABASE_URL` is set, the
//! tests use the server of that URL instead. The functions panic instead of returning errors, so that a test
//! fails, and is not skipped, if PostgreSQL is missing.

use std::fmt::{self, Display};
use std::fs;
use std::io::Write;
use std::mem;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::process::Command;
use std::sync::Arc;
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

/// The number of connections that the server allows. This is enough for parallel tests that each have a
/// connection pool.
const CONNECTIONS: &str = "500";
/// Every test database that is older than this was left behind by a killed test process.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

static SERVER: OnceCell<Server> = OnceCell::const_new();
static TEMPLATE: OnceCell<String> = OnceCell::const_new();
/// Only one session at a time can copy a template.
static CREATE: Mutex<()> = Mutex::const_new(());

/// The database of one test.
pub struct TestDatabase {
    /// The URL of the database, including the password.
    pub url: String,
    /// The URL for the session that will drop this database.
    admin: String,
    name: String,
}

/// A private server that one test may crash and restart. Dropping a `TestCluster` ends the server and removes
/// its folder.
#[derive(Debug)]
pub struct TestCluster {
    cluster: Cluster,
    _watchdog: Watchdog,
}

/// Makes a fresh database with the schema that `migrate` creates.
///
/// `migrate` gets the URL of an empty database. It runs only once in each process, so all tests of a process
/// must pass the same function. For another schema, use [`empty_database`].
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
            // A template with open sessions cannot be copied, and the migrations may have left sessions open.
            server.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", quoted(&name))).await;
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
            server.execute(&format!("{end} = '{name}'")).await;
            name
        })
        .await;
    server.create(template).await
}

/// Makes a fresh, empty database.
///
/// # Panics
///
/// When there is no server.
pub async fn empty_database() -> TestDatabase {
    server().await.create("template0").await
}

/// Starts a durable server for one test. The test may kill the server. `DATABASE_URL` has no effect.
///
/// # Panics
///
/// When the server cannot be started.
pub async fn cluster() -> TestCluster {
    start_private(true).await.unwrap_or_else(|error| panic!("cannot start a private PostgreSQL: {error}"))
}

/// Starts a server of the version that npm has, with these settings, for one test. The version that is
/// installed on the machine may be too old for the settings.
///
/// # Panics
///
/// When the server cannot be downloaded or started.
pub async fn downloaded_cluster(settings: &[(&str, &str)]) -> TestCluster {
    let settings = settings.iter().map(|(name, value)| (String::from(*name), String::from(*value))).collect();
    let started = blocking(move || {
        let bin_dir = Some(crate::download()?);
        start_in_new_place(|options| Options { durable: false, settings, bin_dir, ..options })
    });
    started.await.unwrap_or_else(|error| panic!("cannot start a downloaded PostgreSQL: {error}"))
}

impl TestCluster {
    /// Starts a hot standby that streams from this server. The server stops for a moment, so that its files
    /// can be copied.
    ///
    /// # Panics
    ///
    /// When a server cannot be stopped, copied or started.
    pub async fn standby(self: &Arc<Self>) -> TestCluster {
        let primary = self.clone();
        let started = blocking(move || -> Result<TestCluster, Error> {
            primary.stop()?;
            let (place, watchdog) = private_place()?;
            let what = || format!("copying the files of {}", primary.dir().display());
            let copied = Command::new("cp")
                .arg("-a")
                .args(["data", "password"].map(|name| primary.dir().join(name)))
                .arg(&place.dir)
                .status()
                .context(what)?;
            assert!(copied.success(), "{} failed", what());
            let url = Url::parse(&primary.url("postgres")).expect("the URL of a cluster is a URL");
            // Appending to a file keeps its owner, which is the server's account.
            let settings = format!(
                "primary_conninfo = 'host=127.0.0.1 port={} user=oasis password={} sslmode=disable'\n",
                primary.port(),
                url.password().unwrap_or_default()
            );
            fs::OpenOptions::new()
                .append(true)
                .open(place.data().join("postgresql.auto.conf"))
                .and_then(|mut file| file.write_all(settings.as_bytes()))
                .context(what)?;
            let signal = place.data().join("standby.signal");
            fs::write(&signal, "").context(what)?;
            place.give_to_account(&signal)?;
            primary.restart()?;
            launch(usual(Options::new(place.dir), true), watchdog)
        });
        started.await.unwrap_or_else(|error| panic!("cannot start a standby: {error}"))
    }
}

struct Server {
    /// The URL of the `postgres` database, or the URL from the environment.
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
    started.await.unwrap_or_else(|error| panic!("cannot get a PostgreSQL for the tests: {error}"))
}

impl Server {
    async fn create(&self, template: &str) -> TestDatabase {
        let name = self.fresh_name();
        {
            let _one_at_a_time = CREATE.lock().await;
            self.execute(&format!("CREATE DATABASE {} TEMPLATE {}", quoted(&name), quoted(template))).await;
        }
        TestDatabase { url: self.url(&name), admin: self.admin.to_string(), name }
    }

    async fn execute(&self, sql: &str) {
        let Err(error) = execute(self.admin.as_str(), sql).await else { return };
        // After a crash of the server, only its log says why. The log is gone when the tests end.
        let log = self.private.as_ref().map(|private| private.log_tail()).unwrap_or_default();
        panic!("{error}\n{log}");
    }

    fn url(&self, database: &str) -> String {
        let mut url = self.admin.clone();
        url.set_path(database);
        url.into()
    }

    /// Returns a unique name for a database. The name contains the current time, which [`Server::sweep`]
    /// reads to find old databases.
    fn fresh_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let random = hex(&random::<4>().expect("every Unix has /dev/urandom"));
        format!("oasis_test_{}_{random}_{count}", unix_seconds())
    }

    /// Drops old databases, which killed test processes have left on a server from the environment.
    async fn sweep(&self) -> Result<(), Error> {
        let what = || "list the databases".to_owned();
        let (client, connection) = tokio_postgres::connect(self.admin.as_str(), NoTls).await.context(what)?;
        tokio::spawn(connection);
        let sql = "SELECT datname FROM pg_database WHERE datname LIKE 'oasis\\_test\\_%'";
        for row in client.query(sql, &[]).await.context(what)? {
            let name: String = row.get(0);
            let made = name.split('_').nth(2).and_then(|seconds| seconds.parse().ok());
            if made.is_some_and(|made: u64| made + STALE.as_secs() < unix_seconds()) {
                // This may fail if another process drops the database too, or if a session uses the database.
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {}", quoted(&name))).await;
            }
        }
        Ok(())
    }
}

/// Starts a server in a new folder below the system's temporary folder.
async fn start_private(durable: bool) -> Result<TestCluster, Error> {
    blocking(move || start_in_new_place(|options| usual(options, durable))).await
}

/// Runs work that blocks the thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn start_in_new_place(change: impl FnOnce(Options) -> Options) -> Result<TestCluster, Error> {
    let (place, watchdog) = private_place()?;
    launch(change(Options::new(place.dir)), watchdog)
}

/// Makes a new folder below the system's temporary folder, and the watchdog that removes it.
fn private_place() -> Result<(Place, Watchdog), Error> {
    let dir = std::env::temp_dir().join(format!("oasis-test-{}", hex(&random::<8>()?)));
    let what = || format!("making {}", dir.display());
    // If this process is root, the server's account must be able to enter the folder. Other users cannot
    // enter `data`.
    fs::DirBuilder::new().mode(0o711).create(&dir).context(what)?;
    // The watchdog starts before the server, and needs a path without symbolic links.
    let place = Place::make(&dir)?;
    let watchdog = Watchdog::start(&place.dir).context(|| "running /bin/sh".into())?;
    Ok((place, watchdog))
}

/// The options of the servers that most tests use.
fn usual(options: Options, durable: bool) -> Options {
    // Each new database writes its 7 MB to the write-ahead log too. The disk of a test machine may be small.
    let settings = [("max_connections", CONNECTIONS), ("max_wal_size", "64MB"), ("min_wal_size", "32MB")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Options { durable, settings, ..options }
}

fn launch(options: Options, watchdog: Watchdog) -> Result<TestCluster, Error> {
    // The files need no sync, because tests crash the server and not the machine. A sync of 1,000 new
    // files takes seconds on a busy disk.
    let cluster = Cluster::start_with(options, false)?;
    Ok(TestCluster { cluster, _watchdog: watchdog })
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
        let (admin, name) = (mem::take(&mut self.admin), mem::take(&mut self.name));
        // The test's runtime may have only this thread, so another thread does the work.
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&name));
            let limit = Duration::from_secs(10);
            runtime.block_on(async { tokio::time::timeout(limit, execute(&admin, &sql)).await.ok()?.ok() })
        });
        // If this fails, a later run drops the database, or the database ends with the private server.
        let _ = thread.join();
    }
}
