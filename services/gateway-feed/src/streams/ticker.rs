//! The ticker: every event of channel `devhub` as Server-Sent Events, for everyone who may read from the
//! gateway.
//!
//! `GET /api/v1/devhub/feed`. Events are unnamed messages with an `id:` line. A message about the feed
//! itself is an unnamed message with a `type` and without an id, so that it never moves a client's cursor.

mod simulated;

use std::iter::once;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{Filter, StoredEvent};
use serde::Serialize;

use super::slots::{Slot, Slots};
use crate::access::{NotAdmitted, Revocations, Viewer};
use crate::agents;
use crate::fanout::admission::Admission;
use crate::fanout::ends::CloseReason;
use crate::fanout::frame;
use crate::fanout::pulse::Presence;
use crate::fanout::stream::{Fresh, GapReason, Stream};
use crate::fanout::table::Selected;

/// How many earlier events a new client gets first.
pub(crate) const REPLAY: usize = 20;
/// The maximum number of events in the ring. These events need about 4 MB.
const RING: usize = 4_096;

/// The ticker.
pub(crate) struct Ticker {
    slots: Slots,
    revocations: Arc<Revocations>,
    /// Whether every reader must present a token. If not, e-mail addresses in links are withheld.
    readers_known: bool,
}

/// What the ring keeps of an event: the fields that filters use, and whether the event only repeats the
/// agent's previous ping.
pub(crate) struct Mark {
    event: StoredEvent,
    repeat: bool,
}

impl Ticker {
    /// Makes a ticker for at most `most` clients at the same time.
    pub(crate) fn new(most: usize, revocations: Arc<Revocations>, readers_known: bool) -> Self {
        Self { slots: Slots::new(most, metrics::gauge!("feed_subscribers")), revocations, readers_known }
    }

    /// Whether the stream has as many clients as it accepts.
    pub(super) fn is_full(&self) -> bool {
        self.slots.are_taken()
    }
}

/// The mode of the feed, as clients see it.
pub(crate) fn mode(presence: Presence) -> &'static str {
    match presence {
        Presence::Unread => "starting",
        Presence::Empty => "mock",
        Presence::Filled => "live",
    }
}

