//! Server-Sent Events as bytes: the only place that knows the wire format of the feed.
//!
//! Events are unnamed messages with an `id:` line; what the feed says of itself is an unnamed message with a `type`
//! and no id, so that it never moves a client's cursor.

use bytes::Bytes;
use oasis_core::{Ticker, Ts};
use oasis_store::StoredEvent;
use serde::Serialize;
use serde_json::json;

use crate::hub::Mode;

/// Appends the frame of one event to `out`.
pub(crate) fn event(out: &mut Vec<u8>, event: &StoredEvent) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(event.id.to_string().as_bytes());
    out.push(b'\n');
    data(out, &event.ticker());
}

/// Appends the frame of a simulated event, which has no id.
pub(crate) fn simulated(out: &mut Vec<u8>, ticker: &Ticker<'_>) {
    data(out, ticker);
}

/// Moves a client's cursor without telling it anything.
pub(crate) fn cursor(id: i64) -> Bytes {
    format!("id: {id}\n\n").into()
}

pub(crate) fn connected(now: Ts, mode: Mode, head: i64) -> Bytes {
    message(&json!({ "type": "connected", "ts": now.to_string(), "mode": mode.as_str(), "head": head }))
}

pub(crate) fn heartbeat(now: Ts) -> Bytes {
    message(&json!({ "type": "heartbeat", "ts": now.to_string() }))
}

pub(crate) fn mode(now: Ts, mode: Mode) -> Bytes {
    message(&json!({ "type": "mode", "mode": mode.as_str(), "ts": now.to_string() }))
}

/// Tells that the events after `from`, up to and with `to`, cannot be had.
pub(crate) fn gap(from: i64, to: i64, reason: &str) -> Bytes {
    message(&json!({ "type": "gap", "from": from, "to": to, "reason": reason }))
}

/// A comment, which clients ignore; it keeps the connection and shows that it works.
pub(crate) fn comment(text: &str) -> Bytes {
    format!(": {text}\n\n").into()
}

/// The end of a connection, and when to come back, in milliseconds.
pub(crate) fn goodbye(retry: u64) -> Bytes {
    format!("retry: {retry}\n\n").into()
}

fn message(value: &serde_json::Value) -> Bytes {
    let mut out = Vec::with_capacity(128);
    data(&mut out, value);
    out.into()
}

fn data(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    // Plain structs and strings into memory have no way to fail; JSON has no raw line ends.
    let _ = serde_json::to_writer(&mut *out, value);
    out.extend_from_slice(b"\n\n");
}
