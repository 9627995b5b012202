//! [`Directory`]: the current state of rooms, for the checks of requests.
//!
//! The table has the state of each room. The directory keeps the states that it has read, and forgets a state
//! when the tail reads a row that changes the room. So most requests need no query.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oasis_core::Channel;
use oasis_core::room::RoomId;
use oasis_store::{ChannelState, Store};

use crate::batch::{Batch, ReadError};

/// The maximum number of states that are kept.
const MOST_KEPT: usize = 32_768;

/// The result of a lookup. `None` if the room does not exist.
type Found = Option<Arc<ChannelState>>;

/// The states of rooms. See the head of this file.
pub(crate) struct Directory {
    lookups: Batch<Channel, Found>,
    kept: Mutex<Kept>,
    /// The last id that the tail has read.
    seen: Arc<AtomicI64>,
}

#[derive(Default)]
struct Kept {
    states: HashMap<Channel, Arc<ChannelState>>,
    /// How often a state was forgotten. If this number has changed during a lookup, the result is not kept.
    changes: u64,
}

impl Directory {
    pub(crate) fn new(store: Store) -> Self {
        let seen = Arc::new(AtomicI64::new(0));
        let lookups = Batch::new({
            let seen = seen.clone();
            move |channels: Vec<Channel>| read(store.clone(), seen.load(Ordering::Acquire), channels)
        });
        Self { lookups, kept: Mutex::default(), seen }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state of a room, as far as the tail has read the table.
    pub(crate) async fn room(&self, room: &RoomId) -> Result<Found, ReadError> {
        let changes = {
            let kept = self.kept();
            if let Some(state) = kept.states.get(room.channel()) {
                return Ok(Some(state.clone()));
            }
            kept.changes
        };
        let found = self.read(room.channel()).await?;
        let mut kept = self.kept();
        if let Some(state) = found.clone().filter(|_| kept.changes == changes) {
            if kept.states.len() >= MOST_KEPT {
                kept.states.clear();
            }
            kept.states.insert(room.channel().clone(), state);
        }
        Ok(found)
    }

    /// Reads the state of a channel from the table.
    pub(crate) async fn read(&self, channel: &Channel) -> Result<Found, ReadError> {
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

    /// Notes the last id that the tail has read. From now on, a server that does not have this row yet cannot
    /// answer lookups.
    pub(crate) fn seen(&self, head: i64) {
        self.seen.store(head, Ordering::Release);
    }
}

/// Reads the states of channels. The answer must contain all rows up to `seen`.
async fn read(store: Store, seen: i64, channels: Vec<Channel>) -> Result<Vec<Found>, ReadError> {
    let found = store.channels(&channels).await?;
    if found.head < seen {
        return Err(ReadError::Stale);
    }
    let states = found.states.into_iter().map(|state| (state.channel.clone(), Arc::new(state)));
    let states: HashMap<Channel, Arc<ChannelState>> = states.collect();
    Ok(channels.iter().map(|channel| states.get(channel).cloned()).collect())
}
