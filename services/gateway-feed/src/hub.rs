//! What the tail has read, shared by all subscribers: a bounded ring of rendered events, and one pulse that wakes
//! them.
//!
//! Every event is rendered once, into the bytes of the page it was read with. A subscriber is a cursor into the
//! ring; whoever is older than the ring reads the table, so no slow client holds another and memory is bounded.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use oasis_core::Ts;
use oasis_store::{Filter, Store, StoredEvent, Update};
use tokio::sync::{oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::catch_up::CatchUps;
use crate::{agents, frames};

/// Events that a new client is shown first.
pub(crate) const REPLAY: usize = 20;
/// Events that the ring holds, about 4 MB.
const RING_EVENTS: usize = 4_096;
/// Events that the ring is filled with when the tail begins, so that clients that reconnect after a restart find
/// theirs without a query.
pub(crate) const RECENT: u16 = 2_048;
/// The longest that the tail waits for subscribers to have looked at a page. They are only waiting for a processor.
const ROUND: Duration = Duration::from_secs(1);
/// Simulated events that a new client sees at once.
pub(crate) const SIMULATED_FIRST: u64 = 5;
const HEARTBEAT: Duration = Duration::from_secs(15);
const SIMULATED: Duration = Duration::from_secs(2);

/// What the feed shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The table has not been read yet.
    Starting,
    /// The table is empty: simulated events.
    Mock,
    /// The table's events.
    Live,
}

impl Mode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Mock => "mock",
            Self::Live => "live",
        }
    }
}

/// What subscribers wait on: any change of it wakes them all.
#[derive(Debug)]
pub(crate) struct Pulse {
    pub(crate) state: State,
    /// The frame of the last heartbeat.
    pub(crate) heartbeat: Bytes,
    /// Held by everyone who waits for the next page.
    pub(crate) round: Round,
}

/// Is gone once all who waited for a page have been woken by it: a sender that only ever is dropped.
pub(crate) type Round = Arc<oneshot::Sender<Infallible>>;

/// What a subscriber compares with what it has told its client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) mode: Mode,
    /// The last id in the ring.
    pub(crate) head: i64,
    /// Counts the times the tail began anew.
    pub(crate) epoch: u64,
    /// Counts heartbeats.
    pub(crate) beat: u64,
    /// Counts simulated events.
    pub(crate) simulated: u64,
    pub(crate) closing: bool,
}

pub(crate) struct Hub {
    ring: RwLock<Ring>,
    pulse: watch::Sender<Pulse>,
    /// Of the round in the pulse.
    all_woken: Mutex<oneshot::Receiver<Infallible>>,
    pub(crate) catch_ups: CatchUps,
    /// Whether the tail can read now, and why not.
    trouble: RwLock<Option<String>>,
}

#[derive(Default)]
struct Ring {
    chunks: VecDeque<Chunk>,
    events: usize,
    /// Every event of the table after this id, up to the head, is in the ring.
    floor: i64,
    head: i64,
    /// Whether the ring holds all there is.
    whole: bool,
}

/// A page as it was read.
struct Chunk {
    /// The frames of the devhub channel, one after the other.
    bytes: Bytes,
    entries: Vec<Entry>,
}

/// An event in a page, without its `meta`.
struct Entry {
    event: StoredEvent,
    /// The end of its frame; one of another channel has none of its own.
    end: usize,
    /// An agent only says again what it said before: new clients are not shown it.
    repeat: bool,
}

impl Chunk {
    fn render(events: Vec<StoredEvent>) -> Self {
        let mut bytes = Vec::with_capacity(events.len() * 384);
        let entries = events
            .into_iter()
            .map(|mut event| {
                if event.channel.is_devhub() {
                    frames::event(&mut bytes, &event);
                }
                let repeat = agents::is_repeat(&event);
                event.meta = None;
                Entry { event, end: bytes.len(), repeat }
            })
            .collect();
        Self { bytes: bytes.into(), entries }
    }

    fn last(&self) -> i64 {
        self.entries.last().map_or(i64::MIN, |entry| entry.event.id)
    }

    fn start_of(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.entries[before].end)
    }
}

/// The frames of the last events, and the id of the last of them.
pub(crate) struct Replay {
    pub(crate) frames: Bytes,
    pub(crate) last: Option<i64>,
}

