//! One client of a crowd. It counts the events that it receives, with as little work as possible.

use std::time::Instant;

use anyhow::bail;
use memchr::memmem::Finder;

use crate::events::number_of;
use crate::http::Head;
use crate::sse::Chunks;

/// The data that a client keeps about the events that it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Only the number of events.
    Count,
    /// The sequence number of each event.
    Numbers,
    /// The number of each event, and the time at which the last byte of the event arrived.
    Arrivals,
}

/// The events that a client has received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// The numbers of the events in the order of arrival. With [`Keep::Count`], this list is empty.
    pub(crate) numbers: Vec<u64>,
    /// The arrival times of the events. Without [`Keep::Arrivals`], this list is empty.
    pub(crate) arrivals: Vec<Instant>,
}

/// Processes the bytes that one client receives.
pub(crate) struct Reader {
    keep: Keep,
    /// The first bytes of the answer, until the head of the answer is complete. After that, `None`.
    head: Option<Vec<u8>>,
    /// The decoder of a chunked body. `None` if the body is not chunked and ends with the connection.
    chunks: Option<Chunks>,
    began: bool,
    scan: Scan,
    received: Received,
}

impl Reader {
    pub(crate) fn new(keep: Keep) -> Self {
        let received = Received { events: 0, bytes: 0, numbers: Vec::new(), arrivals: Vec::new() };
        Self { keep, head: Some(Vec::new()), chunks: None, began: false, scan: Scan::default(), received }
    }

    /// Processes bytes that have arrived, and returns the number of events that these bytes complete.
    pub(crate) fn take(&mut self, bytes: &[u8], mark: &Finder<'_>) -> anyhow::Result<u64> {
        self.received.bytes += bytes.len() as u64;
        let Some(head) = &mut self.head else { return Ok(self.body(bytes, mark)) };
        head.extend_from_slice(bytes);
        let Some(parsed) = Head::parse(head)? else { return Ok(0) };
        if parsed.status != 200 {
            bail!("the server answered {}: {}", parsed.status, String::from_utf8_lossy(head));
        }
        self.chunks = parsed.chunked.then(Chunks::default);
        let body = head.split_off(parsed.length);
        self.head = None;
        Ok(self.body(&body, mark))
    }

    /// Whether a part of the body has arrived.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    pub(crate) fn received(self) -> Received {
        self.received
    }

    fn body(&mut self, bytes: &[u8], mark: &Finder<'_>) -> u64 {
        let before = self.received.events;
        let (keep, scan, received) = (self.keep, &mut self.scan, &mut self.received);
        let mut data = |data: &[u8]| match keep {
            Keep::Count => received.events += scan.count(data, mark),
            Keep::Numbers | Keep::Arrivals => scan.blocks(data, mark, |number| {
                received.events += 1;
                received.numbers.push(number);
            }),
        };
        match &mut self.chunks {
            Some(chunks) => chunks.take(bytes, &mut data),
            None => data(bytes),
        }
        self.began |= !bytes.is_empty();
        let new = self.received.events - before;
        if self.keep == Keep::Arrivals && new > 0 {
            self.received.arrivals.resize(self.received.numbers.len(), Instant::now());
        }
        new
    }
}

/// Finds the marks in a stream that arrives in pieces of any size.
#[derive(Default)]
struct Scan {
    /// The last bytes of the stream so far. `count` keeps one byte less than the mark has, and `blocks` keeps
    /// the incomplete block.
    rest: Vec<u8>,
}

impl Scan {
    /// Returns the number of marks that end in these bytes.
    fn count(&mut self, bytes: &[u8], mark: &Finder<'_>) -> u64 {
        let longest = mark.needle().len() - 1;
        let mut found = 0;
        if !self.rest.is_empty() {
            let across = &bytes[..bytes.len().min(longest)];
            self.rest.extend_from_slice(across);
            found += mark.find_iter(&self.rest).count();
        }
        found += mark.find_iter(bytes).count();
        if bytes.len() >= longest {
            self.rest.clear();
            self.rest.extend_from_slice(&bytes[bytes.len() - longest..]);
        } else if self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
        } else {
            let excess = self.rest.len().saturating_sub(longest);
            self.rest.drain(..excess);
        }
        found as u64
    }

    /// Calls `event` with the number of each event that is complete. A block is an event if it has an id and
    /// a data line that contains the mark.
    fn blocks(&mut self, bytes: &[u8], mark: &Finder<'_>, mut event: impl FnMut(u64)) {
        self.rest.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(end) = memchr::memmem::find(&self.rest[begin..], b"\n\n").map(|at| begin + at) {
            let block = &self.rest[begin..end];
            let mut lines = block.split(|byte| *byte == b'\n');
            let id = lines.clone().any(|line| line.starts_with(b"id: "));
            let data = lines.find_map(|line| line.strip_prefix(b"data: "));
            if let Some(data) = data.filter(|data| id && mark.find(data).is_some()) {
                // An event without a number gets a number that no server sends. So the later check of the
                // numbers fails.
                event(number_of(data).unwrap_or(u64::MAX));
            }
            begin = end + 2;
        }
        self.rest.drain(..begin);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Event, MARK};

    fn received(wire: &[u8], keep: Keep, size: usize) -> Received {
        let (mut reader, mark) = (Reader::new(keep), Finder::new(MARK));
        let mut events = 0;
        for piece in wire.chunks(size) {
            events += reader.take(piece, &mark).unwrap();
        }
        assert!(reader.began());
        let received = reader.received();
        assert_eq!(received.events, events);
        received
    }

    #[test]
    fn a_client_counts_the_events_however_their_bytes_are_split() {
        let frame = |number| format!("id: {number}\ndata: {}\n\n", Event::new(number).json());
        let frames: Vec<String> = [
            "data: {\"type\":\"connected\"}\n\n".to_owned(),
            "id: 3\ndata: {\"vtid\":\"DEV-CICDL-0001\"}\n\n".to_owned(),
            frame(7) + &frame(8),
            ": hi\n\n".to_owned(),
            frame(9),
        ]
        .into();
        let plain = format!("HTTP/1.1 200 OK\r\n\r\n{}", frames.concat());
        // Some chunks end inside an event.
        let parts: Vec<&[u8]> = frames.iter().flat_map(|frame| frame.as_bytes().chunks(150)).collect();
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in parts {
            chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        for wire in [plain.as_bytes(), &chunked] {
            for size in 1..wire.len() {
                assert_eq!(received(wire, Keep::Count, size).events, 3, "in pieces of {size} bytes");
                let full = received(wire, Keep::Arrivals, size);
                assert_eq!(full.numbers, [7, 8, 9], "in pieces of {size} bytes");
                assert_eq!((full.arrivals.len(), full.bytes), (3, wire.len() as u64));
            }
        }
    }

    #[test]
    fn a_client_fails_if_the_status_of_the_answer_is_not_200() {
        let refused = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert!(Reader::new(Keep::Count).take(refused, &Finder::new(MARK)).is_err());
    }
}
