//! Starts NATS, and the two Node processes of `bench/peers/nats`: one receives webhooks, stores and publishes
//! the status of their casts, and the other serves streams. NATS keeps nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::node;
use crate::child::Process;
use crate::delivery::SECRET;
use crate::service::{Service, free_address};
use crate::stack::{Database, Stack};
use crate::tokens;

const INSTALL: &str = "nats-server is not installed: run apt-get install nats-server";
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// What a Node process does.
#[derive(Clone, Copy)]
pub(crate) enum Role<'a> {
    /// Receives webhooks. With a database, it updates the rows that [`open_casts`] has made.
    Webhooks(Option<&'a Database>),
    Events,
}

/// Makes the peer's table with `count` casts, for the runs from `first` on.
pub(crate) async fn open_casts(database: &Database, first: u64, count: usize) -> anyhow::Result<()> {
    let table = "DROP TABLE IF EXISTS casts;
        CREATE TABLE casts (id text PRIMARY KEY, run_id bigint UNIQUE, status text, started_at timestamptz)";
    let client = database.connect().await?;
    client.batch_execute(table).await?;
    let insert =
        "INSERT INTO casts SELECT 'cast-' || run, run, 'queued' FROM generate_series($1::bigint, $2) run";
    client.execute(insert, &[&first.cast_signed(), &(first + count as u64 - 1).cast_signed()]).await?;
    Ok(())
}

/// A running NATS, and what is needed to start the Node processes.
pub(crate) struct Nats {
    process: Process,
    port: String,
    node: PathBuf,
    dir: PathBuf,
}

impl Nats {
    /// The names in the report: with a database, and without.
    pub(crate) const NAME: &'static str = "Node + PostgreSQL + nats-server";
    pub(crate) const WITHOUT: &'static str = "Node + nats-server";

    /// Starts NATS. If the machine cannot run the peer, the inner error gives the reason.
    pub(crate) async fn start() -> anyhow::Result<Result<Self, String>> {
        let (node, dir) = match node::install("nats").await? {
            Ok(installed) => installed,
            Err(why) => return Ok(Err(why)),
        };
        let address = free_address()?;
        let port = address.port().to_string();
        // Debian installs the server in a folder that is not on the PATH of all users.
        let started = ["nats-server", "/usr/sbin/nats-server"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.args(["--addr", "127.0.0.1", "--port", port.as_str()]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Process::start("NATS", &mut command).ok()
        });
        let Some(mut process) = started else { return Ok(Err(INSTALL.to_owned())) };
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            process.alive()?;
            ensure!(Instant::now() < deadline, "NATS is not ready after {} s", READY_WITHIN.as_secs());
            sleep(POLL).await;
        }
        Ok(Ok(Self { process, port, node, dir }))
    }

    /// The name and the process id, for a [`Meter`](crate::processes::Meter).
    pub(crate) fn watched(&self) -> (&'static str, u32) {
        self.process.watched()
    }

    /// Starts a Node process at `address`, or at a free address.
    pub(crate) async fn node(
        &self,
        stack: &Stack,
        role: Role<'_>,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Service> {
        let (name, role, database) = match role {
            Role::Webhooks(database) => ("node-webhooks", "webhooks", database),
            Role::Events => ("node-events", "events", None),
        };
        let address = match address {
            Some(address) => address,
            None => free_address()?,
        };
        let mut program = Command::new(&self.node);
        program.arg("server.js").current_dir(&self.dir);
        let settings = [
            ("DATABASE_URL", database.map_or("", Database::url)),
            ("ROLE", role),
            ("NATS_PORT", self.port.as_str()),
            ("GITHUB_WEBHOOK_SECRET", SECRET),
            ("JWT_SECRET", tokens::SECRET),
            ("NODE_ENV", "production"),
        ];
        Service::launch_at(address, name, program, &settings, stack.dir(), POLL).await
    }
}
