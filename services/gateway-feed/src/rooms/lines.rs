//! Writes lines to a room: one line or an array of lines. Either all lines of a request are stored, or none.

use jiff::Timestamp;
use oasis_core::room::{AgentType, LogLevel, LogLine, ROOMS, RoomId};
use oasis_core::{NewEvent, RoomState, Ts, parse_unique_json};
use oasis_service::{ApiError, Query, Request, RequestContext, Response};
use serde_json::Value;
use tokio::time::Instant;

use super::errors::no_such_room;
use super::requests::Rooms;
use super::rights::check_writer;
use crate::access::Caller;
use crate::ingest::{Fields, ItemWords, KeyScope, Refusal, idempotency_key, items, json_body, store_items};

/// The maximum size of the body of a request, in bytes.
const MOST_BYTES: usize = 20 << 20;
/// What a client can do if its lines were not stored.
const AGAIN: &str = "send the request again; with an Idempotency-Key, no line is stored twice";
/// The words for lines in errors.
const WORDS: ItemWords = ItemWords { one: "line", bad: "bad_line", too_many: "too_many_lines" };

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
        self.check_writable(room, &*self.state(room).await?, &caller)?;
        Query::parse(request.uri().query(), &[])?;
        let key = idempotency_key(request.headers())?;
        let body = json_body(request, context, MOST_BYTES).await?;
        // The time limit of the append does not include the time that a slow client needs for its body.
        let arrived = Instant::now();
        let now = Ts::clamped(Timestamp::now());
        let mut events = items(&body, &WORDS, |text| line(text, room, now)).await?;
        drop(body);
        // The room and the rights of the caller may have changed while the body arrived. The state of the
        // directory may be old if this gateway polls the table.
        let state = self.fresh_state(room).await?.ok_or_else(|| no_such_room(room))?;
        self.check_writable(room, &state, &caller)?;
        if let Some(key) = key {
            let scope =
                KeyScope { prefix: (ROOMS, "line:"), target: room.as_str(), caller: &caller, key: &key };
            scope.give(&self.store, &mut events, &[]).await?;
        }
        store_items(&self.appender.of(caller.lane()), events, arrived, AGAIN).await
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

/// Reads one line: `{timestamp?, agentType, level?, message, metadata?, vtid?}`.
fn line(text: &[u8], room: &RoomId, now: Ts) -> Result<NewEvent, Refusal> {
    let line = match parse_unique_json(text) {
        Ok(Value::Object(line)) => line,
        Ok(_) => return Err(Refusal::new("expected a line, which is a JSON object")),
        Err(why) => return Err(Refusal::new(why.to_string())),
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
    fields.finish_with("put other data into `metadata`")?;
    // A bad VTID is no reason to lose a line.
    let task = vtid.and_then(Result::ok).unwrap_or(oasis_core::Task::Unset);
    let line = LogLine { ts, task, agent_type, level, message, metadata };
    line.into_event(room).map_err(|why| Refusal::new(why.to_string()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn other_requests_go_on_while_a_large_body_is_parsed() {
        let one = format!(r#"{{"agentType":"code","message":"{}"}}"#, "x".repeat(8 << 10));
        let body = format!("[{}]", vec![one; 100].join(","));
        let room = RoomId::parse("r").unwrap();
        let (turns, ended) = (Cell::new(0), Cell::new(false));
        let parsed = async {
            let now = Ts::clamped(Timestamp::now());
            let events = items(body.as_bytes(), &WORDS, |text| line(text, &room, now)).await;
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
