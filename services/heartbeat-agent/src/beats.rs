//! [`Beats`]: decides when an agent's beats are due, and what each beat contains. This file does no I/O, and
//! gets the time as a parameter.
//!
//! A beat is due at once if the agent's state differs from the state in the last delivered beat. Otherwise a
//! beat is due once per interval. Beats are not queued: the first beat after an outage contains the current
//! state, and the time at which the gap began.

use std::time::Duration;

use oasis_core::ping::{PING, Pinger};
use oasis_core::room::RoomId;
use oasis_core::{Channel, DedupKey, Event, Kind, Module, NewEvent, Source, Status, Task, Ts, Vtid};
use tokio::time::Instant;

/// The minimum interval between two beats of an idle agent.
pub const IDLE_INTERVAL: Duration = Duration::from_secs(60);
/// The pause after the first failed attempt. Each further failure doubles the pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The maximum pause. If the interval is shorter, the interval is the maximum.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The state of an agent: its task, and its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentState {
    /// The task that the agent works on. After the end, it is the agent's last task. `None` means idle.
    pub vtid: Option<Vtid>,
    /// How the agent ended. `None` while the agent runs.
    pub ended: Option<Ending>,
}

impl AgentState {
    /// The state of an agent that works on `vtid`. If `vtid` is `None`, the agent is idle.
    pub fn with_task(vtid: Option<Vtid>) -> Self {
        Self { vtid, ended: None }
    }

    fn is_idle(&self) -> bool {
        self.vtid.is_none() && self.ended.is_none()
    }
}

/// How an agent ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Whether the agent ended as intended.
    pub well: bool,
    /// The exit code of the wrapped command.
    pub exit_code: Option<i32>,
    /// The number of the signal that ended the wrapped command.
    pub signal: Option<i32>,
}

impl Ending {
    /// The ending of an agent that ended as intended.
    pub fn well() -> Self {
        Self { well: true, ..Self::default() }
    }

    /// The ending of an agent that failed.
    pub fn badly() -> Self {
        Self::default()
    }
}

/// The command that an agent wraps.
#[derive(Debug, Default)]
pub(crate) struct Wrapping {
    /// The name of the command.
    pub(crate) command: Option<String>,
    /// The room that gets the command's output.
    pub(crate) room: Option<RoomId>,
}

/// The beats of one run of an agent.
#[derive(Debug)]
pub(crate) struct Beats {
    pinger: Pinger,
    module: Module,
    wrapping: Wrapping,
    interval: Duration,
    started: Instant,
    state: AgentState,
    /// The number of the last beat.
    seq: u64,
    /// The state in the last beat, and the time of the first attempt to deliver this beat. `None` once the
    /// beat is delivered.
    pending: Option<(AgentState, Instant)>,
    /// The timestamp of the current attempt.
    sent: Option<Ts>,
    last: Option<Delivered>,
    /// The number of failed attempts since the last delivered beat.
    failures: u32,
    /// No beat is due before this time.
    pause_until: Instant,
    /// The state in the last beat, if that beat was refused because of its content.
    refused: Option<AgentState>,
}

/// The last delivered beat.
#[derive(Debug)]
struct Delivered {
    state: AgentState,
    at: Ts,
    /// When the next beat is due, if the state does not change.
    next: Instant,
    /// Whether a later attempt with a different state failed. The destination may have stored that beat
    /// nevertheless.
    uncertain: bool,
}

impl Delivered {
    /// Whether it is certain that the last beat in the table has this state.
    fn is_certainly(&self, state: &AgentState) -> bool {
        self.state == *state && !self.uncertain
    }
}

impl Beats {
    pub(crate) fn new(
        pinger: Pinger,
        wrapping: Wrapping,
        interval: Duration,
        state: AgentState,
        now: Instant,
    ) -> Self {
        let module = Module::from_name(&pinger.agent);
        Self {
            pinger,
            module,
            wrapping,
            interval,
            started: now,
            state,
            seq: 0,
            pending: None,
            sent: None,
            last: None,
            failures: 0,
            pause_until: now,
            refused: None,
        }
    }

    /// Sets the agent's state. After the end, the state never changes.
    pub(crate) fn set_state(&mut self, state: AgentState, now: Instant) {
        if self.state.ended.is_some() {
            return;
        }
        // An end skips the pause, because the process may exit soon. A change after a refused beat skips the
        // pause as well, because only the state in that beat was refused.
        if state.ended.is_some() || self.refused.as_ref().is_some_and(|refused| *refused != state) {
            (self.pause_until, self.refused) = (now, None);
        }
        self.state = state;
    }

