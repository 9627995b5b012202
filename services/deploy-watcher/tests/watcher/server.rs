//! Helpers that run the watcher as a process, and a fake metadata server that issues tokens.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The time limit for a condition to become true.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The pause between two checks of a condition.
const PAUSE: Duration = Duration::from_millis(5);

/// The command that runs the watcher. It does not inherit the environment variables of the tests.
pub(crate) fn binary(variables: &[(&str, &str)], flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-watcher"));
    // HOME is a directory without credentials.
    command.env_clear().env("HOME", env!("CARGO_TARGET_TMPDIR")).envs(variables.iter().copied());
    command.args(flags).stdin(Stdio::null());
    command
}

/// Runs a program to its end. Returns the exit code, stdout and stderr.
pub(crate) async fn output_of(mut command: Command) -> (Option<i32>, String, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Waits until the condition `holds` is true.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "timed out before {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A running watcher process. Dropping a `Process` kills it.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts a watcher on a free port, and waits until it listens.
    pub(crate) async fn start(variables: &[(&str, &str)], flags: &[&str]) -> Self {
        let mut command = binary(variables, flags);
        command.env("HOST", "127.0.0.1").env("PORT", "0").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let started = tokio::task::spawn_blocking(move || {
            let mut log = String::new();
            while stderr.read_line(&mut log).unwrap() > 0 {
                let last = log.trim_end().rsplit('\n').next().unwrap_or_default();
                let line: Value = serde_json::from_str(last).unwrap_or_default();
                if line["message"] == "listening" {
                    // Keep reading, because the watcher would block on a full pipe.
                    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
                    return Ok(line["address"].as_str().unwrap().parse().unwrap());
                }
            }
            Err(log)
        });
        match started.await.unwrap() {
            Ok(address) => Self { child, address },
            Err(log) => panic!("the watcher ended before it listened: {:?}: {log}", child.wait()),
        }
    }

    /// The port that the watcher listens on.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sends a request. Returns the status and the body. The answer must be as `openapi/` describes it.
    pub(crate) async fn send(&self, method: &str, path: &str) -> (u16, String) {
        let mut connection = TcpStream::connect(self.address).await.unwrap();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: "));
        let described = oasis_contract::Answer { method, target: path, status, content_type };
        described.check(body.as_bytes()).unwrap_or_else(|problem| panic!("{problem}"));
        (status, body.to_owned())
    }

    /// Sends a request. Returns the status and the body as JSON.
    pub(crate) async fn json(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, body) = self.send(method, path).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    /// Sends SIGTERM, and waits for the end of the process.
    pub(crate) async fn terminate(&mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let child = &mut self.child;
        until("the watcher ends", async || child.try_wait().unwrap().is_some()).await;
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fake of Cloud Run's metadata server. The server issues tokens while `has_token` is true.
pub(crate) struct Metadata {
    pub(crate) host: String,
    pub(crate) has_token: Arc<Mutex<bool>>,
    task: JoinHandle<()>,
}

const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

impl Metadata {
    /// Starts a server whose tokens are valid for `seconds`.
    pub(crate) async fn start(has_token: bool, seconds: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let has_token = Arc::new(Mutex::new(has_token));
        let shared = Arc::clone(&has_token);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let has_token = *shared.lock().unwrap();
                tokio::spawn(answer(connection, has_token.then_some(seconds)));
            }
        });
        Self { host, has_token, task }
    }
}

impl Drop for Metadata {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut connection: TcpStream, valid_for: Option<u32>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = connection.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let asks_for_a_token = head.starts_with(&format!("get {}", TOKEN.to_ascii_lowercase()));
    let is_valid = asks_for_a_token && head.contains("metadata-flavor: google");
    let (status, body) = match valid_for.filter(|_| is_valid) {
        Some(seconds) => {
            let token =
                json!({ "access_token": "fake-token", "expires_in": seconds, "token_type": "Bearer" });
            ("200 OK", token.to_string())
        }
        None => ("404 Not Found", "the account does not exist".to_owned()),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nmetadata-flavor: Google\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    // The client may have disconnected, so ignore errors.
    let _ = connection.write_all(answer.as_bytes()).await;
}
