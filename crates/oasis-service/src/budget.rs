//! [`Budget`]: memory that the requests of all clients share. If it is exhausted, the slowest requests lose
//! their share. So clients that are slow on purpose cannot keep the memory from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// If the budget is exhausted, at least this part of it is freed, so that the next requests need no search.
const FREED_PART: usize = 64;

/// A younger request is never the slowest.
const NEW: Duration = Duration::from_millis(100);
/// A younger request is never slow.
const YOUNG: Duration = Duration::from_secs(1);

/// What holds a share.
pub(crate) trait Holder: Send + Sync {
    /// The share is lost. The holder must free its memory soon. The budget is locked during the call.
    fn lose(&self);
}

/// A memory budget, in bytes.
pub(crate) struct Budget {
    total: usize,
    /// A larger share is large.
    small: usize,
    /// The maximum number of bytes of all large shares together. Only small shares can use the rest.
    most_large: usize,
    /// A request with a lower pace is slow, in bytes per second.
    least_pace: f64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    used: usize,
    used_large: usize,
    next: u64,
    shares: HashMap<u64, Held>,
}

struct Held {
    holder: Arc<dyn Holder>,
    begun: Instant,
    bytes: usize,
    /// The number of bytes that have arrived or have been sent.
    moved: usize,
    is_large: bool,
    /// Whether the share can be lost. It cannot be lost before the body begins to arrive, or after it has
    /// arrived.
    can_be_lost: bool,
}

/// A share of a budget. Dropping this value returns the share.
pub(crate) struct Share {
    budget: Arc<Budget>,
    id: u64,
}

/// The budget is exhausted, or the share is lost.
#[derive(Debug)]
pub(crate) struct Exhausted;

/// The number of bytes by which a request exceeds the budget, and the part for large requests.
#[derive(Clone, Copy)]
struct Over {
    total: usize,
    large: usize,
}

/// The order in which requests lose their shares.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Slow,
    Large,
    Small,
}

/// A request that can lose its share.
struct Candidate {
    rank: Rank,
    pace: f64,
    id: u64,
    bytes: usize,
    /// The same number if the share is large, or else 0.
    large: usize,
}

