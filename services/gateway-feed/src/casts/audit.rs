//! The audit log: who followed casts, for how long, and why it ended; and which requests were refused.
//!
//! A task appends the rows in batches, so no stream waits for them. Each stream has one row for its beginning
//! and one for its end. The dedup keys store each of them once, even if another gateway has reported the
//! stream as lost. Before the gateway ends, it appends all rows.

use std::mem::take;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderMap, USER_AGENT};
use jiff::Timestamp;
use oasis_core::cast::CastId;
use oasis_core::{Channel, DedupKey, Event, Kind, Meta, Module, NewEvent, Source, Status, Task, Ts, chain};
use oasis_store::{AppendError, Appender, Place};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, interval, sleep};

use crate::fanout::ends::CloseReason;

/// The channel that holds the rows of the audit log.
pub(crate) const AUDIT: &str = "audit";
/// The kinds of the rows.
pub(crate) const OPENED: &str = "cast.sse_connection_opened";
const CLOSED: &str = "cast.sse_connection_closed";
const FAILED: &str = "cast.sse_connection_failed";
/// All kinds of rows.
pub(super) const KINDS: [&str; 3] = [OPENED, CLOSED, FAILED];
/// The reason of a stream that its client has left.
const DISCONNECT: &str = "client_disconnect";
/// The reason of a stream whose gateway died.
const LOST: &str = "lost";
/// The maximum number of rows of one append.
const BATCH: usize = 500;
/// The pause after a failed append. It doubles with each further failure in a row, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The maximum number of refusals in a minute that have a row each: of requests with a known user, and of
/// requests without one. The others share one row.
const MOST_REFUSALS: u64 = 30;
/// The maximum number of refusals that wait to be stored.
const MOST_WAITING: usize = 200;
const MINUTE: Duration = Duration::from_secs(60);
/// The maximum length of a user agent and of a path in a row, in bytes.
const MOST_TEXT: usize = 256;

/// The client of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) user_agent: String,
}

impl Client {
    pub(crate) fn new(address: IpAddr, headers: &HeaderMap) -> Self {
        let user_agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        Self { address, user_agent: cut(user_agent) }
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MOST_TEXT)].to_owned()
}

/// Why a request was refused, for the audit log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
}

/// Appends rows to the audit log. See the head of this file.
pub(crate) struct Audit {
    /// The name of this process, which is different for each start.
    gateway: String,
    /// `None` once the gateway ends.
    rows: Mutex<Option<UnboundedSender<Waiting>>>,
    refusals: Mutex<Refusals>,
    /// The number of refusals that wait to be stored.
    waiting: Arc<AtomicUsize>,
}

/// A row that waits to be stored.
pub(crate) struct Waiting {
    row: NewEvent,
    /// Dropped once the row is stored. The end of a stream holds the place and the slot of the stream. So the
    /// number of rows that wait is limited, and another gateway reports the stream as lost if this gateway
    /// dies before.
    _held: Option<Box<dyn Send + Sync>>,
}

/// A refusal that waits.
struct WaitingRefusal(Arc<AtomicUsize>);

impl Drop for WaitingRefusal {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The refusals of the current minute.
#[derive(Default)]
struct Refusals {
    /// The rows, of requests with and without a known user.
    stored: [u64; 2],
    /// The refusals without a row.
    others: u64,
}

/// A stream that is open. Its end is reported when it is dropped.
pub(crate) struct OpenStream {
    audit: Arc<Audit>,
    place: Place,
    began: Instant,
    messages: u64,
    reason: &'static str,
    /// Dropped once the end is stored.
    held: Option<Box<dyn Send + Sync>>,
}

impl OpenStream {
    /// Counts the events in some frames.
    pub(crate) fn sent(&mut self, frames: &[u8]) {
        let is_start = |at: usize| at == 0 || frames[at - 1] == b'\n';
        let events = memchr::memmem::find_iter(frames, b"event: ").filter(|at| is_start(*at));
        self.messages += events.count() as u64;
    }

    pub(crate) fn ended(&mut self, reason: CloseReason) {
        self.reason = reason.as_str();
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let more = json!({
            "reason": self.reason,
            "duration": u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "messages": self.messages,
        });
        let row = row_of(&self.audit.gateway, &self.place, CLOSED, more);
        self.audit.append(row, self.held.take());
    }
}

impl Audit {
    /// Makes the audit log of a process, and the rows for [`Audit::run`].
    pub(crate) fn new(gateway: String) -> (Self, UnboundedReceiver<Waiting>) {
        let (sender, rows) = unbounded_channel();
        let rows_of = Mutex::new(Some(sender));
        (Self { gateway, rows: rows_of, refusals: Mutex::default(), waiting: Arc::default() }, rows)
    }

    /// What the rows of a stream say about it, as a JSON object. `cast` is `None` for the stream of all casts
    /// of a user.
    pub(crate) fn about(cast: Option<&CastId>, client: &Client) -> Value {
        json!({
            "castId": cast.map(CastId::as_str),
            "ip": client.address.to_string(),
            "userAgent": client.user_agent,
        })
    }

