//! One simulated world: a table, a tail, a gateway that restarts, and many clients.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use oasis_core::Family;
use oasis_store::{Filter, Marks, Update};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::test_stream::{Channels, TestStream, User};
use super::super::ticker::Ticker;
use super::client::{Client, Follows, test_channel};
use super::rng::Rng;
use super::table::{History, HistoryRow, Restores, SimTable};
use crate::access::Subject;
use crate::fanout::admission::Admitted;
use crate::fanout::budget::Budget;
use crate::fanout::ends::CloseReason;
use crate::fanout::hub::Hub;
use crate::fanout::source::Begin;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::Subscriber;
use crate::fanout::table::Table;
use crate::fanout::topics::{RECENT, Topics};

const CHANNELS: u64 = 20;
const CLIENTS: usize = 40;
const ROWS: usize = 300;
/// The memory budget of the private rings, in bytes. This budget is so small that chunks are evicted all
/// the time.
const RINGS: usize = 6_000;
/// If a client gets nothing for this long, the test fails.
const LONGEST_SILENCE: Duration = Duration::from_secs(45);
/// The maximum number of rows in one page of the tail.
const PAGE: usize = 5;

/// The parts of one gateway process.
struct Gateway {
    hub: Arc<Hub>,
    lines: Arc<Topics<TestStream>>,
    ticker: Arc<Topics<Ticker>>,
    budget: Arc<Budget>,
    clock: JoinHandle<()>,
    killed: CancellationToken,
}

impl Gateway {
    fn start(table: &SimTable) -> Rc<Self> {
        let shared: Arc<dyn Table> = Arc::new(table.clone());
        let budget = Arc::new(Budget::new(RINGS));
        let lines = Topics::new(TestStream, shared.clone(), budget.clone());
        let ticker = Topics::new(Ticker::new(usize::MAX, Arc::default(), false), shared, budget.clone());
        let hub = Arc::new(Hub::new(vec![ticker.clone(), lines.clone()]));
        let clock = spawn_local({
            let hub = hub.clone();
            async move { hub.keep_time().await }
        });
        Rc::new(Self { hub, lines, ticker, budget, clock, killed: CancellationToken::new() })
    }

    fn kill(&self) {
        self.killed.cancel();
        self.clock.abort();
    }
}

