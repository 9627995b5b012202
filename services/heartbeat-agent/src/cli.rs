//! The command line: beats by itself or around a command, and talks to an agent that does.

use std::ffi::OsString;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use oasis_core::{Vtid, chain};
use oasis_service::args::parse_duration;
use oasis_service::client::Base;
use oasis_service::{Secret, telemetry};
use oasis_store::DatabaseUrl;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::beats::Ending;
use crate::control::{self, Order, Socket};
use crate::destination::Destination;
use crate::heartbeat::{Config, Heartbeat};
use crate::wrap;

/// The name in logs.
pub const NAME: &str = "heartbeat-agent";

/// Lets everybody see that an agent lives, what it works on, and how it ended
#[derive(Debug, Parser)]
#[command(
    name = "heartbeat-agent",
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "heartbeat-agent --agent NAME [OPTIONS] [-- COMMAND [ARGS]...]\n       \
                      heartbeat-agent set-vtid VTID | idle | status",
    after_help = "Beats until SIGTERM, or as long as COMMAND runs, whose input, output, signals \
                  and exit code are its own.\n\
                  COMMAND finds its agent by itself: `heartbeat-agent set-vtid DEV-CICDL-0031` in it \
                  says what it works on.\n\
                  One of --gateway-url (which wins) and --database-url must be set."
)]
pub struct Cli {
    #[command(subcommand)]
    ask: Option<Ask>,
    #[command(flatten)]
    beat: Beat,
}

#[derive(Debug, Subcommand)]
enum Ask {
    /// Say what a running agent works on from now on
    SetVtid {
        /// The task
        vtid: String,
        #[command(flatten)]
        whom: Whom,
    },
    /// Say that a running agent waits for a task
    Idle {
        #[command(flatten)]
        whom: Whom,
    },
    /// Ask a running agent what it works on
    Status {
        #[command(flatten)]
        whom: Whom,
    },
}

#[derive(Debug, Args)]
struct Whom {
    /// The agent's name, if several run here
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Its socket, wherever it runs; a wrapped command has its agent's
    #[arg(long, env = wrap::SOCKET, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    runtime: Runtime,
}

/// Where a user's sockets are.
#[derive(Debug, Args)]
struct Runtime {
    #[arg(long = "runtime-dir", env = "XDG_RUNTIME_DIR", hide = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Beat {
    /// The agent's name; in capitals it is the module of its events
    #[arg(long, env = "AGENT_NAME", value_name = "NAME", value_parser = name)]
    agent: Option<String>,

    /// What it is for, such as PLANNER
    #[arg(long, env = "AGENT_ROLE", value_name = "ROLE")]
    role: Option<String>,

    /// The task that it begins with; without one it is idle
    #[arg(long, env = "VTID", value_name = "VTID")]
    vtid: Option<String>,

