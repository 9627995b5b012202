//! Talking to a running agent over a unix socket: a line asks, a line answers.
//!
//! - `set-vtid VTID`: it works on this task from now on
//! - `idle`: it waits for one
//! - `status`: what it does

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oasis_core::Vtid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use crate::beats::Doing;
use crate::heartbeat::Heartbeat;
use crate::run::Trouble;
use crate::who;

/// The longest line.
const LONGEST: u64 = 4_096;
/// How long whoever asks may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);
/// How long whoever asks waits.
const WITHIN: Duration = Duration::from_secs(5);

/// What is asked of a running agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// Work on a task, or on none.
    Do(Option<Vtid>),
    /// Only say what it does.
    Status,
}

impl Order {
    fn line(&self) -> String {
        match self {
            Self::Do(Some(vtid)) => format!("set-vtid {vtid}\n"),
            Self::Do(None) => "idle\n".to_owned(),
            Self::Status => "status\n".to_owned(),
        }
    }

    fn parse(line: &str) -> Result<Self, String> {
        match line.trim().split_once(' ').unwrap_or((line.trim(), "")) {
            ("set-vtid", vtid) => Ok(Self::Do(Some(Vtid::parse(vtid).map_err(|why| why.to_string())?))),
            ("idle", "") => Ok(Self::Do(None)),
            ("status", "") => Ok(Self::Status),
            _ => Err("expected `set-vtid VTID`, `idle` or `status`".to_owned()),
        }
    }
}

/// The socket of a running agent. It is gone when this is dropped.
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
    /// Listens at `path`, which may be left over from an agent that is gone.
    pub(crate) async fn bind(path: PathBuf) -> io::Result<Self> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(&path).await => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        Ok(Self { listener, path })
    }

    /// Listens for a run of `agent` at its usual place, from which those of runs that were killed are taken
    /// away.
    pub(crate) async fn usual(home: &Path, agent: &str) -> io::Result<Self> {
        for left in std::fs::read_dir(home)?.flatten().map(|entry| entry.path()) {
            if agent_of(&left).is_some() && is_left_over(&left).await {
                let _ = std::fs::remove_file(left);
            }
        }
        // Another that starts now would take it for left over before it listens, if it had its name by then.
        let path = home.join(format!("{}.{}.sock", file_name(agent), who::chance()));
        let mut socket = Self::bind(path.with_extension("bind")).await?;
        std::fs::rename(&socket.path, &path)?;
        socket.path = path;
        Ok(socket)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Does what is asked, until it is dropped.
    pub(crate) async fn serve(&self, agent: &str, heartbeat: &Heartbeat) {
        loop {
            match self.listener.accept().await {
                // One after the other: each takes a moment.
                Ok((stream, _)) => drop(timeout(ANSWERED_WITHIN, answer(stream, agent, heartbeat)).await),
                Err(error) => {
                    // Such as too many open files, which passes.
                    tracing::debug!(%error, "nobody can be heard on the socket");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn answer(stream: UnixStream, agent: &str, heartbeat: &Heartbeat) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LONGEST)).read_line(&mut line).await?;
    let said = match Order::parse(&line) {
        Ok(Order::Do(vtid)) => {
            let before = heartbeat.doing();
            heartbeat.set_vtid(vtid);
            format!("ok {agent} {}; before, {}\n", told(&heartbeat.doing()), told(&before))
        }
        Ok(Order::Status) => match heartbeat.trouble() {
            None => format!("ok {agent} {}\n", told(&heartbeat.doing())),
            Some(Trouble { since, why }) => {
                let why = why.replace(char::is_control, " ");
                format!(
                    "ok {agent} {}; nothing could be told since {since}: {why}\n",
                    told(&heartbeat.doing())
                )
            }
        },
        Err(why) => format!("error {why}; {agent} still {}\n", told(&heartbeat.doing())),
    };
    write.write_all(said.as_bytes()).await
}

fn told(doing: &Doing) -> String {
    match doing {
        Doing { ended: Some(_), .. } => "has stopped".to_owned(),
        Doing { vtid: Some(vtid), .. } => format!("works on {vtid}"),
        Doing { vtid: None, .. } => "is idle".to_owned(),
    }
}

/// Asks the agent whose socket is at `path`, and gives what it says.
///
/// # Errors
/// When nobody is there, or it refuses.
pub(crate) async fn ask(path: &Path, order: &Order) -> anyhow::Result<String> {
    let asked = async {
        let mut stream = UnixStream::connect(path).await?;
        stream.write_all(order.line().as_bytes()).await?;
        let mut said = String::new();
        stream.take(LONGEST).read_to_string(&mut said).await?;
        io::Result::Ok(said)
    };
    let said = match timeout(WITHIN, asked).await {
        Ok(said) => said,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    };
    let said = said.map_err(|error| {
        anyhow::anyhow!("no agent answers at {}: {error}; is it running?", path.display())
    })?;
    match said.trim_end().split_once(' ') {
        Some(("ok", said)) => Ok(said.to_owned()),
        Some(("error", why)) => anyhow::bail!("{why}"),
        _ => anyhow::bail!("what listens at {} is no agent", path.display()),
    }
}

/// Where the sockets of this user's agents are, in the user's own runtime folder if there is one: only this
/// user can write there.
///
/// # Errors
/// When there is no such place, or somebody else has it.
pub(crate) fn home(runtime: Option<&Path>) -> anyhow::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let usable = |dir: &&Path| dir.is_dir() && rustix::fs::access(*dir, rustix::fs::Access::WRITE_OK).is_ok();
    let place = match runtime.filter(usable) {
        Some(runtime) => runtime.join("oasis"),
        None => std::env::temp_dir().join(format!("oasis-{uid}")),
    };
    let ours = || -> io::Result<bool> {
        let there = std::fs::symlink_metadata(&place)?;
        Ok(there.is_dir() && there.uid() == uid && there.mode() & 0o022 == 0)
    };
    match std::fs::DirBuilder::new().mode(0o700).create(&place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            anyhow::bail!("{} can't be made: {error}; name a socket with --socket", place.display())
        }
        _ if ours().unwrap_or(false) => Ok(place),
        _ => anyhow::bail!(
            "{} is not a folder that only this user may write to; name a socket with --socket",
            place.display()
        ),
    }
}

