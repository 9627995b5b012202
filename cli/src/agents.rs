//! `oasis agents`: prints the agents and their states as a table.

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use jiff::Timestamp;
use serde_json::Value;

use crate::columns;
use crate::gateway::{Gateway, query};
use crate::output::{self, Paint, notice, printable};
use crate::time::in_words;

const EXAMPLES: &str = "\
Examples:
  oasis agents                                # all agents
  oasis agents --state late,lost              # agents that need attention
  oasis agents --vtid DEV-CICDL-0031          # agents with this task
  oasis agents --json | jq -r '.[].instance'  # the JSON of the gateway

Stopped and lost agents stay in the list for a day. Ages are relative to the
clock of this machine. If two agents have the same name, one more column shows
their instances.";

/// The maximum length of the gateway's answer, in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;
const HEADERS: [&str; 8] = ["AGENT", "ROLE", "STATE", "TASK", "SINCE", "LAST-SEEN", "HOST/PID", "INSTANCE"];
/// The maximum width of a column, in characters.
const MAX_WIDTH: usize = 40;

/// Flags of `oasis agents`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    gateway: Gateway,
    /// Show only agents in these states: working, idle, late, lost, stopped
    #[arg(long, value_name = "LIST")]
    state: Option<String>,
    /// Show only agents with these tasks, such as DEV-CICDL-0031
    #[arg(long, value_name = "LIST")]
    vtid: Option<String>,
    /// Print the JSON array as the gateway sends it
    #[arg(long)]
    json: bool,
}

