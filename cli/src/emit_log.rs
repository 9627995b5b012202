//! `oasis emit-log`: writes lines to a room, from an argument or from standard input.

use std::io::{self, IsTerminal, Read};
use std::process::ExitCode;
use std::time::Duration;

use heartbeat_agent::room::{MOST_RAW_BYTES, RawLine, Splitter, read_line, to_wire};
use jiff::Timestamp;
use oasis_core::room::{AgentType, LogLevel, LogLine, RoomId};
use oasis_core::{Task, Ts};
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::credentials::RoomService;
use crate::fields::parse_meta;
use crate::output::Usage;
use crate::room_writer::RoomWriter;

const EXAMPLES: &str = "\
Examples:
  oasis emit-log build-7 'tests passed' --level success --create
  make 2>&1 | oasis emit-log build-7 --create --agent builder
  oasis emit-log build-7 'deployed' --agent deploy --metadata region=eu
  oasis emit-log build-7 'retry' --vtid DEV-CICDL-0031 --metadata attempt:=3

Without MESSAGE, each line of standard input becomes a line of the room. If the
line is a JSON object with message or msg, and with level or severity, these are
used, and the other members become metadata. A message of more than 8 KiB is
cut. If the gateway fails, the command tries again for a minute, and no line is
stored twice. To run a command and pass its output on, use heartbeat-agent.";

/// The maximum number of lines of a batch.
const MOST_LINES: usize = 1_000;
/// The maximum total size of the lines of a batch as they were read, in bytes.
const MOST_BYTES: usize = 256 << 10;
/// How long the first line of a batch waits for further lines.
const LINGER: Duration = Duration::from_millis(100);

/// Flags of `oasis emit-log`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The id of the room
    #[arg(value_name = "ROOM", value_parser = RoomId::parse)]
    room: RoomId,
    /// The text of the line; without it, the lines of standard input are written
    #[arg(value_name = "MESSAGE")]
    message: Option<String>,
    #[command(flatten)]
    service: RoomService,
    #[arg(long, help = format!("Level of the lines, one of {}", LogLevel::list()), default_value = "info")]
    level: LogLevel,
    /// Type of the agent that writes the lines, such as code or deploy
    #[arg(long, env = "OASIS_AGENT_TYPE", value_name = "TYPE", default_value = "cli")]
    #[arg(value_parser = AgentType::parse)]
    agent: AgentType,
    /// Task that the lines belong to, such as DEV-CICDL-0031
    #[arg(long)]
    vtid: Option<Task>,
    /// Other data of each line: a JSON object, key=text or key:=JSON; may be repeated
    #[arg(long, value_parser = parse_meta)]
    metadata: Vec<Map<String, Value>>,
    /// Open the room if it does not exist
    #[arg(long)]
    create: bool,
}

/// Writes the lines.
///
/// # Errors
/// The gateway refuses a line or cannot be reached, or standard input cannot be read.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.message.is_none() && io::stdin().is_terminal() {
        let missing = "no MESSAGE: pass a text, or pipe the lines into this command";
        return Err(Usage(missing.into()).into());
    }
    let (address, token) = args.service.find().await?;
    let metadata: Map<String, Value> = args.metadata.into_iter().flatten().collect();
    let defaults = LogLine {
        ts: Ts::clamped(Timestamp::now()),
        task: args.vtid.unwrap_or(Task::Unset),
        agent_type: args.agent,
        level: args.level,
        message: String::new(),
        metadata: (!metadata.is_empty()).then_some(metadata),
    };
    let writer = RoomWriter::new(address, token, args.room, args.create);
    let mut batch = Batch { defaults, writer, lines: Vec::new(), bytes: 0 };
    match args.message {
        Some(message) => {
            let mut bytes = message.into_bytes();
            let cut = bytes.len().saturating_sub(MOST_RAW_BYTES);
            bytes.truncate(MOST_RAW_BYTES);
            batch.add(&RawLine { bytes, cut }).await?;
        }
        None => batch.add_input().await?,
    }
    batch.send().await?;
    Ok(ExitCode::SUCCESS)
}

/// The lines that are sent together.
struct Batch {
    /// The values that the text of a line does not contain.
    defaults: LogLine,
    writer: RoomWriter,
    lines: Vec<Value>,
    bytes: usize,
}

impl Batch {
    async fn add(&mut self, raw: &RawLine) -> anyhow::Result<()> {
        let defaults = LogLine { ts: Ts::clamped(Timestamp::now()), ..self.defaults.clone() };
        self.lines.push(to_wire(&read_line(raw, defaults)));
        self.bytes += raw.bytes.len();
        if self.lines.len() == MOST_LINES || self.bytes >= MOST_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        self.bytes = 0;
        match std::mem::take(&mut self.lines) {
            lines if lines.is_empty() => Ok(()),
            lines => self.writer.write(lines).await,
        }
    }

    /// Adds the lines of standard input. While a batch is being sent, only a little more input is read.
    async fn add_input(&mut self) -> anyhow::Result<()> {
        let mut input = input();
        let mut splitter = Splitter::default();
        let mut due = Instant::now();
        loop {
            let read = match self.lines.is_empty() {
                true => Ok(input.recv().await),
                false => timeout_at(due, input.recv()).await,
            };
            let mut lines = Vec::new();
            match read {
                Ok(Some(bytes)) => splitter.push(&bytes?, |line| lines.push(line)),
                Ok(None) => {
                    lines.extend(splitter.finish());
                    for line in &lines {
                        self.add(line).await?;
                    }
                    return Ok(());
                }
                Err(_) => self.send().await?,
            }
            if self.lines.is_empty() {
                due = Instant::now() + LINGER;
            }
            for line in &lines {
                self.add(line).await?;
            }
        }
    }
}

/// Reads standard input in a thread, because a read may block without end.
fn input() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(2);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = match stdin.read(&mut buffer) {
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map(|length| buffer[..length].to_vec()),
            };
            let failed = read.is_err();
            // The receiver is dropped when the command ends.
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    });
    receiver
}
