//! Writes lines to a room: one line or an array of lines. Either all lines of a request are stored, or none.

use std::fmt::Write;

use hyper::StatusCode;
use hyper::header::HeaderMap;
use jiff::Timestamp;
use oasis_core::room::{AgentType, LogLevel, LogLine, RoomId};
use oasis_core::{DedupKey, NewEvent, RoomState, Ts, parse_json};
use oasis_service::{ApiError, Query, Request, RequestContext, Response, response};
use ring::digest::{Context, SHA256};
use serde::Serialize;
use serde_json::Value;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::body;
use super::errors::no_such_room;
use super::requests::Rooms;
use super::rights::check_writer;
use crate::access::Caller;
use crate::ingest::{Elements, Fields, Refusal, not_stored};

/// The maximum size of the body of a request, in bytes.
const MOST_BYTES: usize = 20 << 20;
/// The maximum number of lines in one request.
const MOST_LINES: usize = 1_000;
/// The maximum size of the JSON of one line, in bytes. Every line that the table accepts is smaller, even if
/// all of its characters are escaped.
const MOST_LINE_BYTES: usize = 128 << 10;
/// How many bytes of lines are parsed without a break.
const MOST_UNBROKEN_BYTES: usize = 64 << 10;
/// The maximum length of the header `Idempotency-Key`, in bytes.
const MOST_KEY_BYTES: usize = 255;
/// What a client can do if its lines were not stored.
const AGAIN: &str = "send the request again; with an Idempotency-Key, no line is stored twice";
/// The maximum number of refused lines that an error names.
const MOST_NAMED: usize = 10;

/// The answer to a request whose lines were stored.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    accepted: usize,
    /// The id of the last line. Null if an earlier request stored the line, and the line has been pruned.
    last_id: Option<i64>,
}

impl Rooms {
    /// Stores the lines of a request.
    ///
    /// # Errors
    /// 400 or 413 for a bad body; 403 if the caller may not write to the room; 404 if the room does not
    /// exist; 409 if it is closed; 415 if the body is not JSON; 503 if the table cannot be written.
    pub(crate) async fn write(
        &self,
        room: &RoomId,
        caller: Caller<'_>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        self.check_writable(room, &self.state(room).await?.room, &caller)?;
        Query::parse(request.uri().query(), &[])?;
        let key = idempotency_key(request.headers())?;
        let body = body::read(request, context, MOST_BYTES).await?;
        // The time limit of the append does not include the time that a slow client needs for its body.
        let arrived = Instant::now();
        let mut events = read(&body, room, Ts::clamped(Timestamp::now())).await?;
        drop(body);
        // The room and the rights of the caller may have changed while the body arrived. The state of the
        // directory may be old if this gateway polls the table.
        let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
        self.check_writable(room, &state.room, &caller)?;
        if let Some(key) = key {
            let writer = match &caller {
                Caller::Service(sender) => ("service", sender.owner()),
                Caller::Viewer(viewer) => ("user", &*viewer.user),
            };
            for (nth, event) in events.iter_mut().enumerate() {
                event.dedup_key = Some(dedup_key(room, writer, &key, nth)?);
            }
        }
        let accepted = events.len();
        let appended =
            self.appender.append(events, arrived).await.map_err(|error| not_stored(error, AGAIN))?;
        let last_id = appended.last().and_then(|last| last.id);
        response::json(StatusCode::CREATED, &Stored { accepted, last_id })
    }

    /// Checks that the caller may write lines to a room.
    fn check_writable(&self, room: &RoomId, state: &RoomState, caller: &Caller<'_>) -> Result<(), ApiError> {
        self.check_revoked(caller)?;
        check_writer(state, caller)?;
        if state.is_closed {
            return Err(ApiError::conflict("room_closed", format!("the room {room} is closed"))
                .hint("open another room: a closed room stays closed"));
        }
        Ok(())
    }
}

/// Reads the lines of a body. A large body takes long, so other requests get processor time in between.
async fn read(body: &[u8], room: &RoomId, now: Ts) -> Result<Vec<NewEvent>, ApiError> {
    if body.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'[') {
        let event = line(body, room, now);
        return event.map(|event| vec![event]).map_err(|refusal| {
            let error = ApiError::bad_request("bad_line", refusal.message);
            match refusal.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        });
    }
    // The array is first split into slices of the body. The slices are parsed one by one.
    let slices: Elements<'_, MOST_LINES> = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("bad_json", format!("the body is not JSON: {error}")))?;
    if slices.number == 0 {
        return Err(ApiError::bad_request("bad_line", "the array contains no line"));
    }
    if slices.number > MOST_LINES {
        return Err(ApiError::bad_request(
            "too_many_lines",
            format!("{} lines in one request: at most {MOST_LINES} are allowed", slices.number),
        ));
    }
    let (mut events, mut refused, mut named) = (Vec::with_capacity(slices.number), 0, String::new());
    let mut unbroken = 0;
    for (nth, slice) in slices.first.into_iter().enumerate() {
        unbroken += slice.get().len();
        if unbroken > MOST_UNBROKEN_BYTES {
            yield_now().await;
            unbroken = 0;
        }
        match line(slice.get().as_bytes(), room, now) {
            Ok(event) => events.push(event),
            Err(refusal) => {
                refused += 1;
                if refused <= MOST_NAMED {
                    let and = if named.is_empty() { "" } else { "; " };
                    // Writing to a string cannot fail.
                    let _ = write!(named, "{and}line {nth}: {}", refusal.message);
                }
            }
        }
    }
    if refused == 0 {
        return Ok(events);
    }
    if refused > MOST_NAMED {
        let _ = write!(named, "; and {} more lines", refused - MOST_NAMED);
    }
    Err(ApiError::bad_request("bad_line", named)
        .hint("no line of this request was stored; the first line has the number 0"))
}

