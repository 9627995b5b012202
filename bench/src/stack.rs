//! Starts the programs that the scenarios use: a private, durable PostgreSQL, and services that use databases
//! of this PostgreSQL.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use oasis_postgres::{Cluster, Options};
use tokio::task::spawn_blocking;
use tokio_postgres::{Client, NoTls};

use crate::delivery::SECRET;
use crate::service::Service;
use crate::tokens;

/// The prefix of each entry in PostgreSQL's log: the time, and the application name and the database of the
/// session.
pub(crate) const LOG_PREFIX: &str = "%n|%a|%d|";
/// The name of the gateway's binary, and the application name of its PostgreSQL sessions.
pub(crate) const GATEWAY: &str = "gateway-feed";
pub(crate) const WEBHOOKS: &str = "webhook-ingest";
/// The application name of the bench's own PostgreSQL sessions.
const NAME: &str = "oasis-bench";

/// The private PostgreSQL. Dropping this value ends the server and removes its folder.
pub(crate) struct Stack {
    postgres: Postgres,
}

struct Postgres {
    cluster: Cluster,
    dir: PathBuf,
}

/// One database, with the current schema.
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) url: String,
}

impl Stack {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // If this future is dropped while PostgreSQL starts, the blocking task still starts the server, and
        // then drops the handle of the server. This drop stops the server.
        let postgres = spawn_blocking(Postgres::start).await??;
        Ok(Self { postgres })
    }

    /// Describes the machine and the database.
    pub(crate) async fn describe(&self) -> anyhow::Result<String> {
        let client = connect(&self.postgres.url("postgres")).await?;
        let show = async |name: &str| -> anyhow::Result<String> {
            Ok(client.query_one(&format!("SHOW {name}"), &[]).await?.get(0))
        };
        let (version, fsync, commit) =
            (show("server_version").await?, show("fsync").await?, show("synchronous_commit").await?);
        let cores = std::thread::available_parallelism()?;
        Ok(format!(
            "{cores} processors, which PostgreSQL, the generator and all measured programs share. PostgreSQL \
             {version} with fsync {fsync} and synchronous_commit {commit}."
        ))
    }

    /// Creates a database with the current schema.
    pub(crate) async fn database(&self, name: &'static str) -> anyhow::Result<Database> {
        self.postgres.create_database(name).await?;
        let url = self.postgres.url(name);
        oasis_store::migrate(&url.parse()?).await?;
        Ok(Database { name, url })
    }

    pub(crate) async fn gateway(&self, database: &Database) -> anyhow::Result<Service> {
        self.gateway_with(database, &[]).await
    }

    /// Starts a gateway with these settings in addition to its `DATABASE_URL`.
    pub(crate) async fn gateway_with(
        &self,
        database: &Database,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Service> {
        let settings = [&[("DATABASE_URL", database.url.as_str())], settings].concat();
        Service::start(GATEWAY, &settings, self.dir()).await
    }

    /// Starts a gateway that serves private streams.
    pub(crate) async fn private_gateway(&self, database: &Database) -> anyhow::Result<Service> {
        self.gateway_with(database, &tokens::SETTINGS).await
    }

    pub(crate) async fn webhooks(&self, database: &Database) -> anyhow::Result<Service> {
        let settings = [("DATABASE_URL", database.url.as_str()), ("GITHUB_WEBHOOK_SECRET", SECRET)];
        Service::start(WEBHOOKS, &settings, self.dir()).await
    }

    /// The name and the process id of PostgreSQL, for a [`Meter`](crate::processes::Meter).
    pub(crate) fn watched(&self) -> (&'static str, u32) {
        ("PostgreSQL", self.postgres.pid().unwrap_or_default())
    }

    /// The folder for all files of the run. It is removed at the end.
    pub(crate) fn dir(&self) -> &Path {
        &self.postgres.dir
    }

    /// The path of PostgreSQL's own log.
    pub(crate) fn log(&self) -> PathBuf {
        self.postgres.dir().join("server.log")
    }
}

impl Database {
    /// The URL of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Opens a session of the bench itself.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.url).await
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    let (client, connection) = config.application_name(NAME).connect(NoTls).await?;
    // If the connection fails, the next statement returns an error.
    tokio::spawn(connection);
    Ok(client)
}

impl Postgres {
    fn start() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("oasis-bench-{}", std::process::id()));
        // If the bench runs as root, PostgreSQL runs under another account. That account must be able to
        // traverse this folder. Other accounts cannot read the data inside the folder.
        let made = fs::DirBuilder::new().mode(0o711).create(&dir);
        made.with_context(|| format!("creating {}", dir.display()))?;
        let settings = vec![("log_line_prefix".to_owned(), LOG_PREFIX.to_owned())];
        let cluster = Cluster::start(Options { settings, ..Options::new(dir.join("postgres")) });
        match cluster {
            Ok(cluster) => Ok(Self { cluster, dir }),
            Err(error) => {
                remove(&dir);
                Err(error.into())
            }
        }
    }
}

impl Deref for Postgres {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.cluster.stop() {
            // The folder of the cluster may differ from the requested folder. So both folders are removed.
            Ok(_) => [self.cluster.dir(), &self.dir].into_iter().for_each(remove),
            Err(error) => eprintln!("PostgreSQL did not stop: {error}"),
        }
    }
}

fn remove(dir: &Path) {
    if dir.exists()
        && let Err(error) = fs::remove_dir_all(dir)
    {
        eprintln!("{} could not be removed: {error}", dir.display());
    }
}
