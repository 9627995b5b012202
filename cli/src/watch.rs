//! `oasis watch`: follows a task until it ends. The exit code is the outcome.

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use oasis_core::Vtid;
use oasis_service::args::parse_duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff::Backoff;
use crate::event::Event;
use crate::follow::{Feed, follow};
use crate::gateway::{Gateway, Reader, query};
use crate::journey::{Journey, State, Verdict};
use crate::line::Printer;
use crate::output::{self, OutputClosed, Usage, notice};
use crate::stream::Next;
use crate::task::{events_of, state, work_of};
use crate::time::in_words;

const EXAMPLES: &str = "\
Examples:
  oasis watch DEV-CICDL-0031              # follow the task until it ends
  oasis watch DEV-CICDL-0031 --settle 2m  # wait longer for a deploy
  oasis watch DEV-CICDL-0031 --timeout 20m && echo 'all is well'

A task has ended when
  - none of its runs, checks and deploys waits or runs,
  - something counts for the outcome: the latest run of a workflow or a check,
    the latest deploy to a place, a pull request that is merged or closed, or a
    final event of another kind,
  - and no event of the task has arrived for the time of --settle.
Earlier runs of the same workflow do not count for the outcome. Pushes never
count. The pings of agents are left out.

Exit codes:
  0  success: nothing that counts has failed or was cancelled
  1  failure: something that counts has failed
  2  wrong usage
  3  cancelled: something that counts was cancelled and nothing has failed, or
     the pull request was closed without a merge
  4  the task had not ended after --timeout
  5  the task cannot be watched: the gateway does not answer or refuses the
     request, or the reader of the output has ended

If the last event is already old at the start, its age counts for --settle. The
age is measured by the clock of the gateway, not by the clock of this machine.";

/// The exit code for each end of a task.
const fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Success => 0,
        Verdict::Failure => 1,
        Verdict::Cancelled => 3,
    }
}
const TIMED_OUT: u8 = 4;
const NOT_WATCHED: u8 = 5;

/// Reconnect to the feed when nothing, not even a heartbeat, has arrived for this long.
const SILENCE: Duration = Duration::from_secs(40);

/// The maximum number of events that are printed at the start, as in the feed.
const SHOWN_AT_START: usize = 20;

/// Flags of `oasis watch`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The task, such as DEV-CICDL-0031
    #[arg(value_parser = Vtid::parse)]
    vtid: Vtid,
    #[command(flatten)]
    gateway: Gateway,
    /// How long the task must be without events and without running work
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    settle: Duration,
    /// Give up after this time
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    timeout: Duration,
    /// Show times in UTC instead of local time
    #[arg(long)]
    utc: bool,
}

/// Follows the task until it ends.
///
/// # Errors
/// Wrong usage. For other errors, the exit code is [`NOT_WATCHED`].
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match watch(&args).await {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(error) if error.is::<Usage>() => Err(error),
        Err(error) => {
            // If standard output was closed, `report` prints nothing. The task has not ended, so the exit
            // code must not be 0.
            output::report(&error);
            Ok(ExitCode::from(NOT_WATCHED))
        }
    }
}

