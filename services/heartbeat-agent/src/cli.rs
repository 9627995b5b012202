//! The command line: runs an agent with or without a command, or sends a request to a running agent.

use std::ffi::OsString;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use oasis_core::{Vtid, chain};
use oasis_service::args::parse_duration;
use oasis_service::client::Base;
use oasis_service::shutdown::is_ignored;
use oasis_service::{Secret, telemetry};
use oasis_store::{DatabaseUrl, Schema};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use crate::beats::Ending;
use crate::control::{self, Agent, Request, Socket};
use crate::destination::Destination;
use crate::heartbeat::{Config, Heartbeat};
use crate::room::{Copies, RoomArgs, RoomLog};
use crate::wrap::{self, Wrapped};

/// The program's name in logs.
pub const NAME: &str = "heartbeat-agent";

/// Reports that an agent is alive, which task it works on, and how the agent ended
#[derive(Debug, Parser)]
#[command(
    name = "heartbeat-agent",
    version,
    args_conflicts_with_subcommands = true,
    override_usage = "heartbeat-agent --agent NAME [OPTIONS] [-- COMMAND [ARGS]...]\n       \
                      heartbeat-agent set-vtid VTID | idle | status",
    after_help = "Examples:\n  \
                  GATEWAY_URL=http://localhost:8080 heartbeat-agent --agent planner -- sleep 9\n  \
                  GATEWAY_URL=http://localhost:8080 heartbeat-agent --agent builder \\\n       \
                  --room build-7 -- ls -l\n\n\
                  Sends beats until SIGTERM, or as long as COMMAND runs. COMMAND's input, output, signals \
                  and exit code are passed through.\n\
                  COMMAND can set the task of its agent without further flags: \
                  `heartbeat-agent set-vtid DEV-CICDL-0031`.\n\
                  --gateway-url or --database-url must be set. If both are set, --gateway-url is used."
)]
pub struct Cli {
    #[command(subcommand)]
    control: Option<Control>,
    #[command(flatten)]
    agent: AgentArgs,
}

#[derive(Debug, Subcommand)]
enum Control {
    /// Set the task that a running agent works on
    SetVtid {
        /// VTID of the task, such as DEV-CICDL-0031
        vtid: String,
        #[command(flatten)]
        target: Target,
    },
    /// Make a running agent idle until `set-vtid` sets a task
    Idle {
        #[command(flatten)]
        target: Target,
    },
    /// Show the task of a running agent, and whether the agent's beats are delivered
    Status {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
struct Target {
    /// Name of the agent; needed only if several agents of this user run on this machine
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Path of the agent's socket. A wrapped command finds the path in HEARTBEAT_SOCKET
    #[arg(long, env = wrap::SOCKET, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(flatten)]
    runtime: Runtime,
}

/// A hidden option: the directory for the sockets of the user's agents.
#[derive(Debug, Args)]
struct Runtime {
    #[arg(long = "runtime-dir", env = "XDG_RUNTIME_DIR", hide = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct AgentArgs {
    /// The agent's name. The name in upper case is the module of the agent's events
    #[arg(long, env = "AGENT_NAME", value_name = "NAME", value_parser = name)]
    agent: Option<String>,

    /// The agent's role, such as PLANNER
    #[arg(long, env = "AGENT_ROLE", value_name = "ROLE")]
    role: Option<String>,

    /// The task that the agent starts with. Without a task, the agent is idle
    #[arg(long, env = "VTID", value_name = "VTID")]
    vtid: Option<String>,

    /// The interval between beats, from 1s to 1h. While the agent is idle, the interval is at least 1m
    #[arg(long, env = "HEARTBEAT_INTERVAL", value_name = "DURATION", default_value = "60s",
          value_parser = interval)]
    interval: Duration,

    /// Send beats to this gateway, such as https://oasis.example
    #[arg(long, env = "GATEWAY_URL", value_name = "URL")]
    gateway_url: Option<Base>,

    /// Token for sending: one of the gateway's INGEST_TOKENS
    #[arg(long, env = "INGEST_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    ingest_token: Option<Secret>,

    /// Write beats to this Postgres database; the variable is safer, because other users can see flags in
    /// `ps`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,

    /// Leave the credentials of the beats, INGEST_TOKEN or DATABASE_URL, in the environment of the command
    #[arg(long, env = "KEEP_CREDENTIALS", value_name = "BOOL", default_value_t = false, num_args = 0..=1,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    keep_credentials: bool,

