//! The flags of `oasis up`.

use std::path::PathBuf;

use oasis_identity::Secrets;
use oasis_service::Secret;
use oasis_service::args::parse_host;
use oasis_store::{DatabaseUrl, Schema};

use crate::running::FOLDER;

const EXAMPLES: &str = "\
Examples:
  oasis up              # start the services; Ctrl-C stops them
  oasis up --demo       # also send the events of a made-up team
  oasis up --port 9000  # the feed on 9000, webhooks on 9001, deploys on 9002
  DATABASE_URL=postgres://localhost/oasis oasis up  # use your own database

The data stays in the folder .oasis. Anyone who can reach the ports can read and
send events. Without --host, only this machine can reach them.";

/// Flags of `oasis up`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Send the events of a made-up team: signed GitHub deliveries, deploys, pings of agents, and the states
    /// of clusters, projects and workloads
    #[arg(long)]
    pub(super) demo: bool,
    /// Address to listen on; any address except a loopback address opens the ports to other machines
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1", value_parser = parse_host)]
    pub(super) host: String,
    /// Another name under which browsers and tools reach gateway-feed and deploy-watcher, for example through
    /// a tunnel. On a loopback address, only localhost and IP addresses are accepted otherwise. Repeatable
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// Port of gateway-feed; webhook-ingest and deploy-watcher use the next two ports
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=65533))]
    pub(super) port: u16,
    /// Folder for the private PostgreSQL and the secrets; other commands search only the default folder for a
    /// running `oasis up`
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    pub(super) data: PathBuf,
    /// Use this database instead of a private one; the variable is safer, because other users can see flags
    /// in `ps`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(super) database_url: Option<DatabaseUrl>,
    /// Schema of the tables, if an application has its own table oasis_events in the schema public
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", value_name = "NAME", default_value_t)]
    pub(super) schema: Schema,
    /// Webhook secret; by default, a secret is generated and stored in the --data folder
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub(super) github_webhook_secret: Option<Secret>,
    /// Secrets of the tokens that `oasis token mint` makes; by default, a secret is generated and stored in
    /// the --data folder
    #[arg(long, env = "JWT_SECRET", hide_env_values = true, value_name = "LIST")]
    pub(super) jwt_secret: Option<Secrets>,
    /// Watch the Cloud Run deploys of these projects, with your Google Cloud credentials
    #[arg(long, env = "GCP_PROJECT", value_name = "IDS")]
    pub(super) gcp_project: Option<String>,
    /// What to log, such as `info` or `warn,gateway_feed=debug`
    #[arg(long, env = "RUST_LOG", default_value = "warn")]
    pub(super) log: String,
}

impl Args {
    /// The secrets of tokens that the user gave.
    pub(super) fn own_jwt_secret(&self) -> Option<&Secrets> {
        self.jwt_secret.as_ref().filter(|secrets| !secrets.is_empty())
    }
}
