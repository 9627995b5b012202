//! Tests of the program with a real Postgres, real signals, commands and sockets.

#![allow(clippy::unwrap_used, reason = "test helpers report failures by panicking")]

mod alone;
mod gateway;
mod room;
mod rooms;
mod wrapped;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use oasis_postgres::testing::{self, TestDatabase};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// The time limit for a condition to become true.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// A database for beats, and a directory for sockets.
struct Setup {
    db: TestDatabase,
    sql: Client,
    home: TempDir,
}

impl Setup {
    async fn new() -> Self {
        let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
        let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { db, sql, home: tempfile::tempdir().unwrap() }
    }

    /// The program with these flags, for the agent `planner` and this database.
    fn agent(&self, flags: &[&str]) -> Command {
        let mut command = agent(self.home.path(), flags);
        command.env("DATABASE_URL", &self.db.url).env("AGENT_NAME", "planner");
        command
    }

    /// The pings in the table, each as `status task exit_code`.
    async fn pings(&self) -> Vec<String> {
        let sql = "SELECT concat_ws(' ', status, vtid, meta->>'exit_code') FROM oasis_events ORDER BY id";
        self.sql.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn until_pings(&self, expected: &[&str]) {
        until_async(&format!("{expected:?}"), async || self.pings().await == expected).await;
    }

    /// The `meta` of the last ping.
    async fn last(&self) -> Value {
        let sql = "SELECT meta::text FROM oasis_events ORDER BY id DESC LIMIT 1";
        self.sql.query_one(sql, &[]).await.unwrap().get::<_, &str>(0).parse().unwrap()
    }
}

/// A command that runs the program. The program inherits only `PATH` from the environment of the tests. The
/// program ignores no signals, even if the tests run in the background and therefore ignore some signals.
fn agent(home: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal", env!("CARGO_BIN_EXE_heartbeat-agent")]);
    let own = Path::new(env!("CARGO_BIN_EXE_heartbeat-agent")).parent().unwrap();
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    command.env_clear().env("PATH", path).env("XDG_RUNTIME_DIR", home).args(flags).stdin(Stdio::null());
    command
}

/// Waits for a condition.
async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "timed out waiting for: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The exit code and the output of a run.
struct Output {
    code: Option<i32>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Output {
    /// stderr as text.
    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

/// Runs a command to its end, with `input` on stdin.
async fn output_of(mut command: Command, input: Vec<u8>) -> Output {
    tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        Output { code: output.status.code(), out: output.stdout, err: output.stderr }
    })
    .await
    .unwrap()
}

/// A running program. Dropping a `Running` kills the program.
struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    /// Starts the program with the stderr of the tests.
    fn start(mut command: Command) -> Self {
        command.stderr(Stdio::inherit());
        Self::start_with(command)
    }

    /// Starts the program with the stderr that `command` sets.
    fn start_with(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// The next line of the program's output.
    fn line(&self) -> String {
        self.lines.recv_timeout(TIMEOUT).unwrap()
    }

    /// Waits for the end of the program.
    async fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "timed out waiting for the end of the program");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an agent whose first beat is refused. Checks that the agent's status contains `why`, and that the
/// next task is sent at once, even with a long interval. Returns the agent's log.
async fn refused_once(command: Command, home: &Path, why: &str) -> String {
    let mut running = Running::start_with(command);
    let ask = async |flags: &[&str]| output_of(agent(home, flags), Vec::new()).await;
    until_async("the status has the error", async || {
        let status = ask(&["status"]).await;
        String::from_utf8_lossy(&status.out).contains(why)
    })
    .await;
    assert_eq!(ask(&["set-vtid", "DEV-CICDL-0031"]).await.code, Some(0));
    until_async("the status has no error", async || {
        ask(&["status"]).await.out == b"planner works on DEV-CICDL-0031\n"
    })
    .await;
    running.signal(Signal::TERM);
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert_eq!(log.matches("a beat was refused").count(), 1, "{log}");
    assert!(!log.contains("trying again"), "{log}");
    log
}

/// The pid and the state of each child of the process `of`, from `/proc`.
fn children(of: Pid) -> Vec<(i32, char)> {
    let stat = |path: PathBuf| {
        let mut text = String::new();
        std::fs::File::open(path.join("stat")).ok()?.read_to_string(&mut text).ok()?;
        let (pid, rest) = text.split_once(' ')?;
        let mut rest = rest.rsplit_once(") ")?.1.split(' ');
        let (state, parent) = (rest.next()?.chars().next()?, rest.next()?.parse::<i32>().ok()?);
        Some((pid.parse().ok()?, state, parent))
    };
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| stat(entry.ok()?.path()));
    all.filter(|(_, _, parent)| *parent == of.as_raw_pid()).map(|(pid, state, _)| (pid, state)).collect()
}
