//! The private PostgreSQL of `oasis up`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use oasis_postgres::{Cluster, Options};
use oasis_service::Shutdown;
use oasis_store::DatabaseUrl;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::files::{DATABASE_URL_FILE, write_private};
use crate::output::notice;

/// The time between two checks whether PostgreSQL runs.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// Starts PostgreSQL in `data`, makes the database if it is missing, and writes the URL of the database to a
/// file.
pub(super) async fn start(data: &Path) -> anyhow::Result<(Arc<Cluster>, DatabaseUrl)> {
    let dir = data.join("postgres");
    notice(if dir.exists() { "starting PostgreSQL" } else { "preparing a private PostgreSQL" });
    let cluster = Arc::new(spawn_blocking(move || Cluster::start(Options::new(dir))).await??);
    cluster.create_database("oasis").await?;
    let url = cluster.url("oasis");
    // The file is for psql, and for programs that write to the table directly.
    write_private(&data.join(DATABASE_URL_FILE), &url)?;
    let url = url.parse().context("cannot parse the URL of the private database")?;
    Ok((cluster, url))
}

/// Restarts PostgreSQL whenever it has ended. For example, PostgreSQL ends when the disk is full. Without
/// this function, PostgreSQL would stay down even after the disk has space again.
pub(super) async fn keep_up(cluster: Arc<Cluster>, shutdown: Shutdown) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            () = sleep(CHECK_EVERY) => {}
        }
        let before = cluster.pid();
        let restarting = cluster.clone();
        match spawn_blocking(move || restarting.restart()).await {
            Ok(Ok(())) if cluster.pid() == before => {}
            Ok(Ok(())) => {
                failing = false;
                notice("PostgreSQL had ended and was restarted");
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                notice(format_args!("PostgreSQL has ended and cannot be restarted; retrying: {error}"));
            }
            // The error was reported before, or the runtime is shutting down.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}
