//! The open connections of a server. If there are too many, the connection that has waited for its client for
//! the longest time makes room for a new one. So clients that only hold connections cannot keep others out.
//! Spare connections, which serve only probes, are counted separately, and make room only for each other.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::Gauge;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::Limits;
use crate::activity::{Activity, Waiting};

/// The minimum time between two searches for connections that wait, if the first one found none.
const SEARCH_AGAIN: Duration = Duration::from_millis(100);
/// A search remembers the first 1/64 of all connections that make room, but at least [`FEWEST`]. The next new
/// connections then need no search.
const PART: usize = 64;
const FEWEST: usize = 16;

/// The open connections.
pub(crate) struct Connections {
    most: usize,
    spare: usize,
    most_per_client: Option<NonZero<usize>>,
    state: Mutex<State>,
    gauge: Gauge,
}

#[derive(Default)]
struct State {
    ordinary: Group,
    /// The connections above the limit.
    spare: Group,
    next: u64,
    /// The number of connections of each client; empty if it is not limited.
    clients: HashMap<IpAddr, usize>,
}

/// Connections that make room for each other.
#[derive(Default)]
struct Group {
    open: HashMap<u64, Connection>,
    /// Connections that waited for their clients at the last search. The last one makes room first.
    waiting: Vec<(u64, Waiting)>,
    /// When a search found no connection that waits.
    found_none: Option<Instant>,
}

struct Connection {
    activity: Arc<Activity>,
    client: IpAddr,
    /// Ends the task of the connection. `None` until the task exists.
    task: Option<AbortHandle>,
}

/// A connection counts as open until this value is dropped, or until the connection makes room for another.
pub(crate) struct Open {
    connections: Arc<Connections>,
    id: u64,
    pub(crate) activity: Arc<Activity>,
    /// Whether the connection is above the limit. Such a connection serves only probes.
    pub(crate) spare: bool,
}

impl Connections {
    pub(crate) fn new(limits: &Limits, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self {
            most: limits.max_connections,
            spare: limits.spare_connections,
            most_per_client: limits.max_connections_per_client,
            state: Mutex::default(),
            gauge,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of open connections.
    pub(crate) fn count(&self) -> usize {
        self.state().count()
    }

    /// Whether a new connection could only be used for probes.
    pub(crate) fn is_full(&self) -> bool {
        let open = &self.state().ordinary.open;
        open.len() >= self.most && open.values().all(|one| one.activity.waiting().is_none())
    }

    /// Counts a new connection, and makes room for it if there are too many. `None` if the connection must be
    /// closed, because all connections are busy or because the client has too many.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr, limits: &Limits) -> Option<Open> {
        let client = network(peer);
        let mut state = self.state();
        let has_too_many =
            |most: NonZero<usize>| state.clients.get(&client).is_some_and(|count| *count >= most.get());
        if self.most_per_client.is_some_and(has_too_many) {
            return None;
        }
        let spare = !state.has_room(false, self.most);
        if spare && !state.has_room(true, self.spare) {
            return None;
        }
        let activity = Arc::new(Activity::new(limits, spare));
        let id = state.next;
        state.next += 1;
        state.group(spare).open.insert(id, Connection { activity: activity.clone(), client, task: None });
        if self.most_per_client.is_some() {
            *state.clients.entry(client).or_default() += 1;
        }
        self.gauge.set(state.count() as f64);
        Some(Open { connections: self.clone(), id, activity, spare })
    }

    /// Records the task of a connection.
    pub(crate) fn started(&self, id: u64, spare: bool, task: AbortHandle) {
        if let Some(connection) = self.state().group(spare).open.get_mut(&id) {
            connection.task = Some(task);
        }
    }
}

impl State {
    fn count(&self) -> usize {
        self.ordinary.open.len() + self.spare.open.len()
    }

    fn group(&mut self, spare: bool) -> &mut Group {
        if spare { &mut self.spare } else { &mut self.ordinary }
    }

    /// Whether a group has fewer than `most` connections. If not, ends the one that has waited for its
    /// client for the longest time. Returns false if no connection waits.
    fn has_room(&mut self, spare: bool, most: usize) -> bool {
        let group = self.group(spare);
        if group.open.len() < most {
            return true;
        }
        let Some(id) = group.longest_waiting() else { return false };
        self.remove(spare, id).and_then(|connection| connection.task).inspect(AbortHandle::abort);
        true
    }

