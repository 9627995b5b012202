//! [`Heartbeat`]: an agent that beats in a task of its own, until it is stopped or dropped.

use std::future::pending;
use std::time::Duration;

use oasis_core::Vtid;
use oasis_service::random;
use oasis_store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::beats::{Beats, Doing, Ending};
use crate::destination::Destination;
use crate::run::{self, Orders, Trouble};
use crate::who;

/// How long an end may take to be told.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);
/// How long it is tried on where a try has failed.
const LAST_TRIES_WITHIN: Duration = Duration::from_secs(1);

/// Who beats, how often, and where to.
#[derive(Debug, Clone)]
pub struct Config {
    /// The agent's name; in capitals it is the module of its events.
    pub agent: String,
    /// What it is for, such as `PLANNER`.
    pub role: Option<String>,
    /// The task that it begins with; without one it is idle.
    pub vtid: Option<Vtid>,
    /// How often it beats, from a second to a day; idle, at most once a minute.
    pub interval: Duration,
    /// Where its beats go.
    pub destination: Destination,
    /// The command that it is, for its beats to name.
    pub command: Option<String>,
}

impl Config {
    /// How often an agent beats unless told otherwise.
    pub const INTERVAL: Duration = Duration::from_secs(60);

    /// An idle agent that beats once a minute.
    pub fn new(agent: impl Into<String>, destination: Destination) -> Self {
        Self {
            agent: agent.into(),
            role: None,
            vtid: None,
            interval: Self::INTERVAL,
            destination,
            command: None,
        }
    }
}

/// An agent that beats until it is stopped. Dropped, it stops as well: well, or badly in a panic; its end is
/// then told in the background, for as long as the runtime lives.
#[derive(Debug)]
pub struct Heartbeat {
    orders: watch::Sender<Orders>,
    trouble: watch::Receiver<Option<Trouble>>,
    task: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Begins to beat, in a task of the Tokio runtime that this is called in.
    ///
    /// # Errors
    /// When TLS to the database can't be set up as its URL asks for. That nobody answers is none: it is tried
    /// again.
    pub fn start(config: Config) -> Result<Self, StoreError> {
        let Config { agent, role, vtid, interval, destination, command } = config;
        let interval = interval.clamp(Duration::from_secs(1), Duration::from_hours(24));
        let doing = Doing::task(vtid);
        let beats = Beats::new(who::this(agent, role), command, interval, doing.clone(), Instant::now());
        let (sender, orders) = watch::channel(Orders { doing, suspended: false });
        let (told, trouble) = watch::channel(None);
        let task = tokio::spawn(run::run(beats, destination.open()?, orders, told, random));
        Ok(Self { orders: sender, trouble, task: Some(task) })
    }

    /// It works on this task from now on, or waits for one.
    pub fn set_vtid(&self, vtid: Option<Vtid>) {
        self.change(|doing| doing.vtid = vtid);
    }

    /// What it does now.
    pub fn doing(&self) -> Doing {
        self.orders.borrow().doing.clone()
    }

    /// Why nothing can be told now, if that is so.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    /// Says that it stopped as it was meant to, and waits until that is told: 5 s at the most, and a second
    /// once a try has failed.
    pub async fn stop(self) {
        self.stop_as(Ending::well()).await;
    }

    /// Says how it stopped, and waits as [`Heartbeat::stop`] does.
    pub async fn stop_as(mut self, ending: Ending) {
        self.change(|doing| doing.ended = Some(ending));
        let Some(task) = self.task.take() else { return };
        let failing = async {
            let failed = self.trouble.wait_for(Option::is_some).await.map(drop);
            match failed {
                Ok(()) => sleep(LAST_TRIES_WITHIN).await,
                // The loop has ended, as `task` says.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            _ = task => {}
            () = failing => tracing::warn!("the end could not be told"),
            () = sleep(GOODBYE_WITHIN) => {
                tracing::warn!("the end could not be told within {} s", GOODBYE_WITHIN.as_secs());
            }
        }
    }

    /// Ends without a word, as a crash would, for tests and demonstrations.
    pub fn vanish(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Says nothing, as a machine that sleeps would, until it is resumed; for tests and demonstrations.
    pub fn suspend(&self, suspended: bool) {
        self.orders.send_modify(|orders| orders.suspended = suspended);
    }

    /// Nothing changes after the end.
    fn change(&self, change: impl FnOnce(&mut Doing)) {
        self.orders.send_if_modified(|Orders { doing, suspended }| {
            let goes_on = doing.ended.is_none();
            if goes_on {
                change(doing);
                *suspended &= doing.ended.is_none();
            }
            goes_on
        });
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let well = !std::thread::panicking();
        self.change(|doing| doing.ended = Some(Ending { well, ..Ending::default() }));
    }
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
