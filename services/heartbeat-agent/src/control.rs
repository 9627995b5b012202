//! The control socket of an agent: the server and the client of the socket, and the directory of the sockets.
//!
//! A request is one line, and so is its answer. There are three requests:
//!
//! - `set-vtid VTID`: the agent works on this task from now on
//! - `idle`: the agent waits for a task
//! - `status`: the agent reports its task, and the last error if beats or lines are not delivered
//!
//! An answer is `ok` or `error`, a space, and a text for the user.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oasis_core::Vtid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use crate::beats::AgentState;
use crate::heartbeat::Heartbeat;
use crate::instance;
use crate::room::RoomLog;
use crate::run::Outage;

/// The maximum length of a line. Longer lines are cut.
const MAX_LINE_BYTES: u64 = 4_096;
/// The server's time limit for one connection.
const SERVE_TIMEOUT: Duration = Duration::from_secs(1);
/// The client's time limit for an answer.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// A request to a running agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Sets the task. `None` makes the agent idle.
    SetVtid(Option<Vtid>),
    /// Asks for the agent's state.
    Status,
}

impl Request {
    fn line(&self) -> String {
        match self {
            Self::SetVtid(Some(vtid)) => format!("set-vtid {vtid}\n"),
            Self::SetVtid(None) => "idle\n".to_owned(),
            Self::Status => "status\n".to_owned(),
        }
    }

    fn parse(line: &str) -> Result<Self, String> {
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("set-vtid", vtid) => Ok(Self::SetVtid(Some(Vtid::parse(vtid).map_err(|why| why.to_string())?))),
            ("idle", "") => Ok(Self::SetVtid(None)),
            ("status", "") => Ok(Self::Status),
            _ => Err("expected `set-vtid VTID`, `idle` or `status`".to_owned()),
        }
    }
}

/// A running agent, as it answers requests.
pub(crate) struct Agent<'a> {
    pub(crate) name: &'a str,
    pub(crate) heartbeat: &'a Heartbeat,
    /// The log of the command's room, if there is a room.
    pub(crate) room: Option<&'a RoomLog>,
}

