//! Polls Cloud Run's audit logs in Cloud Logging. Appends an event for each request for a deploy, and another
//! event for the outcome.
//!
//! [`routes`] describes the endpoint of this service. Like every service, this service also has the probes
//! and `/metrics`.

mod audit;
#[cfg(feature = "fake")]
pub mod fake;
mod fields;
mod known;
mod labels;
pub mod logs;
mod operations;
pub mod poll;
pub mod poll_report;
mod quarantine;
mod report;
mod resources;
pub mod routes;
mod traffic;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use oasis_core::bridge::Mapping;
use oasis_core::chain;
use oasis_service::args::parse_duration;
use oasis_service::{Limits, Listeners, ServiceArgs, Shutdown, panics, serve};
use oasis_store::{DatabaseArgs, Store};
use tokio::time::{MissedTickBehavior, interval};

pub use audit::events_of;
use logs::gcloud::{self, CloudLogging};
use poll::Watcher;
use poll_report::{PollError, PollReport};
use routes::DeployWatcher;

/// Reads Cloud Run's deploys from Cloud Logging and appends them as OASIS events
#[derive(Debug, Clone, Parser)]
#[command(name = "deploy-watcher", version)]
pub struct Config {
    /// The address to listen on, and the settings of the log.
    #[command(flatten)]
    pub service: ServiceArgs<8082>,

    /// The database that holds the table.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Ids of the projects to watch, separated by commas
    #[arg(long, env = "GCP_PROJECT", value_name = "IDS", value_delimiter = ',', required = true,
          value_parser = project)]
    pub gcp_project: Vec<String>,

    /// Interval between polls. Without an interval, the service polls only when it receives POST /poll
    #[arg(long, env = "EVERY", value_name = "DURATION", value_parser = parse_duration)]
    pub every: Option<Duration>,

    /// Poll once, print the report as JSON, and exit. Ignores --every
    #[arg(long)]
    pub once: bool,

    /// How far the first poll of a project looks back
    #[arg(long, env = "LOOKBACK", value_name = "DURATION", default_value = "1d", value_parser = lookback)]
    pub lookback: Duration,

    /// Workloads of Cloud Run services, such as SERVICE=cluster:eu/project:shop/workload:api, or
    /// PROJECT/REGION/SERVICE=workload:api. The deploys of a service then also become resource events of its
    /// workloads
    #[arg(long, env = "RESOURCES", value_name = "LIST", default_value = "", hide_default_value = true)]
    pub resources: Mapping,

    /// The address of Cloud Logging
    #[arg(long, env = "LOGGING_ENDPOINT", value_name = "URL", default_value = gcloud::ENDPOINT)]
    pub logging_endpoint: String,

    /// Send no credentials. Only a fake Cloud Logging server accepts requests without credentials
    #[arg(long, env = "LOGGING_ANONYMOUS")]
    pub logging_anonymous: bool,
}

/// Parses a project id. The ids of some old projects begin with a domain and a colon.
fn project(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    let text = text.trim();
    if (1..=100).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a project's id, such as my-project-123".to_owned())
    }
}

/// Parses LOOKBACK. Cloud Logging keeps these audit logs for 400 days.
fn lookback(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(400 * 24);
    let back = parse_duration(text)?;
    if back > most { Err("expected at most 400d".to_owned()) } else { Ok(back) }
}

fn watcher(config: &Config) -> anyhow::Result<(Store, Watcher<CloudLogging>)> {
    let most = poll::MAX_CALLS;
    anyhow::ensure!(
        config.gcp_project.len() <= most as usize,
        "GCP_PROJECT names more than {most} projects, but a poll makes at most {most} calls: \
         run another watcher for the other projects"
    );
    let store =
        Store::new(config.database.clone(), DeployWatcher::NAME).context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let logs = CloudLogging::new(&config.logging_endpoint, config.logging_anonymous);
    let lookback = SignedDuration::try_from(config.lookback).context("LOOKBACK is too long")?;
    let mut projects = config.gcp_project.clone();
    // Start with a random project. With `--once`, each poll is a new process, which would otherwise always
    // start with the same project.
    let now = usize::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    let first = now.checked_rem(projects.len()).unwrap_or_default();
    projects.rotate_left(first);
    let watcher = Watcher::new(projects, lookback, logs, store.clone(), appender)
        .with_resources(config.resources.clone());
    Ok((store, watcher))
}

/// Polls once, for `--once`.
///
/// # Errors
/// When the database can't be set up, or the poll fails. If Cloud Logging returned the error, the context of
/// the error is a hint for the operator.
pub async fn once(config: &Config) -> anyhow::Result<PollReport> {
    let (_, watcher) = watcher(config)?;
    watcher.poll().await.map_err(|error| match &error {
        PollError::Logs { why, .. } => {
            let hint = why.hint();
            anyhow::Error::new(error).context(hint)
        }
        _ => error.into(),
    })
}

/// Serves on `listeners` until `shutdown` is triggered. The database and Cloud Logging may be unreachable at
/// any time, even at the start. While one of them is unreachable, polls fail.
///
/// # Errors
/// When GCP_PROJECT names too many projects, TLS to the database can't be set up as its URL requires, or
/// one of `listeners` is not usable.
pub async fn run(config: Config, listeners: impl Into<Listeners>, shutdown: Shutdown) -> anyhow::Result<()> {
    let (store, watcher) = watcher(&config)?;
    let app = Arc::new(DeployWatcher { store, watcher });
    let polling =
        config.every.map(|every| tokio::spawn(keep_polling(Arc::clone(&app), every, shutdown.clone())));
    // The only clients are a scheduler and probes.
    let limits = Limits { max_connections: 256, ..config.service.limits() };
    let served = serve(app, listeners, limits, shutdown).await.context("serving");
    if let Some(polling) = polling {
        // A poll can be aborted at any point, because the next poll continues from the saved cursor.
        polling.abort();
    }
    served
}

async fn keep_polling(app: Arc<DeployWatcher>, every: Duration, shutdown: Shutdown) {
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shutdown.is_triggered() {
        due.tick().await;
        match panics::catch(pin!(app.watcher.poll())).await {
            Ok(Ok(PollReport::Read(read))) if read.seen > 0 => {
                tracing::info!(seen = read.seen, published = read.published, unread = read.unread, "polled");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = chain(&error), "a poll failed"),
            Err(panic) => tracing::error!(error = chain(&panic), "a poll failed"),
        }
    }
}
