//! Server-Sent Events as bytes: the only place that knows the wire format of the feed.
//!
//! Events are unnamed messages with an `id:` line; what the feed says of itself is an unnamed message with a `type`
//! and no id, so that it never moves a client's cursor.

use bytes::Bytes;
use oasis_core::{Ticker, Ts};
use oasis_store::StoredEvent;
use serde::Serialize;

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

/// What the feed says of itself, its members in the contract's order.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message<'a> {
    Connected { ts: String, mode: &'a str, head: i64 },
    Heartbeat { ts: String },
    Mode { mode: &'a str, ts: String },
    Gap { from: i64, to: i64, reason: &'a str },
}

pub(crate) fn connected(now: Ts, mode: Mode, head: i64) -> Bytes {
    message(&Message::Connected { ts: now.to_string(), mode: mode.as_str(), head })
}

pub(crate) fn heartbeat(now: Ts) -> Bytes {
    message(&Message::Heartbeat { ts: now.to_string() })
}

pub(crate) fn mode(now: Ts, mode: Mode) -> Bytes {
    message(&Message::Mode { mode: mode.as_str(), ts: now.to_string() })
}

/// Tells that the events after `from`, up to and with `to`, cannot be had.
pub(crate) fn gap(from: i64, to: i64, reason: &str) -> Bytes {
    message(&Message::Gap { from, to, reason })
}

/// A comment, which clients ignore; it keeps the connection and shows that it works.
pub(crate) fn comment(text: &str) -> Bytes {
    format!(": {text}\n\n").into()
}

/// The end of a connection, and when to come back, in milliseconds.
pub(crate) fn goodbye(retry: u64) -> Bytes {
    format!("retry: {retry}\n\n").into()
}

fn message(value: &Message<'_>) -> Bytes {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_the_contract_s_order() {
        let now: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        for (frame, text) in [
            (
                connected(now, Mode::Live, 7),
                r#"{"type":"connected","ts":"2026-01-02T03:04:05.000Z","mode":"live","head":7}"#,
            ),
            (heartbeat(now), r#"{"type":"heartbeat","ts":"2026-01-02T03:04:05.000Z"}"#),
            (mode(now, Mode::Live), r#"{"type":"mode","mode":"live","ts":"2026-01-02T03:04:05.000Z"}"#),
            (gap(1, 2, "pruned"), r#"{"type":"gap","from":1,"to":2,"reason":"pruned"}"#),
        ] {
            assert_eq!(frame, format!("data: {text}\n\n"));
        }
    }
}