pub(super) struct World {
    rng: Rng,
    /// Whether reads take time. A world with slow reads has no restores. Otherwise, a read could return
    /// rows that a restore has lost in the meantime, and the clients could not tell lost rows from wrong
    /// rows.
    slow: bool,
    table: SimTable,
    history: History,
    gateway: Rc<RefCell<Rc<Gateway>>>,
    /// The last id that the tail has read; `None` before the tail starts.
    head: Option<i64>,
    /// The ids up to which the two families are pruned, as far as the tail knows.
    pruned: (i64, i64),
    /// How many rows the restores have lost.
    lost: usize,
    restores: Restores,
    /// Whether the world is ending. In that case, clients no longer disconnect or lag.
    ending: Rc<Cell<bool>>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let table = SimTable::default();
        let gateway = Rc::new(RefCell::new(Gateway::start(&table)));
        let history: History = Rc::default();
        let ending = Rc::new(Cell::new(false));
        let (lost, restores) = (0, Restores::default());
        let mut rng = Rng::new(seed);
        let slow = rng.once_in(2);
        table.0.lock().unwrap().slow = slow.then(|| rng.fork());
        Self { rng, slow, table, history, gateway, head: None, pruned: (0, 0), lost, restores, ending }
    }

    /// Runs the world, and checks what the clients get. Returns how many rows and how many gaps each client
    /// got.
    pub(super) async fn run(mut self) -> Vec<(usize, usize)> {
        let clients: Vec<_> = (0..CLIENTS).map(|nth| self.client(nth)).collect();
        while self.history.borrow().len() + self.lost < ROWS {
            self.random_step().await;
            sleep(Duration::from_millis(self.rng.below(400))).await;
        }
        self.heal().await;
        let head = self.table.0.lock().unwrap().head();
        let mut seen = Vec::new();
        for client in clients {
            let client = client.await.unwrap();
            let cursor = client.cursor().unwrap_or_else(|| panic!("{} got no first frame", client.name));
            assert!(cursor >= head, "{} ended at {cursor}, before the head {head}", client.name);
            seen.push((client.rows, client.gaps));
        }
        let gateway = self.gateway.borrow();
        gateway.kill();
        assert_eq!((gateway.lines.len(), gateway.budget.used()), (0, 0), "nothing is kept without readers");
        seen
    }

    async fn random_step(&mut self) {
        match self.rng.below(100) {
            0..50 => self.append(),
            50..86 => self.tail(PAGE).await,
            86..89 => self.prune(),
            89 if self.slow => {}
            89 => self.restore().await,
            90 => {
                let gateway = Gateway::start(&self.table);
                std::mem::replace(&mut *self.gateway.borrow_mut(), gateway).kill();
                self.head = None;
            }
            91..93 => {
                let away = self.rng.once_in(2);
                self.table.0.lock().unwrap().away = away;
            }
            93..95 => {
                let mut state = self.table.0.lock().unwrap();
                let behind = state.next - self.rng.below(20).cast_signed();
                state.replicated = self.rng.once_in(2).then_some(behind);
            }
            95..97 => {
                let user = format!("user-{}", self.rng.below(CLIENTS as u64));
                let subject = Subject::User(user.as_str().into());
                self.gateway.borrow().hub.ends.end(&subject, CloseReason::Revoked, |_| true);
            }
            _ => sleep(Duration::from_secs(self.rng.below(20))).await,
        }
    }

    fn append(&mut self) {
        let mut state = self.table.0.lock().unwrap();
        for _ in 0..=self.rng.below(4) {
            let channel = if self.rng.once_in(6) {
                oasis_core::Channel::devhub()
            } else {
                test_channel(&self.rng.below(CHANNELS).to_string())
            };
            let module = if self.rng.once_in(4) { "RARE" } else { "CORE" };
            let closes = !channel.is_devhub() && self.rng.once_in(40);
            let id = state.append(channel.clone(), closes, module);
            self.history.borrow_mut().push(HistoryRow { id, channel, module });
        }
    }

    /// Deletes the older rows of one family.
    fn prune(&mut self) {
        let mut state = self.table.0.lock().unwrap();
        let through = self.rng.below(state.next.cast_unsigned() + 1).cast_signed();
        let devhub = self.rng.once_in(2);
        state.rows.retain(|row| row.id > through || row.channel.is_devhub() != devhub);
        let mark = if devhub { &mut state.pruned.0 } else { &mut state.pruned.1 };
        *mark = through.max(*mark);
    }

    /// Restores an older state of the table. The lost ids are then used again. The server restarts, so the
    /// tail notices the restore before anything is appended.
    async fn restore(&mut self) {
        {
            let mut state = self.table.0.lock().unwrap();
            let pruned = state.pruned.0.max(state.pruned.1);
            let to = state.head() - 1 - self.rng.below(15).cast_signed();
            if to <= pruned {
                return;
            }
            state.rows.retain(|row| row.id <= to);
            state.next = to;
            let mut history = self.history.borrow_mut();
            self.lost += history.iter().filter(|row| row.id > to).count();
            history.retain(|row| row.id <= to);
            self.restores.borrow_mut().push(to);
        }
        self.tail(PAGE).await;
    }

    /// Does one step of the tail, and passes the update to the gateway.
    async fn tail(&mut self, most: usize) {
        let update = {
            let state = self.table.0.lock().unwrap();
            let after = self.head.unwrap_or(-1);
            let unread_pruned = state.pruned.0 > after || state.pruned.1 > after;
            if self.head.is_none() || unread_pruned || state.head() < after {
                self.head = Some(state.head());
                self.pruned = state.pruned;
                let devhub: Vec<_> =
                    state.rows.iter().filter(|row| row.channel.is_devhub()).cloned().collect();
                let empty = devhub.is_empty();
                let events = devhub[devhub.len().saturating_sub(usize::from(RECENT))..].to_vec();
                Update::Start { events, head: state.head(), empty }
            } else if state.pruned != self.pruned {
                self.pruned = state.pruned;
                Update::Pruned(marks(state.pruned))
            } else {
                let rows: Vec<_> =
                    state.rows.iter().filter(|row| row.id > after).take(most).cloned().collect();
                let Some(last) = rows.last() else { return };
                self.head = Some(last.id);
                Update::Events(rows)
            }
        };
        let gateway = self.gateway.borrow().clone();
        gateway.hub.update(update).await;
    }

    /// Repairs everything, and gives every client time to catch up.
    async fn heal(&mut self) {
        self.ending.set(true);
        {
            let mut state = self.table.0.lock().unwrap();
            (state.away, state.replicated) = (false, None);
        }
        loop {
            self.tail(PAGE).await;
            let state = self.table.0.lock().unwrap();
            if self.head == Some(state.head()) && self.pruned == state.pruned {
                break;
            }
        }
        // This is longer than two heartbeats and the longest pauses together.
        sleep(Duration::from_secs(120)).await;
        let gateway = self.gateway.borrow().clone();
        gateway.killed.cancel();
    }

    fn client(&mut self, nth: usize) -> JoinHandle<Client> {
        let follows = match nth % 8 {
            0 => Follows::Ticker(None),
            1 => Follows::Ticker(Some("RARE")),
            _ => {
                let ids: Vec<String> =
                    (0..=self.rng.below(3)).map(|_| self.rng.below(CHANNELS).to_string()).collect();
                let channels = Channels::of(ids.iter().map(String::as_str)).unwrap();
                Follows::Test { channels, last: [0, 1, 5, 100][nth % 4] }
            }
        };
        let client = Client::new(format!("user-{nth}"), follows, &self.history, &self.restores, &self.table);
        let (rng, gateway, ending) = (self.rng.fork(), self.gateway.clone(), self.ending.clone());
        spawn_local(async move { run_client(client, rng, gateway, ending).await })
    }
}

