//! The flags of `oasis doctor`.

use std::path::PathBuf;

use oasis_service::Secret;
use oasis_service::client::Base;

use crate::gateway::Gateway;
use crate::running;

const EXAMPLES: &str = "\
Examples:
  oasis doctor
  oasis doctor --json | jq -r '.checks[] | select(.verdict != \"ok\").message'
  oasis doctor --url http://localhost:8080 --webhook-url http://localhost:8081

Each check prints a line that begins with ok, warning or problem. A second line
says what to do. No check stores an event.

The running `oasis up` gives the addresses, the webhook secret and the database,
unless flags or variables give them.

Exit codes:
  0  no problem; warnings do not count
  1  a problem, also if the reader of the output, such as `head`, ended first
  2  wrong usage";

/// Flags of `oasis doctor`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) gateway: Gateway,
    /// Address of webhook-ingest; by default, the next port after the port of gateway-feed
    #[arg(long, env = "OASIS_WEBHOOKS_URL", value_name = "URL")]
    pub(super) webhook_url: Option<Base>,
    /// Address of deploy-watcher; by default, the second port after the port of gateway-feed
    #[arg(long, value_name = "URL")]
    pub(super) deploys_url: Option<Base>,
    /// PostgreSQL URL of the services; the variable is safer, because other users can see flags in `ps`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(super) database_url: Option<Secret>,
    /// Secret with which webhook-ingest checks signatures
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true)]
    pub(super) secret: Option<Secret>,
    /// Token for sending: one of the gateway's INGEST_TOKENS
    #[arg(long, env = "INGEST_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) ingest_token: Option<Secret>,
    /// Folder of `oasis up`, if no running `oasis up` is found
    #[arg(long, value_name = "DIR", default_value = running::FOLDER)]
    pub(super) data: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}
