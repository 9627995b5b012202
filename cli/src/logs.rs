//! `oasis logs`: prints the log of a room, and follows it. If a connection is lost, no line is lost or
//! repeated.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use oasis_core::Ts;
use oasis_core::room::RoomId;
use serde_json::Value;

use crate::follow::gap;
use crate::gateway::RoomGateway;
use crate::output::{expect_open_output, notice};
use crate::room::{self, Line, LineFilter, LinePrinter};
use crate::sse::Block;
use crate::stream::{self, Blocks, Next, Source};
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  oasis logs build-7                     # the last 100 lines
  oasis logs build-7 -f                  # the last 100 lines, then live
  oasis logs build-7 -f -n 0             # only new lines
  oasis logs build-7 --since 1h --level error,warn
  oasis logs build-7 --json | jq -r .message

A room is read with the token of a user in READ_TOKEN: `oasis token mint` makes
one. Rooms of the running `oasis up` need no READ_TOKEN.

A line has the time, the level, the type of the agent, the message and the
metadata. In a terminal, the colours of a message are shown. Other control
characters are left out or replaced.

With -f, the command resumes where it stopped after a lost connection, and ends
when the room is closed. Messages about the connection go to standard error.";

/// The number of lines without `-n`.
const LINES: usize = 100;
/// The maximum of `-n`, and the number of lines with `--since` but without `-n`.
const MOST_LINES: usize = 10_000;
/// The maximum number of earlier lines that a stream of the gateway begins with.
const MOST_TAIL: usize = 1_000;
/// Reconnect when nothing has arrived for this long. The gateway sends a heartbeat every 30 s.
const SILENCE: Duration = Duration::from_secs(75);

/// Flags of `oasis logs`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The id of the room
    #[arg(value_name = "ROOM", value_parser = RoomId::parse)]
    room: RoomId,
    #[command(flatten)]
    gateway: RoomGateway,
    #[command(flatten)]
    filter: LineFilter,
    /// Print new lines as they arrive, until the room is closed
    #[arg(short, long)]
    follow: bool,
    /// Show only lines that were written at or after TIME: RFC 3339, or an age such as 15m, 2h or 1d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Ts>,
    /// Show at most the newest N stored lines, from 0 to 10000; 100 by default, or 10000 with --since
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    lines: Option<u16>,
    /// Print each line as JSON, as the gateway sends it, with its id
    #[arg(long)]
    json: bool,
    /// Show times in UTC instead of local time
    #[arg(long, conflicts_with = "json")]
    utc: bool,
}

/// Prints the lines.
///
/// # Errors
/// The gateway does not answer or refuses the request, the right to read the room ends, or standard output
/// cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { room, filter, .. } = &args;
    let named = || format!("room {room}");
    let mut gateway = args.gateway.find().await?;
    let printer = LinePrinter::new(args.json, args.utc);
    let limit = args.lines.map_or(if args.since.is_some() { MOST_LINES } else { LINES }, usize::from);
    let lines = room::read(&mut gateway, room, filter, args.since, limit).await.with_context(named)?;
    lines.iter().try_for_each(|line| printer.print(line))?;
    if !args.follow {
        if lines.is_empty() && !args.json && limit > 0 {
            notice("no lines: the log is empty, or no line matches the flags");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let last_event_id = lines.last().and_then(|line| line.id);
    // If no line was printed, the stream begins with the last lines of the room. Any of these lines that the
    // filter accepts was written after the read above.
    let tail = if limit == 0 { 0 } else { MOST_TAIL };
    let source = Source {
        gateway: &gateway,
        path: format!("/api/v1/rooms/{room}/logs?tail={tail}"),
        last_event_id,
        silence: SILENCE,
        must_connect: false,
    };
    let mut followed = Followed { filter, since: args.since, printer, renews: gateway.token.is_renewed() };
    stream::read(&source, &mut followed).await.with_context(named)?;
    Ok(ExitCode::SUCCESS)
}

struct Followed<'a> {
    filter: &'a LineFilter,
    since: Option<Ts>,
    printer: LinePrinter,
    /// Whether the next request gets another token.
    renews: bool,
}

impl Blocks for Followed<'_> {
    async fn block(&mut self, block: Block, _cursor: &str) -> anyhow::Result<Next> {
        let Some(data) = block.data else { return Ok(Next::Continue) };
        match block.event.as_str() {
            "log" => match Line::of_block(&data, &block.id) {
                Some(line) if self.filter.accepts(&line) && line.is_since(self.since) => {
                    self.printer.print(&line)?;
                }
                Some(_) => {}
                None => notice("skipped a line that is not JSON"),
            },
            "gap" => notice(gap(&parsed(&data), "room", "lines")),
            "close" => return close(&parsed(&data), self.renews),
            "heartbeat" => expect_open_output()?,
            // `connected`, and events of a newer server.
            _ => {}
        }
        Ok(Next::Continue)
    }

    async fn pause(&mut self) -> anyhow::Result<Next> {
        Ok(Next::Continue)
    }
}

fn parsed(data: &str) -> Value {
    serde_json::from_str(data).unwrap_or_default()
}

/// Handles the last message of a stream. With `renews`, a stream whose token has expired goes on.
///
/// # Errors
/// The user may no longer read the room.
fn close(message: &Value, renews: bool) -> anyhow::Result<Next> {
    let text = message.get("message").and_then(Value::as_str).unwrap_or("the gateway has ended the stream");
    match message.get("reason").and_then(Value::as_str).unwrap_or_default() {
        "closed" => {
            notice(text);
            Ok(Next::End)
        }
        "token_expired" if renews => Ok(Next::Continue),
        "token_expired" => Err(anyhow!(
            "{text}\n  hint: get another token, for example with `oasis token mint`, and set READ_TOKEN"
        )),
        "revoked" | "refused" => Err(anyhow!(
            "{text}\n  hint: ask the owner of the room, or set READ_TOKEN to a token that may read it"
        )),
        // For example, the gateway restarts.
        _ => {
            notice(text);
            Ok(Next::Continue)
        }
    }
}
