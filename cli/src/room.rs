//! Reads lines of a room from the gateway, and prints them.

use std::io;

use anyhow::Context;
use jiff::Timestamp;
use oasis_core::room::{LogLevel, RoomId};
use oasis_core::{Ts, parse_json};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ansi::harmless;
use crate::columns;
use crate::gateway::{Reader, query};
use crate::line::Printer;
use crate::output::{self, Paint, printable};

/// The maximum number of lines of one answer.
const PAGE: usize = 1_000;
/// The maximum size of one answer. A stored line has at most 16 KiB, and the other members are short.
const MAX_BYTES: usize = PAGE * 20 * 1024 + 1024;
/// The indentation of all lines of a message except the first, so that no part of a message can look like
/// another line of the log.
const INDENT: &str = "    ";

/// A line of a room.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The id of the line. `None` if the gateway sent no id.
    pub(crate) id: Option<u64>,
    /// The JSON of the line, with its id.
    pub(crate) json: String,
    at: Option<Timestamp>,
    level: String,
    agent: String,
    message: String,
    metadata: Option<Value>,
}

impl Line {
    /// Reads a line of a page.
    fn of_page(json: &str) -> Option<Self> {
        let value = parse_json(json.as_bytes()).ok()?;
        let id = value.get("id").and_then(Value::as_u64);
        Some(Self::of(&value, id, json.to_owned()))
    }

    /// Reads a line of a stream, where the block has the id. `None` if `data` is not an object.
    pub(crate) fn of_block(data: &str, id: &str) -> Option<Self> {
        let value = parse_json(data.as_bytes()).ok()?;
        let members = data.trim_start().strip_prefix('{')?;
        let id = id.parse().ok();
        let comma = if value.as_object()?.is_empty() { "" } else { "," };
        let json = id.map_or_else(|| data.to_owned(), |id: u64| format!("{{\"id\":{id}{comma}{members}"));
        Some(Self::of(&value, id, json))
    }

    /// Whether the line was written at or after `since`. A line whose time is not known is never too old.
    pub(crate) fn is_since(&self, since: Option<Ts>) -> bool {
        since.zip(self.at).is_none_or(|(since, at)| at >= since.instant())
    }

    fn of(value: &Value, id: Option<u64>, json: String) -> Self {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            id,
            json,
            at: text("timestamp").parse().ok(),
            level: text("level"),
            agent: text("agentType"),
            message: text("message"),
            metadata: value.get("metadata").cloned(),
        }
    }
}

/// Which lines to show.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct LineFilter {
    #[arg(long, help = format!("Show only lines of these levels: {}", LogLevel::list()), value_name = "LIST",
          value_delimiter = ',')]
    level: Vec<LogLevel>,
    /// Show only lines of these types of agents, such as code,deploy
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    agent: Vec<String>,
}

impl LineFilter {
    /// Whether the filter accepts a line of a stream. Only pages are filtered by the gateway.
    pub(crate) fn accepts(&self, line: &Line) -> bool {
        let level = || line.level.parse().is_ok_and(|level| self.level.contains(&level));
        (self.level.is_empty() || level()) && (self.agent.is_empty() || self.agent.contains(&line.agent))
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let level: Vec<&str> = self.level.iter().map(|level| level.as_str()).collect();
        let lists = [("level", level.join(",")), ("agentType", self.agent.join(","))];
        lists.into_iter().filter(|(_, list)| !list.is_empty()).collect()
    }
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    lines: Vec<&'a RawValue>,
    /// Null if the room has no lines.
    cursor: Option<i64>,
    more: bool,
}

/// Reads the newest lines of a room that a filter accepts, at most `limit`. The oldest line is first. With
/// `since`, reads only lines that were written at or after this time.
///
/// # Errors
/// The gateway does not answer or refuses the request, or the server is not a gateway.
pub(crate) async fn read(
    gateway: &mut Reader,
    room: &RoomId,
    filter: &LineFilter,
    since: Option<Ts>,
    limit: usize,
) -> anyhow::Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    let mut before = None;
    while lines.len() < limit {
        let wanted = (limit - lines.len()).min(PAGE);
        let mut parameters = filter.parameters();
        parameters.push(("limit", wanted.to_string()));
        parameters.extend(before.map(|before: i64| ("before", before.to_string())));
        let parameters = parameters.iter().map(|(name, value)| (*name, value.as_str()));
        let body = gateway.get(&format!("/api/v1/rooms/{room}/logs{}", query(parameters)), MAX_BYTES).await?;
        let expected = || gateway.not_a_gateway("lines of a room");
        let page: Page<'_> = serde_json::from_slice(&body).with_context(expected)?;
        let read = page.lines.iter().map(|raw| Line::of_page(raw.get()).with_context(expected));
        let read = read.collect::<anyhow::Result<Vec<_>>>()?;
        let count = read.len();
        let fresh: Vec<Line> = read.into_iter().filter(|line| line.is_since(since)).collect();
        // Times can be a little out of order, so the search goes on until a whole page is too old.
        let is_over = !page.more || page.cursor.is_none() || (count > 0 && fresh.is_empty());
        lines.extend(fresh.into_iter().rev());
        before = page.cursor;
        if is_over {
            break;
        }
    }
    lines.reverse();
    Ok(lines)
}