    /// The schema of the tables, if an application has its own table oasis_events in the schema public
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", value_name = "NAME", default_value_t)]
    schema: Schema,

    /// Path of the socket for `set-vtid`, `idle` and `status`. The default is a file in the user's runtime
    /// directory or, if there is no such directory, in the directory for temporary files
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,

    #[command(flatten)]
    room: RoomArgs,

    #[command(flatten)]
    runtime: Runtime,

    /// What to log, such as `warn`. The default is `info`. With COMMAND, the default is `off`, because log
    /// lines would mix with the output of COMMAND
    #[arg(long, env = "HEARTBEAT_LOG", value_name = "FILTER")]
    log: Option<String>,

    /// The command to run. The final beat reports how the command ended
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn name(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && text.len() <= 100 && !text.contains(char::is_control);
    fits.then(|| text.trim().to_owned())
        .ok_or_else(|| "expected 1 to 100 bytes without control characters".into())
}

fn interval(text: &str) -> Result<Duration, String> {
    let fits = |every: &Duration| (Duration::from_secs(1)..=Duration::from_hours(1)).contains(every);
    parse_duration(text).and_then(|every| Some(every).filter(fits).ok_or_else(|| "expected 1s to 1h".into()))
}

/// The command line or the environment is invalid. The program exits with code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(String);

/// Checks that a command follows `--`, if the arguments contain `--`.
///
/// In a shell, `-- $COMMAND` passes no command if the variable is empty. clap accepts such a command line.
/// The program would then run an agent without a command, and this agent would not end by itself.
///
/// # Errors
/// When nothing follows `--`.
pub fn check_command(arguments: impl Iterator<Item = OsString>) -> Result<(), UsageError> {
    match arguments.skip_while(|argument| argument != "--").count() {
        1 => Err(UsageError("no command after `--`: name the command to run, or leave out `--`".into())),
        _ => Ok(()),
    }
}

/// Runs the agent or the subcommand, and returns the exit code.
///
/// # Errors
/// [`UsageError`] when the command line or the environment is invalid. Other errors when a request to an
/// agent fails, or the program can't listen for signals. In each of these cases, no command was started.
pub async fn run(cli: Cli) -> anyhow::Result<i32> {
    match cli.control {
        Some(Control::SetVtid { vtid, target }) => {
            let vtid = Vtid::parse(&vtid);
            let vtid = vtid.map_err(|why| UsageError(format!("{why}; nothing was changed")))?;
            ask(&target, &Request::SetVtid(Some(vtid))).await
        }
        Some(Control::Idle { target }) => ask(&target, &Request::SetVtid(None)).await,
        Some(Control::Status { target }) => ask(&target, &Request::Status).await,
        None => run_agent(cli.agent).await,
    }
}

async fn ask(target: &Target, request: &Request) -> anyhow::Result<i32> {
    let path = match (&target.agent, &target.socket) {
        (None, Some(path)) if path.as_os_str() == wrap::NO_SOCKET => anyhow::bail!(
            "the agent of this command has no socket, so no request can reach the agent; \
             start the agent with HEARTBEAT_LOG=warn to see why"
        ),
        (None, Some(path)) => path.clone(),
        _ => {
            let dir = control::socket_dir(target.runtime.dir.as_deref())?;
            control::find(&dir, target.agent.as_deref()).await?
        }
    };
    println!("{}", control::ask(&path, request).await?);
    Ok(0)
}

async fn run_agent(args: AgentArgs) -> anyhow::Result<i32> {
    let wraps = !args.command.is_empty();
    let filter = args.log.as_deref().unwrap_or(if wraps { "off" } else { "info" });
    telemetry::init(NAME, filter).map_err(|why| UsageError(why.to_string()))?;
    let Some(agent) = args.agent else {
        return Err(UsageError("the agent has no name: pass --agent NAME or set AGENT_NAME".into()).into());
    };
    let vtid = args.vtid.as_deref().map(Vtid::parse).transpose();
    let vtid = vtid.map_err(|why| UsageError(format!("--vtid [env: VTID]: {why}")))?;
    let ingest_token = args.ingest_token.map(token).transpose()?;
    let gateway = args.gateway_url.as_ref().map(|url| (url, ingest_token.as_ref()));
    let room = args.room.target(&agent, args.role.as_deref(), gateway, wraps).map_err(UsageError)?;
    // The command gets the beats from the agent, so it needs no credential for them. A credential of the
    // command itself stays: beats that go to a gateway use no database.
    let credential = if args.gateway_url.is_some() { "INGEST_TOKEN" } else { "DATABASE_URL" };
    let hidden = (!args.keep_credentials).then_some(credential);
    let destination = match (args.gateway_url, args.database_url) {
        (Some(url), _) => Destination::Gateway { url, token: ingest_token },
        (None, Some(url)) => Destination::Postgres { url, schema: args.schema },
        (None, None) => {
            let why = "beats have no destination: set GATEWAY_URL (and INGEST_TOKEN) for a gateway, \
                       or DATABASE_URL for Postgres";
            return Err(UsageError(why.into()).into());
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
        room: room.as_ref().map(|target| target.room.clone()),
        ..Config::new(agent.clone(), destination)
    };
    let socket = match args.socket {
        Some(path) => {
            let at = path.display().to_string();
            let bound = Socket::bind(path).await;
            Some(bound.map_err(|error| UsageError(format!("can't listen on the socket {at}: {error}")))?)
        }
        None => default_socket(&agent, args.runtime.dir.as_deref()).await,
    };
    let heartbeat = Heartbeat::start(config)
        .map_err(|error| UsageError(format!("can't set up the database connection: {}", chain(&error))))?;
    let room = room.map(RoomLog::start);
    let answering = Agent { name: &agent, heartbeat: &heartbeat, room: room.as_ref() };
    let serve = async || match &socket {
        Some(socket) => socket.serve(&answering).await,
        None => pending().await,
    };
    if !wraps {
        tokio::select! {
            stopped = stop_signal() => stopped.context("can't listen for signals")?,
            () = serve() => {}
        }
        heartbeat.stop().await;
        return Ok(0);
    }
    let copied = room.as_ref().map(|room| room.copy(heartbeat.task())).transpose();
    let (copies, output) = copied.context("can't copy the output of the command")?.unzip();
    let started = wrap::start(&args.command, socket.as_ref().map(Socket::path), hidden, output);
    let mut wrapped = match started {
        Ok(wrapped) => wrapped,
        Err(error) => {
            let code = wrap::start_failure_code(&error);
            eprintln!("{NAME}: {}: {error}", args.command[0].display());
            heartbeat.stop_as(Ending { exit_code: Some(code), ..Ending::badly() }).await;
            return Ok(code);
        }
    };
    let status = {
        let mut command = pin!(run_command(&mut wrapped, copies));
        tokio::select! {
            status = &mut command => status,
            // `serve` never ends.
            () = serve() => command.await,
        }
    };
    let ending = wrapped.ending(status);
    tokio::join!(heartbeat.stop_as(ending), async {
        if let Some(room) = room {
            room.stop().await;
        }
    });
    Ok(wrap::exit_code(status))
}

/// Waits for the end of the command, and until its output is copied.
async fn run_command(wrapped: &mut Wrapped, copies: Option<Copies>) -> ExitStatus {
    let status = wrapped.wait().await;
    if let Some(mut copies) = copies {
        tokio::select! {
            () = copies.finish() => {}
            // Nothing reads this program's output, and a signal asks this program to end.
            () = wrapped.must_end() => {}
        }
    }
    status
}

/// Binds a socket in the default directory. If that fails, the agent runs without a socket, and no request
/// can reach the agent.
async fn default_socket(agent: &str, runtime: Option<&Path>) -> Option<Socket> {
    let bound = match control::socket_dir(runtime) {
        Ok(dir) => Socket::bind_in(&dir, agent).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    bound.inspect_err(|error| tracing::warn!(%error, "the agent can't listen for requests")).ok()
}

/// Removes white space around a token, because files and shells can add white space. Checks that the token is
/// allowed in a header.
fn token(token: Secret) -> Result<Secret, UsageError> {
    let token = token.expose().trim();
    if !token.is_empty() && token.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b',') {
        Ok(Secret::from(token.to_owned()))
    } else {
        let why = "INGEST_TOKEN: expected one token, without spaces, commas or control characters";
        Err(UsageError(why.into()))
    }
}

/// Waits for SIGTERM, SIGINT or SIGHUP.
async fn stop_signal() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // nohup starts the agent with SIGHUP ignored, and the signal must stay ignored.
    let mut hangup = if is_ignored(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
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
