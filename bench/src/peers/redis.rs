//! Starts Redis, and sends commands to it. Redis stores nothing on disk.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::child::Process;
use crate::service::free_address;

const INSTALL: &str = "redis-server is not installed: run apt-get install redis-server";
const READY_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A running Redis.
pub(crate) struct Redis {
    process: Process,
    address: SocketAddr,
}

/// A connection to Redis, which sends commands and reads their answers.
pub(crate) struct Commands {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Redis {
    /// Starts Redis with a new folder in `dir`. If Redis is not installed, the inner error tells what to do.
    pub(super) async fn start(dir: &Path) -> anyhow::Result<Result<Self, String>> {
        let address = free_address()?;
        let port = address.port().to_string();
        let data = dir.join(format!("redis-{port}"));
        fs::create_dir(&data).with_context(|| format!("creating {}", data.display()))?;
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", port.as_str(), "--maxclients", "15000"]);
        // Redis keeps nothing on disk.
        command.args(["--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = match Process::start("Redis", &mut command) {
            Ok(process) => process,
            Err(error) if is_missing(&error) => return Ok(Err(INSTALL.to_owned())),
            Err(error) => return Err(error),
        };
        let deadline = Instant::now() + READY_WITHIN;
        while TcpStream::connect(address).await.is_err() {
            process.alive()?;
            ensure!(Instant::now() < deadline, "Redis is not ready after {} s", READY_WITHIN.as_secs());
            sleep(POLL).await;
        }
        Ok(Ok(Self { process, address }))
    }

    pub(super) fn port(&self) -> String {
        self.address.port().to_string()
    }

    /// The name and the process id, for a [`Meter`](crate::processes::Meter).
    pub(crate) fn watched(&self) -> (&'static str, u32) {
        self.process.watched()
    }

    pub(crate) async fn connect(&self) -> anyhow::Result<Commands> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Commands { stream, received: Vec::new() })
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

impl Commands {
    /// Sets many keys.
    pub(crate) async fn set(&mut self, keys: &[(String, String)]) -> anyhow::Result<()> {
        let commands = keys.iter().map(|(key, value)| ["SET", key, value]);
        self.send(commands.collect()).await.map(|_| ())
    }

    /// Publishes messages, each to its channel, and returns how many subscribers got a message.
    pub(crate) async fn publish(&mut self, messages: &[(String, String)]) -> anyhow::Result<usize> {
        let commands = messages.iter().map(|(channel, message)| ["PUBLISH", channel, message]);
        let answers = self.send(commands.collect()).await?;
        let counts = answers.iter().map(|answer| answer.strip_prefix(':')?.parse::<usize>().ok());
        counts.sum::<Option<usize>>().context("Redis did not answer with numbers")
    }

    /// Sends all commands at once, and returns the line that answers each command.
    async fn send(&mut self, commands: Vec<[&str; 3]>) -> anyhow::Result<Vec<String>> {
        let mut request = Vec::new();
        for command in &commands {
            request.extend_from_slice(b"*3\r\n");
            for part in command {
                request.extend_from_slice(format!("${}\r\n{part}\r\n", part.len()).as_bytes());
            }
        }
        let (mut read, mut write) = self.stream.split();
        let received = &mut self.received;
        received.clear();
        let answers = async {
            while received.iter().filter(|byte| **byte == b'\n').count() < commands.len() {
                if read.read_buf(received).await? == 0 {
                    bail!("Redis closed the connection");
                }
            }
            anyhow::Ok(())
        };
        // Redis answers while it reads. So the answers are read while the commands are sent.
        let all = async { tokio::try_join!(async { Ok(write.write_all(&request).await?) }, answers) };
        timeout(ANSWER_WITHIN, all).await.context("Redis did not answer in time")??;
        let text = std::str::from_utf8(&self.received).context("an answer of Redis is not UTF-8")?;
        let answers: Vec<String> = text.lines().map(str::to_owned).collect();
        match answers.iter().find(|answer| answer.starts_with('-')) {
            Some(error) => bail!("Redis answered {error}"),
            None => Ok(answers),
        }
    }
}
