//! Tests of an agent with tokio's paused clock and a fake destination. The tests decide when the destination
//! fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use oasis_core::{NewEvent, Task, Vtid};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::*;
use crate::destination::{DeliveryError, Transport};

/// A destination that records the delivered events.
#[derive(Clone, Default)]
struct Fake {
    delivered: Arc<Mutex<Vec<NewEvent>>>,
    tries: Arc<Mutex<usize>>,
    /// While this is true, each delivery fails.
    shut: Arc<Mutex<bool>>,
    /// Events with this task are refused.
    refuses: Option<u32>,
    /// If this is set, each delivery waits for a permit.
    slow: Option<Arc<Semaphore>>,
}

impl Transport for Fake {
    async fn deliver(&mut self, event: &NewEvent) -> Result<(), DeliveryError> {
        *self.tries.lock().unwrap() += 1;
        if let Some(slow) = &self.slow {
            slow.acquire().await.unwrap().forget();
        }
        if *self.shut.lock().unwrap() {
            return Err(DeliveryError::Timeout);
        }
        if self.refuses.map(task).map(Task::Vtid) == Some(event.event.task.clone()) {
            return Err(DeliveryError::Refused {
                status: StatusCode::BAD_REQUEST,
                code: "bad_event".into(),
                message: "no such task".into(),
            });
        }
        self.delivered.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Fake {
    fn start(&self, interval: u64, vtid: Option<u32>) -> Heartbeat {
        let state = AgentState::with_task(vtid.map(task));
        let interval = Duration::from_secs(interval);
        let pinger = instance::this_run("planner".into(), None);
        let beats = Beats::new(pinger, Wrapping::default(), interval, state.clone(), Instant::now());
        let (sender, orders) = watch::channel(Orders { state, suspended: false });
        let (outage_sender, outage) = watch::channel(None);
        let task = tokio::spawn(run::run(beats, self.clone(), orders, outage_sender, || 0.5));
        Heartbeat { orders: sender, outage, task: Some(task) }
    }

    fn shut(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
    }

    fn tries(&self) -> usize {
        *self.tries.lock().unwrap()
    }

    /// The delivered events, each as `status task`.
    fn events(&self) -> Vec<String> {
        let line = |event: &NewEvent| format!("{} {}", event.event.status, event.event.task.as_str());
        self.delivered.lock().unwrap().iter().map(line).collect()
    }

    /// A member of the last event's `meta`.
    fn last(&self, name: &str) -> Value {
        let delivered = self.delivered.lock().unwrap();
        delivered.last().unwrap().meta.as_map().get(name).cloned().unwrap_or_default()
    }
}

fn task(number: u32) -> Vtid {
    Vtid::parse(&format!("DEV-CICDL-{number:04}")).unwrap()
}

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn after_an_outage_only_the_current_state_is_sent() {
    let fake = Fake::default();
    let heartbeat = fake.start(60, Some(1));
    sleep(MOMENT).await;
    fake.shut(true);
    sleep(Duration::from_secs(60)).await;
    let before = fake.tries();
    for number in 2..10 {
        heartbeat.set_vtid(Some(task(number)));
        sleep(Duration::from_secs(75)).await;
    }
    let tries = fake.tries() - before;
    assert!((20..=40).contains(&tries), "{tries}");
    assert_eq!(fake.events(), ["in_progress DEV-CICDL-0001"]);
    fake.shut(false);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fake.events()[1..], ["in_progress DEV-CICDL-0009"]);
    assert!(fake.last("gap_since").is_string() && fake.last("failed_attempts").as_u64() > Some(20));
    heartbeat.stop().await;
    assert_eq!(fake.events().last().unwrap(), "success DEV-CICDL-0009");
}

/// A retry would be refused as well. So the next beat is due after an interval, or when the state changes.
#[tokio::test(start_paused = true)]
async fn a_refused_beat_is_not_retried_before_the_next_interval() {
    let fake = Fake { refuses: Some(1), ..Fake::default() };
    let heartbeat = fake.start(600, Some(1));
    sleep(Duration::from_secs(599)).await;
    assert_eq!(fake.tries(), 1);
    assert!(heartbeat.outage().unwrap().why.contains("no such task"));
    sleep(Duration::from_secs(3_002)).await;
    assert_eq!(fake.tries(), 7);
    heartbeat.set_vtid(Some(task(2)));
    sleep(MOMENT).await;
    assert_eq!((fake.events(), heartbeat.outage()), (vec!["in_progress DEV-CICDL-0002".into()], None));
    assert_eq!(fake.last("failed_attempts"), 7);
    // The agent sends a beat with the refused task once, and sends the final beat once.
    heartbeat.set_vtid(Some(task(1)));
    sleep(Duration::from_secs(500)).await;
    assert_eq!(fake.tries(), 9);
    heartbeat.stop().await;
    assert_eq!(fake.tries(), 10);
}

#[tokio::test(start_paused = true)]
async fn only_the_last_change_during_a_delivery_is_sent() {
    let slow = Arc::new(Semaphore::new(0));
    let fake = Fake { slow: Some(Arc::clone(&slow)), ..Fake::default() };
    let heartbeat = fake.start(60, None);
    sleep(MOMENT).await;
    for number in 1..100 {
        heartbeat.set_vtid(Some(task(number)));
    }
    slow.add_permits(100);
    sleep(MOMENT).await;
    assert_eq!(fake.events(), ["info IDLE", "in_progress DEV-CICDL-0099"]);
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_long_for_a_final_beat_that_cannot_be_delivered() {
    let fake = Fake::default();
    fake.shut(true);
    let heartbeat = fake.start(60, Some(1));
    sleep(Duration::from_secs(3_600)).await;
    let stopping = Instant::now();
    heartbeat.stop().await;
    // An attempt has already failed, so `stop` waits at most 1 s.
    assert!(stopping.elapsed() <= Duration::from_secs(1));
    assert!(fake.events().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_heartbeat_sends_a_final_beat_but_a_vanished_heartbeat_does_not() {
    let fake = Fake::default();
    let heartbeat = fake.start(60, Some(1));
    sleep(MOMENT).await;
    drop(heartbeat);
    sleep(MOMENT).await;
    assert_eq!(fake.events(), ["in_progress DEV-CICDL-0001", "success DEV-CICDL-0001"]);

    let heartbeat = fake.start(60, Some(2));
    sleep(MOMENT).await;
    heartbeat.vanish();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.events()[2..], ["in_progress DEV-CICDL-0002"]);

    let heartbeat = fake.start(60, Some(4));
    sleep(MOMENT).await;
    heartbeat.suspend(true);
    heartbeat.set_vtid(None);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.events()[3..], ["in_progress DEV-CICDL-0004"]);
    heartbeat.suspend(false);
    sleep(MOMENT).await;
    assert_eq!(fake.events()[4..], ["info IDLE"]);
    heartbeat.suspend(true);
    drop(heartbeat);
    sleep(MOMENT).await;
    assert_eq!(fake.events()[5..], ["success IDLE"]);

    let heartbeat = fake.start(60, Some(3));
    sleep(MOMENT).await;
    let panicked = tokio::spawn(async move {
        let _guard = heartbeat;
        panic!("a bug in the agent");
    });
    assert!(panicked.await.is_err());
    sleep(MOMENT).await;
    assert_eq!(fake.events()[7..], ["failure DEV-CICDL-0003"]);
}

/// The final beat has the task that was set just before the end.
#[tokio::test(start_paused = true)]
async fn the_final_beat_has_the_last_task() {
    let fake = Fake::default();
    let heartbeat = fake.start(60, Some(1));
    sleep(MOMENT).await;
    heartbeat.set_vtid(Some(task(2)));
    let stop = timeout(MOMENT, heartbeat.stop_as(Ending { exit_code: Some(3), ..Ending::badly() }));
    stop.await.unwrap();
    assert_eq!(fake.events(), ["in_progress DEV-CICDL-0001", "failure DEV-CICDL-0002"]);
    assert_eq!(fake.last("exit_code"), 3);
}
