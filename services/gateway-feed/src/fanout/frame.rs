//! Server-Sent Events as bytes: the only file that knows the wire format.
//!
//! The format is that of the HTML standard: a block of lines ends with an empty line, and a block without
//! `data` moves a client's cursor without an event.

use bytes::Bytes;
use serde::Serialize;

/// Appends the line that gives the next block its id.
pub(crate) fn id(out: &mut Vec<u8>, id: i64) {
    out.extend_from_slice(b"id: ");
    out.extend_from_slice(id.to_string().as_bytes());
    out.push(b'\n');
}

/// Appends the line that names the next block's event.
pub(crate) fn event(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
}

/// Appends a message and ends the block.
pub(crate) fn data(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    // Plain structs and strings into memory can't fail; JSON has no raw line ends.
    let _ = serde_json::to_writer(&mut *out, value);
    out.extend_from_slice(b"\n\n");
}

/// An unnamed message as a block of its own.
pub(crate) fn message(value: &impl Serialize) -> Bytes {
    let mut out = Vec::with_capacity(128);
    data(&mut out, value);
    out.into()
}

/// A block that moves a client's cursor and is no event.
pub(crate) fn cursor(id: i64) -> Bytes {
    format!("id: {id}\n\n").into()
}

/// A comment, which clients ignore; it shows that the connection works.
pub(crate) fn comment(text: &str) -> Bytes {
    format!(": {text}\n\n").into()
}

/// Tells a client how many milliseconds to wait before it reconnects.
pub(crate) fn retry(milliseconds: u64) -> Bytes {
    format!("retry: {milliseconds}\n\n").into()
}