    fn remove(&mut self, spare: bool, id: u64) -> Option<Connection> {
        let connection = self.group(spare).open.remove(&id)?;
        if let Some(count) = self.clients.get_mut(&connection.client) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&connection.client);
            }
        }
        Some(connection)
    }
}

impl Group {
    /// The connection that has waited for its client for the longest time. `None` if no connection does.
    fn longest_waiting(&mut self) -> Option<u64> {
        loop {
            while let Some((id, waiting)) = self.waiting.pop() {
                // The connection may have ended, or may have been used since the search.
                if self.open.get(&id).is_some_and(|one| one.activity.waiting() == Some(waiting)) {
                    return Some(id);
                }
            }
            if self.found_none.is_some_and(|when| when.elapsed() < SEARCH_AGAIN) {
                return None;
            }
            self.waiting = self
                .open
                .iter()
                .filter(|(_, connection)| connection.task.is_some())
                .filter_map(|(id, connection)| Some((*id, connection.activity.waiting()?)))
                .collect();
            let kept = (self.open.len() / PART).max(FEWEST).min(self.waiting.len());
            if kept == 0 {
                self.found_none = Some(Instant::now());
                return None;
            }
            self.waiting.select_nth_unstable_by_key(kept - 1, |(_, waiting)| *waiting);
            self.waiting.truncate(kept);
            self.waiting.sort_unstable_by_key(|(_, waiting)| std::cmp::Reverse(*waiting));
        }
    }
}

impl Open {
    /// The number by which [`Connections::started`] knows the connection.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        let removed = state.remove(self.spare, self.id);
        self.connections.gauge.set(state.count() as f64);
        drop(state);
        drop(removed);
    }
}