impl Budget {
    /// A budget of `total` bytes. Shares of more than `small` bytes together use at most `most_large` bytes.
    /// Requests below `least_pace` bytes per second lose their shares first.
    pub(crate) fn new(total: usize, small: usize, most_large: usize, least_pace: u32) -> Arc<Self> {
        Arc::new(Self {
            total,
            small,
            most_large,
            least_pace: f64::from(least_pace),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty share. If it cannot be lost, it can be after [`Share::begin`].
    pub(crate) fn share(self: &Arc<Self>, holder: Arc<dyn Holder>, can_be_lost: bool) -> Share {
        let mut state = self.state();
        let id = state.next;
        state.next += 1;
        let begun = Instant::now();
        let held = Held { holder, begun, bytes: 0, moved: 0, is_large: false, can_be_lost };
        state.shares.insert(id, held);
        Share { budget: Arc::clone(self), id }
    }

    /// The number of bytes in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.state().used
    }
}

impl Share {
    /// Adds bytes to the share. If the budget is exhausted, slower shares are lost. Of these bytes, `arrived`
    /// bytes have just arrived.
    ///
    /// # Errors
    /// [`Exhausted`] when this share is lost, or when it is the slowest one.
    pub(crate) fn take(&self, bytes: usize, arrived: usize) -> Result<(), Exhausted> {
        let budget = &*self.budget;
        let mut state = budget.state();
        let Some(held) = state.shares.get_mut(&self.id) else { return Err(Exhausted) };
        held.moved += arrived;
        let after = held.bytes + bytes;
        let becomes_large = after > budget.small && !held.is_large;
        let large = if becomes_large { after } else { bytes };
        let is_large = held.is_large || becomes_large;
        let over = (state.used + bytes).saturating_sub(budget.total);
        let over_large = (state.used_large + large).saturating_sub(budget.most_large);
        let over = Over { total: over, large: if is_large { over_large } else { 0 } };
        if (over.total > 0 || over.large > 0) && !state.free(budget, over, self.id, is_large) {
            return Err(Exhausted);
        }
        state.used += bytes;
        state.used_large += if is_large { large } else { 0 };
        // The share has not been lost: `free` loses only other shares.
        if let Some(held) = state.shares.get_mut(&self.id) {
            (held.bytes, held.is_large) = (after, is_large);
        }
        Ok(())
    }

    /// Records that bytes of an answer have been sent, and returns them to the budget.
    pub(crate) fn sent(&self, bytes: usize) {
        let state = &mut *self.budget.state();
        if let Some(held) = state.shares.get_mut(&self.id) {
            let bytes = bytes.min(held.bytes);
            held.moved += bytes;
            held.bytes -= bytes;
            state.used -= bytes;
            state.used_large -= if held.is_large { bytes } else { 0 };
        }
    }

    /// The request begins to arrive now. From now on, the share can be lost.
    pub(crate) fn begin(&self) {
        if let Some(held) = self.budget.state().shares.get_mut(&self.id) {
            (held.begun, held.can_be_lost) = (Instant::now(), true);
        }
    }

    /// Makes sure that the share is not lost later. Returns false if it is lost already.
    pub(crate) fn keep(&self) -> bool {
        let mut state = self.budget.state();
        state.shares.get_mut(&self.id).map(|held| held.can_be_lost = false).is_some()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        let removed = state.remove(self.id);
        drop(state);
        drop(removed);
    }
}

impl State {
    /// Takes shares from others, until enough bytes have been freed. Slow requests go first, and then large
    /// ones. Requests that are not slower than the asking one stay, except that large ones go for a small
    /// one. A large request takes nothing from small ones that are not slow. If too few bytes can be freed,
    /// frees nothing and returns false.
    fn free(&mut self, budget: &Budget, over: Over, asking: u64, is_large: bool) -> bool {
        let now = Instant::now();
        let Some(own) = self.shares.get(&asking) else { return false };
        let own_pace = own.pace(now);
        let mut candidates: Vec<Candidate> = Vec::new();
        for (&id, held) in &self.shares {
            let pace = held.pace(now);
            let rank = match held.is_large {
                _ if pace < budget.least_pace && now - held.begun >= YOUNG => Rank::Slow,
                true => Rank::Large,
                false => Rank::Small,
            };
            let gives_way = match (rank, is_large) {
                (Rank::Large, false) => true,
                (Rank::Small, true) => false,
                _ => pace < own_pace,
            };
            if id != asking && held.can_be_lost && held.bytes > 0 && gives_way {
                let (bytes, large) = (held.bytes, if held.is_large { held.bytes } else { 0 });
                candidates.push(Candidate { rank, pace, id, bytes, large });
            }
        }
        let sum = |bytes: fn(&Candidate) -> usize| candidates.iter().map(bytes).sum::<usize>();
        if sum(|one| one.bytes) < over.total || sum(|one| one.large) < over.large {
            return false;
        }
        candidates.sort_unstable_by(|a, b| a.rank.cmp(&b.rank).then(a.pace.total_cmp(&b.pace)));
        let at_least = |over: usize| if over > 0 { over.max(budget.total / FREED_PART) } else { 0 };
        let wanted = Over { total: at_least(over.total), large: at_least(over.large) };
        let mut freed = Over { total: 0, large: 0 };
        for Candidate { id, bytes, large, .. } in candidates {
            if freed.total >= wanted.total && (large == 0 || freed.large >= wanted.large) {
                continue;
            }
            (freed.total, freed.large) = (freed.total + bytes, freed.large + large);
            if let Some(held) = self.remove(id) {
                held.holder.lose();
            }
        }
        true
    }

    fn remove(&mut self, id: u64) -> Option<Held> {
        let held = self.shares.remove(&id)?;
        self.used -= held.bytes;
        self.used_large -= if held.is_large { held.bytes } else { 0 };
        Some(held)
    }
}

impl Held {
    /// How fast the request moves, in bytes per second. The pace of a new request is not known yet.
    fn pace(&self, now: Instant) -> f64 {
        let age = now - self.begun;
        if age < NEW { f64::INFINITY } else { self.moved as f64 / age.as_secs_f64() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[derive(Default)]
    struct Flag(AtomicBool);

    impl Holder for Flag {
        fn lose(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    struct Request {
        share: Share,
        flag: Arc<Flag>,
    }

    impl Request {
        fn new(budget: &Arc<Budget>) -> Self {
            let flag = Arc::new(Flag::default());
            Self { share: budget.share(flag.clone(), true), flag }
        }

        /// A share of `bytes` bytes that have arrived.
        fn of(budget: &Arc<Budget>, bytes: usize) -> Self {
            let request = Self::new(budget);
            request.arrive(bytes).unwrap();
            request
        }

        fn arrive(&self, bytes: usize) -> Result<(), Exhausted> {
            self.share.take(bytes, bytes)
        }

        fn is_lost(&self) -> bool {
            self.flag.0.load(Ordering::Relaxed)
        }
    }

    async fn second() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_request_loses_its_share() {
        let budget = Budget::new(100, 100, 100, 0);
        let slow = Request::of(&budget, 40);
        second().await;
        let fast = Request::of(&budget, 50);
        let slowest = Request::new(&budget);
        second().await;
        assert!(slowest.arrive(20).is_err(), "nothing of it has arrived");
        let new = Request::of(&budget, 20);
        assert_eq!([slow.is_lost(), fast.is_lost(), new.is_lost()], [true, false, false]);
        assert_eq!(budget.used(), 70);
        assert!(slow.arrive(1).is_err());
        drop((slow, fast, slowest, new));
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn large_requests_cannot_use_the_reserve_of_small_ones() {
        let budget = Budget::new(100, 10, 60, 0);
        let large: Vec<Request> = (0..2).map(|_| Request::of(&budget, 30)).collect();
        assert!(Request::new(&budget).arrive(30).is_err());
        let small: Vec<Request> = (0..4).map(|_| Request::of(&budget, 10)).collect();
        assert_eq!(budget.used(), 100);
        second().await;
        // A small request needs memory, and a large one goes, although the small ones are slower.
        let more = Request::new(&budget);
        more.arrive(10).unwrap();
        assert_eq!(large.iter().filter(|one| one.is_lost()).count(), 1);
        assert!(small.iter().all(|one| !one.is_lost()));
    }

    /// Small requests whose bodies never come must not keep out large ones, nor make them lose their shares.
    #[tokio::test(start_paused = true)]
    async fn slow_small_requests_give_way_to_all_others() {
        let budget = Budget::new(100, 10, 60, 5);
        let slow: Vec<Request> = (0..10).map(|_| Request::of(&budget, 10)).collect();
        tokio::time::advance(Duration::from_secs(3)).await;
        let large = Request::new(&budget);
        for _ in 0..6 {
            large.arrive(10).unwrap();
        }
        assert_eq!(slow.iter().filter(|one| one.is_lost()).count(), 6);
        let small = Request::of(&budget, 10);
        assert_eq!(slow.iter().filter(|one| one.is_lost()).count(), 7);
        assert!(!large.is_lost() && !small.is_lost());
        let refused = Request::of(&budget, 10);
        assert!(refused.arrive(40).is_err(), "the part of large requests is used up by one that is faster");
        assert!(!large.is_lost());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_has_arrived_keeps_its_share() {
        let budget = Budget::new(100, 100, 100, 0);
        let arrived = Request::of(&budget, 100);
        assert!(arrived.share.keep());
        second().await;
        let new = Request::new(&budget);
        assert!(new.arrive(1).is_err());
        assert!(!arrived.is_lost());
        drop(arrived);
        new.arrive(1).unwrap();
    }
}
