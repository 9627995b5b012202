//! Tests the fan-out with the test stream: which subscribers are woken, what the tail waits for, how a
//! single subscriber ends, and which bytes are kept.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use oasis_core::Channel;
use oasis_store::{StoredEvent, Update};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep, timeout};

use super::simulation::table::SimTable;
use super::test_stream::{Channels, Seat, TestStream, User};
use super::ticker::Ticker;
use crate::access::Subject;
use crate::fanout::admission::{Admission, Admitted};
use crate::fanout::budget::Budget;
use crate::fanout::ends::CloseReason;
use crate::fanout::hub::Hub;
use crate::fanout::reads::Cursor;
use crate::fanout::ring::Taken;
use crate::fanout::source::Begin;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::Subscriber;
use crate::fanout::table::Table;
use crate::fanout::topics::Topics;

/// A gateway without sockets, over a table that is empty at first.
struct Gateway {
    table: SimTable,
    hub: Arc<Hub>,
    lines: Arc<Topics<TestStream>>,
    ticker: Arc<Topics<Ticker>>,
    budget: Arc<Budget>,
}

async fn gateway(rings: usize) -> Gateway {
    let table = SimTable::default();
    let shared: Arc<dyn Table> = Arc::new(table.clone());
    let budget = Arc::new(Budget::new(rings));
    let lines = Topics::new(TestStream, shared.clone(), budget.clone());
    let ticker = Topics::new(Ticker::new(usize::MAX, Arc::default(), false), shared, budget.clone());
    let hub = Arc::new(Hub::new(vec![ticker.clone(), lines.clone()]));
    hub.update(Update::Start { events: Vec::new(), head: 0, empty: false }).await;
    Gateway { table, hub, lines, ticker, budget }
}

impl Gateway {
    /// Appends a row that the tail does not read yet, and returns the row.
    fn row(&self, channel: &str) -> StoredEvent {
        let mut state = self.table.0.lock().unwrap();
        state.append(Channel::parse(channel).unwrap(), false, "CORE");
        state.rows.last().unwrap().clone()
    }

    async fn append(&self, channel: &str) {
        self.hub.update(Update::Events(vec![self.row(channel)])).await;
    }

    async fn follow(&self, ids: &str, name: &str, until: Option<Instant>) -> Subscriber<TestStream> {
        let user = User { name: name.to_owned(), until };
        let topic = Channels::of(ids.split(',')).unwrap();
        let admission = self.lines.stream.admit(&user, &topic).await.unwrap();
        let admitted = Admitted::new(&self.hub.ends, admission);
        let mut subscriber = Subscriber::new(&self.lines, (topic, 0, Begin::Fresh), admitted);
        assert!(text(subscriber.next().await).contains("event: connected"));
        subscriber
    }

    async fn follow_ticker(&self) -> Subscriber<Ticker> {
        let admission = self.ticker.stream.admit(&None, &()).await.unwrap();
        let admitted = Admitted::new(&self.hub.ends, admission);
        let everything = oasis_store::Filter::all(Channel::devhub());
        let mut subscriber = Subscriber::new(&self.ticker, ((), everything, Begin::Fresh), admitted);
        assert!(text(subscriber.next().await).contains("connected"));
        subscriber
    }
}

fn text(bytes: Option<Bytes>) -> String {
    String::from_utf8(bytes.expect("the stream has ended").to_vec()).unwrap()
}

/// Reads a stream to its end in a task. The task sends each frame to the returned channel at once.
fn read<S: Stream>(mut subscriber: Subscriber<S>) -> UnboundedReceiver<String> {
    let (send, receive) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(bytes) = subscriber.next().await {
            if send.send(text(Some(bytes))).is_err() {
                return;
            }
        }
    });
    receive
}