/// The network of a client: its address, or the first 64 bits of an address of IPv6, because a client of
/// IPv6 usually has a whole network of this size.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn limits(most: usize) -> Limits {
        Limits { max_connections: most, spare_connections: 1, ..Limits::default() }
    }

    fn connections(limits: &Limits) -> Arc<Connections> {
        Connections::new(limits, Gauge::noop())
    }

    /// A connection whose task runs until it is aborted.
    fn open(connections: &Arc<Connections>, limits: &Limits) -> Option<Open> {
        let open = connections.admit(Ipv4Addr::LOCALHOST.into(), limits)?;
        let task = tokio::spawn(std::future::pending::<()>()).abort_handle();
        connections.started(open.id(), open.spare, task);
        Some(open)
    }

    #[tokio::test(start_paused = true)]
    async fn silent_connections_make_room_first_and_then_those_that_are_idle_the_longest() {
        let limits = limits(3);
        let connections = connections(&limits);
        let mut all = Vec::new();
        for nth in 0..3 {
            all.push(open(&connections, &limits).unwrap());
            if nth < 2 {
                all[nth].activity.record_read();
                drop(all[nth].activity.request());
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let is_open = |nth: usize| connections.state().ordinary.open.contains_key(&(nth as u64));
        all.push(open(&connections, &limits).unwrap());
        assert_eq!([0, 1, 2, 3].map(is_open), [true, true, false, true], "the silent one");
        // The new connection is the only silent one, and then a request of it is in flight.
        all[3].activity.record_read();
        let _busy = all[3].activity.request();
        all.push(open(&connections, &limits).unwrap());
        assert_eq!([0, 1, 3, 4].map(is_open), [false, true, true, true], "idle for the longest time");
        assert!(!all[4].spare);
    }

    #[tokio::test(start_paused = true)]
    async fn busy_connections_stay_and_only_spare_ones_are_left() {
        let limits = limits(2);
        let connections = connections(&limits);
        let all: Vec<Open> = (0..2).map(|_| open(&connections, &limits).unwrap()).collect();
        let busy: Vec<_> = all.iter().map(|one| one.activity.request()).collect();
        assert!(connections.is_full());
        let spare = open(&connections, &limits).unwrap();
        assert!(spare.spare);
        let probe = spare.activity.request();
        assert!(open(&connections, &limits).is_none());
        drop((busy, probe, spare));
        assert!(!connections.is_full());
        tokio::time::advance(SEARCH_AGAIN).await;
        assert!(!open(&connections, &limits).unwrap().spare);
    }

    /// The places for probes stay free for probes, even if a client keeps a connection on one of them.
    #[tokio::test(start_paused = true)]
    async fn an_idle_spare_connection_makes_room_only_for_another_spare_one() {
        let limits = limits(1);
        let connections = connections(&limits);
        let ordinary = open(&connections, &limits).unwrap();
        let busy = ordinary.activity.request();
        for _ in 0..3 {
            let spare = open(&connections, &limits).unwrap();
            assert!(spare.spare);
            assert!(connections.is_full());
            tokio::time::advance(SEARCH_AGAIN).await;
            let next = open(&connections, &limits).unwrap();
            assert!(next.spare, "every ordinary connection is busy");
            tokio::time::advance(SEARCH_AGAIN).await;
        }
        drop(busy);
        assert!(!connections.is_full());
        assert!(!open(&connections, &limits).unwrap().spare);
    }

    #[tokio::test(start_paused = true)]
    async fn an_http2_connection_without_a_request_makes_room_first() {
        let limits = limits(2);
        let connections = connections(&limits);
        let asked = open(&connections, &limits).unwrap();
        drop(asked.activity.request());
        tokio::time::advance(Duration::from_secs(1)).await;
        let silent = open(&connections, &limits).unwrap();
        silent.activity.record_http2();
        silent.activity.record_read();
        tokio::time::advance(Duration::from_secs(1)).await;
        let _third = open(&connections, &limits).unwrap();
        assert!(connections.state().ordinary.open.contains_key(&asked.id()), "it has sent a request");
    }

    /// A client that is far away may need some time until its first request arrives.
    #[tokio::test(start_paused = true)]
    async fn a_new_connection_stays_while_others_are_idle_for_longer() {
        let limits = limits(2);
        let connections = connections(&limits);
        let asked = open(&connections, &limits).unwrap();
        drop(asked.activity.request());
        tokio::time::advance(Duration::from_secs(1)).await;
        let new = open(&connections, &limits).unwrap();
        tokio::time::advance(Duration::from_millis(500)).await;
        let third = open(&connections, &limits).unwrap();
        let is_open = |id| connections.state().ordinary.open.contains_key(&id);
        assert!(is_open(new.id()) && !is_open(asked.id()));
        // The body of the third connection does not come, but the new connection has waited for longer.
        let request = third.activity.request();
        let _arriving = request.arriving();
        let _fourth = open(&connections, &limits).unwrap();
        assert!(is_open(third.id()) && !is_open(new.id()));
    }

    #[tokio::test(start_paused = true)]
    async fn connections_whose_clients_do_not_continue_make_room() {
        let limits = limits(3);
        let connections = connections(&limits);
        let all: Vec<Open> = (0..3).map(|_| open(&connections, &limits).unwrap()).collect();
        let requests: Vec<_> = all.iter().map(|one| one.activity.request()).collect();
        let is_open = |nth: usize| connections.state().ordinary.open.contains_key(&all[nth].id());
        let spare = open(&connections, &limits).unwrap();
        assert!(spare.spare, "all requests are being answered");
        tokio::time::advance(Duration::from_secs(1)).await;
        // One request is still being answered, the body of another does not come, and nobody reads an answer.
        let _arriving = requests[1].arriving();
        all[2].activity.record_blocked_write();
        assert!(!connections.is_full());
        tokio::time::advance(Duration::from_secs(1)).await;
        requests[1].record_progress();
        let new = open(&connections, &limits).unwrap();
        let _busy = new.activity.request();
        assert!(!new.spare);
        assert_eq!([0, 1, 2].map(is_open), [true, true, false]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!open(&connections, &limits).unwrap().spare);
        assert_eq!([0, 1].map(is_open), [true, false]);
    }

    #[tokio::test]
    async fn a_client_can_have_a_limited_number_of_connections() {
        let limits = Limits { max_connections_per_client: NonZero::new(1), ..limits(10) };
        let connections = connections(&limits);
        let admit = |address: &str| connections.admit(address.parse().unwrap(), &limits);
        let first = admit("2001:db8::1").unwrap();
        assert!(admit("2001:db8::2").is_none(), "the same network");
        assert!(admit("2001:db8:0:1::1").is_some());
        drop(first);
        assert!(admit("2001:db8::2").is_some());
        assert!(connections.state().clients.is_empty());
    }
}