/// The only agent of this name, or of any, that runs at its usual place.
///
/// # Errors
/// When there is none, or there are several.
pub(crate) async fn find(home: &Path, agent: Option<&str>) -> anyhow::Result<PathBuf> {
    let wanted = agent.map(file_name);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(home)? {
        let path = entry?.path();
        let Some(name) = agent_of(&path) else { continue };
        if wanted.as_deref().is_none_or(|wanted| wanted == name) && !is_left_over(&path).await {
            found.push(path);
        }
    }
    found.sort();
    let called = agent.map_or_else(String::new, |agent| format!(" called {agent}"));
    match <[PathBuf; 1]>::try_from(found) {
        Ok([path]) => Ok(path),
        Err(none) if none.is_empty() => anyhow::bail!(
            "no agent{called} runs here under this user; \
             where it runs elsewhere, name its socket with --socket"
        ),
        Err(several) => {
            let paths: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            anyhow::bail!(
                "{} agents{called} run here: say which with --socket: {}",
                paths.len(),
                paths.join(" ")
            )
        }
    }
}

/// Whose socket it is that is at the usual place, by the name that [`file_name`] made.
fn agent_of(path: &Path) -> Option<&str> {
    let (agent, _run) = path.file_name()?.to_str()?.strip_suffix(".sock")?.rsplit_once('.')?;
    is_socket(path).then_some(agent)
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.file_type().is_socket())
}

/// Whether nobody listens any more at the socket that is at a path. An agent that is stopped still does, and
/// is not waited for when it takes no more connections. Any other file would refuse them, too.
async fn is_left_over(path: &Path) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    is_socket(path) && UnixStream::connect(path).await.is_err_and(refused)
}

/// A name as part of a file's name: short, since the path of a socket is, and without what means something
/// there.
fn file_name(agent: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    agent.chars().take(40).map(kept).collect()
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