    /// How often it beats, from 1s to 1d; idle, at most once a minute
    #[arg(long, env = "HEARTBEAT_INTERVAL", value_name = "DURATION", default_value = "60s",
          value_parser = interval)]
    interval: Duration,

    /// Tell a gateway, such as https://oasis.example
    #[arg(long, env = "GATEWAY_URL", value_name = "URL")]
    gateway_url: Option<Base>,

    /// One of the gateway's INGEST_TOKENS
    #[arg(long, env = "INGEST_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    ingest_token: Option<Secret>,

    /// Tell Postgres itself
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,

    /// Where `set-vtid`, `idle` and `status` find it; by default a place of its own for each user
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(flatten)]
    runtime: Runtime,

    /// What to log, such as `info`; with COMMAND nothing unless it is set, since the output is the command's
    #[arg(long, env = "HEARTBEAT_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// What to run, and to tell the end of
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn name(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= 100 && !text.contains(char::is_control);
    fits.then(|| text.trim().to_owned())
        .ok_or_else(|| "expected 1 to 100 bytes without control characters".into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let fits = |every: &Duration| (Duration::from_secs(1)..=Duration::from_hours(24)).contains(every);
    parse_duration(text).and_then(|every| Some(every).filter(fits).ok_or_else(|| "expected 1s to 1d".into()))
}

/// Used wrongly: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(String);

/// Refuses a command line with nothing after `--`, as `-- $COMMAND` does where nothing is in it: clap would
/// take it for an agent without a command, which beats for ever.
///
/// # Errors
/// When it does.
pub fn names_a_command(arguments: impl Iterator<Item = OsString>) -> Result<(), Usage> {
    match arguments.skip_while(|argument| argument != "--").count() {
        1 => Err(Usage("say what to run: no command stands after `--`".into())),
        _ => Ok(()),
    }
}

/// Does what the command line says, and gives the exit code.
///
/// # Errors
/// What kept it from that; [`Usage`] when it was asked for wrongly. A wrapped command has not been run then.
pub async fn run(cli: Cli) -> anyhow::Result<i32> {
    match cli.ask {
        Some(Ask::SetVtid { vtid, whom }) => {
            let vtid = Vtid::parse(&vtid).map_err(|why| Usage(format!("{why}; nothing was changed")))?;
            ask(&whom, &Order::Do(Some(vtid))).await
        }
        Some(Ask::Idle { whom }) => ask(&whom, &Order::Do(None)).await,
        Some(Ask::Status { whom }) => ask(&whom, &Order::Status).await,
        None => beat(cli.beat).await,
    }
}

async fn ask(whom: &Whom, order: &Order) -> anyhow::Result<i32> {
    let path = match (&whom.agent, &whom.socket) {
        (None, Some(path)) if path.as_os_str() == wrap::NO_SOCKET => anyhow::bail!(
            "the agent of this command has no socket, so it can't be talked to; \
             HEARTBEAT_LOG=warn has it say why"
        ),
        (None, Some(path)) => path.clone(),
        _ => control::find(&control::home(whom.runtime.dir.as_deref())?, whom.agent.as_deref()).await?,
    };
    println!("{}", control::ask(&path, order).await?);
    Ok(0)
}

async fn beat(args: Beat) -> anyhow::Result<i32> {
    let wraps = !args.command.is_empty();
    let filter = args.log.as_deref().unwrap_or(if wraps { "off" } else { "info" });
    telemetry::init(NAME, filter).map_err(|why| Usage(why.to_string()))?;
    let Some(agent) = args.agent else {
        return Err(Usage("say who beats: pass --agent NAME or set AGENT_NAME".into()).into());
    };
    let vtid = args.vtid.as_deref().map(Vtid::parse).transpose();
    let vtid = vtid.map_err(|why| Usage(format!("--vtid [env: VTID]: {why}")))?;
    let destination = match (args.gateway_url, args.database_url) {
        (Some(url), _) => Destination::Gateway { url, token: args.ingest_token.map(token).transpose()? },
        (None, Some(url)) => Destination::Postgres(url),
        (None, None) => {
            let why = "say where beats go: set GATEWAY_URL (and INGEST_TOKEN) to tell a gateway, \
                       or DATABASE_URL to tell Postgres itself";
            return Err(Usage(why.into()).into());
        }
    };
    let command = args.command.first().map(|program| {
        let program = Path::new(program);
        program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
    });
    let config = Config {
        role: args.role,
        vtid,
        interval: args.interval,
        command,
        ..Config::new(agent.clone(), destination)
    };
    let socket = match args.socket {
        Some(path) => {
            let at = path.display().to_string();
            let bound = Socket::bind(path).await;
            Some(bound.map_err(|error| Usage(format!("listening at the socket {at}: {error}")))?)
        }
        None => usual(&agent, args.runtime.dir.as_deref()).await,
    };
    let heartbeat = Heartbeat::start(config)
        .map_err(|error| Usage(format!("setting up the way to the database: {}", chain(&error))))?;
    let serve = async || match &socket {
        Some(socket) => socket.serve(&agent, &heartbeat).await,
        None => std::future::pending().await,
    };
    if !wraps {
        tokio::select! {
            stopped = asked_to_stop() => stopped.context("waiting for signals")?,
            () = serve() => {}
        }
        heartbeat.stop().await;
        return Ok(0);
    }
    let mut wrapped = match wrap::start(&args.command, socket.as_ref().map(Socket::path)) {
        Ok(wrapped) => wrapped,
        Err(error) => {
            let code = wrap::not_started(&error);
            eprintln!("{NAME}: {}: {error}", args.command[0].display());
            heartbeat.stop_as(Ending { exit_code: Some(code), ..Ending::badly() }).await;
            return Ok(code);
        }
    };
    let status = tokio::select! {
        status = wrapped.wait() => status,
        // It never ends.
        () = serve() => wrapped.wait().await,
    };
    heartbeat.stop_as(wrapped.ending(status)).await;
    Ok(wrap::exit_code(status))
}

/// The socket at its usual place. An agent can do without, and its command all the more.
async fn usual(agent: &str, runtime: Option<&Path>) -> Option<Socket> {
    let bound = match control::home(runtime) {
        Ok(home) => Socket::usual(&home, agent).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    bound.inspect_err(|error| tracing::warn!(%error, "set-vtid will not reach this agent")).ok()
}

/// A token without what a file or a shell put around it, in a form that a header can carry.
fn token(token: Secret) -> Result<Secret, Usage> {
    let token = token.expose().trim();
    if !token.is_empty() && token.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b',') {
        Ok(Secret::from(token.to_owned()))
    } else {
        Err(Usage("INGEST_TOKEN: expected one token, without blanks, commas or control characters".into()))
    }
}

async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Under nohup it stays ignored.
    let mut hangup = if wrap::is_ignored(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
    let hung_up = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hung_up => {}
    }
    Ok(())
}
