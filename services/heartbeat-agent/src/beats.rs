//! When an agent beats, and what each beat says. Pure: the time is passed in.
//!
//! A beat is due at once when what the agent does is not what was last told, and then once an interval. While
//! beats can't be told they are not kept: the next one says what is so then, and since when nothing could be
//! heard.

use std::time::Duration;

use oasis_core::ping::{PING, Pinger};
use oasis_core::{Channel, DedupKey, Event, Kind, Module, NewEvent, Source, Status, Task, Ts, Vtid};
use tokio::time::Instant;

/// Idle beats that say nothing new are stored this far apart at the least.
pub const IDLE_INTERVAL: Duration = Duration::from_secs(60);
/// The first pause after a beat that could not be told; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest, unless the interval is shorter.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an agent does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doing {
    /// The task that it works on, or worked on when it ended; without one it is idle.
    pub vtid: Option<Vtid>,
    /// How it ended, if it has.
    pub ended: Option<Ending>,
}

impl Doing {
    /// It works on this task, or waits for one.
    pub fn task(vtid: Option<Vtid>) -> Self {
        Self { vtid, ended: None }
    }

    fn is_idle(&self) -> bool {
        self.vtid.is_none() && self.ended.is_none()
    }
}

/// How an agent ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// Whether it was meant to.
    pub well: bool,
    /// The exit code of the command that it was.
    pub exit_code: Option<i32>,
    /// The signal that ended the command.
    pub signal: Option<i32>,
}

impl Ending {
    /// As it was meant to.
    pub fn well() -> Self {
        Self { well: true, ..Self::default() }
    }

    /// Otherwise.
    pub fn badly() -> Self {
        Self::default()
    }
}

/// The beats of one run of an agent.
#[derive(Debug)]
pub(crate) struct Beats {
    who: Pinger,
    module: Module,
    /// The program that is wrapped.
    command: Option<String>,
    interval: Duration,
    began: Instant,
    doing: Doing,
    /// The number of the last beat.
    seq: u64,
    /// What that one said, and when it was first tried, until it is told.
    trying: Option<(Doing, Instant)>,
    /// When the try began that is under way.
    sent: Option<Ts>,
    told: Option<Told>,
    /// Tries since the last beat that was told.
    failures: u32,
    /// No beat before this.
    pause_until: Instant,
    /// What the last beat said, if it was refused for that.
    refused: Option<Doing>,
}

/// The last beat that was told.
#[derive(Debug)]
struct Told {
    doing: Doing,
    at: Ts,
    /// When the next one is due, if nothing changes.
    next: Instant,
    /// A try that failed said something else since, and may have arrived.
    doubted: bool,
}

impl Told {
    fn is_certainly(&self, doing: &Doing) -> bool {
        self.doing == *doing && !self.doubted
    }
}

impl Beats {
    pub(crate) fn new(
        who: Pinger,
        command: Option<String>,
        interval: Duration,
        doing: Doing,
        now: Instant,
    ) -> Self {
        let module = Module::from_name(&who.agent);
        Self {
            who,
            module,
            command,
            interval,
            began: now,
            doing,
            seq: 0,
            trying: None,
            sent: None,
            told: None,
            failures: 0,
            pause_until: now,
            refused: None,
        }
    }

    /// What the agent does from now on. Nothing follows its end.
    pub(crate) fn set(&mut self, doing: Doing, now: Instant) {
        if self.doing.ended.is_some() {
            return;
        }
        // There may be no later after an end; and only what was refused need not be said again.
        if doing.ended.is_some() || self.refused.as_ref().is_some_and(|refused| *refused != doing) {
            (self.pause_until, self.refused) = (now, None);
        }
        self.doing = doing;
    }

    /// When the next beat is due; `None` once the end has been told.
    pub(crate) fn due(&self) -> Option<Instant> {
        let due = match &self.told {
            Some(told) if told.is_certainly(&self.doing) && self.doing.ended.is_some() => return None,
            Some(told) if told.is_certainly(&self.doing) => told.next,
            _ => self.pause_until,
        };
        Some(due.max(self.pause_until))
    }