/// Reads one line: `{timestamp?, agentType, level?, message, metadata?, vtid?}`.
fn line(text: &[u8], room: &RoomId, now: Ts) -> Result<NewEvent, Refusal> {
    if text.len() > MOST_LINE_BYTES {
        return Err(Refusal::new(format!("the line is too large: the limit is {MOST_LINE_BYTES} bytes")));
    }
    let line = match parse_json(text) {
        Ok(Value::Object(line)) => line,
        Ok(_) => return Err(Refusal::new("expected a line, which is a JSON object")),
        Err(error) => return Err(Refusal::new(format!("not JSON: {error}"))),
    };
    let mut fields = Fields::new(line, "");
    let ts = fields.time("timestamp", now)?;
    let agent_type = fields.required("agentType", AgentType::parse)?;
    let level = fields.parsed("level", str::parse)?.unwrap_or(LogLevel::Info);
    let message = fields.text("message")?.ok_or_else(|| fields.refuse("message", "it is missing"))?;
    let metadata = match fields.take("metadata") {
        None => None,
        Some(Value::Object(metadata)) => Some(metadata),
        Some(_) => return Err(fields.refuse("metadata", "expected a JSON object")),
    };
    let stated = fields.text("vtid")?;
    let in_metadata = || metadata.as_ref().and_then(|metadata| metadata.get("vtid")?.as_str());
    let vtid = stated.as_deref().or_else(in_metadata).map(|vtid| vtid.trim().parse());
    fields
        .finish()
        .map_err(|refusal| Refusal { hint: Some("put other data into `metadata`".into()), ..refusal })?;
    // A bad VTID is no reason to lose a line.
    let task = vtid.and_then(Result::ok).unwrap_or(oasis_core::Task::Unset);
    let line = LogLine { ts, task, agent_type, level, message, metadata };
    line.into_event(room).map_err(|why| Refusal::new(why.to_string()))
}

/// The value of the header `Idempotency-Key`. `None` if the request does not have this header.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let Some(key) = keys.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=MOST_KEY_BYTES).contains(&key.len()) && !key.contains('\t');
    let key = key.to_str().ok().filter(fits).filter(|_| keys.next().is_none());
    let key = key.ok_or_else(|| {
        let why = format!(
            "header `Idempotency-Key`: expected once, with 1 to {MOST_KEY_BYTES} printable ASCII characters"
        );
        ApiError::bad_request("bad_header", why)
    })?;
    Ok(Some(key.to_owned()))
}

/// The dedup key of the line with the number `nth` in a request. The key is a hash, because its parts may be
/// long.
fn dedup_key(room: &RoomId, (kind, name): (&str, &str), key: &str, nth: usize) -> Result<DedupKey, ApiError> {
    let mut hash = Context::new(&SHA256);
    for part in [room.as_str(), kind, name, key, &nth.to_string()] {
        hash.update(&part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    DedupKey::of_digest(oasis_core::room::ROOMS, "line:", hash.finish().as_ref()).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn other_requests_go_on_while_a_large_body_is_parsed() {
        let line = format!(r#"{{"agentType":"code","message":"{}"}}"#, "x".repeat(8 << 10));
        let body = format!("[{}]", vec![line; 100].join(","));
        let room = RoomId::parse("r").unwrap();
        let (turns, ended) = (Cell::new(0), Cell::new(false));
        let parsed = async {
            let events = read(body.as_bytes(), &room, Ts::clamped(Timestamp::now())).await;
            ended.set(true);
            events.map(|events| events.len()).map_err(|error| error.message().to_owned())
        };
        let others = async {
            while !ended.get() {
                turns.set(turns.get() + 1);
                yield_now().await;
            }
        };
        let (events, ()) = tokio::join!(parsed, others);
        assert_eq!(events, Ok(100));
        // The lines have about 800 KiB.
        assert!(turns.get() >= 10, "{}", turns.get());
    }
}
