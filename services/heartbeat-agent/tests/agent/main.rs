//! The program, over a real Postgres: real signals, real commands, real sockets.

#![allow(clippy::unwrap_used, reason = "helpers of tests, which fail by panicking")]

mod alone;
mod gateway;
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

/// How long anything may take that takes a moment.
const WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const LOOK: Duration = Duration::from_millis(5);

/// A table to tell beats to, and a place for sockets.
struct Stand {
    db: TestDatabase,
    sql: Client,
    home: TempDir,
}

impl Stand {
    async fn new() -> Self {
        let db = testing::database(async |url| oasis_store::migrate(&url.parse().unwrap()).await).await;
        let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { db, sql, home: tempfile::tempdir().unwrap() }
    }

    /// The program with these flags.
    fn agent(&self, flags: &[&str]) -> Command {
        let mut command = agent(self.home.path(), flags);
        command.env("DATABASE_URL", &self.db.url).env("AGENT_NAME", "planner");
        command
    }

    /// The pings in the table: status, task and exit code.
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

/// The program with nothing of the environment of the tests but the way to commands, and no signal ignored,
/// as some are where the tests run in the background.
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
    let deadline = Instant::now() + WITHIN;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// What a run came to.
struct Finished {
    code: Option<i32>,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Finished {
    fn said(&self) -> String {
        String::from_utf8_lossy(&self.err).into_owned()
    }
}

/// Runs it to its end, with `input`.
async fn finished(mut command: Command, input: Vec<u8>) -> Finished {
    tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        Finished { code: output.status.code(), out: output.stdout, err: output.stderr }
    })
    .await
    .unwrap()
}

/// One that runs; it is killed when it is dropped.
struct Running {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        command.stderr(Stdio::inherit());
        Self::start_with(command)
    }

    /// With whatever becomes of what it logs.
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

    /// The next line of its output.
    fn line(&self) -> String {
        self.lines.recv_timeout(WITHIN).unwrap()
    }

    async fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an agent whose first beat is refused: its status says why, and the next task is told at once, however
/// long the interval. Gives its log.
async fn refused_once(command: Command, home: &Path, why: &str) -> String {
    let mut running = Running::start_with(command);
    let ask = async |flags: &[&str]| finished(agent(home, flags), Vec::new()).await;
    until_async("its status says why", async || {
        let status = ask(&["status"]).await;
        String::from_utf8_lossy(&status.out).contains(why)
    })
    .await;
    assert_eq!(ask(&["set-vtid", "DEV-CICDL-0031"]).await.code, Some(0));
    until_async("its status is well again", async || {
        ask(&["status"]).await.out == b"planner works on DEV-CICDL-0031\n"
    })
    .await;
    running.signal(Signal::TERM);
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert_eq!(log.matches("a beat was refused").count(), 1, "{log}");
    assert!(!log.contains("it is tried again"), "{log}");
    log
}

/// Its children as the system lists them: pid and state.
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
