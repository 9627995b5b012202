//! Runs the receiver as a process, for tests that signal or kill it.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::DatabaseUrl;
use rustix::process::{Pid, Signal, kill_process};

use crate::server::SECRET;

/// The time limit for the exit of a process.
pub(crate) const EXITS_WITHIN: Duration = Duration::from_secs(10);
/// The pause between two checks of a condition.
pub(crate) const POLL: Duration = Duration::from_millis(5);

/// A running receiver. Dropping a `Receiver` kills the process.
pub(crate) struct Receiver {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The log so far.
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

/// A database with the table, on the server that all tests share.
pub(crate) async fn database() -> TestDatabase {
    testing::database(migrate).await
}

pub(crate) async fn migrate(url: &str) -> Result<oasis_store::Migrated, oasis_store::MigrateError> {
    oasis_store::migrate(&url.parse::<DatabaseUrl>().unwrap()).await
}

/// The command that runs the receiver. It does not inherit the environment variables of the tests.
pub(crate) fn binary(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webhook-ingest"));
    command.env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs a command to its end, and returns the exit code and both outputs.
pub(crate) fn finished(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Returns a free port below the range that systems use for outgoing connections. In that range, a client
/// that keeps trying to connect to a port without a listener can connect to itself.
pub(crate) fn free_port() -> u16 {
    let random = || (RandomState::new().hash_one(0) % 12_000) as u16;
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    std::iter::repeat_with(|| 20_000 + random()).find(is_free).unwrap()
}

impl Receiver {
    /// Starts a receiver on `port`, and waits until it listens.
    pub(crate) async fn start(database_url: &str, port: u16) -> Self {
        let port = port.to_string();
        Self::start_with(&[
            ("DATABASE_URL", database_url),
            ("GITHUB_WEBHOOK_SECRET", SECRET),
            ("HOST", "127.0.0.1"),
            ("PORT", &port),
        ])
        .await
    }

    /// Starts a receiver with these variables and no others, and waits until it listens.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let mut child = binary(variables).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        // The receiver logs its address once it listens.
        let begun = tokio::task::spawn_blocking(move || {
            let mut log = String::new();
            while stderr.read_line(&mut log).unwrap() > 0 {
                let last = log.trim_end().rsplit('\n').next().unwrap_or_default();
                let line: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
                if line["message"] == "listening" {
                    let address = line["address"].as_str().unwrap().parse().unwrap();
                    return Ok((address, log, stderr));
                }
            }
            Err(log)
        });
        let (address, log, mut stderr) = match begun.await.unwrap() {
            Ok(begun) => begun,
            Err(log) => panic!("the receiver ended before it listened: {:?}: {log}", child.wait()),
        };
        let log = Arc::new(Mutex::new(log));
        let reader = std::thread::spawn({
            let log = log.clone();
            move || {
                let mut line = String::new();
                while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                    log.lock().unwrap().push_str(&line);
                    line.clear();
                }
                let _ = stderr.read_to_string(&mut line);
            }
        });
        Self { child, address, log, reader: Some(reader) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether a line of the log contains `text`.
    pub(crate) fn logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().lines().any(|line| line.contains(text))
    }

    /// The log so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Kills the receiver as `kill -9` does, and returns its port.
    pub(crate) async fn kill(mut self) -> u16 {
        self.signal(Signal::KILL);
        let status = self.ended(EXITS_WITHIN).await;
        assert_eq!(status.code(), None, "the receiver ended by itself");
        self.address.port()
    }

    /// Waits until the receiver exits, and returns its exit status.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the receiver did not exit: {}", self.log.lock().unwrap());
            tokio::time::sleep(POLL).await;
        };
        if let Some(reader) = self.reader.take() {
            tokio::task::spawn_blocking(|| reader.join().unwrap()).await.unwrap();
        }
        status
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
