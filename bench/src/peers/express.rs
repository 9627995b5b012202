//! Express 5 with pg, what users have today: `bench/peers/express/server.js`, one process of Node.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::Context;
use tokio::task::spawn_blocking;
use tokio_postgres::Client;

use crate::delivery::SECRET;
use crate::service::Service;
use crate::stack::{Database, Stack};

pub(crate) const NAME: &str = "Express 5 + pg";
const POLL: Duration = Duration::from_millis(20);

/// Its table: the event's columns under a serial id, the index that makes a redelivery one row, and the one
/// that serves a task's events. No trigger, no constraint beyond these, no other index of ours.
const TABLE: &str = "\
    CREATE TABLE IF NOT EXISTS bench_express (id bigserial PRIMARY KEY, ts timestamptz NOT NULL, \
    vtid text NOT NULL, layer text NOT NULL, module text NOT NULL, source text NOT NULL, kind text NOT NULL, \
    status text NOT NULL, title text NOT NULL, ref text NOT NULL, link text, \
    recorded_at timestamptz NOT NULL DEFAULT now(), channel text NOT NULL, meta jsonb NOT NULL, \
    dedup_key text UNIQUE); \
    CREATE INDEX IF NOT EXISTS bench_express_vtid ON bench_express (vtid, id)";
/// [`TABLE`] in words.
pub(crate) const TABLE_SAID: &str = "\
    the same columns under a serial id, with the primary key, a unique dedup_key and an index on (vtid, id): \
    neither triggers nor CHECKs";

/// Starts it over a table of its own in `database`, which is made unless it is there; or says why that can't
/// be.
pub(crate) async fn start(stack: &Stack, database: &Database) -> anyhow::Result<Result<Service, String>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/express");
    let node = match spawn_blocking({
        let dir = dir.clone();
        move || install(&dir)
    })
    .await?
    {
        Ok(node) => node,
        Err(error) => return Ok(Err(format!("{error:#}"))),
    };
    database.connect().await?.batch_execute(TABLE).await?;
    let mut server = Command::new(node);
    server.arg("server.js").current_dir(dir);
    let settings = [
        ("DATABASE_URL", database.url.as_str()),
        ("GITHUB_WEBHOOK_SECRET", SECRET),
        ("NODE_ENV", "production"),
    ];
    Service::launch("express", server, &settings, stack.dir(), POLL).await.map(Ok)
}

pub(crate) async fn count(client: &Client) -> anyhow::Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM bench_express", &[]).await?.get(0))
}

/// Fetches its packages unless the ones that are there are those of the lock file; gives the way to Node.
fn install(dir: &Path) -> anyhow::Result<PathBuf> {
    let node = text(Command::new("node").args(["-p", "process.execPath"]), "node")?;
    let modified = |path: &str| fs::metadata(dir.join(path)).and_then(|found| found.modified()).ok();
    // npm writes it last.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_none() || installed < modified("package-lock.json") {
        let flags = ["ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000"];
        text(Command::new("npm").args(flags).current_dir(dir), "npm ci")?;
    }
    Ok(PathBuf::from(node))
}

/// What a command prints, or the first line of its complaint that is more than a warning.
fn text(command: &mut Command, name: &str) -> anyhow::Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("running {name}"))?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&stderr);
        let why = complaint.lines().find(|line| line.contains("error"));
        anyhow::bail!("{name} ended with {status}: {}", why.unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}
