//! The test stream, for tests and the bench. The stream shows the lines of the channels `test:{id}` to
//! named users.
//!
//! `GET /api/v1/test/{id,id,…}/lines?user=NAME`, only with the feature `test-stream`. The stream has all
//! features that a private stream can have: topics that come and go, a list of ids as one topic, named
//! events, a row that ends the stream, viewers that can be revoked, and a deadline.

use std::iter::once;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use oasis_core::{Channel, Ts};
use oasis_service::ApiError;
use oasis_store::{Filter, StoredEvent};
use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::access::{NotAdmitted, Subject};
use crate::fanout::admission::{Admission, Permit};
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::pulse::Presence;
use crate::fanout::stream::{Fresh, GapReason, Stream};
use crate::fanout::table::Selected;

/// The kind of the row that ends a stream.
pub(crate) const CLOSED: &str = "test.closed";

/// The lines of channels `test:{id}`.
pub(crate) struct TestStream;

/// A sorted list of channels without duplicates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Channels(Vec<Channel>);

impl Channels {
    /// The channels of these ids, which may come in any order.
    pub(crate) fn of<'a>(ids: impl Iterator<Item = &'a str>) -> Result<Self, ApiError> {
        let channels = ids.map(|id| Channel::parse(&format!("test:{id}")));
        let mut channels = channels.collect::<Result<Vec<_>, _>>().map_err(|_| ApiError::not_found())?;
        channels.sort_unstable();
        channels.dedup();
        Ok(Self(channels))
    }
}

#[cfg(test)]
impl Channels {
    pub(crate) fn contains(&self, channel: &Channel) -> bool {
        self.0.contains(channel)
    }
}

/// The user who asks to read, and the time until which the user may read.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) until: Option<Instant>,
}

impl User {
    /// The subject that a revocation of this user names.
    pub(crate) fn subject(&self) -> Subject {
        Subject::User(self.name.as_str().into())
    }
}

/// The permit of a subscriber.
pub(crate) struct Seat;

impl Permit for Seat {}

#[derive(Serialize)]
struct Line<'a> {
    timestamp: Ts,
    channel: &'a str,
    vtid: &'a str,
    text: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message {
    Connected { timestamp: Ts },
    Gap { from: i64, to: i64, reason: &'static str },
    Close { reason: &'static str },
}

fn event(name: &str, message: &Message) -> Bytes {
    let mut out = Vec::with_capacity(96);
    frame::event(&mut out, name);
    frame::data(&mut out, message);
    out.into()
}

impl Stream for TestStream {
    const FAMILY: &'static str = "test";
    const HEARTBEAT: Duration = Duration::from_secs(30);

    type Topic = Channels;
    type Key = Channel;
    /// How many of the last lines a new subscriber gets.
    type Want = usize;
    type Mark = ();
    type Folded = ();
    type Viewer = User;
    type Permit = Seat;

    fn keys(topic: &Channels) -> Vec<Channel> {
        topic.0.clone()
    }

    fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Channel> {
        once(row.channel.clone())
    }

    fn rows(topic: &Channels, _want: &usize) -> Vec<Selected> {
        topic.0.iter().cloned().map(|channel| Filter::all(channel).into()).collect()
    }

    fn mark(&self, _row: &StoredEvent) {}

    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        let text = row.meta.as_ref().and_then(|meta| meta.as_map().get("text")).and_then(Value::as_str);
        frame::id(out, row.id);
        frame::event(out, "line");
        let (channel, vtid) = (row.channel.as_str(), row.task.as_str());
        frame::data(out, &Line { timestamp: row.ts, channel, vtid, text });
        (row.kind.as_str() == CLOSED).then_some(CloseReason::Closed)
    }

    fn wants_all(_want: &usize) -> bool {
        true
    }

    fn wants(_want: &usize, (): &()) -> bool {
        true
    }

    fn admit<'a>(
        &'a self,
        user: &'a User,
        _topic: &'a Channels,
    ) -> BoxFuture<'a, Result<Admission<Seat>, NotAdmitted>> {
        Box::pin(ready(if user.name.is_empty() {
            Err(ApiError::unauthorized("token_missing", "the parameter `user` is missing").into())
        } else {
            let deadline = user.until.map(|until| (until, CloseReason::TokenExpired));
            Ok(Admission { subjects: vec![user.subject()], deadline, ..Admission::unlimited(Seat) })
        }))
    }

    fn fresh(&self, last: &usize, _is_over: bool) -> Fresh {
        if *last == 0 { Fresh::Live } else { Fresh::Last(*last) }
    }

    fn greeting(&self, _topic: &Channels, now: Ts, _presence: Presence, _head: i64) -> Bytes {
        event("connected", &Message::Connected { timestamp: now })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        event("gap", &Message::Gap { from, to, reason: reason.as_str() })
    }

    fn heartbeat(&self, now: Ts) -> Bytes {
        event("heartbeat", &Message::Connected { timestamp: now })
    }

    fn close(&self, reason: CloseReason, retry: u64) -> Bytes {
        let mut out = frame::retry(retry).to_vec();
        out.extend_from_slice(&event("close", &Message::Close { reason: reason.as_str() }));
        out.into()
    }
}