/// What the ring has after a cursor.
pub(crate) enum Taken {
    /// Frames up to the new cursor; empty when nothing passed the filter.
    Frames(Bytes, i64),
    /// The cursor is older than the ring, which has everything after this id.
    Behind(i64),
}

impl Hub {
    pub(crate) fn new(store: Store) -> Self {
        let state = State {
            mode: Mode::Starting,
            head: 0,
            epoch: 0,
            beat: 0,
            // So that the first client sees a few at once.
            simulated: SIMULATED_FIRST,
            closing: false,
        };
        let (round, all_woken) = oneshot::channel();
        Self {
            ring: RwLock::default(),
            pulse: watch::Sender::new(Pulse { state, heartbeat: Bytes::new(), round: Arc::new(round) }),
            all_woken: Mutex::new(all_woken),
            catch_ups: CatchUps::new(store),
            trouble: RwLock::new(Some("the table has not been read yet".into())),
        }
    }

    /// What the tail calls with each update. It comes back from events once every subscriber that waited for them
    /// has been woken, so that the tail outruns only clients that can't keep up, and a surge waits in the table.
    pub(crate) async fn update(&self, update: Update) {
        match update {
            Update::Start { events, head, empty } => self.start(events, head, empty),
            Update::Events(events) => {
                let told = self.push(events);
                let _ = timeout(ROUND, told).await;
            }
            Update::Pruned(through) => {
                self.ring.write().unwrap_or_else(PoisonError::into_inner).prune(through);
                self.catch_ups.clear();
            }
            Update::Up { listening } => {
                metrics::gauge!("feed_tail_listening").set(f64::from(u8::from(listening)));
                *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = None;
            }
            Update::Down(why) => {
                *self.trouble.write().unwrap_or_else(PoisonError::into_inner) = Some(why);
            }
        }
    }

    /// Why the tail can't read now.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// How many follow.
    pub(crate) fn subscribers(&self) -> usize {
        self.pulse.receiver_count()
    }

    pub(crate) fn mode(&self) -> Mode {
        self.pulse.borrow().state.mode
    }

    /// Ends all subscribers, now and later.
    pub(crate) fn close(&self) {
        self.pulse.send_modify(|pulse| pulse.state.closing = true);
    }

    /// One clock for all subscribers: heartbeats, and simulated events while there is nothing else to show.
    pub(crate) async fn tick(&self) {
        let mut heartbeat = interval(HEARTBEAT);
        let mut simulated = interval(SIMULATED);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        simulated.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = heartbeat.tick() => {
                    self.catch_ups.clear();
                    self.pulse.send_modify(|pulse| {
                        pulse.state.beat += 1;
                        pulse.heartbeat = frames::heartbeat(Ts::clamped(Timestamp::now()));
                    });
                }
                _ = simulated.tick() => {
                    self.pulse.send_if_modified(|Pulse { state, .. }| {
                        let mock = state.mode == Mode::Mock;
                        state.simulated += u64::from(mock);
                        mock
                    });
                }
            }
        }
    }

    fn start(&self, events: Vec<StoredEvent>, head: i64, empty: bool) {
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            let whole = events.len() < usize::from(RECENT);
            // When the oldest of the last events is not the first of the table, those before it are elsewhere.
            let floor = match events.first() {
                Some(first) => first.id - 1,
                None => head,
            };
            *ring = Ring { floor, head, whole, ..Ring::default() };
            if !events.is_empty() {
                ring.push(Chunk::render(events));
            }
        }
        self.catch_ups.clear();
        self.pulse.send_modify(|Pulse { state, .. }| {
            state.head = head;
            state.epoch += 1;
            // Once live, always live: simulated events after real ones would be taken for real.
            if !empty || state.mode == Mode::Live {
                state.mode = Mode::Live;
            } else {
                state.mode = Mode::Mock;
            }
        });
    }

    /// Adds a page; what it returns ends once everyone who waited for it has been woken.
    fn push(&self, events: Vec<StoredEvent>) -> oneshot::Receiver<Infallible> {
        metrics::counter!("feed_events_total").increment(events.len() as u64);
        let chunk = Chunk::render(events);
        let head = chunk.last();
        {
            let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
            ring.push(chunk);
            ring.head = head;
        }
        let (round, all_woken) = oneshot::channel();
        let mut current = self.all_woken.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, all_woken);
        self.pulse.send_modify(|pulse| {
            pulse.state.head = head;
            pulse.state.mode = Mode::Live;
            pulse.round = Arc::new(round);
        });
        before
    }

    /// The frames after `cursor` that pass `filter`, as far as one write should go.
    pub(crate) fn take(&self, cursor: i64, filter: &Filter) -> Taken {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        if cursor < ring.floor {
            return Taken::Behind(ring.floor);
        }
        let nth = ring.chunks.partition_point(|chunk| chunk.last() <= cursor);
        let Some(chunk) = ring.chunks.get(nth) else {
            return Taken::Frames(Bytes::new(), cursor.max(ring.head));
        };
        let from = chunk.entries.partition_point(|entry| entry.event.id <= cursor);
        let frames = match filter.takes_the_ticker() {
            true => chunk.bytes.slice(chunk.start_of(from)..),
            false => matching(chunk, from, filter),
        };
        Taken::Frames(frames, chunk.last())
    }

    /// The frames of the last events that pass `filter` and are no repeats, and the head they were taken at; `None` when the ring can't
    /// tell, in which case the table can.
    pub(crate) fn replay(&self, filter: &Filter) -> (Option<Replay>, i64) {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Bytes> = Vec::with_capacity(REPLAY);
        let mut last = None;
        'ring: for chunk in ring.chunks.iter().rev() {
            for (index, Entry { event, end, repeat }) in chunk.entries.iter().enumerate().rev() {
                if event.id > ring.floor && !repeat && filter.accepts(event) {
                    found.push(chunk.bytes.slice(chunk.start_of(index)..*end));
                    last = last.or(Some(event.id));
                    if found.len() == REPLAY {
                        break 'ring;
                    }
                }
            }
        }
        let known = found.len() == REPLAY || ring.whole;
        let frames = known.then(|| found.iter().rev().flat_map(|frame| frame.iter().copied()).collect());
        (frames.map(|frames| Replay { frames, last }), ring.head)
    }
}