    /// The beat of now.
    pub(crate) fn beat(&mut self, now: Instant, ts: Ts) -> NewEvent {
        // One that may have arrived without our knowing is not told twice; but after an interval it is news
        // again.
        let again = self
            .trying
            .as_ref()
            .is_some_and(|(doing, first)| *doing == self.doing && now < *first + self.stored_every(doing));
        if !again {
            self.seq += 1;
            self.trying = Some((self.doing.clone(), now));
        }
        self.sent = Some(ts);
        let repeat = self.told.as_ref().is_some_and(|told| told.is_certainly(&self.doing));
        let Doing { vtid, ended } = &self.doing;
        let status = match (ended, vtid) {
            (Some(ending), _) if ending.well => Status::Success,
            (Some(_), _) => Status::Failure,
            (None, Some(_)) => Status::InProgress,
            (None, None) => Status::Info,
        };
        let since = self.told.as_ref().map(|told| told.at.to_string()).or(self.who.started.clone());
        let meta = self
            .who
            .meta()
            .with(
                "interval",
                ended.is_none().then(|| self.stored_every(&self.doing).as_secs_f64().ceil() as u64),
            )
            .with("seq", Some(self.seq))
            .with("uptime", Some((now - self.began).as_secs()))
            .with("repeat", repeat.then_some(true))
            .with("gap_since", since.filter(|_| self.failures > 0))
            .with("failed_attempts", (self.failures > 0).then_some(u64::from(self.failures)))
            .with("command", self.command.as_deref())
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
        let dedup_key = DedupKey::new("ping", &format!("{}:{}", self.who.instance, self.seq)).ok();
        NewEvent { event, channel: Channel::devhub(), meta, dedup_key }
    }

    /// The beat has been told. `chance`, from 0 to 1, spreads those who began at the same moment over the
    /// interval.
    pub(crate) fn arrived(&mut self, now: Instant, chance: f64) {
        if let (Some((doing, _)), Some(at)) = (self.trying.take(), self.sent.take()) {
            let first = self.told.is_none();
            let every = self.stored_every(&doing);
            // Never sooner than a minute for one who is idle.
            let spread = if doing.is_idle() { 1.0 + chance / 4.0 } else { 0.5 + chance / 2.0 };
            let next = now + if first { every.mul_f64(spread) } else { every };
            self.told = Some(Told { doing, at, next, doubted: false });
        }
        (self.failures, self.pause_until, self.refused) = (0, now, None);
    }

    /// It could not be told. `chance`, from 0 to 1, keeps those whom the same thing failed from coming back
    /// together.
    pub(crate) fn failed(&mut self, now: Instant, chance: f64) {
        self.sent = None;
        if let (Some((tried, _)), Some(told)) = (&self.trying, &mut self.told) {
            told.doubted |= *tried != told.doing;
        }
        let longest = LONGEST_PAUSE.min(self.interval);
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.failures)).min(longest);
        self.failures = self.failures.saturating_add(1);
        (self.pause_until, self.refused) = (now + pause.mul_f64(0.5 + chance / 2.0), None);
    }

    /// It was refused for what it said, and would be refused again. The next beat is due after an interval,
    /// as if this one had been told.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.sent = None;
        self.failures = self.failures.saturating_add(1);
        self.pause_until = now + self.stored_every(&self.doing);
        self.refused = Some(self.doing.clone());
    }

    /// Whether the agent has ended.
    pub(crate) fn ended(&self) -> bool {
        self.doing.ended.is_some()
    }

    /// How many tries have failed since a beat was told.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// How far apart beats are stored that say nothing new.
    fn stored_every(&self, doing: &Doing) -> Duration {
        if doing.is_idle() { self.interval.max(IDLE_INTERVAL) } else { self.interval }
    }
}

#[cfg(test)]
#[path = "beats_tests.rs"]
mod tests;