/// Prints lines of a room.
pub(crate) struct LinePrinter {
    json: bool,
    times: Printer,
    paint: Paint,
}

impl LinePrinter {
    /// Makes a printer that prints to standard output.
    pub(crate) fn new(json: bool, utc: bool) -> Self {
        Self { json, times: Printer::new(utc), paint: Paint::for_stream(&io::stdout()) }
    }

    /// Prints a line.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn print(&self, line: &Line) -> anyhow::Result<()> {
        if self.json {
            // Line breaks in JSON are only between tokens, so a space has the same meaning.
            return output::line(line.json.replace(['\r', '\n'], " "));
        }
        let time = line.at.map_or_else(|| "-".to_owned(), |at| self.times.time(at, columns::terminal()));
        output::line(self.format(&time, line))
    }

    fn format(&self, time: &str, line: &Line) -> String {
        let field = |text: &str| printable(text).replace('\n', " ");
        let level = format!("{:<7}", field(&line.level));
        let level = match line.level.parse() {
            Ok(LogLevel::Error) => self.paint.with(31, &level),
            Ok(LogLevel::Warn) => self.paint.with(33, &level),
            Ok(LogLevel::Success) => self.paint.with(32, &level),
            Ok(LogLevel::Info) | Err(_) => level,
        };
        let agent = format!("{:<12}", field(&line.agent));
        let message = harmless(&line.message, self.paint.is_on()).replace('\n', &format!("\n{INDENT}"));
        let metadata = line.metadata.as_ref().map(|metadata| field(&metadata.to_string()));
        let metadata =
            metadata.map_or_else(String::new, |metadata| format!("  {}", self.paint.dim(&metadata)));
        let (time, agent) = (self.paint.dim(time), self.paint.dim(&agent));
        format!("{time}  {level}  {agent}  {message}{metadata}").trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn format(colours: bool, line: &Value) -> String {
        let printer = LinePrinter { json: false, times: Printer::new(true), paint: Paint::fixed(colours) };
        printer.format("03:04:05", &Line::of_page(&line.to_string()).unwrap())
    }

    #[test]
    fn a_line_has_its_time_level_agent_message_and_metadata() {
        let line = json!({"level": "error", "agentType": "code", "message": "boom", "metadata": {"n": 1}});
        assert_eq!(format(false, &line), r#"03:04:05  error    code          boom  {"n":1}"#);
        let painted = format(true, &line);
        assert!(
            painted.contains("\x1b[31merror  \x1b[0m") && painted.contains("boom  \x1b[2m{"),
            "{painted:?}"
        );
        assert_eq!(format(false, &json!({})), "03:04:05");
    }

    #[test]
    fn a_message_cannot_look_like_another_line_or_control_the_terminal() {
        let message = "a\n03:04:05  error    code          forged\x1b[2J\x1b[31mred";
        let line = json!({"level": "a\x1b[2J\n", "agentType": "\x07\n", "message": message});
        let hostile = format(false, &line);
        assert!(hostile.contains("\n    03:04:05  error"), "{hostile}");
        assert!(!hostile.contains(|c: char| c.is_control() && c != '\n'), "{hostile:?}");
        assert!(format(true, &line).contains("forged\x1b[31mred\x1b[0m"));
    }

    #[test]
    fn a_line_of_a_stream_gets_its_id() {
        assert_eq!(Line::of_block(r#"{"message":"m"}"#, "7").unwrap().json, r#"{"id":7,"message":"m"}"#);
        assert_eq!(Line::of_block("{}", "7").unwrap().json, r#"{"id":7}"#);
        assert_eq!(Line::of_block("{}", "").unwrap().json, "{}");
        assert!(Line::of_block("[]", "7").is_none());
    }
}