    /// Returns when the next beat is due. `None` once the final beat is delivered.
    pub(crate) fn due(&self) -> Option<Instant> {
        let due = match &self.last {
            Some(last) if last.is_certainly(&self.state) && self.state.ended.is_some() => return None,
            Some(last) if last.is_certainly(&self.state) => last.next,
            _ => self.pause_until,
        };
        Some(due.max(self.pause_until))
    }

    /// Makes the beat to send now, with the timestamp `ts`.
    pub(crate) fn beat(&mut self, now: Instant, ts: Ts) -> NewEvent {
        // The destination may have stored the beat of a failed attempt. So a retry keeps the number of the
        // beat, which is part of the dedup key. After an interval, the retry becomes a new beat with a new
        // number, because the table must show that the agent is still alive.
        let is_retry = self
            .pending
            .as_ref()
            .is_some_and(|(state, first)| *state == self.state && now < *first + self.interval_of(state));
        if !is_retry {
            self.seq += 1;
            self.pending = Some((self.state.clone(), now));
        }
        self.sent = Some(ts);
        let repeat = self.last.as_ref().is_some_and(|last| last.is_certainly(&self.state));
        let AgentState { vtid, ended } = &self.state;
        let status = match (ended, vtid) {
            (Some(ending), _) if ending.well => Status::Success,
            (Some(_), _) => Status::Failure,
            (None, Some(_)) => Status::InProgress,
            (None, None) => Status::Info,
        };
        let since = self.last.as_ref().map(|last| last.at.to_string()).or(self.pinger.started.clone());
        let promise = ended.is_none().then(|| self.interval_of(&self.state).as_secs_f64().ceil() as u64);
        let meta = self
            .pinger
            .meta()
            .with("interval", promise)
            .with("seq", Some(self.seq))
            .with("uptime", Some((now - self.started).as_secs()))
            .with("repeat", repeat.then_some(true))
            .with("gap_since", since.filter(|_| self.failures > 0))
            .with("failed_attempts", (self.failures > 0).then_some(u64::from(self.failures)))
            .with("command", self.wrapping.command.as_deref())
            .with("room", self.wrapping.room.as_ref().map(RoomId::as_str))
            .with("exit_code", ended.as_ref().and_then(|ending| ending.exit_code))
            .with("signal", ended.as_ref().and_then(|ending| ending.signal));
        let event = Event {
            ts,
            task: vtid.clone().map_or(Task::Idle, Task::Vtid),
            layer_hint: None,
            module: self.module.clone(),
            source: Source::AgentPing,
            kind: Kind::from_name(PING),
            status,
            link: None,
        };
        let dedup_key = DedupKey::new("ping", &format!("{}:{}", self.pinger.instance, self.seq)).ok();
        NewEvent { event, channel: Channel::devhub(), meta, dedup_key }
    }

    /// Records that the last beat was delivered. `chance` is a random number from 0 to 1, which spreads the
    /// beats of agents that started at the same moment.
    pub(crate) fn delivered(&mut self, now: Instant, chance: f64) {
        if let (Some((state, _)), Some(at)) = (self.pending.take(), self.sent.take()) {
            let is_first = self.last.is_none();
            let interval = self.interval_of(&state);
            // The next idle beat must not come before the end of the interval.
            let spread = if state.is_idle() { 1.0 + chance / 4.0 } else { 0.5 + chance / 2.0 };
            let next = now + if is_first { interval.mul_f64(spread) } else { interval };
            self.last = Some(Delivered { state, at, next, uncertain: false });
        }
        (self.failures, self.pause_until, self.refused) = (0, now, None);
    }

    /// Records that the last attempt failed. `chance` is a random number from 0 to 1, which spreads the
    /// retries of agents whose beats failed for the same reason.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) {
        self.sent = None;
        if let (Some((tried, _)), Some(last)) = (&self.pending, &mut self.last) {
            last.uncertain |= *tried != last.state;
        }
        let longest = LONGEST_PAUSE.min(self.interval);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(longest);
        self.failures = self.failures.saturating_add(1);
        (self.pause_until, self.refused) = (now + pause.mul_f64(0.5 + chance / 2.0), None);
    }

    /// Records that the last beat was refused because of its content. A retry would be refused as well. So
    /// the next beat is due after an interval, as after a delivered beat.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.sent = None;
        self.failures = self.failures.saturating_add(1);
        self.pause_until = now + self.interval_of(&self.state);
        self.refused = Some(self.state.clone());
    }

    /// Whether the agent has ended.
    pub(crate) fn ended(&self) -> bool {
        self.state.ended.is_some()
    }

    /// The number of failed attempts since the last delivered beat.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The interval between beats in this state.
    fn interval_of(&self, state: &AgentState) -> Duration {
        if state.is_idle() { self.interval.max(IDLE_INTERVAL) } else { self.interval }
    }
}

#[cfg(test)]
#[path = "beats_tests.rs"]
mod tests;