fn matching(chunk: &Chunk, from: usize, filter: &Filter) -> Bytes {
    let mut out = BytesMut::new();
    for (index, Entry { event, end, .. }) in chunk.entries.iter().enumerate().skip(from) {
        if filter.accepts(event) {
            out.extend_from_slice(&chunk.bytes[chunk.start_of(index)..*end]);
        }
    }
    out.freeze()
}

impl Ring {
    /// Forgets what has been deleted. A chunk that holds more keeps its bytes, below the floor.
    fn prune(&mut self, through: i64) {
        while self.chunks.front().is_some_and(|oldest| oldest.last() <= through) {
            self.events -= self.chunks.pop_front().map_or(0, |oldest| oldest.entries.len());
        }
        self.floor = self.floor.max(through);
    }

    fn push(&mut self, chunk: Chunk) {
        self.events += chunk.entries.len();
        self.chunks.push_back(chunk);
        while self.events > RING_EVENTS {
            let Some(oldest) = self.chunks.pop_front() else { break };
            self.events -= oldest.entries.len();
            self.floor = oldest.last();
            self.whole = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Poll;

    use futures_util::poll;
    use oasis_service::args::parse_from;

    use super::*;

    fn hub() -> Hub {
        let url = "--database-url=postgres://nobody@127.0.0.1:1/none";
        let config: crate::Config = parse_from(["gateway-feed", url]).unwrap();
        Hub::new(Store::new(config.database, crate::NAME).unwrap())
    }

    fn page(id: i64) -> Update {
        Update::Events(vec![StoredEvent { id, ..crate::mock::event(0, Ts::clamped(Timestamp::UNIX_EPOCH)) }])
    }

    /// A page waits for those who wait for it, not for those who are busy sending.
    #[tokio::test]
    async fn the_tail_is_told_once_everybody_has_been_woken() {
        let hub = hub();
        hub.update(page(1)).await;

        let (waiting, busy) = (hub.subscribe(), hub.subscribe());
        let round = waiting.borrow().round.clone();
        let mut update = pin!(hub.update(page(2)));
        assert_eq!(poll!(update.as_mut()), Poll::Pending);
        assert_eq!(busy.borrow().state.head, 2);
        drop(round);
        assert_eq!(poll!(update.as_mut()), Poll::Ready(()));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_holds_the_tail_for_long() {
        let hub = hub();
        let _never_woken = hub.subscribe().borrow().round.clone();
        hub.update(page(1)).await;
        assert_eq!(hub.subscribe().borrow().state.head, 1);
    }
}
