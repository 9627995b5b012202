//! A fake service. A function that the test passes makes each answer, and decides where the bytes of the
//! answer are cut.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use ring::hmac;

/// A request that has arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The method and the path, such as `GET /path`.
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether the request has the signature that GitHub makes with `secret`.
    pub(crate) fn is_signed(&self, secret: &str) -> bool {
        let hex = self.header("x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
        let Some(hex) = hex.filter(|hex| hex.len() == 64) else { return false };
        let tag: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &self.body, &tag).is_ok()
    }
}

/// What happens after an answer has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// The service reads the next request from the connection.
    Next,
    /// The connection is closed.
    Close,
    /// The connection stays open and silent until the client closes it.
    Silence,
}

/// An answer. Each part is sent with one write.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) parts: Vec<Vec<u8>>,
    pub(crate) then: Then,
}

impl Answer {
    /// A whole answer with a JSON body.
    pub(crate) fn json(status: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Self { parts: vec![text.into_bytes()], then: Then::Next }
    }

    /// An event stream without a length or chunks. The stream ends when the connection ends.
    pub(crate) fn feed(body: &str, then: Then) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        Self { parts: vec![head.into(), body.into()], then }
    }

    /// An event stream in HTTP chunks of `size` bytes. Only the first `limit` bytes of the stream are sent.
    pub(crate) fn chunked(body: &str, size: usize, limit: usize) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        let cut = &body.as_bytes()[..limit.min(body.len())];
        let chunks = cut.chunks(size).map(chunk);
        Self { parts: std::iter::once(head.into()).chain(chunks).collect(), then: Then::Close }
    }
}

/// A running fake service.
pub(crate) struct Fake {
    pub(crate) url: String,
    requests: Mutex<Receiver<Request>>,
}

impl Fake {
    /// The requests that have arrived since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().try_iter().collect()
    }
}

/// Serves on a free port. `answer` gets the request and the number of the request, counted from 0.
pub(crate) fn serve(answer: impl Fn(usize, &Request) -> Answer + Send + Sync + 'static) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, receive) = mpsc::channel();
    let answer = Arc::new(answer);
    let seen = Arc::new(Mutex::new(0));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (answer, seen, send) = (Arc::clone(&answer), Arc::clone(&seen), send.clone());
            thread::spawn(move || connection(stream.unwrap(), &*answer, &seen, &send));
        }
    });
    Fake { url, requests: Mutex::new(receive) }
}

/// Serves one connection until either side closes it. A client may close the connection in the middle of an
/// answer.
fn connection(
    stream: TcpStream,
    answer: &(impl Fn(usize, &Request) -> Answer + ?Sized),
    seen: &Mutex<usize>,
    send: &Sender<Request>,
) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut writer = stream;
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut seen = seen.lock().unwrap();
            *seen += 1;
            // The receiver is gone once the test is over.
            let _ = send.send(request.clone());
            *seen - 1
        };
        let Answer { parts, then } = answer(number, &request);
        if parts.iter().any(|part| writer.write_all(part).is_err()) {
            return;
        }
        match then {
            Then::Next => {}
            Then::Close => return,
            Then::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut lines = std::iter::from_fn(|| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    });
    let line = lines.next()?.trim_end_matches(" HTTP/1.1").to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned())))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body })
}
