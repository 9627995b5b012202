//! A parser for Server-Sent Events (the event stream format of the HTML standard). It parses the bytes as
//! they arrive.
//!
//! Lines end with CR, LF or CRLF, and the bytes may be cut anywhere. An id counts only after its block is
//! complete. So if the connection breaks in the middle of an event, the client requests this event again.

use std::collections::VecDeque;
use std::time::Duration;

/// The maximum length of a line, and of the data of one block, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;
/// The maximum length of an id in bytes. The ids of the feed are numbers, and each block has a copy of the
/// id.
const MAX_ID: usize = 64;

/// A complete block. It has a message, or it only moves the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The event name. Empty if the message has no name.
    pub(crate) event: String,
    /// The data lines, joined by line feeds. `None` if the block only moves the cursor.
    pub(crate) data: Option<String>,
    /// The id after which to resume once this block has been handled. Empty if there is no id yet.
    pub(crate) id: String,
}

/// The stream has a line or a block that is longer than [`MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line or event exceeds {} KiB: check that --url is the address of gateway-feed", MAX_BYTES / 1024)]
pub(crate) struct TooLong;

/// The parser of one connection.
#[derive(Debug)]
pub(crate) struct Parser {
    line: Vec<u8>,
    /// Whether the last byte was a CR. If an LF follows, it belongs to the same line end.
    after_cr: bool,
    first_line: bool,
    event: String,
    data: Option<String>,
    /// The id of the current block. The following blocks keep this id until the stream sends another id.
    id: String,
    /// The id of the last complete block.
    committed: String,
    retry: Option<Duration>,
    ready: VecDeque<Block>,
}

impl Parser {
    /// Makes a parser for a connection that resumes after `last_event_id`. If `last_event_id` is empty, the
    /// connection starts without an id.
    pub(crate) fn new(last_event_id: &str) -> Self {
        Self {
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            event: String::new(),
            data: None,
            id: last_event_id.to_owned(),
            committed: last_event_id.to_owned(),
            retry: None,
            ready: VecDeque::new(),
        }
    }

    /// Parses the next bytes. [`Parser::next_block`] then returns the blocks that these bytes have completed.
    ///
    /// # Errors
    /// [`TooLong`]. After this error, the parser must not be used.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) -> Result<(), TooLong> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_BYTES {
                return Err(TooLong);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { return Ok(()) };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            self.take_line(&line)?;
            self.line = line;
            self.line.clear();
        }
        Ok(())
    }

    /// The next complete block.
    pub(crate) fn next_block(&mut self) -> Option<Block> {
        self.ready.pop_front()
    }

    /// The reconnection time that the stream has asked for since the last call.
    pub(crate) fn take_retry(&mut self) -> Option<Duration> {
        self.retry.take()
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), TooLong> {
        let bom = if std::mem::take(&mut self.first_line) { "\u{feff}".as_bytes() } else { b"" };
        let line = line.strip_prefix(bom).unwrap_or(line);
        if line.is_empty() {
            self.complete();
            return Ok(());
        }
        // A character never spans two lines, so each line can be decoded by itself.
        let line = String::from_utf8_lossy(line);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => return self.append(value),
            "id" if value.len() <= MAX_ID && !value.contains(char::is_control) => {
                value.clone_into(&mut self.id);
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // A text of digits is invalid only if the number is too large. The wait is then practically
                // endless.
                self.retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            // Unknown fields are ignored. Comments are ignored too: their field name is empty.
            _ => {}
        }
        Ok(())
    }

    fn append(&mut self, value: &str) -> Result<(), TooLong> {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) if data.len() + value.len() < MAX_BYTES => {
                data.push('\n');
                data.push_str(value);
            }
            Some(_) => return Err(TooLong),
        }
        Ok(())
    }

    fn complete(&mut self) {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take();
        if data.is_some() || self.id != self.committed {
            self.id.clone_into(&mut self.committed);
            self.ready.push_back(Block { event, data, id: self.id.clone() });
        }
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
