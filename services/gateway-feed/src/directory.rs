//! [`Directory`]: the current states of rooms or of casts, for the checks of requests.
//!
//! The table has the state of each channel. The directory keeps the states that it has read, and forgets a
//! state when the tail reads a row that changes the channel. So most requests need no query.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oasis_core::Channel;
use oasis_store::{Store, StoredState};

use crate::batch::{Batch, ReadError};

/// The maximum number of states that are kept.
const MOST_KEPT: usize = 32_768;

/// The states of channels of one kind. See the head of this file.
pub(crate) struct Directory<S> {
    lookups: Batch<Channel, Option<Arc<S>>>,
    kept: Mutex<Kept<S>>,
    /// The last id that the tail has read.
    seen: Arc<AtomicI64>,
}

struct Kept<S> {
    states: HashMap<Channel, Arc<S>>,
    /// How many times a state was forgotten. If this number has changed during a lookup, the result is not
    /// kept.
    changes: u64,
}

impl<S: StoredState> Directory<S> {
    pub(crate) fn new(store: Store) -> Self {
        let seen = Arc::new(AtomicI64::new(0));
        let lookups = Batch::new({
            let seen = seen.clone();
            move |channels: Vec<Channel>| read(store.clone(), seen.load(Ordering::Acquire), channels)
        });
        let kept = Mutex::new(Kept { states: HashMap::new(), changes: 0 });
        Self { lookups, kept, seen }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<S>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a channel, which may be kept from an earlier lookup. It contains every row that the
    /// tail has read.
    pub(crate) async fn state(&self, channel: &Channel) -> Result<Option<Arc<S>>, ReadError> {
        let changes = {
            let kept = self.kept();
            if let Some(state) = kept.states.get(channel) {
                return Ok(Some(state.clone()));
            }
            kept.changes
        };
        let found = self.read(channel).await?;
        let mut kept = self.kept();
        if let Some(state) = found.clone().filter(|_| kept.changes == changes) {
            if kept.states.len() >= MOST_KEPT {
                kept.states.clear();
            }
            kept.states.insert(channel.clone(), state);
        }
        Ok(found)
    }

    /// Reads the state of a channel from the table.
    pub(crate) async fn read(&self, channel: &Channel) -> Result<Option<Arc<S>>, ReadError> {
        self.lookups.get(channel.clone()).await
    }

    /// Forgets the state of a channel.
    pub(crate) fn forget(&self, channel: &Channel) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.states.remove(channel);
    }

    /// Forgets all states, because the tail starts.
    pub(crate) fn clear(&self) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.states.clear();
    }

    /// Sets the last id that the tail has read. From now on, an answer from a server that does not have
    /// this row yet counts as stale.
    pub(crate) fn set_head(&self, head: i64) {
        self.seen.store(head, Ordering::Release);
    }

    /// The last id that the tail has read. Every later lookup contains the rows up to this id.
    pub(crate) fn head(&self) -> i64 {
        self.seen.load(Ordering::Acquire)
    }
}

/// Reads the states of channels. The answer must contain all rows up to `seen`.
async fn read<S: StoredState>(
    store: Store,
    seen: i64,
    channels: Vec<Channel>,
) -> Result<Vec<Option<Arc<S>>>, ReadError> {
    let found = store.channels::<S>(&channels).await?;
    if found.head < seen {
        return Err(ReadError::Stale);
    }
    let states = found.states.into_iter().map(|found| (found.channel, Arc::new(found.state)));
    let states: HashMap<Channel, Arc<S>> = states.collect();
    Ok(channels.iter().map(|channel| states.get(channel).cloned()).collect())
}
