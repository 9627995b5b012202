//! An agent over tokio's own paused clock, and a destination that the tests open and shut.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::StatusCode;
use oasis_core::{NewEvent, Task, Vtid};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::*;
use crate::destination::{Outlet, Untold};

/// What was told, while it is open.
#[derive(Clone, Default)]
struct Fake {
    told: Arc<Mutex<Vec<NewEvent>>>,
    tries: Arc<Mutex<usize>>,
    shut: Arc<Mutex<bool>>,
    /// Whoever hears of this task refuses it.
    refuses: Option<u32>,
    /// Whoever tells something waits for a permit, if there is one to wait for.
    slow: Option<Arc<Semaphore>>,
}

impl Outlet for Fake {
    async fn tell(&mut self, event: &NewEvent) -> Result<(), Untold> {
        *self.tries.lock().unwrap() += 1;
        if let Some(slow) = &self.slow {
            slow.acquire().await.unwrap().forget();
        }
        if *self.shut.lock().unwrap() {
            return Err(Untold::Late);
        }
        if self.refuses.map(task).map(Task::Vtid) == Some(event.event.task.clone()) {
            return Err(Untold::Refused {
                status: StatusCode::BAD_REQUEST,
                code: "bad_event".into(),
                said: "no such task".into(),
            });
        }
        self.told.lock().unwrap().push(event.clone());
        Ok(())
    }
}

impl Fake {
    fn start(&self, interval: u64, vtid: Option<u32>) -> Heartbeat {
        let doing = Doing::task(vtid.map(task));
        let interval = Duration::from_secs(interval);
        let pinger = who::this("planner".into(), None);
        let beats = Beats::new(pinger, None, interval, doing.clone(), Instant::now());
        let (sender, orders) = watch::channel(Orders { doing, suspended: false });
        let (told, trouble) = watch::channel(None);
        let task = tokio::spawn(run::run(beats, self.clone(), orders, told, || 0.5));
        Heartbeat { orders: sender, trouble, task: Some(task) }
    }

    fn shut(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
    }

    fn tries(&self) -> usize {
        *self.tries.lock().unwrap()
    }

    /// Status and task of what was told.
    fn told(&self) -> Vec<String> {
        let line = |event: &NewEvent| format!("{} {}", event.event.status, event.event.task.as_str());
        self.told.lock().unwrap().iter().map(line).collect()
    }

    fn last(&self, name: &str) -> Value {
        let told = self.told.lock().unwrap();
        told.last().unwrap().meta.as_map().get(name).cloned().unwrap_or_default()
    }
}

fn task(number: u32) -> Vtid {
    Vtid::parse(&format!("DEV-CICDL-{number:04}")).unwrap()
}

const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn ten_minutes_without_a_way_out_keep_only_what_is_so() {
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
    assert_eq!(fake.told(), ["in_progress DEV-CICDL-0001"]);
    fake.shut(false);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(fake.told()[1..], ["in_progress DEV-CICDL-0009"]);
    assert!(fake.last("gap_since").is_string() && fake.last("failed_attempts").as_u64() > Some(20));
    heartbeat.stop().await;
    assert_eq!(fake.told().last().unwrap(), "success DEV-CICDL-0009");
}

/// The same beat would be refused again. So the next one is due after an interval, as if it had been told, or
/// when there is something else to tell.
#[tokio::test(start_paused = true)]
async fn a_beat_that_is_refused_is_not_tried_as_if_nobody_answered() {
    let fake = Fake { refuses: Some(1), ..Fake::default() };
    let heartbeat = fake.start(600, Some(1));
    sleep(Duration::from_secs(599)).await;
    assert_eq!(fake.tries(), 1);
    assert!(heartbeat.trouble().unwrap().why.contains("no such task"));
    sleep(Duration::from_secs(3_002)).await;
    assert_eq!(fake.tries(), 7);
    heartbeat.set_vtid(Some(task(2)));
    sleep(MOMENT).await;
    assert_eq!((fake.told(), heartbeat.trouble()), (vec!["in_progress DEV-CICDL-0002".into()], None));
    assert_eq!(fake.last("failed_attempts"), 7);
    // Back to what is refused: it is tried, once, and so is the end.
    heartbeat.set_vtid(Some(task(1)));
    sleep(Duration::from_secs(500)).await;
    assert_eq!(fake.tries(), 9);
    heartbeat.stop().await;
    assert_eq!(fake.tries(), 10);
}

/// While a beat is under way many changes may come; the last is told.
#[tokio::test(start_paused = true)]
async fn of_changes_while_a_beat_is_told_the_last_counts() {
    let slow = Arc::new(Semaphore::new(0));
    let fake = Fake { slow: Some(Arc::clone(&slow)), ..Fake::default() };
    let heartbeat = fake.start(60, None);
    sleep(MOMENT).await;
    for number in 1..100 {
        heartbeat.set_vtid(Some(task(number)));
    }
    slow.add_permits(100);
    sleep(MOMENT).await;
    assert_eq!(fake.told(), ["info IDLE", "in_progress DEV-CICDL-0099"]);
}

#[tokio::test(start_paused = true)]
async fn an_end_that_cannot_be_told_holds_nobody() {
    let fake = Fake::default();
    fake.shut(true);
    let heartbeat = fake.start(60, Some(1));
    sleep(Duration::from_secs(3_600)).await;
    let stopping = Instant::now();
    heartbeat.stop().await;
    // It has been tried for an hour.
    assert!(stopping.elapsed() <= Duration::from_secs(1));
    assert!(fake.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_is_dropped_stops_and_one_that_vanishes_does_not() {
    let fake = Fake::default();
    let heartbeat = fake.start(60, Some(1));
    sleep(MOMENT).await;
    drop(heartbeat);
    sleep(MOMENT).await;
    assert_eq!(fake.told(), ["in_progress DEV-CICDL-0001", "success DEV-CICDL-0001"]);

    let heartbeat = fake.start(60, Some(2));
    sleep(MOMENT).await;
    heartbeat.vanish();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.told()[2..], ["in_progress DEV-CICDL-0002"]);

    let heartbeat = fake.start(60, Some(4));
    sleep(MOMENT).await;
    heartbeat.suspend(true);
    heartbeat.set_vtid(None);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(fake.told()[3..], ["in_progress DEV-CICDL-0004"]);
    heartbeat.suspend(false);
    sleep(MOMENT).await;
    assert_eq!(fake.told()[4..], ["info IDLE"]);
    heartbeat.suspend(true);
    drop(heartbeat);
    sleep(MOMENT).await;
    assert_eq!(fake.told()[5..], ["success IDLE"]);

    let heartbeat = fake.start(60, Some(3));
    sleep(MOMENT).await;
    let panicked = tokio::spawn(async move {
        let _guard = heartbeat;
        panic!("a bug of the agent's");
    });
    assert!(panicked.await.is_err());
    sleep(MOMENT).await;
    assert_eq!(fake.told()[7..], ["failure DEV-CICDL-0003"]);
}

/// What was said just before the end is what the end belongs to.
#[tokio::test(start_paused = true)]
async fn the_end_belongs_to_the_last_task() {
    let fake = Fake::default();
    let heartbeat = fake.start(60, Some(1));
    sleep(MOMENT).await;
    heartbeat.set_vtid(Some(task(2)));
    let told = timeout(MOMENT, heartbeat.stop_as(Ending { exit_code: Some(3), ..Ending::badly() }));
    told.await.unwrap();
    assert_eq!(fake.told(), ["in_progress DEV-CICDL-0001", "failure DEV-CICDL-0002"]);
    assert_eq!(fake.last("exit_code"), 3);
}
