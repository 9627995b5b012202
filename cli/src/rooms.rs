//! `oasis rooms`: lists the rooms that a user may read, opens and changes rooms, and closes rooms.

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use hyper::Method;
use jiff::Timestamp;
use oasis_core::Task;
use oasis_core::room::{Readers, RoomId};
use serde_json::{Map, Value};

use crate::agents::age;
use crate::columns;
use crate::credentials::RoomService;
use crate::gateway::{RoomGateway, query};
use crate::output::{self, Paint, notice, printable};
use crate::room_writer::RoomWriter;

const EXAMPLES: &str = "\
Examples:
  oasis rooms                        # the 50 rooms that changed last
  oasis rooms --vtid DEV-CICDL-0031  # rooms with lines of this task
  oasis rooms create build-7 --title 'Build 7' --owner ann --readers owner
  oasis rooms close build-7

The list has the rooms that the user of READ_TOKEN may read. To open or to close
a room, set INGEST_TOKEN to one of the gateway's INGEST_TOKENS. The running
`oasis up` needs neither variable. A closed room stays readable.";

/// The maximum number of rooms of one answer.
const PAGE: u16 = 200;
/// The maximum size of one answer, in bytes.
const MAX_BYTES: usize = 4 * 1024 * 1024;
const HEADERS: [&str; 6] = ["ROOM", "STATE", "READERS", "OWNER", "CHANGED", "TITLE"];

/// Flags of `oasis rooms`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Open a room, or change a room
    Create(Create),
    /// Close a room: it stays readable, and accepts no more lines
    Close(Change),
}

#[derive(clap::Args, Debug)]
struct List {
    #[command(flatten)]
    gateway: RoomGateway,
    /// Show only rooms with lines of this task, such as DEV-CICDL-0031
    #[arg(long)]
    vtid: Option<Task>,
    /// Show at most N rooms, from 1 to 1000
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1_000))]
    limit: u16,
    /// Print each room as the gateway sends it: one JSON object per line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args, Debug)]
struct Change {
    /// The id of the room
    #[arg(value_name = "ROOM", value_parser = RoomId::parse)]
    room: RoomId,
    #[command(flatten)]
    service: RoomService,
}

#[derive(clap::Args, Debug)]
struct Create {
    #[command(flatten)]
    change: Change,
    /// The title of the room
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The user who owns the room
    #[arg(long, value_name = "USER")]
    owner: Option<String>,
    /// Who may read the room: signed_in (every user) or owner; the default of a new room is signed_in
    #[arg(long, value_name = "WHO")]
    readers: Option<Readers>,
}

/// Lists the rooms, or opens or closes a room.
///
/// # Errors
/// The gateway does not answer or refuses the request, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        None => list(&args.list).await?,
        Some(Action::Create(Create { change, title, owner, readers })) => {
            let members =
                [("title", title), ("owner", owner), ("readers", readers.map(|readers| readers.to_string()))];
            let members =
                members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
            change.send(Method::PUT, &Value::Object(members.collect::<Map<_, _>>()).to_string()).await?;
        }
        Some(Action::Close(change)) => change.send(Method::DELETE, "").await?,
    }
    Ok(ExitCode::SUCCESS)
}

impl Change {
    /// Sends the change, and prints the room.
    async fn send(self, method: Method, body: &str) -> anyhow::Result<()> {
        let (address, token) = self.service.find().await?;
        let path = format!("/api/v1/rooms/{}", self.room);
        let mut writer = RoomWriter::new(address, token, self.room, false);
        let answer = writer.request(method, &path, body).await?;
        let room: Value = serde_json::from_slice(&answer)?;
        output::line(table(&[room], Timestamp::now(), Paint::for_stream(&io::stdout())).join("\n"))
    }
}

async fn list(args: &List) -> anyhow::Result<()> {
    let mut gateway = args.gateway.find().await?;
    let mut rooms: Vec<Value> = Vec::new();
    let mut before = None;
    loop {
        let left = args.limit.saturating_sub(u16::try_from(rooms.len())?);
        let parameters = [
            ("limit", Some(left.min(PAGE).to_string())),
            ("before", before.map(|before: i64| before.to_string())),
            ("vtid", args.vtid.as_ref().map(|vtid| vtid.as_str().to_owned())),
        ];
        let parameters = parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let body = gateway.get(&format!("/api/v1/rooms{}", query(parameters)), MAX_BYTES).await?;
        let mut page: Value =
            serde_json::from_slice(&body).with_context(|| gateway.not_a_gateway("a list of rooms"))?;
        let Some(Value::Array(found)) = page.get_mut("rooms").map(Value::take) else {
            anyhow::bail!(gateway.not_a_gateway("a list of rooms"));
        };
        rooms.extend(found);
        before = page["next"].as_i64();
        if before.is_none() || rooms.len() >= usize::from(args.limit) {
            break;
        }
    }
    if args.json {
        return rooms.iter().try_for_each(output::line);
    }
    if rooms.is_empty() {
        notice("no rooms that this user may read");
        return Ok(());
    }
    output::line(table(&rooms, Timestamp::now(), Paint::for_stream(&io::stdout())).join("\n"))
}

fn table(rooms: &[Value], now: Timestamp, paint: Paint) -> Vec<String> {
    let header = std::iter::once(HEADERS.map(str::to_owned));
    let rows: Vec<_> = header.chain(rooms.iter().map(|room| cells(room, now))).collect();
    let mut lines: Vec<String> = columns::padded(&rows).iter().map(|row| columns::joined(row)).collect();
    lines[0] = paint.dim(&lines[0]);
    lines
}

fn cells(room: &Value, now: Timestamp) -> [String; 6] {
    let field = |name: &str| match room.get(name).and_then(Value::as_str) {
        Some(text) if !text.is_empty() => printable(text).replace('\n', " "),
        Some(_) | None => "-".to_owned(),
    };
    let changed = match room.get("updatedAt").and_then(Value::as_str).map(str::parse::<Timestamp>) {
        Some(Ok(at)) => age(now.duration_since(at).as_secs()),
        Some(Err(_)) | None => "-".to_owned(),
    };
    [field("id"), field("state"), field("readers"), field("owner"), changed, field("title")]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_room_is_one_line_of_the_table() {
        let rooms = [
            json!({"id": "build-7", "state": "open", "readers": "owner", "owner": "ann", "title": "Build 7",
                   "updatedAt": "2026-01-02T03:03:00Z"}),
            json!({"id": "a", "title": "x\x1b[2J\ny", "owner": null}),
        ];
        let lines = table(&rooms, "2026-01-02T03:04:05Z".parse().unwrap(), Paint::NONE);
        assert_eq!(
            lines,
            [
                "ROOM     STATE  READERS  OWNER  CHANGED  TITLE",
                "build-7  open   owner    ann    1m       Build 7",
                "a        -      -        -      -        x\u{fffd}[2J y",
            ]
        );
    }
}
