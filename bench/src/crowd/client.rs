//! One client of a crowd: how much it has got, told from the bytes with as little work as that takes.

use std::time::Instant;

use anyhow::bail;
use memchr::memmem::Finder;

use crate::events::{MARK, number_of};
use crate::http::Head;
use crate::sse::Chunks;

/// What a client keeps of what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// How many events there were.
    Count,
    /// The number of each.
    Numbers,
    /// The number of each, and when it was complete here.
    Arrivals,
}

/// What a client got.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    /// In order of arrival; empty for one that only counts.
    pub(crate) numbers: Vec<u64>,
    pub(crate) arrivals: Vec<Instant>,
}

/// The reading end of a connection.
pub(crate) struct Reader {
    keep: Keep,
    /// The answer's head while it is not complete.
    head: Option<Vec<u8>>,
    /// `None` for a body that just goes on until the end.
    chunks: Option<Chunks>,
    began: bool,
    scan: Scan,
    got: Got,
}

impl Reader {
    pub(crate) fn new(keep: Keep) -> Self {
        let got = Got { events: 0, bytes: 0, numbers: Vec::new(), arrivals: Vec::new() };
        Self { keep, head: Some(Vec::new()), chunks: None, began: false, scan: Scan::default(), got }
    }

    /// Takes what has arrived, and gives how many events that completed.
    pub(crate) fn take(&mut self, bytes: &[u8], mark: &Finder<'_>) -> anyhow::Result<u64> {
        self.got.bytes += bytes.len() as u64;
        let Some(head) = &mut self.head else { return Ok(self.body(bytes, mark)) };
        head.extend_from_slice(bytes);
        let Some(parsed) = Head::parse(head)? else { return Ok(0) };
        if parsed.status != 200 {
            bail!("the stream was answered with {}: {}", parsed.status, String::from_utf8_lossy(head));
        }
        self.chunks = parsed.chunked.then(Chunks::default);
        let body = head.split_off(parsed.length);
        self.head = None;
        Ok(self.body(&body, mark))
    }

    /// Whether anything of the body has come.
    pub(crate) fn began(&self) -> bool {
        self.began
    }

    pub(crate) fn got(self) -> Got {
        self.got
    }

    fn body(&mut self, bytes: &[u8], mark: &Finder<'_>) -> u64 {
        let before = self.got.events;
        let (keep, scan, got) = (self.keep, &mut self.scan, &mut self.got);
        let mut data = |data: &[u8]| match keep {
            Keep::Count => got.events += scan.count(data, mark),
            Keep::Numbers | Keep::Arrivals => scan.lines(data, mark, |number| {
                got.events += 1;
                got.numbers.push(number);
            }),
        };
        match &mut self.chunks {
            Some(chunks) => chunks.take(bytes, &mut data),
            None => data(bytes),
        }
        self.began |= !bytes.is_empty();
        let new = self.got.events - before;
        if self.keep == Keep::Arrivals && new > 0 {
            self.got.arrivals.resize(self.got.numbers.len(), Instant::now());
        }
        new
    }
}

/// Looks for the mark in a stream that comes in any pieces.
#[derive(Default)]
struct Scan {
    /// The end of what came before: too short for a mark, or a line that is not complete.
    rest: Vec<u8>,
}

impl Scan {
    /// How many marks end in these bytes.
    fn count(&mut self, bytes: &[u8], mark: &Finder<'_>) -> u64 {
        let most = MARK.len() - 1;
        let mut found = 0;
        if !self.rest.is_empty() {
            let across = &bytes[..bytes.len().min(most)];
            self.rest.extend_from_slice(across);
            found += mark.find_iter(&self.rest).count();
        }
        found += mark.find_iter(bytes).count();
        if bytes.len() >= most {
            self.rest.clear();
            self.rest.extend_from_slice(&bytes[bytes.len() - most..]);
        } else if self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
        } else {
            let past = self.rest.len().saturating_sub(most);
            self.rest.drain(..past);
        }
        found as u64
    }

    /// The number of each event whose block is complete: one that has an id and data.
    fn lines(&mut self, bytes: &[u8], mark: &Finder<'_>, mut event: impl FnMut(u64)) {
        self.rest.extend_from_slice(bytes);
        let mut begin = 0;
        while let Some(end) = memchr::memmem::find(&self.rest[begin..], b"\n\n").map(|at| begin + at) {
            let block = &self.rest[begin..end];
            let mut lines = block.split(|byte| *byte == b'\n');
            let id = lines.clone().any(|line| line.starts_with(b"id: "));
            let data = lines.find_map(|line| line.strip_prefix(b"data: "));
            if let Some(data) = data.filter(|data| id && mark.find(data).is_some()) {
                // One without a number shows as an event that nobody sent.
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
    use crate::events::Event;

    fn got(wire: &[u8], keep: Keep, size: usize) -> Got {
        let (mut reader, mark) = (Reader::new(keep), Finder::new(MARK));
        let mut events = 0;
        for piece in wire.chunks(size) {
            events += reader.take(piece, &mark).unwrap();
        }
        assert!(reader.began());
        let got = reader.got();
        assert_eq!(got.events, events);
        got
    }

    #[test]
    fn events_are_counted_in_whatever_pieces_they_come() {
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
        // Also with a chunk that ends within an event.
        let parts: Vec<&[u8]> = frames.iter().flat_map(|frame| frame.as_bytes().chunks(150)).collect();
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for part in parts {
            chunked.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        for wire in [plain.as_bytes(), &chunked] {
            for size in 1..wire.len() {
                assert_eq!(got(wire, Keep::Count, size).events, 3, "in pieces of {size}");
                let full = got(wire, Keep::Arrivals, size);
                assert_eq!(full.numbers, [7, 8, 9], "in pieces of {size}");
                assert_eq!((full.arrivals.len(), full.bytes), (3, wire.len() as u64));
            }
        }
    }

    #[test]
    fn an_answer_that_is_no_stream_is_an_error() {
        let refused = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
        assert!(Reader::new(Keep::Count).take(refused, &Finder::new(MARK)).is_err());
    }
}
