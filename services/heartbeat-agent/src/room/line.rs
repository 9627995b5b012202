//! Turns the lines of a command's output into lines of a room: parses lines that are JSON, and shortens lines
//! that are too long.

use jiff::Timestamp;
use oasis_core::room::{LogLevel, LogLine, MOST_MESSAGE_BYTES};
use oasis_core::{Meta, Task, Ts, parse_json, repair_escapes};
use serde_json::{Map, Value, json};

use super::split::RawLine;

/// The maximum size of a stored line without its message and its metadata, in bytes.
const ENVELOPE_BYTES: usize = 256;
/// A Unix time from this number on is in milliseconds. In seconds, this number would be in the year 5138.
const FIRST_MILLISECONDS: f64 = 1e11;

/// Makes a line of a room. `defaults` has the values that the text does not contain. Its message is ignored.
///
/// If the text is a JSON object with `message` or `msg`, and with `level` or `severity`, the line gets its
/// message, level and time from the object. The other members are added to the metadata of `defaults`.
/// Invalid UTF-8 and NUL characters are replaced.
pub fn read_line(raw: &RawLine, defaults: LogLine) -> LogLine {
    let line = match object(raw).and_then(|object| from_object(object, &defaults)) {
        Some(line) => line,
        None => LogLine { message: String::from_utf8_lossy(&raw.bytes).into_owned(), ..defaults },
    };
    fit(line, raw.cut)
}

/// The line in the format of the gateway's endpoint for lines.
pub fn to_wire(line: &LogLine) -> Value {
    let mut wire = json!({
        "timestamp": line.ts, "agentType": line.agent_type.as_str(), "level": line.level.as_str(),
        "message": line.message,
    });
    if let Task::Vtid(vtid) = &line.task {
        wire["vtid"] = vtid.as_str().into();
    }
    if let Some(metadata) = &line.metadata {
        wire["metadata"] = Value::Object(metadata.clone());
    }
    wire
}

fn object(raw: &RawLine) -> Option<Map<String, Value>> {
    let text = raw.bytes.trim_ascii();
    // Most lines are not JSON, and need no parser.
    if raw.cut > 0 || !text.starts_with(b"{") || !text.ends_with(b"}") {
        return None;
    }
    match parse_json(&repair_escapes(text)) {
        Ok(Value::Object(object)) => Some(object),
        Ok(_) | Err(_) => None,
    }
}

/// Makes a line from a JSON object. `None` if the object has no message or no level.
fn from_object(mut object: Map<String, Value>, defaults: &LogLine) -> Option<LogLine> {
    let message = ["message", "msg"].into_iter().find(|name| object.get(*name).is_some_and(Value::is_string));
    let level = ["level", "severity"].into_iter().find(|name| object.contains_key(*name));
    let (message, level) = (message?, level?);
    let Some(Value::String(message)) = object.remove(message) else { return None };
    let known = level_of(&object[level]);
    // A name such as `debug` is more precise than the level of the line, so the name stays in the metadata.
    if known.is_some_and(|known| object[level].as_str().is_none_or(|name| is_name_of(known, name))) {
        object.remove(level);
    }
    let time =
        ["timestamp", "time", "ts"].into_iter().find_map(|name| Some((name, time_of(object.get(name)?)?)));
    if let Some((name, _)) = time {
        object.remove(name);
    }
    let mut metadata = defaults.metadata.clone().unwrap_or_default();
    metadata.extend(object);
    Some(LogLine {
        ts: time.map_or(defaults.ts, |(_, ts)| ts),
        task: defaults.task.clone(),
        agent_type: defaults.agent_type.clone(),
        level: known.unwrap_or(defaults.level),
        message,
        metadata: (!metadata.is_empty()).then_some(metadata),
    })
}

fn is_name_of(level: LogLevel, name: &str) -> bool {
    name.eq_ignore_ascii_case(level.as_str()) || name.eq_ignore_ascii_case("warning")
}

/// The level for the name or number of a logging library. pino and bunyan use numbers.
fn level_of(value: &Value) -> Option<LogLevel> {
    if let Some(number) = value.as_f64() {
        return Some(match number {
            ..40.0 => LogLevel::Info,
            40.0..50.0 => LogLevel::Warn,
            _ => LogLevel::Error,
        });
    }
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "trace" | "debug" | "verbose" | "info" | "information" | "notice" | "default" => Some(LogLevel::Info),
        "warn" | "warning" => Some(LogLevel::Warn),
        "error" | "err" | "fatal" | "critical" | "alert" | "emergency" | "panic" => Some(LogLevel::Error),
        "success" => Some(LogLevel::Success),
        _ => None,
    }
}

/// The time of a line: RFC 3339, or a Unix time in seconds or milliseconds.
fn time_of(value: &Value) -> Option<Ts> {
    if let Some(text) = value.as_str() {
        return text.parse().ok();
    }
    let number = value.as_f64()?;
    let ms = if number.abs() < FIRST_MILLISECONDS { number * 1_000.0 } else { number };
    // The cast saturates, and jiff refuses numbers outside of its range.
    Ts::new(Timestamp::from_millisecond(ms as i64).ok()?).ok()
}

/// Shortens the line so that it can be stored. `cut` is the number of bytes that are missing from the message
/// already.
fn fit(mut line: LogLine, cut: usize) -> LogLine {
    if line.message.contains('\0') {
        line.message = line.message.replace('\0', "\u{fffd}");
    }
    line.message = cut_message(line.message, cut);
    let fits = |metadata: &Map<String, Value>| {
        let stored =
            json!({"message": line.message, "metadata": metadata, "rest": "x".repeat(ENVELOPE_BYTES)});
        stored.as_object().is_some_and(|stored| Meta::new(stored.clone()).is_ok())
    };
    if line.metadata.as_ref().is_some_and(|metadata| !fits(metadata)) {
        line.metadata = json!({"truncated": true}).as_object().cloned();
    }
    line
}

/// Shortens a message to the allowed number of bytes, including escapes. A message that is not complete ends
/// with a mark. `cut` is the number of bytes that are missing from the message already.
fn cut_message(mut message: String, cut: usize) -> String {
    /// The maximum size of the mark.
    const MARK_BYTES: usize = 64;
    const MOST_ESCAPED: usize = Meta::MAX_BYTES - ENVELOPE_BYTES - 2 * MARK_BYTES;
    let whole = cut == 0;
    if whole
        && message.len() <= MOST_MESSAGE_BYTES
        && message.chars().map(escaped).sum::<usize>() <= MOST_ESCAPED
    {
        return message;
    }
    let (mut end, mut size) = (0, 0);
    for (at, c) in message.char_indices() {
        size += escaped(c);
        if at + c.len_utf8() > MOST_MESSAGE_BYTES - MARK_BYTES || size > MOST_ESCAPED {
            break;
        }
        end = at + c.len_utf8();
    }
    let missing = message.len() - end + cut;
    message.truncate(end);
    message + &format!("… ({missing} bytes cut)")
}

/// The number of bytes that PostgreSQL needs for a character in JSON.
fn escaped(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