/// Lets every task run until it waits: paused time advances only when no task can run.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_wakes_only_the_readers_of_its_topic() {
    let gateway = gateway(usize::MAX).await;
    let mut one = read(gateway.follow("1", "a", None).await);
    let mut two = read(gateway.follow("2", "b", None).await);
    let mut both = read(gateway.follow("2,1", "c", None).await);
    let mut ticker = read(gateway.follow_ticker().await);
    settle().await;
    let topic = |ids: &str| gateway.lines.join(Channels::of(ids.split(',')).unwrap());
    let wakes =
        || (topic("1").wakes(), topic("2").wakes(), topic("1,2").wakes(), gateway.ticker.join(()).wakes());
    assert_eq!(wakes(), (0, 0, 0, 0));

    gateway.append("test:1").await;
    settle().await;
    assert_eq!(wakes(), (1, 0, 1, 0));
    assert!(one.try_recv().unwrap().contains(r#""channel":"test:1""#));
    assert!(both.try_recv().unwrap().contains(r#""channel":"test:1""#));
    assert!(two.try_recv().is_err() && ticker.try_recv().is_err());

    gateway.append("devhub").await;
    gateway.append("elsewhere").await;
    settle().await;
    assert_eq!(wakes(), (1, 0, 1, 1));
    assert!(ticker.try_recv().unwrap().starts_with("id: 2\n"));
}

/// A topic is dropped with its last subscriber, and the bytes of its ring are free again.
#[tokio::test(start_paused = true)]
async fn a_topic_exists_only_while_it_has_subscribers() {
    let gateway = gateway(usize::MAX).await;
    let (one, other) = (gateway.follow("1", "a", None).await, gateway.follow("1", "b", None).await);
    assert_eq!(gateway.lines.len(), 1);
    gateway.append("test:1").await;
    assert!(gateway.budget.used() > 0);
    drop(one);
    assert_eq!(gateway.lines.len(), 1);
    drop(other);
    assert_eq!((gateway.lines.len(), gateway.budget.used()), (0, 0));
    gateway.append("test:1").await;
    assert_eq!(gateway.budget.used(), 0, "without a topic, there is no ring");
}

/// The oldest chunk belongs to the quiet topic, so this chunk is evicted first. Afterwards, the subscriber
/// of this topic reads the table.
#[tokio::test(start_paused = true)]
async fn private_rings_share_a_budget() {
    let gateway = gateway(2_000).await;
    let mut quiet = gateway.follow("quiet", "a", None).await;
    let _busy = gateway.follow("busy", "b", None).await;
    gateway.append("test:quiet").await;
    for _ in 0..50 {
        gateway.append("test:busy").await;
        assert!(gateway.budget.used() <= 2_000);
    }
    let topic = gateway.lines.join(Channels::of(["quiet"].into_iter()).unwrap());
    assert!(matches!(topic.take(0, &0, &mut ()), Taken::Behind(1)), "the quiet topic still has its chunk");
    assert!(text(quiet.next().await).starts_with("id: 1\n"));
}

/// The tail waits for subscribers that wait for the page. The tail does not wait for subscribers that are
/// busy sending.
#[tokio::test(start_paused = true)]
async fn the_tail_continues_once_all_waiting_subscribers_have_been_woken() {
    let gateway = gateway(usize::MAX).await;
    let topic = gateway.ticker.join(());
    gateway.append("devhub").await;

    let (waiting, busy) = (topic.subscribe(), topic.subscribe());
    let share = waiting.borrow().share.clone();
    let row = gateway.row("devhub");
    let mut update = pin!(gateway.hub.update(Update::Events(vec![row])));
    assert_eq!(poll!(update.as_mut()), Poll::Pending);
    assert_eq!(busy.borrow().state.head, 2);
    drop(share);
    assert_eq!(poll!(update.as_mut()), Poll::Ready(()));
}

#[tokio::test(start_paused = true)]
async fn the_tail_waits_for_at_most_a_second() {
    let gateway = gateway(usize::MAX).await;
    let topic = gateway.ticker.join(());
    let _never_woken = topic.subscribe().borrow().share.clone();
    let began = Instant::now();
    gateway.append("devhub").await;
    assert_eq!(topic.state().head, 1);
    assert_eq!(began.elapsed().as_secs(), 1);
}

/// A client gets heartbeats even while its rows cannot be read.
#[tokio::test(start_paused = true)]
async fn heartbeats_continue_while_the_table_cannot_be_read() {
    let gateway = gateway(1).await;
    let hub = gateway.hub.clone();
    tokio::spawn(async move { hub.keep_time().await });
    let mut lines = gateway.follow("1", "a", None).await;
    gateway.append("test:1").await;
    gateway.append("test:1").await;
    gateway.table.0.lock().unwrap().away = true;
    for _ in 0..3 {
        let frame = timeout(Duration::from_secs(31), lines.next()).await.expect("no heartbeat came in time");
        assert!(text(frame).contains("event: heartbeat"));
    }
    gateway.table.0.lock().unwrap().away = false;
    assert!(text(lines.next().await).starts_with("id: 1\n"));
}

/// The second row ends the stream, even though the row is read from the table and not from the ring.
#[tokio::test(start_paused = true)]
async fn a_row_ends_the_stream_for_a_reader_of_the_table() {
    let gateway = gateway(usize::MAX).await;
    drop(gateway.row("test:1"));
    gateway.table.0.lock().unwrap().append(Channel::parse("test:1").unwrap(), true, "CORE");
    drop(gateway.row("test:1"));
    gateway.hub.update(Update::Start { events: Vec::new(), head: 3, empty: true }).await;
    let topic = Channels::of(["1"].into_iter()).unwrap();
    let admitted = Admitted::new(&gateway.hub.ends, Admission::unlimited(Seat));
    let mut lines = read(Subscriber::new(&gateway.lines, (topic, 0, Begin::After(0)), admitted));
    assert!(lines.recv().await.unwrap().contains("connected"));
    let rows = lines.recv().await.unwrap();
    assert!(rows.starts_with("id: 1\n") && rows.contains("id: 2\n") && !rows.contains("id: 3\n"), "{rows}");
    assert!(lines.recv().await.unwrap().contains(r#"{"reason":"closed"}"#));
    assert_eq!(lines.recv().await, None);
}

/// Neither the deadline nor the revocation of one subscriber wakes another subscriber of the topic.
#[tokio::test(start_paused = true)]
async fn the_end_of_one_subscriber_wakes_no_other_subscriber() {
    let gateway = gateway(usize::MAX).await;
    let hub = gateway.hub.clone();
    tokio::spawn(async move { hub.ends.run().await });
    let began = Instant::now();
    let mut expires = read(gateway.follow("1", "a", Some(began + Duration::from_secs(10))).await);
    let mut later = read(gateway.follow("1", "a", Some(began + Duration::from_secs(20))).await);
    let mut revoked = read(gateway.follow("1", "b", None).await);
    let mut stays = read(gateway.follow("1", "c", None).await);

    let last = expires.recv().await.unwrap();
    assert!(last.ends_with("event: close\ndata: {\"reason\":\"token_expired\"}\n\n"), "{last}");
    assert_eq!(expires.recv().await, None);
    assert!(began.elapsed() < Duration::from_secs(11), "the stream ended too late");

    assert_eq!(gateway.hub.ends.end(&Subject::User("b".into()), CloseReason::Revoked, |_| true), 1);
    assert_eq!(gateway.hub.ends.end(&Subject::Key("c".into()), CloseReason::Revoked, |_| true), 0);
    assert!(revoked.recv().await.unwrap().contains(r#"{"reason":"revoked"}"#));
    assert_eq!(revoked.recv().await, None);
    assert!(later.recv().await.unwrap().contains("token_expired"));
    assert!((19..=21).contains(&began.elapsed().as_secs()));
    assert!(stays.try_recv().is_err());
    assert_eq!(gateway.lines.join(Channels::of(["1"].into_iter()).unwrap()).wakes(), 0);
}

/// If a row ends the stream, later rows are not sent.
#[tokio::test(start_paused = true)]
async fn a_row_ends_the_stream_for_a_reader_of_the_ring() {
    let gateway = gateway(usize::MAX).await;
    let mut lines = read(gateway.follow("1", "a", None).await);
    let closes = {
        let mut state = gateway.table.0.lock().unwrap();
        state.append(Channel::parse("test:1").unwrap(), true, "CORE");
        state.rows.last().unwrap().clone()
    };
    let after = gateway.row("test:1");
    gateway.hub.update(Update::Events(vec![closes, after])).await;
    assert!(lines.recv().await.unwrap().starts_with("id: 1\n"));
    assert!(lines.recv().await.unwrap().contains(r#"{"reason":"closed"}"#));
    assert_eq!(lines.recv().await, None);
}

/// Subscribers of a topic that have the same cursor share one read, even if the read fails.
#[tokio::test(start_paused = true)]
async fn subscribers_with_the_same_cursor_share_a_read_and_few_reads_are_kept() {
    let gateway = gateway(usize::MAX).await;
    (0..3).for_each(|_| drop(gateway.row("test:1")));
    let topic = Channels::of(["1"].into_iter()).unwrap();
    let read = async |after| {
        let cursor = Cursor { topic: 7, epoch: 1, after };
        gateway.lines.reads.stretch(&gateway.lines.stream, (&topic, &0, &mut ()), cursor, 3).await
    };
    let first = read(0).await.unwrap();
    assert_eq!(first.frames.as_ptr(), read(0).await.unwrap().frames.as_ptr());
    for after in 1..17 {
        read(after).await.unwrap();
    }
    let again = read(0).await.unwrap();
    assert_ne!(first.frames.as_ptr(), again.frames.as_ptr());
    gateway.lines.reads.clear();
    assert_ne!(again.frames.as_ptr(), read(0).await.unwrap().frames.as_ptr());

    gateway.table.0.lock().unwrap().away = true;
    let (one, other) = futures_util::future::join(read(1), read(1)).await;
    assert!(one.is_err() && other.is_err());
    gateway.table.0.lock().unwrap().away = false;
    assert!(read(1).await.is_ok(), "a failure is not kept");
}

/// A read is refused if the server that answers is behind the server that the tail reads.
#[tokio::test(start_paused = true)]
async fn a_read_from_a_server_that_is_behind_the_tail_is_refused() {
    let gateway = gateway(1).await;
    gateway.append("test:1").await;
    gateway.table.0.lock().unwrap().replicated = Some(0);
    let topic = Channels::of(["1"].into_iter()).unwrap();
    let user = User { name: "a".into(), until: None };
    let admission = gateway.lines.stream.admit(&user, &topic).await.unwrap();
    let admitted = Admitted::new(&gateway.hub.ends, admission);
    let mut lines = read(Subscriber::new(&gateway.lines, (topic, 0, Begin::After(0)), admitted));
    assert!(lines.recv().await.unwrap().contains("connected"));
    assert!(timeout(Duration::from_secs(10), lines.recv()).await.is_err(), "no row may be passed over");
    gateway.table.0.lock().unwrap().replicated = None;
    assert!(lines.recv().await.unwrap().starts_with("id: 1\n"));
}
