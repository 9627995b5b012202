//! [`Heartbeat`]: the handle of a task that sends an agent's beats until the handle is stopped or dropped.

use std::future::pending;
use std::time::Duration;

use oasis_core::room::RoomId;
use oasis_core::{Task, Vtid};
use oasis_service::random;
use oasis_store::StoreError;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::beats::{AgentState, Beats, Ending, Wrapping};
use crate::destination::Destination;
use crate::instance;
use crate::run::{self, Orders, Outage};

/// The time limit for the delivery of the final beat.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The time limit for retries of the final beat, once an attempt has failed.
const RETRY_TIMEOUT: Duration = Duration::from_secs(1);

/// The configuration of a heartbeat: the agent, the interval and the destination.
#[derive(Debug, Clone)]
pub struct Config {
    /// The agent's name. The name in upper case is the module of the agent's events.
    pub agent: String,
    /// The agent's role, such as `PLANNER`.
    pub role: Option<String>,
    /// The task that the agent starts with. Without a task, the agent is idle.
    pub vtid: Option<Vtid>,
    /// The interval between beats. The interval is clamped to a value from 1 s to 1 day. While the agent is
    /// idle, the interval is at least 1 minute.
    pub interval: Duration,
    /// The destination of the beats.
    pub destination: Destination,
    /// The name of the wrapped command, for the beats' `meta`.
    pub command: Option<String>,
    /// The room that gets the output of the wrapped command, for the beats' `meta`.
    pub room: Option<RoomId>,
}

impl Config {
    /// The default interval.
    pub const INTERVAL: Duration = Duration::from_secs(60);

    /// The configuration of an idle agent with the default interval.
    pub fn new(agent: impl Into<String>, destination: Destination) -> Self {
        Self {
            agent: agent.into(),
            role: None,
            vtid: None,
            interval: Self::INTERVAL,
            destination,
            command: None,
            room: None,
        }
    }
}

/// The handle of an agent. The agent sends beats until the handle is stopped.
///
/// Dropping the handle stops the agent as well, with [`Ending::well`], or with [`Ending::badly`] during a
/// panic. The final beat is then delivered in the background, unless the runtime ends before the delivery.
#[derive(Debug)]
pub struct Heartbeat {
    orders: watch::Sender<Orders>,
    outage: watch::Receiver<Option<Outage>>,
    task: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts to send beats, in a task of the current Tokio runtime.
    ///
    /// # Errors
    /// When TLS to the database can't be set up as the database URL requires. An unreachable destination is
    /// not an error: the beats are retried.
    pub fn start(config: Config) -> Result<Self, StoreError> {
        let Config { agent, role, vtid, interval, destination, command, room } = config;
        let interval = interval.clamp(Duration::from_secs(1), Duration::from_hours(24));
        let state = AgentState::with_task(vtid);
        let pinger = instance::this_run(agent, role);
        let beats = Beats::new(pinger, Wrapping { command, room }, interval, state.clone(), Instant::now());
        let (sender, orders) = watch::channel(Orders { state, suspended: false });
        let (outage_sender, outage) = watch::channel(None);
        let task = tokio::spawn(run::run(beats, destination.open()?, orders, outage_sender, random));
        Ok(Self { orders: sender, outage, task: Some(task) })
    }

    /// Sets the task that the agent works on. `None` makes the agent idle. The change is sent at once.
    pub fn set_vtid(&self, vtid: Option<Vtid>) {
        self.change(|state| state.vtid = vtid);
    }

    /// The current state of the agent.
    pub fn state(&self) -> AgentState {
        self.orders.borrow().state.clone()
    }

    /// Returns a function that returns the task of the agent at the time of the call.
    pub(crate) fn task(&self) -> impl Fn() -> Task + Clone + Send + use<> {
        let orders = self.orders.subscribe();
        move || orders.borrow().state.vtid.clone().map_or(Task::Idle, Task::Vtid)
    }

    /// The current outage. `None` while beats are delivered.
    pub fn outage(&self) -> Option<Outage> {
        self.outage.borrow().clone()
    }

    /// Stops the agent with [`Ending::well`], and waits for the delivery of the final beat. The wait takes at
    /// most 5 s, or at most 1 s after a failed attempt.
    pub async fn stop(self) {
        self.stop_as(Ending::well()).await;
    }

    /// Stops the agent with this ending, and waits as [`Heartbeat::stop`] does.
    pub async fn stop_as(mut self, ending: Ending) {
        self.change(|state| state.ended = Some(ending));
        let Some(task) = self.task.take() else { return };
        let failing = async {
            let failed = self.outage.wait_for(Option::is_some).await.map(drop);
            match failed {
                Ok(()) => sleep(RETRY_TIMEOUT).await,
                // The loop has ended, so `task` is ready.
                Err(_) => pending().await,
            }
        };
        tokio::select! {
            _ = task => {}
            () = failing => tracing::warn!("the final beat could not be delivered"),
            () = sleep(STOP_TIMEOUT) => {
                tracing::warn!("the final beat was not delivered within {} s", STOP_TIMEOUT.as_secs());
            }
        }
    }

    /// Ends the agent without a final beat, as a crash does. For tests and demos.
    pub fn vanish(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Suspends or resumes the beats, as on a machine that sleeps. For tests and demos.
    pub fn suspend(&self, suspended: bool) {
        self.orders.send_modify(|orders| orders.suspended = suspended);
    }

    /// Changes the state, unless the agent has ended. An end also resumes a suspended agent.
    fn change(&self, change: impl FnOnce(&mut AgentState)) {
        self.orders.send_if_modified(|Orders { state, suspended }| {
            let is_running = state.ended.is_none();
            if is_running {
                change(state);
                *suspended &= state.ended.is_none();
            }
            is_running
        });
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        let well = !std::thread::panicking();
        self.change(|state| state.ended = Some(Ending { well, ..Ending::default() }));
    }
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