/// Prints the agents once.
///
/// # Errors
/// The gateway cannot be reached or refuses the request, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let given = [("state", &args.state), ("vtid", &args.vtid)];
    let given = given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    let query = query(given);
    let mut gateway = args.gateway.find().await?;
    let body = gateway.get(&format!("/api/v1/oasis/agents{query}"), MAX_BYTES).await?;
    let text = std::str::from_utf8(&body).unwrap_or_default();
    let agents: Vec<Value> =
        serde_json::from_str(text).with_context(|| gateway.not_a_gateway("a list of agents"))?;
    match (args.json, agents.is_empty()) {
        (true, _) => output::line(text.trim_end())?,
        (false, true) if query.is_empty() => {
            notice("no agents: an agent appears with its first ping and disappears a day after its end");
        }
        (false, true) => notice("no agent matches the filters"),
        (false, false) => {
            let lines = table(&agents, Timestamp::now(), Paint::for_stream(&io::stdout()));
            output::line(lines.join("\n"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(agents: &[Value], now: Timestamp, paint: Paint) -> Vec<String> {
    let rows: Vec<[String; 8]> = agents.iter().map(|agent| cells(agent, now)).collect();
    let mut names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    names.sort_unstable();
    // The column of the instances is the last column.
    let shown = if names.windows(2).any(|pair| pair[0] == pair[1]) { 8 } else { 7 };
    let header = std::iter::once(HEADERS.map(str::to_owned));
    let padded = columns::padded(&header.chain(rows.iter().cloned()).collect::<Vec<_>>());
    let header = paint.dim(&columns::joined(&padded[0][..shown]));
    let lines = rows.iter().zip(&padded[1..]).map(|(row, padded)| {
        let mut cells = padded.clone();
        let colour = match row[2].split(' ').next() {
            Some("working") => 36,
            Some("late") => 33,
            Some("lost") => 31,
            Some("stopped") if row[2].contains("failure") => 31,
            Some("stopped") => 32,
            _ => 37,
        };
        cells[2] = paint.with(colour, &cells[2]);
        columns::joined(&cells[..shown])
    });
    std::iter::once(header).chain(lines).collect()
}

fn cells(agent: &Value, now: Timestamp) -> [String; 8] {
    let field = |name: &str| match agent.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(short(text)),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let or_dash = |name: &str| field(name).unwrap_or_else(|| "-".to_owned());
    let age = |name: &str| match agent.get(name).and_then(Value::as_str).map(str::parse::<Timestamp>) {
        Some(Ok(then)) => age(now.duration_since(then).as_secs()),
        _ => "-".to_owned(),
    };
    let state = match field("status") {
        Some(how) => format!("{} ({how})", or_dash("state")),
        None => or_dash("state"),
    };
    let place = match (field("host"), field("pid")) {
        (None, None) => or_dash("instance"),
        (host, pid) => [host, pid].into_iter().flatten().collect::<Vec<_>>().join("/"),
    };
    let instance = agent.get("instance").and_then(Value::as_str).map_or_else(|| "-".to_owned(), short_start);
    [
        or_dash("agent"),
        or_dash("role"),
        state,
        or_dash("vtid"),
        age("since"),
        age("last_seen"),
        place,
        instance,
    ]
}

/// Turns `text` into one printable line, and cuts the line if it is too long for a column.
fn short(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    match text.char_indices().nth(MAX_WIDTH) {
        Some(_) => text.chars().take(MAX_WIDTH - 1).chain(['…']).collect(),
        None => text,
    }
}

/// Like [`short`], but cuts the start of the text, because the instances of an agent differ at the end.
fn short_start(text: &str) -> String {
    let text = printable(text).replace('\n', " ");
    match text.chars().count().checked_sub(MAX_WIDTH) {
        Some(over @ 1..) => std::iter::once('…').chain(text.chars().skip(over + 1)).collect(),
        Some(0) | None => text,
    }
}

/// Formats an age in one or two units, such as `5s`, `12m`, `3h 20m` or `2d 4h`. If the clock of this machine
/// is behind, an age can be negative. A negative age becomes `0s`.
pub(crate) fn age(seconds: i64) -> String {
    match seconds {
        60..3_600 => format!("{}m", seconds / 60),
        _ => in_words(seconds),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lines(colours: bool, agents: &[Value]) -> Vec<String> {
        table(agents, "2026-01-02T03:04:05Z".parse().unwrap(), Paint::fixed(colours))
    }

    #[test]
    fn columns_are_as_wide_as_their_content() {
        let agents = [
            json!({ "agent": "planner", "role": "PLANNER", "instance": "h:1:2", "host": "build-7", "pid": 42,
                    "vtid": "DEV-CICDL-0031", "state": "working", "status": null,
                    "since": "2026-01-01T22:04:00.000Z", "last_seen": "2026-01-02T03:04:00.000Z" }),
            json!({ "agent": "é", "role": null, "instance": "é", "host": null, "pid": null, "vtid": "IDLE",
                    "state": "stopped", "status": "failure", "since": "2026-01-02T02:04:05Z",
                    "last_seen": "soon" }),
        ];
        assert_eq!(
            lines(false, &agents),
            [
                "AGENT    ROLE     STATE              TASK            SINCE  LAST-SEEN  HOST/PID",
                "planner  PLANNER  working            DEV-CICDL-0031  5h     5s         build-7/42",
                "é        -        stopped (failure)  IDLE            1h     -          é",
            ]
        );
        let painted = lines(true, &agents);
        assert!(painted[0].starts_with("\x1b[2mAGENT "), "{painted:?}");
        assert!(painted[1].contains("\x1b[36mworking          \x1b[0m"), "{painted:?}");
        assert!(painted[2].contains("\x1b[31mstopped (failure)\x1b[0m"), "{painted:?}");
    }

    #[test]
    fn agents_with_one_name_show_their_instances() {
        let agent = |instance: &str| json!({ "agent": "planner", "instance": instance, "host": "build-7" });
        let long = format!("{}:42:1767323045", "x".repeat(40));
        let shown = lines(false, &[agent("build-7:1:1767323045"), agent(&long)]);
        assert!(shown[0].ends_with("HOST/PID  INSTANCE"), "{shown:?}");
        assert!(shown[1].ends_with("build-7   build-7:1:1767323045"), "{shown:?}");
        assert!(shown[2].ends_with("xxx:42:1767323045") && shown[2].contains(" …xxx"), "{shown:?}");
        assert!(!lines(false, &[agent("a")])[0].contains("INSTANCE"));
    }

    #[test]
    fn an_agent_with_missing_or_hostile_fields_is_printed_as_one_line() {
        let agent = format!("a\x1b[2J\nb{}", "x".repeat(100));
        let hostile = json!({ "role": "a\u{202e}b", "agent": agent, "state": "\x07", "since": 7 });
        let lines = lines(false, &[json!({}), hostile]);
        assert!(!lines.concat().contains(char::is_control), "{lines:?}");
        assert_eq!(lines[1].split_whitespace().collect::<String>(), "-------");
        assert!(lines[2].starts_with("a\u{fffd}[2J bxxx") && lines[2].contains('…'), "{lines:?}");
        assert!(lines[2].contains(" a\u{fffd}b "), "{lines:?}");
    }

    #[test]
    fn ages_have_at_most_two_units() {
        let shown = [-5, 0, 59, 60, 3_599, 3_600, 12_000, 86_399, 86_400, 187_200].map(age);
        assert_eq!(shown, ["0s", "0s", "59s", "1m", "59m", "1h", "3h 20m", "23h 59m", "1d", "2d 4h"]);
    }
}
