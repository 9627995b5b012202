//! Writes Server-Sent Events as bytes. No other file knows the wire format.
//!
//! The HTML standard defines the format. An empty line ends a block of lines. A block with an `id` but
//! without `data` moves the cursor of a client, and the client gets no event.

use bytes::Bytes;
use serde::Serialize;

/// Appends the `id` line of the next block.
pub(crate) fn id(out: &mut Vec<u8>, id: i64) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(id.to_string().as_bytes());
    out.push(b'\n');
}

/// Appends the `event` line of the next block: the name of the event.
pub(crate) fn event(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
}

/// Appends a `data` line with `value` as JSON, and ends the block.
pub(crate) fn data(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    // Writing plain structs and strings to memory cannot fail, and JSON text contains no line breaks.
    let _ = serde_json::to_writer(&mut *out, value);
    out.extend_from_slice(b"\n\n");
}

/// A complete block with an unnamed message.
pub(crate) fn message(value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(128);
    data(&mut out, value);
    out.into()
}

/// A complete block with a named event.
pub(crate) fn named(name: &str, value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(128);
    event(&mut out, name);
    data(&mut out, value);
    out.into()
}

/// A block that only moves the cursor of a client.
pub(crate) fn cursor(id: i64) -> Bytes {
    format!("id: {id}\n\n").into()
}

/// A comment. Clients ignore comments, but a comment shows that the connection works.
pub(crate) fn comment(text: &str) -> Bytes {
    format!(": {text}\n\n").into()
}

/// The comment for a client that waits for its first frames.
pub(crate) fn waiting() -> Bytes {
    comment("waiting for the database")
}

/// A block that tells a client to wait this many milliseconds before the client reconnects.
pub(crate) fn retry(milliseconds: u64) -> Bytes {
    format!("retry: {milliseconds}\n\n").into()
}