/// The messages about the feed itself, with their members in the order of docs/api.md.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Message<'a> {
    Connected { ts: Ts, mode: &'a str, head: i64 },
    Heartbeat { ts: Ts },
    Mode { mode: &'a str, ts: Ts },
    Gap { from: i64, to: i64, reason: &'a str },
}

impl Stream for Ticker {
    const FAMILY: &'static str = "devhub";
    const RING: Option<usize> = Some(RING);
    const HEARTBEAT: Duration = Duration::from_secs(15);
    const TICK: Option<Duration> = Some(simulated::EVERY);

    type Topic = ();
    type Key = ();
    type Want = Filter;
    type Mark = Mark;
    type Folded = ();
    /// `None` if the client is not known as a user.
    type Viewer = Option<Arc<Viewer>>;
    type Permit = Slot;

    fn permanent(&self) -> Vec<()> {
        vec![()]
    }

    fn keys((): &()) -> Vec<()> {
        vec![()]
    }

    fn keys_of(_row: &StoredEvent) -> impl Iterator<Item = ()> {
        once(())
    }

    /// The family could have other channels, such as `devhub:x`, which the ticker does not show.
    fn shows((): &(), row: &StoredEvent) -> bool {
        row.channel.is_devhub()
    }

    fn rows((): &(), want: &Filter) -> Vec<Selected> {
        vec![want.clone().into()]
    }

    fn render(&self, row: &StoredEvent, out: &mut Vec<u8>) -> Option<CloseReason> {
        frame::id(out, row.id);
        let ticker = if self.readers_known { row.ticker() } else { row.ticker_without_emails() };
        frame::data(out, &ticker);
        None
    }

    fn mark(&self, row: &StoredEvent) -> Mark {
        let event = StoredEvent {
            task: row.task.clone(),
            layer: row.layer.clone(),
            module: row.module.clone(),
            kind: row.kind.clone(),
            channel: row.channel.clone(),
            title: "".into(),
            reference: "".into(),
            link: None,
            meta: None,
            ..*row
        };
        Mark { event, repeat: agents::is_repeat(row) }
    }

    fn wants_all(want: &Filter) -> bool {
        want.is_open()
    }

    fn wants(want: &Filter, mark: &Mark) -> bool {
        want.accepts(&mark.event)
    }

    fn is_replayed(mark: &Mark) -> bool {
        !mark.repeat
    }

    /// Admits every client until all slots are taken. The routes have already checked everything else, except
    /// whether the credential of a user has been revoked.
    fn admit<'a>(
        &'a self,
        viewer: &'a Option<Arc<Viewer>>,
        (): &'a (),
    ) -> BoxFuture<'a, Result<Admission<Slot>, NotAdmitted>> {
        let admit = || {
            viewer.as_deref().map_or(Ok(()), |viewer| self.revocations.check(viewer))?;
            let slot = self.slots.take("too many clients follow the feed")?;
            Ok(match viewer {
                Some(viewer) => Admission::of_viewer(slot, viewer, Ts::clamped(Timestamp::now())),
                None => Admission::unlimited(slot),
            })
        };
        Box::pin(ready(admit()))
    }

    fn fresh(&self, _want: &Filter, _is_over: bool) -> Fresh {
        Fresh::Last(REPLAY)
    }

    fn greeting(&self, (): &(), now: Ts, presence: Presence, head: i64) -> Bytes {
        frame::message(&Message::Connected { ts: now, mode: mode(presence), head })
    }

    fn gap(&self, from: i64, to: i64, reason: GapReason) -> Bytes {
        frame::message(&Message::Gap { from, to, reason: reason.as_str() })
    }

    fn heartbeat(&self, now: Ts) -> Bytes {
        frame::message(&Message::Heartbeat { ts: now })
    }

    fn while_empty(&self, after: Option<u64>, upto: u64, now: Ts, want: &Filter) -> Bytes {
        let mut out = Vec::new();
        for event in simulated::events(after, upto, now).filter(|event| want.accepts(event)) {
            frame::data(&mut out, &event.ticker());
        }
        out.into()
    }

    fn filled(&self, now: Ts) -> Bytes {
        frame::message(&Message::Mode { mode: mode(Presence::Filled), ts: now })
    }

    fn close(&self, _reason: CloseReason, retry: u64) -> Bytes {
        frame::retry(retry)
    }
}

#[cfg(test)]
mod tests {
    use oasis_core::Channel;

    use super::*;

    #[test]
    fn members_of_messages_have_the_documented_order() {
        let now: Ts = "2026-01-02T03:04:05Z".parse().unwrap();
        let ticker = Ticker::new(1, Arc::default(), false);
        for (frame, text) in [
            (
                ticker.greeting(&(), now, Presence::Filled, 7),
                r#"{"type":"connected","ts":"2026-01-02T03:04:05.000Z","mode":"live","head":7}"#,
            ),
            (ticker.heartbeat(now), r#"{"type":"heartbeat","ts":"2026-01-02T03:04:05.000Z"}"#),
            (ticker.filled(now), r#"{"type":"mode","mode":"live","ts":"2026-01-02T03:04:05.000Z"}"#),
            (ticker.gap(1, 2, GapReason::Pruned), r#"{"type":"gap","from":1,"to":2,"reason":"pruned"}"#),
        ] {
            assert_eq!(frame, format!("data: {text}\n\n"));
        }
    }

    /// The ring keeps only some fields of a row. A filter by any other field would silently match nothing.
    #[test]
    fn the_ring_keeps_every_field_that_a_filter_names() {
        let ticker = Ticker::new(1, Arc::default(), false);
        let row = simulated::events(None, 1, "2026-01-02T03:04:05Z".parse().unwrap()).next().unwrap();
        let shown = serde_json::to_value(row.ticker()).unwrap();
        for field in Filter::FIELDS {
            let mut filter = Filter::all(Channel::devhub());
            field.accept(&mut filter, &[shown[field.name].as_str().unwrap()]).unwrap();
            assert!(filter.accepts(&row) && Ticker::wants(&filter, &ticker.mark(&row)), "{}", field.name);
        }
    }
}
