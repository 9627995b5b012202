//! `pgbench`: PostgreSQL's own load generator, with a single-row INSERT of the event that `ingest` sends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::task::spawn_blocking;

use crate::stack::{Database, Stack};

pub(crate) const NAME: &str = "pgbench";
pub(crate) const CLIENTS: usize = 32;
const THREADS: usize = 2;

/// Whether it is there, or why not.
pub(crate) fn look() -> Result<(), String> {
    match Command::new(NAME).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("pgbench --version ended with {}", output.status)),
        Err(error) => Err(format!("running pgbench: {error}; it comes with PostgreSQL (postgresql-contrib)")),
    }
}

/// Runs `sql`, in which `:n` is another number each time, as a transaction of its own on all clients for this
/// long, and gives how many a second.
pub(crate) async fn run(
    stack: &Stack,
    database: &Database,
    sql: String,
    time: Duration,
) -> anyhow::Result<f64> {
    let script = stack.dir().join("pgbench.sql");
    let url = database.url.clone();
    spawn_blocking(move || blocking(&script, &url, &sql, time)).await?
}

fn blocking(script: &Path, url: &str, sql: &str, time: Duration) -> anyhow::Result<f64> {
    fs::write(script, format!("\\set n random(1, 1000000000)\n{sql};\n"))?;
    let output = Command::new(NAME)
        .args(["--no-vacuum", "--protocol=prepared"])
        .args([
            format!("--client={CLIENTS}"),
            format!("--jobs={THREADS}"),
            format!("--time={}", time.as_secs()),
        ])
        .arg("--file")
        .arg(PathBuf::from(script))
        .arg(url)
        .output()
        .context("running pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench ended with {}: {}", output.status, complaint.trim());
    rate(&said).with_context(|| format!("pgbench gave no rate: {said}"))
}

fn rate(said: &str) -> Option<f64> {
    said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rate_is_found() {
        let said = "number of failed transactions: 0 (0.000%)\nlatency average = 3.1 ms\n\
                    tps = 2713.250000 (without initial connection time)\n";
        assert_eq!(super::rate(said), Some(2713.25));
        assert_eq!(super::rate("pgbench: error"), None);
    }
}
