//! The watcher of deploys: what Cloud Run says in Cloud Logging becomes events of the table.
//!
//! Its endpoints are listed in [`routes`]; the probes and `/metrics` are those of every service.

pub mod audit;
#[cfg(feature = "fake")]
pub mod fake;
mod known;
pub mod logs;
pub mod poll;
pub mod poll_report;
mod quarantine;
pub mod routes;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use oasis_core::chain;
use oasis_service::args::parse_duration;
use oasis_service::{Limits, ServiceArgs, Shutdown, panics, serve};
use oasis_store::{DatabaseArgs, Store};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use logs::gcloud::{self, CloudLogging};
use poll::Watcher;
use poll_report::{PollError, PollReport};
use routes::DeployWatcher;

/// Reads Cloud Run's deploys from Cloud Logging and appends them as OASIS events
#[derive(Debug, Clone, Parser)]
#[command(name = "deploy-watcher", version)]
pub struct Config {
    /// Where to listen, and what to log.
    #[command(flatten)]
    pub service: ServiceArgs<8082>,

    /// Where the table is.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Ids of the projects whose deploys are watched, with commas between them
    #[arg(long, env = "GCP_PROJECT", value_name = "IDS", value_delimiter = ',', required = true,
          value_parser = project)]
    pub gcp_project: Vec<String>,

    /// Poll by itself this often, besides whenever POST /poll is asked
    #[arg(long, env = "EVERY", value_name = "DURATION", value_parser = parse_duration)]
    pub every: Option<Duration>,

    /// Poll once, say what came of it, and end, whatever EVERY says
    #[arg(long)]
    pub once: bool,

    /// How far the first poll of a project looks back
    #[arg(long, env = "LOOKBACK", value_name = "DURATION", default_value = "1d", value_parser = lookback)]
    pub lookback: Duration,

    /// Where Cloud Logging is
    #[arg(long, env = "LOGGING_ENDPOINT", value_name = "URL", default_value = gcloud::ENDPOINT)]
    pub logging_endpoint: String,

    /// Send no credentials, which only a fake of Cloud Logging accepts
    #[arg(long, env = "LOGGING_ANONYMOUS")]
    pub logging_anonymous: bool,
}

/// A project's id, as Google gives them; older ones have a domain before a colon.
fn project(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    let text = text.trim();
    if (1..=100).contains(&text.len()) && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a project's id, such as my-project-123".to_owned())
    }
}

/// Cloud Logging keeps audit logs for 400 days.
fn lookback(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(400 * 24);
    parse_duration(text).and_then(|back| if back > most { Err("at most 400d".to_owned()) } else { Ok(back) })
}

fn watcher(config: &Config) -> anyhow::Result<(Store, Watcher<CloudLogging>)> {
    let most = poll::MOST_CALLS;
    anyhow::ensure!(
        config.gcp_project.len() <= most as usize,
        "GCP_PROJECT names more than {most} projects, and a poll makes {most} calls: \
         run another watcher for the rest"
    );
    let store =
        Store::new(config.database.clone(), DeployWatcher::NAME).context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let logs = CloudLogging::new(&config.logging_endpoint, config.logging_anonymous);
    let lookback = SignedDuration::try_from(config.lookback).context("LOOKBACK")?;
    let mut projects = config.gcp_project.clone();
    // None is always the first, even if each poll is a process of its own.
    let now = usize::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    let first = now.checked_rem(projects.len()).unwrap_or_default();
    projects.rotate_left(first);
    let watcher = Watcher::new(projects, lookback, logs, store.clone(), appender);
    Ok((store, watcher))
}

/// Polls once.
///
/// # Errors
/// What kept it from polling.
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

/// Serves on `listener` until `shutdown` is triggered. The database and Cloud Logging may be away at the
/// start and at any time later; polls say so meanwhile.
///
/// # Errors
/// When TLS to the database cannot be set up as its URL asks for, or `listener` is not usable.
pub async fn run(config: Config, listener: TcpListener, shutdown: Shutdown) -> anyhow::Result<()> {
    let (store, watcher) = watcher(&config)?;
    let app = Arc::new(DeployWatcher { store, watcher });
    let polling =
        config.every.map(|every| tokio::spawn(keep_polling(Arc::clone(&app), every, shutdown.clone())));
    // A scheduler, and probes.
    let limits = Limits { max_connections: 256, ..Limits::default() };
    let served = serve(app, listener, limits, shutdown).await.context("serving");
    if let Some(polling) = polling {
        // A poll may be cut anywhere: the next one begins where it ended.
        polling.abort();
    }
    served
}

async fn keep_polling(app: Arc<DeployWatcher>, every: Duration, shutdown: Shutdown) {
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shutdown.is_triggered() {
        due.tick().await;
        match panics::catch(app.watcher.poll()).await {
            Ok(Ok(PollReport::Read(read))) if read.seen > 0 => {
                tracing::info!(seen = read.seen, published = read.published, unread = read.unread, "polled");
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::error!(error = chain(&error), "a poll failed"),
            Err(panic) => tracing::error!(error = chain(&panic), "a poll failed"),
        }
    }
}
