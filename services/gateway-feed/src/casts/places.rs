//! [`Places`]: the limits of a user's streams, over all gateways.
//!
//! Every stream of casts holds a [`Lease`] of a place in the table. One task sends all changes: requests that
//! arrive while a statement runs share the next statement. The task renews the places every ten seconds, and
//! reports the streams of gateways that no longer do so.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oasis_core::chain;
use oasis_service::ApiError;
use oasis_store::{
    AppendError, Appender, MOST_DEAD, Place, PlaceRequest, PlaceVerdict, Store, StoreError, Update,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::audit::{AUDIT, OPENED, lost};
use super::rate::{LIMITS, Rate, limit_of};
use crate::access::{Subject, Viewer};
use crate::batch::ReadError;
use crate::fanout::ends::{CloseReason, Ends};

/// How often the places are renewed.
const RENEW: Duration = Duration::from_secs(10);
/// How long all renewals must have succeeded before this gateway reports others as dead.
const STEADY: Duration = Duration::from_secs(25);
/// The maximum number of requests of one statement.
const BATCH: usize = 500;
/// The maximum number of users whose refusals are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The places of this gateway. See the head of this file.
pub(crate) struct Places {
    sender: UnboundedSender<Message>,
    next: AtomicI64,
    /// The users who have connected too often in this minute, and when the minute ends.
    refused: Mutex<HashMap<(Arc<str>, bool), Instant>>,
    /// Whether other gateways may hold places.
    others: AtomicBool,
}

enum Message {
    Take(PlaceRequest, oneshot::Sender<Result<PlaceVerdict, ReadError>>),
    Free(i64),
}

/// A place that is held, or has been asked for. It is freed when this value is dropped.
pub(crate) struct Lease {
    place: i64,
    sender: UnboundedSender<Message>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Sending fails if the gateway ends, which frees all places.
        let _ = self.sender.send(Message::Free(self.place));
    }
}

impl Lease {
    pub(crate) fn subject(&self) -> Subject {
        Subject::Place(self.place)
    }
}

impl Places {
    pub(crate) fn new(gateway: String, store: Store) -> (Arc<Self>, Keeper) {
        let (sender, messages) = unbounded_channel();
        let places = Arc::new(Self {
            sender,
            next: AtomicI64::new(1),
            refused: Mutex::default(),
            others: AtomicBool::new(true),
        });
        let keeper = Keeper {
            gateway,
            store,
            messages,
            held: HashMap::new(),
            late: Vec::new(),
            lost: false,
            steady_since: None,
            has_failed: false,
        };
        (places, keeper)
    }

    /// 429 if it is known that the user has connected too often in this minute. A flood of such requests
    /// reads no table.
    pub(crate) fn check(&self, viewer: &Viewer) -> Result<(), ApiError> {
        let (with_key, limit) = limit_of(viewer);
        let Some(left) = self.refused_for(&(viewer.user.clone(), with_key)) else { return Ok(()) };
        let left_ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        let verdict = PlaceVerdict { connects: limit + 1, held: 0, taken: false, left_ms };
        Err(Rate { limit, verdict }.too_often())
    }

    /// Notes whether an update from the tail shows a stream of another gateway.
    pub(crate) fn update(&self, update: &Update) {
        if let Update::Events(events) = update
            && events.iter().any(|event| event.channel.as_str() == AUDIT && event.kind.as_str() == OPENED)
        {
            self.others.store(true, Ordering::Relaxed);
        }
    }

    /// Counts a connection of `viewer` if it `counts`, and takes a place if one is `wanted`. The rate says
    /// whether the limits allow the connection.
    ///
    /// # Errors
    /// The table could not be changed.
    pub(crate) async fn take(
        &self,
        viewer: &Viewer,
        about: String,
        (counts, wanted): (bool, bool),
    ) -> Result<(Rate, Lease, Place), ReadError> {
        let (with_key, limit) = limit_of(viewer);
        let key = (viewer.user.clone(), with_key);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let lease = Lease { place: number, sender: self.sender.clone() };
        let place = Place { place: number, user: viewer.user.to_string(), about };
        let (answer, answered) = oneshot::channel();
        let request = PlaceRequest { place: place.clone(), with_key, counts, wanted };
        // Sending fails only while the gateway ends.
        let _ = self.sender.send(Message::Take(request, answer));
        let verdict = answered.await.unwrap_or(Err(ReadError::Interrupted))?;
        let rate = Rate { limit, verdict };
        if rate.is_exceeded() {
            let left = Duration::from_millis(u64::try_from(verdict.left_ms).unwrap_or_default());
            self.remember(key, Instant::now() + left);
        }
        Ok((rate, lease, place))
    }

    fn refused_for(&self, key: &(Arc<str>, bool)) -> Option<Duration> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.get(key)?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    fn remember(&self, key: (Arc<str>, bool), until: Instant) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MOST_REMEMBERED {
            refused.clear();
        }
        refused.insert(key, until);
    }
}

/// Why places could not be kept.
#[derive(Debug, thiserror::Error)]
enum KeepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The task that keeps the places in the table.
pub(crate) struct Keeper {
    gateway: String,
    store: Store,
    messages: UnboundedReceiver<Message>,
    /// The places that this gateway holds.
    held: HashMap<i64, Place>,
    /// The places that were freed while they were asked for.
    late: Vec<i64>,
    /// Whether the table may have other places than `held`.
    lost: bool,
    /// Since when every renewal has succeeded. After an outage of the database, all gateways seem dead, so
    /// none is reported until all have had the time to renew.
    steady_since: Option<Instant>,
    /// Whether the last statement failed.
    has_failed: bool,
}

