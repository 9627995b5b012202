//! Follows the feed. When a connection is lost, the next connection resumes after the last event.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use oasis_core::chain;
use oasis_service::client as http;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::gateway::Reader;
use crate::output::{expect_open_output, notice};
use crate::refusal::Refusal;
use crate::sse::{Block, Parser};

/// The maximum wait that a server may ask for. It is longer than the maximum of our own waits.
const MAX_RETRY: Duration = Duration::from_secs(300);
/// The minimum of the same wait. Without it, a server could make the command connect without a pause.
const MIN_RETRY: Duration = Duration::from_millis(100);
/// The maximum number of events in one batch.
const MAX_BATCH: usize = 100;

/// How long to wait for the body of an error answer.
const REFUSAL_WITHIN: Duration = Duration::from_secs(10);

/// What to follow, and when to end.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    /// The gateway. Only its address and its token are used.
    pub(crate) gateway: &'a Reader,
    /// The query of the request: empty, or beginning with `?`.
    pub(crate) query: String,
    /// Start after this event.
    pub(crate) last_event_id: Option<u64>,
    /// Reconnect when nothing has arrived for this long.
    pub(crate) silence: Duration,
    /// Fail if the first attempt to connect fails.
    pub(crate) must_connect: bool,
    /// End when all events that were stored at the start have been read.
    pub(crate) stored_only: bool,
    /// The description of the mode in which no events are stored.
    pub(crate) mock_notice: &'static str,
}

/// An event that has arrived.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// The text of the event.
    pub(crate) data: String,
    /// The parsed text.
    pub(crate) value: Value,
    /// The id of the event.
    pub(crate) id: Option<u64>,
    /// Whether the event is simulated, because no event is stored.
    pub(crate) simulated: bool,
}

/// Whether to read further events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    End,
}

/// How a connection ended.
enum Lost {
    /// All requested events were read.
    Done,
    /// The connection was lost or could not be made, for this reason.
    Reason(String),
}

/// Follows the feed until `handle` returns [`Next::End`]. `handle` gets the events that have arrived
/// together.
///
/// # Errors
/// The server refuses the request, or `handle` fails. If the feed has an end or `must_connect`, it is also an
/// error if the first attempt to connect fails.
pub(crate) async fn follow(
    feed: &Feed<'_>,
    handle: impl AsyncFnMut(Vec<Arrival>) -> anyhow::Result<Next>,
) -> anyhow::Result<()> {
    let mut follower = Follower {
        feed,
        handle,
        batch: Vec::new(),
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
        cursor: feed.last_event_id.map(|id| id.to_string()).unwrap_or_default(),
        until: None,
        attempted: false,
        advice: None,
        mock: false,
    };
    while let Lost::Reason(reason) = follower.connection().await? {
        expect_open_output()?;
        let wait = follower.backoff.next();
        notice(format_args!("{reason}; reconnecting in {:.1} s", wait.as_secs_f64()));
        if let Some(advice) = follower.advice.take() {
            notice(advice);
        }
        sleep(wait).await;
    }
    Ok(())
}

struct Follower<'a, H> {
    feed: &'a Feed<'a>,
    handle: H,
    /// The events that `handle` has not received yet.
    batch: Vec<Arrival>,
    backoff: Backoff,
    /// The id after which to resume. Empty while no id is known.
    cursor: String,
    /// With `stored_only`, the newest id when the first connection began.
    until: Option<u64>,
    /// Whether a connection was attempted before.
    attempted: bool,
    /// What to do about a first connection that could not be made. It is printed once.
    advice: Option<String>,
    /// Whether the feed is in mode `mock`, in which events without an id are simulated.
    mock: bool,
}

