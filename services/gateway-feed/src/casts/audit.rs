//! The audit log: who followed casts, for how long, and why it ended; and which requests were refused.
//!
//! A task appends the rows in batches, so no stream waits for them. Each stream has one row for its beginning
//! and one for its end. The dedup keys store each of them once, also if another gateway has reported the
//! stream as lost. Before the gateway ends, it appends all rows.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
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
/// The reason of a stream that its client has left.
const DISCONNECT: &str = "client_disconnect";
/// The reason of a stream whose gateway died.
const LOST: &str = "lost";
/// The maximum number of rows of one append.
const BATCH: usize = 500;
/// The pause after a failed append. It doubles with each further failure in a row, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The maximum number of refusals in a minute that have a row each. The others share one row.
const MOST_REFUSALS: u64 = 60;
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
    /// `None` once the gateway ends. A stream has two rows, and the number of streams is limited. So the
    /// number of rows that wait is limited, too.
    rows: Mutex<Option<UnboundedSender<NewEvent>>>,
    refusals: Refusals,
}

/// The refusals of the current minute.
#[derive(Default)]
struct Refusals {
    in_minute: AtomicU64,
}

/// A stream that is open. Its end is reported when it is dropped.
pub(crate) struct OpenStream {
    audit: std::sync::Arc<Audit>,
    place: Place,
    began: Instant,
    messages: u64,
    reason: &'static str,
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
        self.audit.append(self.audit.row_of(&self.audit.gateway, &self.place, CLOSED, more));
    }
}

impl Audit {
    /// Makes the audit log of a process, and the rows for [`Audit::run`].
    pub(crate) fn new(gateway: String) -> (Self, UnboundedReceiver<NewEvent>) {
        let (sender, rows) = unbounded_channel();
        (Self { gateway, rows: Mutex::new(Some(sender)), refusals: Refusals::default() }, rows)
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

    /// Reports that a stream has begun.
    pub(crate) fn opened(self: &std::sync::Arc<Self>, place: Place) -> OpenStream {
        self.append(self.row_of(&self.gateway, &place, OPENED, json!({})));
        OpenStream { audit: self.clone(), place, began: Instant::now(), messages: 0, reason: DISCONNECT }
    }

    /// The rows of the streams of dead gateways.
    pub(super) fn lost(&self, dead: &[(String, Place)]) -> Vec<NewEvent> {
        let row = |(gateway, place): &(String, Place)| {
            self.row_of(gateway, place, CLOSED, json!({"reason": LOST, "messages": null}))
        };
        dead.iter().filter_map(row).collect()
    }

    /// Reports a refused request. `user` is `None` if the request had no valid credential.
    pub(crate) fn refused(&self, user: Option<&str>, path: &str, client: &Client, why: Refused) {
        if self.refusals.in_minute.fetch_add(1, Ordering::Relaxed) >= MOST_REFUSALS {
            return;
        }
        let meta = json!({
            "userId": user,
            "ip": client.address.to_string(),
            "userAgent": client.user_agent,
            "path": cut(path),
            "status": why.status,
            "code": why.code,
        });
        self.append(row(FAILED, meta, None));
    }

    /// A row of a stream. `None` if it cannot be made.
    fn row_of(&self, gateway: &str, place: &Place, kind: &'static str, more: Value) -> Option<NewEvent> {
        let mut meta: Map<String, Value> = serde_json::from_str(&place.about).unwrap_or_default();
        meta.insert("userId".into(), place.user.as_str().into());
        if let Value::Object(more) = more {
            meta.extend(more);
        }
        let end = if kind == OPENED { "opened" } else { "closed" };
        let key = DedupKey::new(AUDIT, &format!("{gateway}:{}:{end}", place.place)).ok()?;
        row(kind, Value::Object(meta), Some(key))
    }

    fn append(&self, row: Option<NewEvent>) {
        let rows = self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let (Some(row), Some(rows)) = (row, rows.as_ref()) {
            // The task ends only after this sender has been dropped.
            let _ = rows.send(row);
        }
    }

    /// No more rows follow. [`Audit::run`] ends after the last row.
    pub(crate) fn close(&self) {
        self.count_refusals();
        self.rows.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }

    /// Appends one row for the refusals of the past minute that have no row of their own.
    fn count_refusals(&self) {
        let count = self.refusals.in_minute.swap(0, Ordering::Relaxed);
        if count > MOST_REFUSALS {
            self.append(row(FAILED, json!({"count": count - MOST_REFUSALS}), None));
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

/// Appends rows until the [`Audit`] is closed and all of its rows are stored.
pub(crate) async fn store_rows(appender: Appender, mut rows: UnboundedReceiver<NewEvent>) {
    let mut batch = Vec::new();
    let mut pause = Duration::ZERO;
    while rows.recv_many(&mut batch, BATCH).await > 0 {
        while let Err(error) = appender.append(batch.clone(), Instant::now()).await {
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
