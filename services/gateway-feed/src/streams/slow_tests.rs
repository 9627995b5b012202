//! Tests subscribers while reads of the table are slow, or while the database servers have different rows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use oasis_core::{Channel, Family, Module, Status};
use oasis_store::{Filter, Update};
use tokio::time::{Instant, sleep, timeout};

use super::simulation::table::SimTable;
use super::ticker::Ticker;
use crate::fanout::admission::Admitted;
use crate::fanout::budget::Budget;
use crate::fanout::hub::Hub;
use crate::fanout::source::Begin;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::Subscriber;
use crate::fanout::table::{Read, Rows, Selected, Table};
use crate::fanout::topics::{RECENT, Topics};

/// A table with slow reads, as with a cold cache, an expensive filter or a hung server.
struct Slow {
    table: SimTable,
    takes: Duration,
    /// Each read in progress holds a clone of this reference.
    now: Arc<()>,
    /// The highest number of reads that were in progress at the same time.
    most: AtomicUsize,
}

impl Slow {
    fn slowly<'a, T: Send + 'a>(&'a self, read: Read<'a, T>) -> Read<'a, T> {
        Box::pin(async move {
            let share = self.now.clone();
            self.most.fetch_max(Arc::strong_count(&share) - 1, Ordering::SeqCst);
            sleep(self.takes).await;
            read.await
        })
    }
}

impl Table for Slow {
    fn page<'a>(&'a self, rows: &'a Selected, after: i64, upto: i64) -> Read<'a, Rows> {
        self.slowly(self.table.page(rows, after, upto))
    }
    fn replay<'a>(&'a self, rows: &'a Selected, before: i64, most: usize) -> Read<'a, Rows> {
        self.slowly(self.table.replay(rows, before, most))
    }
    fn head(&self) -> Read<'_, i64> {
        self.slowly(self.table.head())
    }
    fn first_id_since<'a>(&'a self, family: &'a Family, since: Timestamp) -> Read<'a, Option<i64>> {
        self.slowly(self.table.first_id_since(family, since))
    }
}

struct World {
    table: SimTable,
    slow: Arc<Slow>,
    ticker: Arc<Topics<Ticker>>,
    hub: Arc<Hub>,
}

fn world(takes: Duration) -> World {
    let table = SimTable::default();
    let slow = Arc::new(Slow { table: table.clone(), takes, now: Arc::new(()), most: AtomicUsize::new(0) });
    let shared: Arc<dyn Table> = slow.clone();
    let budget = Arc::new(Budget::new(1 << 20));
    let ticker = Topics::new(Ticker::new(usize::MAX, Arc::default(), false), shared, budget);
    let hub = Arc::new(Hub::new(vec![ticker.clone()]));
    World { table, slow, ticker, hub }
}

impl World {
    fn append(&self, channel: &str, rows: usize) {
        for _ in 0..rows {
            self.table.0.lock().unwrap().append(Channel::parse(channel).unwrap(), false, "CORE");
        }
    }
    /// Starts the tail with an empty ring.
    async fn start(&self, empty: bool) {
        let head = self.table.0.lock().unwrap().head();
        self.hub.update(Update::Start { events: Vec::new(), head, empty }).await;
    }
    async fn ticker(&self, filtered: bool, begin: Begin) -> Subscriber<Ticker> {
        let mut want = Filter::all(Channel::devhub());
        if filtered {
            want.status = vec![Status::Info, Status::Success];
        }
        self.follow(want, begin).await
    }
    async fn follow(&self, want: Filter, begin: Begin) -> Subscriber<Ticker> {
        let admission = self.ticker.stream.admit(&None, &()).await.unwrap();
        Subscriber::new(&self.ticker, ((), want, begin), Admitted::new(&self.hub.ends, admission))
    }
}

async fn text(subscriber: &mut Subscriber<Ticker>) -> String {
    String::from_utf8(subscriber.next().await.expect("the stream has ended").to_vec()).unwrap()
}

/// docs/api.md promises a heartbeat every 15 s.
#[tokio::test(start_paused = true)]
async fn clients_that_wait_for_their_turn_to_read_get_heartbeats() {
    let world = world(Duration::from_secs(4));
    world.append("devhub", 5);
    world.start(false).await;
    let hub = world.hub.clone();
    tokio::spawn(async move { hub.keep_time().await });
    let mut readers = Vec::new();
    for _ in 0..100 {
        let mut client = world.ticker(true, Begin::After(0)).await;
        readers.push(tokio::spawn(async move {
            assert!(text(&mut client).await.contains("connected"));
            let began = Instant::now();
            text(&mut client).await;
            began.elapsed().as_secs()
        }));
    }
    let mut longest = 0;
    for reader in readers {
        longest = longest.max(reader.await.unwrap());
    }
    assert!(longest <= 16, "a client got nothing for {longest} s");
}

/// A read may take 20 s (`Store::READ_WITHIN`), but a shutdown drops all connections after 8 s.
#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_stream_of_a_client_that_waits_for_the_table() {
    let world = world(Duration::from_secs(20));
    world.append("devhub", 5);
    world.start(false).await;
    let mut client = world.ticker(true, Begin::After(0)).await;
    assert!(text(&mut client).await.contains("connected"));
    let hub = world.hub.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(1)).await;
        hub.close();
    });
    let began = Instant::now();
    let mut all = String::new();
    while let Some(bytes) = client.next().await {
        all.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    let took = began.elapsed().as_secs();
    assert!(took <= 8, "the last frame came after {took} s: {all}");
}