    /// Reports that a stream has begun. `held` is dropped once the end of the stream is stored.
    pub(crate) fn opened(self: &Arc<Self>, place: Place, held: Box<dyn Send + Sync>) -> OpenStream {
        self.append(row_of(&self.gateway, &place, OPENED, json!({})), None);
        OpenStream {
            audit: self.clone(),
            place,
            began: Instant::now(),
            messages: 0,
            reason: DISCONNECT,
            held: Some(held),
        }
    }

    /// Reports a refused request. `user` is `None` if the request had no valid credential.
    pub(crate) fn refused(&self, user: Option<&str>, path: &str, client: &Client, why: Refused) {
        {
            let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
            let stored = &mut refusals.stored[usize::from(user.is_none())];
            // Requests without a user must not hide the others.
            if *stored >= MOST_REFUSALS || self.waiting.load(Ordering::Relaxed) >= MOST_WAITING {
                refusals.others += 1;
                return;
            }
            *stored += 1;
        }
        let meta = json!({
            "userId": user,
            "ip": client.address.to_string(),
            "userAgent": client.user_agent,
            "path": cut(path),
            "status": why.status,
            "code": why.code,
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let held = Box::new(WaitingRefusal(self.waiting.clone()));
        self.append(row(FAILED, meta, None), Some(held));
    }

    fn append(&self, row: Option<NewEvent>, held: Option<Box<dyn Send + Sync>>) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(row), Some(rows)) = (row, rows.as_ref()) {
            // The task ends only after this sender has been dropped.
            let _ = rows.send(Waiting { row, _held: held });
        }
    }

    /// No more rows follow. [`store_rows`] ends after the last row.
    pub(crate) fn close(&self) {
        self.count_refusals();
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Appends one row for the refusals of the past minute that have no row of their own.
    fn count_refusals(&self) {
        let Refusals { others, .. } =
            take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner));
        if others > 0 {
            self.append(row(FAILED, json!({"count": others}), None), None);
        }
    }

    /// Counts refusals, until the future is dropped.
    pub(crate) async fn count(&self) {
        let mut minute = interval(MINUTE);
        loop {
            minute.tick().await;
            self.count_refusals();
        }
    }
}

/// The rows of the streams of dead gateways. A gateway may have died before it could report the beginning.
pub(super) fn lost(dead: &[(String, Place)]) -> Vec<NewEvent> {
    let ended = || json!({"reason": LOST, "messages": null});
    let rows = dead.iter().flat_map(|(gateway, place)| {
        [row_of(gateway, place, OPENED, json!({})), row_of(gateway, place, CLOSED, ended())]
    });
    rows.flatten().collect()
}

/// A row of a stream. `None` if it cannot be made.
fn row_of(gateway: &str, place: &Place, kind: &'static str, more: Value) -> Option<NewEvent> {
    let mut meta: Map<String, Value> = serde_json::from_str(&place.about).unwrap_or_default();
    meta.insert("userId".into(), place.user.as_str().into());
    if let Value::Object(more) = more {
        meta.extend(more);
    }
    let end = if kind == OPENED { "opened" } else { "closed" };
    let key = DedupKey::new(AUDIT, &format!("{gateway}:{}:{end}", place.place)).ok()?;
    row(kind, Value::Object(meta), Some(key))
}

/// Appends rows until the [`Audit`] is closed and all of its rows are stored.
pub(crate) async fn store_rows(appender: Appender, mut rows: UnboundedReceiver<Waiting>) {
    let mut batch: Vec<Waiting> = Vec::new();
    let mut pause = Duration::ZERO;
    while rows.recv_many(&mut batch, BATCH).await > 0 {
        let events: Vec<NewEvent> = batch.iter().map(|waiting| waiting.row.clone()).collect();
        while let Err(error) = appender.append(events.clone(), Instant::now()).await {
            if matches!(error, AppendError::Refused(_)) {
                tracing::error!(error = chain(&error), rows = batch.len(), "the table refuses audit rows");
                break;
            }
            if pause.is_zero() {
                tracing::warn!(error = chain(&error), "the audit log can't be written now");
            }
            pause = (pause * 2).clamp(PAUSE, LONGEST_PAUSE);
            sleep(pause).await;
        }
        pause = Duration::ZERO;
        batch.clear();
    }
}

/// A row of the audit log. `None` if the table could not store it.
fn row(kind: &'static str, meta: Value, dedup_key: Option<DedupKey>) -> Option<NewEvent> {
    let Value::Object(mut meta) = meta else { return None };
    meta.retain(|_, value| !value.is_null());
    let event = Event {
        ts: Ts::clamped(Timestamp::now()),
        task: Task::Unset,
        layer_hint: None,
        module: Module::parse("GATEWAY-FEED").ok()?,
        source: Source::OasisEvents,
        kind: Kind::stored(kind),
        status: Status::Info,
        link: None,
    };
    Some(NewEvent { event, channel: Channel::parse(AUDIT).ok()?, meta: Meta::cut(meta), dedup_key })
}