impl Keeper {
    /// Keeps the places until `end` is completed. Then frees them. `end` must wait until the ends of all
    /// streams are stored.
    pub(crate) async fn run(
        mut self,
        places: Arc<Places>,
        (ends, appender): (Arc<Ends>, Appender),
        end: impl Future<Output = ()>,
    ) {
        let mut tick = interval(RENEW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tick.reset();
        let mut end = std::pin::pin!(end);
        let mut messages = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = &mut end => break,
                _ = tick.tick() => self.renew(&places, &ends, &appender).await,
                count = self.messages.recv_many(&mut messages, BATCH) => {
                    if count == 0 {
                        break;
                    }
                    self.change(std::mem::take(&mut messages), &ends).await;
                    // These were asked for and freed by messages that arrived together.
                    self.change(Vec::new(), &ends).await;
                }
            }
        }
        self.free_all().await;
    }

    /// Sends one statement for all messages.
    async fn change(&mut self, messages: Vec<Message>, ends: &Ends) {
        let mut freed = Vec::new();
        for place in std::mem::take(&mut self.late) {
            freed.extend(self.held.remove(&place).map(|_| place));
        }
        let (mut requests, mut answers) = (Vec::new(), Vec::new());
        for message in messages {
            match message {
                // The client has left.
                Message::Take(_, answer) if answer.is_closed() => {}
                Message::Take(request, answer) => {
                    requests.push(request);
                    answers.push(answer);
                }
                Message::Free(place) if requests.iter().any(|r: &PlaceRequest| r.place.place == place) => {
                    self.late.push(place);
                }
                Message::Free(place) => {
                    if self.held.remove(&place).is_some() {
                        freed.push(place);
                    }
                }
            }
        }
        if requests.is_empty() && freed.is_empty() {
            return;
        }
        let had_places = !self.held.is_empty();
        let taken = self.store.take_places(&self.gateway, &freed, &requests, LIMITS).await;
        match taken {
            Ok(taken) => {
                self.has_failed = false;
                for ((request, answer), verdict) in requests.into_iter().zip(answers).zip(&taken.verdicts) {
                    if verdict.taken {
                        self.held.insert(request.place.place, request.place);
                    }
                    // The client may have left. Then its lease frees the place.
                    let _ = answer.send(Ok(*verdict));
                }
                self.lost |= had_places && taken.was_dead;
            }
            Err(error) => {
                if !self.has_failed {
                    tracing::warn!(error = chain(&error), "no stream of casts can begin now");
                }
                self.has_failed = true;
                // It is not known what the statement has done.
                self.lost = true;
                let error = ReadError::from(error);
                answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
            }
        }
        if self.lost
            && let Err(error) = self.rewrite(ends).await
        {
            tracing::debug!(error = chain(&error), "the places can't be written again yet");
        }
    }

    /// Renews the places, and reports the streams of dead gateways.
    async fn renew(&mut self, places: &Places, ends: &Ends, appender: &Appender) {
        // Without a stream on any gateway, there is nothing to do.
        if self.held.is_empty() && !self.lost && !places.others.load(Ordering::Relaxed) {
            self.steady_since = None;
            return;
        }
        let renewed = self.try_renew(places, ends, appender).await;
        if renewed.is_err() {
            self.steady_since = None;
        }
        match renewed {
            Ok(()) => {}
            Err(KeepError::Store(error)) if error.is_refusal() && self.held.is_empty() => {
                // The role of this gateway may not keep places, so no stream of casts begins here.
                tracing::info!(error = chain(&error), "this gateway keeps no places of streams");
                places.others.store(false, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::warn!(error = chain(&error), "the places of streams can't be renewed now");
            }
        }
    }

    async fn try_renew(
        &mut self,
        places: &Places,
        ends: &Ends,
        appender: &Appender,
    ) -> Result<(), KeepError> {
        places.others.store(false, Ordering::Relaxed);
        loop {
            let sweeps = self.steady_since.is_some_and(|since| since.elapsed() >= STEADY);
            let renewed = self.store.renew_places(&self.gateway, self.held.len() as i64, sweeps).await;
            let renewed = renewed.inspect_err(|_| places.others.store(true, Ordering::Relaxed))?;
            self.steady_since.get_or_insert_with(Instant::now);
            if renewed.others > 0 || !renewed.dead.is_empty() {
                places.others.store(true, Ordering::Relaxed);
            }
            if renewed.lost || self.lost {
                self.rewrite(ends).await?;
            }
            if renewed.dead.is_empty() {
                return Ok(());
            }
            // The rows are stored before the places are forgotten, so that no stream is missing in the log.
            appender.append(lost(&renewed.dead), Instant::now()).await?;
            self.store.forget_places(&renewed.dead).await?;
            if renewed.dead.len() < MOST_DEAD {
                return Ok(());
            }
        }
    }

    /// Writes all places again, and ends the streams that have lost theirs.
    async fn rewrite(&mut self, ends: &Ends) -> Result<(), StoreError> {
        let all: Vec<Place> = self.held.values().cloned().collect();
        let refused = self.store.rewrite_places(&self.gateway, &all, LIMITS).await?;
        for place in refused {
            self.held.remove(&place);
            ends.end(&Subject::Place(place), CloseReason::TooMany, |_| true);
        }
        self.lost = false;
        Ok(())
    }

    /// Frees all places of this gateway.
    async fn free_all(&mut self) {
        if self.held.is_empty() && !self.lost {
            return;
        }
        let freed = self.store.rewrite_places(&self.gateway, &[], LIMITS).await;
        if let Err(error) = freed {
            tracing::debug!(error = chain(&error), "the places will be free soon");
        }
    }
}
