//! A response without a known end over HTTP/1, sent without hyper.
//!
//! Once such a response has begun, HTTP has nothing more to do than to put chunks around what it says, but
//! hyper would keep its buffers (two of 8 KiB) and its state for as long as the client stays, and a feed has
//! thousands of clients. So the connection is taken from it: the answer is put aside here instead of being
//! given to hyper, and what hyper knows is dropped. The connection closes with the answer's end.

use std::future::pending;
use std::io::{self, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::Version;
use hyper::body::Body as _;
use hyper::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING};
use hyper::http::response::Parts;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tracked_body::TrackedBody;
use crate::tracked_stream::TrackedStream;

/// Where a request's handler leaves the answer that takes the connection over, and its driver finds it.
#[derive(Clone, Default)]
pub(crate) struct Handover(Arc<Mutex<Option<Answer>>>);

/// A response that hyper is not to send.
pub(crate) struct Answer {
    head: Parts,
    body: TrackedBody,
    /// What the request was made in.
    version: Version,
}

impl Handover {
    /// Leaves the answer to the driver, which drops whoever waits here.
    pub(crate) async fn put<T>(self, response: hyper::Response<TrackedBody>, version: Version) -> T {
        let (head, body) = response.into_parts();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Answer { head, body, version });
        pending().await
    }

    pub(crate) fn take(&self) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A chunk of so many bytes, an event or two, costs the kernel less in one piece than in three.
const COPIED: usize = 1_024;

/// The length of a chunk as a line, with room to spare.
const SIZE_LINE: usize = 16;

/// Whoever sends more while it is being answered does not listen.
const HEARD: usize = 16 << 10;

/// Sends an answer until it ends or the client goes away.
pub(crate) struct Endless {
    stream: TrackedStream,
    body: TrackedBody,
    /// Whether the client knows chunks; one of HTTP/1.0 reads until the connection closes.
    chunked: bool,
    outgoing: Outgoing,
    ended: bool,
    /// Bytes that came from the client meanwhile.
    heard: usize,
}

/// What is being written, the head or one chunk, and how much of it is gone.
#[derive(Default)]
struct Outgoing {
    before: Vec<u8>,
    data: Bytes,
    after: &'static [u8],
    written: usize,
}

impl Endless {
    pub(crate) fn new(stream: TrackedStream, answer: Answer) -> Self {
        let chunked = answer.version == Version::HTTP_11;
        let outgoing = Outgoing { before: head(answer.head, chunked), ..Outgoing::default() };
        Self { stream, body: answer.body, chunked, outgoing, ended: false, heard: 0 }
    }

    /// What a client sends meanwhile means nothing, but that it is there; ready when it has left, or sends
    /// too much.
    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.heard < HEARD {
            let mut bytes = [MaybeUninit::uninit(); 512];
            let mut read = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            self.heard += read.filled().len();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.outgoing.poll_write(&mut self.stream, cx))?;
            if self.ended {
                return Pin::new(&mut self.stream).poll_shutdown(cx);
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // What is not data has no place in a stream of events.
                    let Ok(data) = frame.into_data() else { continue };
                    self.outgoing.chunk(data, self.chunked);
                }
                None => {
                    self.ended = true;
                    self.outgoing.after = if self.chunked { b"0\r\n\r\n" } else { b"" };
                }
            }
        }
    }
}

impl Future for Endless {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Poll::Ready(gone) = self.poll_gone(cx) {
            return Poll::Ready(gone);
        }
        self.poll_send(cx)
    }
}

impl Outgoing {
    /// Makes ready what comes next; all before it has been written.
    fn chunk(&mut self, data: Bytes, chunked: bool) {
        // An empty chunk would be the end.
        if chunked && !data.is_empty() {
            // Writing to memory has no way to fail.
            let _ = write!(self.before, "{:x}\r\n", data.len());
            self.after = b"\r\n";
        }
        self.data = data;
    }

    fn poll_write(&mut self, stream: &mut TrackedStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let length = self.before.len() + self.data.len() + self.after.len();
        while self.written < length {
            let parts = [&self.before, &*self.data, self.after];
            let write = if length <= COPIED {
                let mut small = [0; COPIED];
                let mut rest = &mut small[..];
                for part in parts {
                    // They have room.
                    let _ = rest.write(part);
                }
                Pin::new(&mut *stream).poll_write(cx, &small[self.written..length])
            } else {
                let mut all = parts.map(IoSlice::new);
                let mut left = &mut all[..];
                IoSlice::advance_slices(&mut left, self.written);
                Pin::new(&mut *stream).poll_write_vectored(cx, left)
            };
            match ready!(write)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.written += written,
            }
        }
        // An idle client holds on to no page of the feed, nor to room for a head.
        self.before.clear();
        self.before.shrink_to(SIZE_LINE);
        (self.data, self.after, self.written) = (Bytes::new(), b"", 0);
        Poll::Ready(Ok(()))
    }
}

/// The head as it goes over the wire.
fn head(mut head: Parts, chunked: bool) -> Vec<u8> {
    let headers = &mut head.headers;
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        headers.entry(DATE).or_insert(date);
    }
    let mut out = Vec::with_capacity(512);
    // Writing to memory has no way to fail.
    let _ = write!(out, "HTTP/1.1 {}\r\n", head.status);
    for (name, value) in &*headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}
