//! Runs `pgbench`, PostgreSQL's own load generator, as the peer of the scenario `ingest`.

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

/// Checks that pgbench can be run. If pgbench cannot be run, the error gives the reason.
pub(crate) fn check() -> Result<(), String> {
    match Command::new(NAME).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("pgbench --version ended with {}", output.status)),
        Err(error) => Err(format!("running pgbench: {error}; install the package postgresql-contrib")),
    }
}

/// Runs `sql` repeatedly on all clients for `time`. Each run is one transaction. Returns the transactions per
/// second. In each run, a random number replaces `:n` in `sql`.
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
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench ended with {}: {}", output.status, stderr.trim());
    rate(&stdout).with_context(|| format!("pgbench printed no rate: {stdout}"))
}

fn rate(stdout: &str) -> Option<f64> {
    stdout.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_rate_is_read_from_the_output() {
        let stdout = "number of failed transactions: 0 (0.000%)\nlatency average = 3.1 ms\n\
                    tps = 2713.250000 (without initial connection time)\n";
        assert_eq!(super::rate(stdout), Some(2713.25));
        assert_eq!(super::rate("pgbench: error"), None);
    }
}
