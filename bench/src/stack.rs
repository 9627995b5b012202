//! What everything runs on: a private, durable PostgreSQL in a folder of its own, a database for each
//! scenario, and the services over it.

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

/// How PostgreSQL's log tells which session a line is of: when, which program, which database.
pub(crate) const LOG_PREFIX: &str = "%n|%a|%d|";
/// Also the name of its sessions.
pub(crate) const GATEWAY: &str = "gateway-feed";
pub(crate) const WEBHOOKS: &str = "webhook-ingest";
/// The name of our own sessions.
const NAME: &str = "oasis-bench";

/// The private PostgreSQL; dropping it ends the server and removes the folder.
pub(crate) struct Stack {
    server: Server,
}

struct Server {
    cluster: Cluster,
    dir: PathBuf,
}

/// One database of it, up to date.
pub(crate) struct Database {
    pub(crate) name: &'static str,
    pub(crate) url: String,
}

impl Stack {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // If this is interrupted meanwhile, the result is dropped, and the server with it.
        let server = spawn_blocking(Server::start).await??;
        Ok(Self { server })
    }

    /// The machine and the database, in a sentence.
    pub(crate) async fn describe(&self) -> anyhow::Result<String> {
        let client = connect(&self.server.url("postgres")).await?;
        let show = async |name: &str| -> anyhow::Result<String> {
            Ok(client.query_one(&format!("SHOW {name}"), &[]).await?.get(0))
        };
        let (version, fsync, commit) =
            (show("server_version").await?, show("fsync").await?, show("synchronous_commit").await?);
        let cores = std::thread::available_parallelism()?;
        Ok(format!(
            "{cores} processors for everything, the generator included; PostgreSQL {version} \
             with fsync {fsync} and synchronous_commit {commit}."
        ))
    }

    /// A new database with the table in it.
    pub(crate) async fn database(&self, name: &'static str) -> anyhow::Result<Database> {
        self.server.create_database(name).await?;
        let url = self.server.url(name);
        oasis_store::migrate(&url.parse()?).await?;
        Ok(Database { name, url })
    }

    pub(crate) async fn gateway(&self, database: &Database) -> anyhow::Result<Service> {
        self.gateway_with(database, &[]).await
    }

    /// A gateway with more settings than where its table is.
    pub(crate) async fn gateway_with(
        &self,
        database: &Database,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Service> {
        let settings = [&[("DATABASE_URL", database.url.as_str())], settings].concat();
        Service::start(GATEWAY, &settings, self.dir()).await
    }

    pub(crate) async fn webhooks(&self, database: &Database) -> anyhow::Result<Service> {
        let settings = [("DATABASE_URL", database.url.as_str()), ("GITHUB_WEBHOOK_SECRET", SECRET)];
        Service::start(WEBHOOKS, &settings, self.dir()).await
    }

    /// What a [`Meter`](crate::processes::Meter) takes.
    pub(crate) fn watched(&self) -> (&'static str, u32) {
        ("PostgreSQL", self.server.pid().unwrap_or_default())
    }

    /// The folder of everything; what is put there goes with it.
    pub(crate) fn dir(&self) -> &Path {
        &self.server.dir
    }

    /// PostgreSQL's own log.
    pub(crate) fn log(&self) -> PathBuf {
        self.server.dir().join("server.log")
    }
}

impl Database {
    /// Where it is, for the store's own pools.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A session of our own.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        connect(&self.url).await
    }
}

async fn connect(url: &str) -> anyhow::Result<Client> {
    let mut config: tokio_postgres::Config = url.parse()?;
    let (client, connection) = config.application_name(NAME).connect(NoTls).await?;
    // Its error reaches whoever waits for a statement.
    tokio::spawn(connection);
    Ok(client)
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("oasis-bench-{}", std::process::id()));
        // As root the server's account has to pass through; the data below is closed to all others.
        let made = fs::DirBuilder::new().mode(0o711).create(&dir);
        made.with_context(|| format!("making {}", dir.display()))?;
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

impl Deref for Server {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self.cluster.stop() {
            // It may stand elsewhere than asked for.
            Ok(_) => [self.cluster.dir(), &self.dir].into_iter().for_each(remove),
            Err(error) => eprintln!("PostgreSQL did not stop: {error}"),
        }
    }
}

fn remove(dir: &Path) {
    if dir.exists()
        && let Err(error) = fs::remove_dir_all(dir)
    {
        eprintln!("{} stays behind: {error}", dir.display());
    }
}
