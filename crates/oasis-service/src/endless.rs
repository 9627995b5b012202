//! Sends a response without a known end over HTTP/1, without hyper.
//!
//! After the head of such a response, HTTP only splits the data into chunks. hyper would keep its state and
//! two buffers of 8 KiB until the client disconnects, and a feed has thousands of clients. So the handler
//! does not return the answer to hyper, but puts it into a [`Handover`]. The connection's driver takes the
//! stream back from hyper, drops hyper's state and sends the answer itself. The connection closes when the
//! answer ends.

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

/// Carries an endless answer from the request's handler to the connection's driver.
#[derive(Clone, Default)]
pub(crate) struct Handover(Arc<Mutex<Option<EndlessAnswer>>>);

/// A response that hyper does not send.
pub(crate) struct EndlessAnswer {
    head: Parts,
    body: TrackedBody,
    /// The HTTP version of the request.
    version: Version,
}

impl Handover {
    /// Stores the answer for the driver. The returned future never completes. The driver drops the future
    /// together with hyper's state.
    pub(crate) async fn put<T>(self, response: hyper::Response<TrackedBody>, version: Version) -> T {
        let (head, body) = response.into_parts();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(EndlessAnswer { head, body, version });
        pending().await
    }

    pub(crate) fn take(&self) -> Option<EndlessAnswer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The maximum size of a write that is first copied into one buffer, in bytes. For one or two events, a write
/// from one buffer is less work for the kernel than a write of three parts.
const MAX_COPIED: usize = 1_024;

/// The capacity of the buffer for the line with the length of a chunk, in bytes.
const SIZE_LINE: usize = 16;

/// A client that sends at least this many bytes during the answer is disconnected.
const MAX_RECEIVED: usize = 16 << 10;

/// Sends an answer until the answer ends or the client disconnects.
pub(crate) struct Endless {
    stream: TrackedStream,
    body: TrackedBody,
    /// Whether the client understands chunks. An HTTP/1.0 client reads until the connection closes.
    chunked: bool,
    outgoing: Outgoing,
    ended: bool,
    /// The number of bytes that the client has sent during the answer.
    received: usize,
}

/// The bytes of the head or of one chunk, and the number of bytes that have been written.
#[derive(Default)]
struct Outgoing {
    before: Vec<u8>,
    data: Bytes,
    after: &'static [u8],
    written: usize,
}

impl Endless {
    pub(crate) fn new(stream: TrackedStream, answer: EndlessAnswer) -> Self {
        let chunked = answer.version == Version::HTTP_11;
        let outgoing = Outgoing { before: head(answer.head, chunked), ..Outgoing::default() };
        Self { stream, body: answer.body, chunked, outgoing, ended: false, received: 0 }
    }

    /// Reads and ignores the data that the client sends. Returns `Ready` when the client has disconnected or
    /// has sent too much.
    fn poll_disconnect(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.received < MAX_RECEIVED {
            let mut bytes = [MaybeUninit::uninit(); 512];
            let mut read = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                break;
            }
            self.received += read.filled().len();
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
                // An endless body has no errors.
                Some(Err(lost)) => return Poll::Ready(Err(io::Error::other(lost))),
                Some(Ok(frame)) => {
                    // A frame that is not data contains trailers, which a stream of events does not need.
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
        if let Poll::Ready(disconnected) = self.poll_disconnect(cx) {
            return Poll::Ready(disconnected);
        }
        self.poll_send(cx)
    }
}

impl Outgoing {
    /// Prepares the next chunk. All earlier bytes must have been written.
    fn chunk(&mut self, data: Bytes, chunked: bool) {
        // An empty chunk would end the body.
        if chunked && !data.is_empty() {
            // Writing to a Vec cannot fail.
            let _ = write!(self.before, "{:x}\r\n", data.len());
            self.after = b"\r\n";
        }
        self.data = data;
    }

    fn poll_write(&mut self, stream: &mut TrackedStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let length = self.before.len() + self.data.len() + self.after.len();
        while self.written < length {
            let parts = [&self.before, &*self.data, self.after];
            let write = if length <= MAX_COPIED {
                let mut small = [0; MAX_COPIED];
                let mut rest = &mut small[..];
                for part in parts {
                    // The buffer is large enough for all three parts.
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
        // The response head and the last chunk must not stay in memory while the client waits for data.
        self.before.clear();
        self.before.shrink_to(SIZE_LINE);
        (self.data, self.after, self.written) = (Bytes::new(), b"", 0);
        Poll::Ready(Ok(()))
    }
}

/// Returns the bytes of the response head, and adds `Connection`, `Transfer-Encoding` and `Date`.
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
    // Writing to a Vec cannot fail.
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
