//! Starts NATS, and the two Node processes of `bench/peers/nats`: one receives webhooks and publishes them,
//! and the other serves streams. NATS keeps nothing.

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
use crate::stack::Stack;
use crate::tokens;

const INSTALL: &str = "nats-server is not installed: run apt-get install nats-server";
const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// What a Node process does.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    Webhooks,
    Events,
}

/// A running NATS, and what is needed to start the Node processes.
pub(crate) struct Nats {
    process: Process,
    port: String,
    node: PathBuf,
    dir: PathBuf,
}

impl Nats {
    /// The name in the report.
    pub(crate) const NAME: &'static str = "Node + nats-server";

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
        role: Role,
        address: Option<SocketAddr>,
    ) -> anyhow::Result<Service> {
        let (name, role) = match role {
            Role::Webhooks => ("node-webhooks", "webhooks"),
            Role::Events => ("node-events", "events"),
        };
        let address = match address {
            Some(address) => address,
            None => free_address()?,
        };
        let mut program = Command::new(&self.node);
        program.arg("server.js").current_dir(&self.dir);
        let settings = [
            ("ROLE", role),
            ("NATS_PORT", self.port.as_str()),
            ("GITHUB_WEBHOOK_SECRET", SECRET),
            ("JWT_SECRET", tokens::SECRET),
            ("NODE_ENV", "production"),
        ];
        Service::launch_at(address, name, program, &settings, stack.dir(), POLL).await
    }
}
