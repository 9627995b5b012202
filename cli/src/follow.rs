//! Follows the feed. After a lost connection, the next connection resumes after the last event.

use std::time::Duration;

use serde_json::Value;

use crate::gateway::Reader;
use crate::output::{expect_open_output, notice};
use crate::sse::Block;
use crate::stream::{self, Blocks, Next, Source};

/// The maximum number of events in one batch.
const MAX_BATCH: usize = 100;

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

/// Follows the feed until `handle` returns [`Next::End`]. `handle` gets the events that have arrived
/// together.
///
/// # Errors
/// The server refuses the request, or `handle` fails. With `must_connect`, it is also an error if the first
/// attempt to connect fails. With `stored_only`, it is also an error if `last_event_id` is above the newest
/// event.
pub(crate) async fn follow(
    feed: &Feed<'_>,
    handle: impl AsyncFnMut(Vec<Arrival>) -> anyhow::Result<Next>,
) -> anyhow::Result<()> {
    let source = Source {
        gateway: feed.gateway,
        path: format!("/api/v1/devhub/feed{}", feed.query),
        last_event_id: feed.last_event_id,
        silence: feed.silence,
        must_connect: feed.must_connect,
    };
    let mut follower = Follower { feed, handle, batch: Vec::new(), until: None, mock: false };
    stream::read(&source, &mut follower).await
}

struct Follower<'a, H> {
    feed: &'a Feed<'a>,
    handle: H,
    /// The events that `handle` has not received yet.
    batch: Vec<Arrival>,
    /// With `stored_only`, the newest id when the first connection began.
    until: Option<u64>,
    /// Whether the feed is in mode `mock`, in which events without an id are simulated.
    mock: bool,
}

impl<H: AsyncFnMut(Vec<Arrival>) -> anyhow::Result<Next>> Blocks for Follower<'_, H> {
    async fn block(&mut self, block: Block, cursor: &str) -> anyhow::Result<Next> {
        // The messages of the feed have no name, or the name `message`.
        let data = block.data.filter(|_| matches!(block.event.as_str(), "" | "message"));
        // An event that moves the cursor is real, even if it arrives before the message that changes the
        // mode.
        let simulated = self.mock && block.id == cursor;
        let id = block.id.parse::<u64>().ok();
        let next = match data {
            Some(data) => self.message(data, id.filter(|_| !simulated), simulated, cursor).await?,
            None => Next::Continue,
        };
        let reached = self.until.zip(id).is_some_and(|(until, id)| id >= until);
        if reached || next == Next::End {
            return Ok(Next::End);
        }
        self.flush(MAX_BATCH).await
    }

    /// If the feed ends, `handle` still gets the events that arrived before the end.
    async fn pause(&mut self) -> anyhow::Result<Next> {
        self.flush(1).await
    }
}

impl<H: AsyncFnMut(Vec<Arrival>) -> anyhow::Result<Next>> Follower<'_, H> {
    /// Gives the batch to `handle`, if the batch has at least `least` events.
    async fn flush(&mut self, least: usize) -> anyhow::Result<Next> {
        if self.batch.len() < least {
            return Ok(Next::Continue);
        }
        (self.handle)(std::mem::take(&mut self.batch)).await
    }

    async fn message(
        &mut self,
        data: String,
        id: Option<u64>,
        simulated: bool,
        cursor: &str,
    ) -> anyhow::Result<Next> {
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
            Some("connected") => return self.connected(&value, cursor),
            Some("mode") => notice(self.mode(&value)),
            Some("gap") => notice(gap(&value, "feed", "events")),
            // A newer server may send other types of messages, which are not events.
            Some(_) => {}
        }
        Ok(Next::Continue)
    }

    fn connected(&mut self, value: &Value, cursor: &str) -> anyhow::Result<Next> {
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
        let cursor = cursor.parse::<u64>().ok();
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

/// Describes a gap. `stream` is the word for the stream, and `entries` is the word for its entries.
pub(crate) fn gap(value: &Value, stream: &str, entries: &str) -> String {
    match value.get("reason").and_then(Value::as_str) {
        Some("reset") => format!(
            "gap: the {stream} started over (its database was restored), so the missed {entries} are unknown"
        ),
        _ => match (number(value.get("from")), number(value.get("to"))) {
            (Some(from), Some(to)) => format!("gap: the {entries} after {from}, up to {to}, were deleted"),
            _ => format!("gap: some {entries} were deleted"),
        },
    }
}

fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
