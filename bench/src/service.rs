//! Runs a service as a separate process: starts it on a free port, waits until it is ready, and ends it by
//! its process id.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::child::{END_WITHIN, Process};
use crate::http;

const READY_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running service. Dropping this value ends the process.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    process: Process,
    log: PathBuf,
}

impl Service {
    /// Starts the release binary `name` from the folder of this program, and waits until it is ready.
    pub(crate) async fn start(
        name: &'static str,
        settings: &[(&str, &str)],
        logs: &Path,
    ) -> anyhow::Result<Self> {
        Self::launch(name, Command::new(sibling_binary(name)?), settings, logs, POLL).await
    }

    /// Starts a program that listens on the address in its environment variables `HOST` and `PORT`. Requests
    /// `/ready` at intervals of `poll` until the program is ready.
    pub(crate) async fn launch(
        name: &'static str,
        program: Command,
        settings: &[(&str, &str)],
        logs: &Path,
        poll: Duration,
    ) -> anyhow::Result<Self> {
        Self::launch_at(free_address()?, name, program, settings, logs, poll).await
    }

    /// Starts the release binary `name` on the address of an earlier service, which must have ended.
    pub(crate) async fn start_at(
        address: SocketAddr,
        name: &'static str,
        settings: &[(&str, &str)],
        logs: &Path,
        poll: Duration,
    ) -> anyhow::Result<Self> {
        Self::launch_at(address, name, Command::new(sibling_binary(name)?), settings, logs, poll).await
    }

    pub(crate) async fn launch_at(
        address: SocketAddr,
        name: &'static str,
        mut program: Command,
        settings: &[(&str, &str)],
        logs: &Path,
        poll: Duration,
    ) -> anyhow::Result<Self> {
        let log = logs.join(format!("{name}-{}.log", address.port()));
        let stderr = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        program
            // The environment of the bench must not affect the service. For example, it must not change the
            // log level.
            .env_clear()
            .env("HOST", address.ip().to_string())
            .env("PORT", address.port().to_string())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr);
        let mut service = Self { address, process: Process::start(name, &mut program)?, log };
        service.until_ready(poll).await?;
        Ok(service)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.process.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The name and the process id, for a [`Meter`](crate::processes::Meter).
    pub(crate) fn watched(&self) -> (&'static str, u32) {
        self.process.watched()
    }

    async fn until_ready(&mut self, poll: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let why = match http::get(self.address, "/ready").await {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => answer.body,
                Err(error) => format!("{error:#}"),
            };
            if let Some(status) = self.process.ended()? {
                bail!("{} ended with {status}: {}", self.name(), last_line(&self.log));
            }
            if Instant::now() > deadline {
                bail!("{} is not ready after {} s: {why}", self.name(), READY_WITHIN.as_secs());
            }
            tokio::time::sleep(poll).await;
        }
    }

    /// Ends the service with SIGKILL.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Ends the service, and waits until the process has ended. Returns the problems that the exit status and
    /// the log show.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Vec<String>> {
        let name = self.name();
        let mut problems = Vec::new();
        let began = Instant::now();
        match self.process.ended()? {
            Some(status) => problems.push(format!("{name} ended with {status} before the bench stopped it")),
            None => {
                self.process.terminate();
                let status = loop {
                    if let Some(status) = self.process.ended()? {
                        break status;
                    }
                    if began.elapsed() > END_WITHIN {
                        bail!("{name} did not end within {} s of SIGTERM", END_WITHIN.as_secs());
                    }
                    tokio::time::sleep(POLL).await;
                };
                if !status.success() {
                    problems.push(format!("{name} ended with {status}"));
                }
            }
        }
        problems.extend(complaints(name, &fs::read_to_string(&self.log)?));
        // The log of a long run is large, so the log is removed.
        fs::remove_file(&self.log)?;
        Ok(problems)
    }
}

/// The path of a binary in the folder of this program.
pub(crate) fn sibling_binary(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding the path of this program")?;
    let program = own.parent().context("this program has no folder")?.join(name);
    if !program.is_file() {
        bail!("{} is missing: run `cargo build --release --workspace` first", program.display());
    }
    Ok(program)
}

/// A loopback address with a free port. The bench opens no other port before the service starts, so the port
/// stays free.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?)
}

fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("it logged nothing").to_owned()
}

/// The warnings and errors in a log of JSON lines, and how often each of them was logged.
fn complaints(name: &str, log: &str) -> Vec<String> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for line in log.lines().filter(|line| !line.contains("\"severity\":\"INFO\"")) {
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        let entry = match serde_json::from_str::<Value>(line) {
            Ok(value) => [text(&value, "severity"), text(&value, "message"), text(&value, "error")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(": "),
            Err(_) => line.to_owned(),
        };
        match found.iter_mut().find(|(known, _)| *known == entry) {
            Some((_, times)) => *times += 1,
            None => found.push((entry, 1)),
        }
    }
    found.into_iter().map(|(entry, times)| format!("{name} logged {times} times: {entry}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_warnings_and_errors_are_counted_together() {
        let log = "{\"severity\":\"INFO\",\"message\":\"listening\"}\n\
                   {\"severity\":\"WARNING\",\"message\":\"m\",\"error\":\"e\"}\n\
                   {\"severity\":\"WARNING\",\"message\":\"m\",\"error\":\"e\"}\nplain\n";
        assert_eq!(complaints("s", log), ["s logged 2 times: WARNING: m: e", "s logged 1 times: plain"]);
    }
}