impl<H: AsyncFnMut(Vec<Arrival>) -> anyhow::Result<Next>> Follower<'_, H> {
    async fn connection(&mut self) -> anyhow::Result<Lost> {
        let request = self.request()?;
        let address = &self.feed.gateway.address;
        let first = !std::mem::replace(&mut self.attempted, true);
        let mut sender = match http::connect(&address.base).await {
            Ok(sender) => sender,
            // A command that ends by itself does not wait for a first connection, because a script with a
            // wrong address would hang.
            Err(error) if first && self.feed.must_connect => return Err(address.unanswered(&error)),
            Err(error) => {
                self.advice = first.then(|| address.advice());
                return Ok(Lost::Reason(chain(&error)));
            }
        };
        match timeout(self.feed.silence, sender.send_request(request)).await {
            Err(_) => Ok(self.silent()),
            Ok(Err(error)) => Ok(Lost::Reason(format!("the connection broke: {error}"))),
            Ok(Ok(response)) => match response.status() {
                StatusCode::OK => self.stream(response).await,
                // By the HTML standard, 204 tells a client not to reconnect.
                StatusCode::NO_CONTENT => Ok(Lost::Done),
                _ => refused(response, self.feed.silence).await,
            },
        }
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let Reader { address, token, .. } = self.feed.gateway;
        let path = format!("/api/v1/devhub/feed{}", self.feed.query);
        let mut request = address
            .base
            .request(Method::GET, &path)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-cache");
        if !self.cursor.is_empty() {
            request = request.header("Last-Event-ID", &self.cursor);
        }
        let mut request = request.body(Full::default())?;
        http::authorize(request.headers_mut(), token.as_ref())?;
        Ok(request)
    }

    async fn stream(&mut self, response: Response<Incoming>) -> anyhow::Result<Lost> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        anyhow::ensure!(
            media_type.trim().eq_ignore_ascii_case("text/event-stream"),
            self.feed.gateway.not_a_gateway("an event stream")
        );
        let mut body = response.into_body();
        let mut parser = Parser::new(&self.cursor);
        loop {
            let frame = match timeout(self.feed.silence, body.frame()).await {
                Err(_) => return Ok(self.silent()),
                Ok(None) => return Ok(Lost::Reason("the server closed the connection".to_owned())),
                Ok(Some(Err(error))) => return Ok(Lost::Reason(format!("the connection broke: {error}"))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            parser.push(&bytes)?;
            if let Some(retry) = parser.take_retry() {
                self.backoff.set_first(retry.clamp(MIN_RETRY, MAX_RETRY));
            }
            while let Some(block) = parser.next_block() {
                self.backoff.reset();
                if self.block(block).await? == Next::End || self.flush(MAX_BATCH).await? == Next::End {
                    // `handle` still gets the events that arrived before the end.
                    self.flush(1).await?;
                    return Ok(Lost::Done);
                }
            }
            if self.flush(1).await? == Next::End {
                return Ok(Lost::Done);
            }
        }
    }

    fn silent(&self) -> Lost {
        Lost::Reason(format!("no data for {} s", self.feed.silence.as_secs_f64()))
    }

    /// Gives the batch to `handle`, if the batch has at least `least` events.
    async fn flush(&mut self, least: usize) -> anyhow::Result<Next> {
        if self.batch.len() < least {
            return Ok(Next::Continue);
        }
        (self.handle)(std::mem::take(&mut self.batch)).await
    }

    /// Handles one block. Returns [`Next::End`] if this was the last block that the command needs.
    async fn block(&mut self, block: Block) -> anyhow::Result<Next> {
        // The messages of the feed have no name, or the name `message`.
        let data = block.data.filter(|_| matches!(block.event.as_str(), "" | "message"));
        // An event that moves the cursor is real, even if it arrives before the message that changes the
        // mode.
        let simulated = self.mock && block.id == self.cursor;
        let id = block.id.parse::<u64>().ok();
        let next = match data {
            Some(data) => self.message(data, id.filter(|_| !simulated), simulated).await?,
            None => Next::Continue,
        };
        let reached = self.until.zip(id).is_some_and(|(until, id)| id >= until);
        self.cursor = block.id;
        Ok(if reached { Next::End } else { next })
    }

    async fn message(&mut self, data: String, id: Option<u64>, simulated: bool) -> anyhow::Result<Next> {
        let value = match serde_json::from_str::<Value>(&data) {
            Ok(value) => value,
            Err(_) => {
                notice("skipped an event that is not JSON");
                return Ok(Next::Continue);
            }
        };
        let kind = value.get("type").and_then(Value::as_str);
        // A notice about the feed is printed after the events that arrived before it.
        if kind.is_some() && self.flush(1).await? == Next::End {
            return Ok(Next::End);
        }
        match kind {
            // Simulated events come after all stored events.
            None if simulated && self.feed.stored_only => return Ok(Next::End),
            None => self.batch.push(Arrival { data, value, id, simulated }),
            Some("heartbeat") => {
                expect_open_output()?;
                if self.mock && self.feed.stored_only {
                    return Ok(Next::End);
                }
            }
            Some("connected") => return self.connected(&value),
            Some("mode") => notice(self.mode(&value)),
            Some("gap") => notice(gap(&value)),
            // A newer server may send other types of messages, which are not events.
            Some(_) => {}
        }
        Ok(Next::Continue)
    }

    fn connected(&mut self, value: &Value) -> anyhow::Result<Next> {
        let head = number(value.get("head"));
        let at = head.map(|head| format!(", newest event {head}")).unwrap_or_default();
        let mode = self.mode(value);
        notice(format_args!("connected to {}{at}: {mode}", self.feed.gateway.address.base));
        if !self.feed.stored_only {
            return Ok(Next::Continue);
        }
        let head = head.unwrap_or(0);
        // The newest id is lower than before if the database was restored.
        let until = self.until.map_or(head, |until| until.min(head));
        self.until = Some(until);
        let cursor = self.cursor.parse::<u64>().ok();
        if let Some(cursor) = cursor.filter(|cursor| *cursor > head) {
            anyhow::bail!(
                "event {cursor} is above the newest event {head}: the id belongs to another feed, or the \
                 database was restored\n  hint: start again without --last-event-id"
            );
        }
        let reached = until == 0 || cursor.is_some_and(|cursor| cursor >= until);
        Ok(if reached { Next::End } else { Next::Continue })
    }

    /// Stores the mode that a message announces, and returns its description.
    fn mode(&mut self, value: &Value) -> &'static str {
        self.mock = value.get("mode").and_then(Value::as_str) == Some("mock");
        if self.mock { self.feed.mock_notice } else { "live" }
    }
}

/// Reads a refusal. A refusal that may be temporary leads to a new attempt. Any other refusal ends the
/// command.
async fn refused(response: Response<Incoming>, silence: Duration) -> anyhow::Result<Lost> {
    let status = response.status();
    let transient = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let refusal = Refusal::receive(response, silence.min(REFUSAL_WITHIN)).await;
    if transient { Ok(Lost::Reason(refusal.to_string())) } else { Err(refusal.into()) }
}

fn gap(value: &Value) -> String {
    match value.get("reason").and_then(Value::as_str) {
        Some("reset") => {
            "gap: the feed started over (its database was restored), so the missed events are unknown".into()
        }
        _ => match (number(value.get("from")), number(value.get("to"))) {
            (Some(from), Some(to)) => format!("gap: the events after {from}, up to {to}, were deleted"),
            _ => "gap: some events were deleted".into(),
        },
    }
}

fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