async fn watch(args: &Args) -> anyhow::Result<u8> {
    let timeout = Instant::now() + args.timeout;
    let gateway = args.gateway.find().await?;
    let mut task = Task {
        vtid: &args.vtid,
        gateway: gateway.another(),
        printer: Printer::new(args.utc),
        events: Vec::new(),
        settle: args.settle,
        settled: Instant::now() + args.settle,
        read_at: Instant::now(),
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
    };
    // If the gateway does not answer now, the address is probably wrong.
    let late = || anyhow::anyhow!("{} did not answer within the time of --timeout", gateway.address.base);
    timeout_at(timeout, task.read(true)).await.map_err(|_| late())??;
    if task.events.is_empty() {
        notice(format_args!("{} has no events yet: waiting for the first one", args.vtid));
    }
    let changed = Notify::new();
    let filter = work_of(&args.vtid);
    let feed = Feed {
        gateway: &gateway,
        query: query(filter.parameters()),
        last_event_id: None,
        silence: SILENCE,
        must_connect: false,
        stored_only: false,
        mock_notice: "no events yet",
    };
    // The feed only says when to read. The events come from the query API, which also has their names.
    let mut following = pin!(follow(&feed, async |arrivals| {
        if arrivals.iter().any(|arrival| !arrival.simulated) {
            changed.notify_one();
        }
        Ok(Next::Continue)
    }));
    let mut retry = None;
    loop {
        let settled = task.settled;
        let journey = Journey::of(&task.events);
        let verdict = match journey.state() {
            State::Ended(verdict, _) => Some(verdict),
            State::NotStarted | State::Active(_) => None,
        };
        // The last read must begin after the quiet time, because the gateway may have been unreachable during
        // the quiet time.
        if let Some(verdict) = verdict.filter(|_| task.read_at >= settled) {
            output::line(format_args!("{}: {}", args.vtid, state(&journey)))?;
            return Ok(exit_code(verdict));
        }
        if Instant::now() >= timeout {
            let after = in_words(args.timeout.as_secs().try_into()?);
            output::line(format_args!("{}: not ended after {after}: {}", args.vtid, state(&journey)))?;
            return Ok(TIMED_OUT);
        }
        let wake = retry.or(verdict.map(|_| settled)).map_or(timeout, |wake: Instant| wake.min(timeout));
        tokio::select! {
            followed = &mut following => {
                followed?;
                anyhow::bail!("the gateway has ended the feed");
            }
            () = changed.notified() => {}
            () = sleep_until(wake) => {}
        }
        // If the time is up during the read, the next iteration ends the command.
        if let Ok(read) = timeout_at(timeout, task.read_again()).await {
            retry = read?;
        }
    }
}

struct Task<'a> {
    vtid: &'a Vtid,
    gateway: Reader,
    printer: Printer,
    /// The oldest event is first.
    events: Vec<Event>,
    settle: Duration,
    /// When the time of `settle` is over, if no new event arrives.
    settled: Instant,
    /// When the last successful read began.
    read_at: Instant,
    backoff: Backoff,
}

impl Task<'_> {
    /// Reads and prints the events that are new. `first` says whether this is the first read.
    async fn read(&mut self, first: bool) -> anyhow::Result<()> {
        let began = Instant::now();
        let after = self.events.last().and_then(|last| last.id).unwrap_or(0);
        let fresh = events_of(&mut self.gateway, self.vtid, after).await?;
        self.read_at = began;
        let Some(last) = fresh.last() else { return Ok(()) };
        self.settled = if first {
            // The event may be old. Its age is measured by the gateway's clock, because the clock of this
            // machine may be wrong. If the gateway's clock is unknown, the event counts as new.
            let age =
                last.event.recorded_at.zip(self.gateway.clock()).map(|(at, now)| now.duration_since(at));
            let age = age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default();
            // The age is known for the end of the read, so the duration of the read is subtracted.
            began + self.settle.saturating_sub(age.saturating_sub(began.elapsed()))
        } else {
            Instant::now() + self.settle
        };
        let old = if first { fresh.len().saturating_sub(SHOWN_AT_START) } else { 0 };
        for (nth, stored) in fresh.into_iter().enumerate() {
            if nth >= old {
                self.printer.event(&stored.event)?;
            }
            self.events.push(stored.event);
        }
        Ok(())
    }

    /// Like [`Task::read`], but if the read fails, returns the time for the next attempt.
    async fn read_again(&mut self) -> anyhow::Result<Option<Instant>> {
        match self.read(false).await {
            Ok(()) => {
                self.backoff.reset();
                Ok(None)
            }
            Err(error) if error.is::<OutputClosed>() => Err(error),
            Err(error) => {
                let wait = self.backoff.next();
                notice(format_args!("{error:#}; reading again in {:.1} s", wait.as_secs_f64()));
                Ok(Some(Instant::now() + wait))
            }
        }
    }
}