/// The socket of a running agent. Dropping a `Socket` removes the socket's file.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Socket {
    /// Listens at `path`. Replaces a stale socket.
    pub(crate) async fn bind(path: PathBuf) -> io::Result<Self> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(&path).await => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        let socket = Self { listener, path };
        // Only this user may tell the agent what it works on.
        std::fs::set_permissions(&socket.path, Permissions::from_mode(0o600))?;
        Ok(socket)
    }

    /// Binds a socket for a run of `agent` in the directory `dir`. Removes the stale sockets of killed runs.
    pub(crate) async fn bind_in(dir: &Path, agent: &str) -> io::Result<Self> {
        for path in std::fs::read_dir(dir)?.flatten().map(|entry| entry.path()) {
            if agent_of(&path).is_some() && is_stale(&path).await {
                let _ = std::fs::remove_file(path);
            }
        }
        // Bind under a name that other agents ignore, and rename the socket once it listens. Otherwise, if
        // another agent starts between `bind` and `listen`, that agent would remove the socket as stale.
        let path = dir.join(format!("{}.{}.sock", file_name(agent), instance::random_suffix()));
        let mut socket = Self::bind(path.with_extension("bind")).await?;
        std::fs::rename(&socket.path, &path)?;
        socket.path = path;
        Ok(socket)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Serves requests until the future is dropped.
    pub(crate) async fn serve(&self, agent: &Agent<'_>) {
        loop {
            match self.listener.accept().await {
                // Serve one connection at a time, because each connection takes only a moment.
                Ok((stream, _)) => drop(timeout(SERVE_TIMEOUT, answer(stream, agent)).await),
                Err(error) => {
                    // The error may be temporary, for example too many open files.
                    tracing::debug!(%error, "the control socket can't accept a connection");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn answer(stream: UnixStream, agent: &Agent<'_>) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_LINE_BYTES)).read_line(&mut line).await?;
    let Agent { name, heartbeat, room } = agent;
    let text = match Request::parse(&line) {
        Ok(Request::SetVtid(vtid)) => {
            let before = heartbeat.state();
            heartbeat.set_vtid(vtid);
            format!("ok {name} {}; it {} before\n", describe(&heartbeat.state()), describe_past(&before))
        }
        Ok(Request::Status) => {
            let beats = heartbeat.outage().map(|Outage { since, why }| {
                format!("; no beat has been delivered since {since}: {}", why.replace(char::is_control, " "))
            });
            let lines = room
                .and_then(|room| room.failure())
                .map(|why| format!("; no line reaches the room: {}", why.replace(char::is_control, " ")));
            let [beats, lines] = [beats, lines].map(Option::unwrap_or_default);
            format!("ok {name} {}{beats}{lines}\n", describe(&heartbeat.state()))
        }
        Err(why) => format!("error {why}; no change: {name} {}\n", describe(&heartbeat.state())),
    };
    write.write_all(text.as_bytes()).await
}

fn describe(state: &AgentState) -> String {
    match state {
        AgentState { ended: Some(_), .. } => "has stopped".to_owned(),
        AgentState { vtid: Some(vtid), .. } => format!("works on {vtid}"),
        AgentState { vtid: None, .. } => "is idle".to_owned(),
    }
}

/// Describes a previous state.
fn describe_past(state: &AgentState) -> String {
    match state {
        AgentState { ended: Some(_), .. } => "had stopped".to_owned(),
        AgentState { vtid: Some(vtid), .. } => format!("worked on {vtid}"),
        AgentState { vtid: None, .. } => "was idle".to_owned(),
    }
}

/// Sends a request to the agent with the socket at `path`, and returns the text of the answer.
///
/// # Errors
/// When no agent answers, or the agent refuses the request.
pub(crate) async fn ask(path: &Path, request: &Request) -> anyhow::Result<String> {
    let exchange = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(request.line().as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MAX_LINE_BYTES).read_to_string(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = match timeout(ASK_TIMEOUT, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    };
    let answer = answer.map_err(|error| {
        anyhow::anyhow!("no agent answers at {}: {error}; is it running?", path.display())
    })?;
    match answer.trim_end().split_once(' ') {
        Some(("ok", text)) => Ok(text.to_owned()),
        Some(("error", why)) => anyhow::bail!("{why}"),
        _ => anyhow::bail!("the program that listens at {} is not an agent", path.display()),
    }
}

/// Returns the directory that holds the sockets of this user's agents. Only this user can write to this
/// directory. The directory is in the user's runtime directory or, if there is no usable runtime directory,
/// in the directory for temporary files. Creates the directory if necessary.
///
/// # Errors
/// When the directory can't be created, or another user can write to the directory.
pub(crate) fn socket_dir(runtime: Option<&Path>) -> anyhow::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let usable = |dir: &&Path| dir.is_dir() && rustix::fs::access(*dir, rustix::fs::Access::WRITE_OK).is_ok();
    let dir = match runtime.filter(usable) {
        Some(runtime) => runtime.join("oasis"),
        None => std::env::temp_dir().join(format!("oasis-{uid}")),
    };
    let ours = || -> io::Result<bool> {
        let metadata = std::fs::symlink_metadata(&dir)?;
        Ok(metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o022 == 0)
    };
    match std::fs::DirBuilder::new().mode(0o700).create(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            anyhow::bail!("can't create {}: {error}; choose a socket with --socket", dir.display())
        }
        _ if ours().unwrap_or(false) => Ok(dir),
        _ => anyhow::bail!(
            "{} is not a directory that only this user can write to; choose a socket with --socket",
            dir.display()
        ),
    }
}

/// Finds the socket of the only running agent in `dir`. If `agent` is set, only agents with that name are
/// considered.
///
/// # Errors
/// When there is no such agent, or more than one.
pub(crate) async fn find(dir: &Path, agent: Option<&str>) -> anyhow::Result<PathBuf> {
    let wanted = agent.map(file_name);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(name) = agent_of(&path) else { continue };
        if wanted.as_deref().is_none_or(|wanted| wanted == name) && !is_stale(&path).await {
            found.push(path);
        }
    }
    found.sort();
    let called = agent.map_or_else(String::new, |agent| format!(" called {agent}"));
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(none) if none.is_empty() => anyhow::bail!(
            "no agent{called} runs here under this user; \
             if the agent runs elsewhere, pass its socket with --socket"
        ),
        Err(several) => {
            let paths: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            anyhow::bail!(
                "{} agents{called} run here: choose one with --socket: {}",
                paths.len(),
                paths.join(" ")
            )
        }
    }
}

/// The name of the agent that the socket at `path` belongs to, in the form that [`file_name`] returns.
fn agent_of(path: &Path) -> Option<&str> {
    let (agent, _run) = path.file_name()?.to_str()?.strip_suffix(".sock")?.rsplit_once('.')?;
    is_socket(path).then_some(agent)
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Whether the file at `path` is a socket on which no process listens. The socket of a suspended agent
/// (SIGSTOP) is not stale, because the kernel still queues connections to it. If the queue is full, `connect`
/// fails at once, but with a different error. A file that is not a socket is never stale, although
/// connections to it are refused as well.
async fn is_stale(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket(path) && UnixStream::connect(path).await.is_err_and(refused)
}

/// Converts an agent's name to a part of a file name. The result has no special characters. The result has at
/// most 40 characters, because the length of a socket's path is limited.
fn file_name(agent: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    agent.chars().take(40).map(kept).collect()
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