/// Runs a client until the world has ended. The client connects, reads at its own pace, disconnects and
/// reconnects.
async fn run_client(
    mut client: Client,
    mut rng: Rng,
    gateway: Rc<RefCell<Rc<Gateway>>>,
    ending: Rc<Cell<bool>>,
) -> Client {
    loop {
        if !ending.get() {
            sleep(Duration::from_millis(rng.below(3_000))).await;
        }
        let gateway = gateway.borrow().clone();
        let begin = client.cursor().map_or(Begin::Fresh, Begin::After);
        client.connected();
        match client.follows.clone() {
            Follows::Ticker(module) => {
                let mut want = Filter::all(oasis_core::Channel::devhub());
                want.module.extend(module.map(|module| oasis_core::Module::parse(module).unwrap()));
                let admission = gateway.ticker.stream.admit(&None, &()).await.unwrap();
                let admitted = Admitted::new(&gateway.hub.ends, admission);
                let subscriber = Subscriber::new(&gateway.ticker, ((), want, begin), admitted);
                follow(&mut client, subscriber, &gateway, &mut rng, &ending).await;
            }
            Follows::Test { channels: topic, last } => {
                let until = rng.once_in(3).then(|| Instant::now() + Duration::from_secs(rng.below(60)));
                let user = User { name: client.name.clone(), until: until.filter(|_| !ending.get()) };
                let admission = gateway.lines.stream.admit(&user, &topic).await.unwrap();
                let admitted = Admitted::new(&gateway.hub.ends, admission);
                let subscriber = Subscriber::new(&gateway.lines, (topic, last, begin), admitted);
                follow(&mut client, subscriber, &gateway, &mut rng, &ending).await;
            }
        }
        if ending.get() && gateway.killed.is_cancelled() {
            return client;
        }
    }
}

/// Follows one connection until it ends.
async fn follow<S: Stream>(
    client: &mut Client,
    mut subscriber: Subscriber<S>,
    gateway: &Gateway,
    rng: &mut Rng,
    ending: &Cell<bool>,
) {
    loop {
        let bytes = tokio::select! {
            biased;
            () = gateway.killed.cancelled() => return,
            bytes = timeout(LONGEST_SILENCE, subscriber.next()) => bytes,
        };
        let bytes = bytes.unwrap_or_else(|_| panic!("{} got nothing for {LONGEST_SILENCE:?}", client.name));
        let Some(bytes) = bytes else {
            assert!(
                client.ended || matches!(client.follows, Follows::Ticker(_)),
                "the stream ended without a reason"
            );
            return;
        };
        assert!(!client.ended, "{}: got a frame after the end", client.name);
        client.read(&bytes);
        if ending.get() {
            continue;
        }
        if rng.once_in(5) {
            // The client's socket is full, so no further frame is taken.
            let _ = timeout(Duration::from_millis(rng.below(30_000)), gateway.killed.cancelled()).await;
        }
        if rng.once_in(25) {
            return;
        }
    }
}

fn marks(pruned: (i64, i64)) -> Marks {
    let test = Family::parse(TestStream::FAMILY).unwrap();
    [(Family::devhub(), pruned.0), (test, pruned.1)].into_iter().collect()
}