/// ARCHITECTURE.md promises at most 4 concurrent reads for the clients of the ticker.
#[tokio::test(start_paused = true)]
async fn clients_with_since_share_the_four_reads_of_a_stream() {
    let world = world(Duration::from_millis(100));
    world.append("devhub", 5);
    world.start(false).await;
    let mut readers = Vec::new();
    for _ in 0..200 {
        let mut client = world.ticker(false, Begin::Since(Timestamp::UNIX_EPOCH)).await;
        readers.push(tokio::spawn(async move { text(&mut client).await }));
    }
    for reader in readers {
        reader.await.unwrap();
    }
    let most = world.slow.most.load(Ordering::SeqCst);
    assert!(most <= 4, "{most} reads at the same time");
}

/// A client that catches up may need many reads, and a new client needs only one.
#[tokio::test(start_paused = true)]
async fn a_new_client_does_not_wait_for_clients_that_catch_up() {
    let world = world(Duration::from_secs(1));
    for _ in 0..30 {
        world.table.0.lock().unwrap().append(Channel::devhub(), false, "OLD");
    }
    world.append("devhub", RECENT.into());
    // The ring has all rows but the old ones.
    let events = world.table.0.lock().unwrap().rows[30..].to_vec();
    let head = events.last().unwrap().id;
    world.hub.update(Update::Start { events, head, empty: false }).await;
    let mut behind = Vec::new();
    for _ in 0..100 {
        let mut client = world.ticker(true, Begin::After(0)).await;
        behind.push(tokio::spawn(async move { while !text(&mut client).await.contains("id: 30\n") {} }));
    }
    sleep(Duration::from_secs(5)).await;
    let mut want = Filter::all(Channel::devhub());
    want.module = vec![Module::parse("OLD").unwrap()];
    let began = Instant::now();
    let mut client = world.follow(want, Begin::Fresh).await;
    while !text(&mut client).await.contains("id: 30\n") {}
    let took = began.elapsed().as_secs();
    assert!(took <= 2, "the replay took {took} s");
    assert!(!behind.iter().any(|client| client.is_finished()), "all of these clients still catch up");
}

/// The cursor of a browser: the last `id:` line that it received.
fn last_id(frame: &str, before: i64) -> i64 {
    let mut ids = frame.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.next_back().map_or(before, |id| id.parse().unwrap())
}

/// The database was replaced by an empty database.
#[tokio::test(start_paused = true)]
async fn a_reset_moves_the_cursor_of_a_client_in_mode_mock() {
    let world = world(Duration::ZERO);
    world.start(true).await;
    let mut client = world.ticker(false, Begin::After(105)).await;
    let first = text(&mut client).await;
    assert!(first.contains(r#""from":105,"to":0,"reason":"reset""#), "{first}");
    let cursor = last_id(&first, 105);
    drop(client);
    // While the client is not connected, the new table grows past the old cursor.
    world.append("devhub", 200);
    let rows = world.table.0.lock().unwrap().rows.clone();
    for page in rows.chunks(50) {
        world.hub.update(Update::Events(page.to_vec())).await;
    }
    let mut client = world.ticker(false, Begin::After(cursor)).await;
    let mut all = text(&mut client).await;
    while let Ok(frame) = timeout(Duration::from_secs(1), text(&mut client)).await {
        all.push_str(&frame);
    }
    let first_row = all.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    let complete = all.contains("gap") || first_row == "1";
    assert!(complete, "the client resumed after {cursor}, and the first row is {first_row}, without a gap");
}

/// Another gateway has sent row 3 to the client. The tail and the connection pool of this gateway are two
/// seconds behind.
#[tokio::test(start_paused = true)]
async fn a_database_server_that_lags_causes_no_reset() {
    let world = world(Duration::ZERO);
    world.append("devhub", 2);
    world.start(false).await;
    world.append("devhub", 1);
    world.table.0.lock().unwrap().replicated = Some(2);
    let mut client = world.ticker(false, Begin::After(3)).await;
    let table = world.table.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        table.0.lock().unwrap().replicated = None;
    });
    let first = text(&mut client).await;
    assert!(first.contains("connected") && !first.contains("reset"), "{first}");
}

/// docs/api.md promises the message `mode` when the first event of the ticker is stored.
#[tokio::test(start_paused = true)]
async fn a_row_of_another_channel_of_the_family_does_not_end_mode_mock() {
    let world = world(Duration::ZERO);
    world.start(true).await;
    let hub = world.hub.clone();
    tokio::spawn(async move { hub.keep_time().await });
    let mut client = world.ticker(false, Begin::Fresh).await;
    let mut all = text(&mut client).await;
    world.append("devhub:x", 1);
    let rows = world.table.0.lock().unwrap().rows.clone();
    world.hub.update(Update::Events(rows)).await;
    while all.matches("heartbeat").count() < 3 {
        all.push_str(&text(&mut client).await);
    }
    assert!(!all.contains(r#""mode":"live""#), "{all}");
}
