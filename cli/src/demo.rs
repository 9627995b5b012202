//! A made-up team at work: a lively, properly signed set of GitHub deliveries, sent to webhook-ingest over
//! HTTP.

mod agents;
pub(crate) mod deploys;
mod payloads;
mod story;
mod task;
mod team;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deploy_watcher::fake::FakeLogging;
use heartbeat_agent::Destination;
use jiff::{SignedDuration, Timestamp};
use oasis_core::Vtid;
use oasis_service::client::Base;
use oasis_service::{Secret, Shutdown};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::delivery::{Courier, Outcome};
use crate::output;
use crate::random;
use story::{Beat, Story};

const EXAMPLES: &str = "\
Examples:
  oasis demo                        keep a feed lively, until Ctrl-C
  oasis demo --count 500 --speed 50 fill one quickly
  oasis demo --seed 7               the same story again

The people, repositories and tasks are made up; the deliveries have the shape of GitHub's own and are stored
for good.";

/// How long the fake of Cloud Logging keeps an entry; each poll looks back a part of it.
const LOGGED_FOR: SignedDuration = SignedDuration::from_mins(30);

/// Flags of `oasis demo`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address of webhook-ingest
    #[arg(long, value_name = "URL", default_value = "http://localhost:8081")]
    url: Base,
    /// The secret that webhook-ingest checks signatures with
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET")]
    secret: Secret,
    #[command(flatten)]
    pace: Pace,
}

/// Which story is told, how fast and how long. The default is a new one each time, at the speed of life,
/// without end.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Tell the story of this number rather than a new one
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many times faster than life
    #[arg(long, value_name = "FACTOR", value_parser = parse_speed)]
    pub(crate) speed: Option<f64>,
    /// End after N deliveries
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// Sends deliveries until Ctrl-C or SIGTERM, or until as many were sent as asked for.
///
/// # Errors
/// When the signal handlers cannot be installed, or the output cannot be written.
pub(crate) async fn command(args: Args) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    // One attempt each, so that a wrong address shows at once; the demo tries on by itself.
    let courier = Courier::new(args.url, &args.secret).attempts(1);
    let mut demo =
        Demo { courier, logs: None, task: watch::Sender::new(None), voice: Voice::Terminal, refused: 0 };
    tokio::select! {
        () = shutdown.triggered() => {}
        told = demo.tell(&args.pace) => told?,
    }
    Ok(ExitCode::from(u8::from(demo.refused > 0)))
}

/// Sends deliveries to the webhook-ingest at `webhook`, and deploys to `logs`, and has agents beat by `way`,
/// until `shutdown`, beside what else the process does: only its log tells of them.
pub(crate) async fn run_beside(
    webhook: Base,
    way: Destination,
    secret: &Secret,
    logs: Arc<FakeLogging>,
    shutdown: Shutdown,
) {
    let courier = Courier::new(webhook, secret);
    let task = watch::Sender::new(None);
    let agents = agents::run(way, u64::from_le_bytes(random::bytes()), task.subscribe(), shutdown.clone());
    let mut demo = Demo { courier, logs: Some(logs), task, voice: Voice::Log, refused: 0 };
    let pace = Pace::default();
    let told = async {
        tokio::select! {
            () = shutdown.triggered() => {}
            // Without an end, and nothing is written that could fail.
            _ = demo.tell(&pace) => {}
        }
    };
    if let ((), Err(error)) = tokio::join!(told, agents) {
        warn!(error = format!("{error:#}"), "the demo's agents ended");
    }
}

/// The telling of a story. While webhook-ingest is away it stands still.
struct Demo {
    courier: Courier,
    /// Where Cloud Run's entries go.
    logs: Option<Arc<FakeLogging>>,
    /// What the team is at, for the agents.
    task: watch::Sender<Option<Vtid>>,
    voice: Voice,
    /// How many deliveries were refused.
    refused: u64,
}

impl Demo {
    async fn tell(&mut self, pace: &Pace) -> anyhow::Result<()> {
        let mut story = Story::new(pace.seed.unwrap_or_else(|| u64::from_le_bytes(random::bytes())));
        let speed = pace.speed.unwrap_or(1.0);
        let mut sent = 0;
        while pace.count.is_none_or(|count| sent < count) {
            let pause = story.pause().div_f64(speed);
            // The first goes out at once: it shows whether anybody is there.
            if sent > 0 {
                sleep(pause).await;
            }
            let beat = story.beat(Timestamp::now());
            self.send(&beat).await?;
            self.task.send_replace(Vtid::parse(&beat.vtid).ok());
            if let (Some(logs), Some(logged)) = (&self.logs, &beat.logged) {
                logs.add(logged, LOGGED_FOR);
            }
            sent += 1;
        }
        Ok(())
    }

    /// Sends one delivery, however long its recipient is away.
    async fn send(&mut self, beat: &Beat) -> anyhow::Result<()> {
        let body = Bytes::from(beat.payload.to_string());
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let mut away = false;
        loop {
            let outcome = self.courier.deliver(beat.event, body.clone()).await;
            let error = match outcome {
                Outcome::Failed(error) | Outcome::Unreachable(error) => error,
                Outcome::Refused(refusal) => {
                    self.refused += 1;
                    self.voice.trouble(beat, "a demo delivery was refused", &refusal.to_string());
                    return Ok(());
                }
                taken => {
                    if away {
                        self.voice.better("demo deliveries arrive again");
                    }
                    return self.voice.taken(beat, &taken);
                }
            };
            if !away {
                self.voice.trouble(beat, "demo deliveries do not arrive; trying on", &format!("{error:#}"));
            }
            away = true;
            sleep(backoff.next()).await;
        }
    }
}

/// Where it is told what becomes of the deliveries.
#[derive(Debug, Clone, Copy)]
enum Voice {
    /// A line for each on standard output, troubles on standard error.
    Terminal,
    /// The log.
    Log,
}

impl Voice {
    fn taken(self, beat: &Beat, outcome: &Outcome) -> anyhow::Result<()> {
        let (event, task) = (beat.event, &beat.vtid);
        let what = match outcome {
            Outcome::Duplicate => "already stored",
            Outcome::Ignored => "not for the feed:",
            _ => "stored",
        };
        match self {
            Self::Terminal => output::line(format_args!("{what} {event} {task}"))?,
            Self::Log => debug!(event, task, "{what}"),
        }
        Ok(())
    }

    fn trouble(self, beat: &Beat, what: &str, why: &str) {
        let event = beat.event;
        match self {
            Self::Terminal => output::notice(format_args!("{what}: {event}: {}", output::printable(why))),
            Self::Log => warn!(event, error = why, "{what}"),
        }
    }

    fn better(self, what: &str) {
        match self {
            Self::Terminal => output::notice(what),
            Self::Log => info!("{what}"),
        }
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let expected = "expected a number from 0.01 to 100000";
    let speed: f64 = text.parse().map_err(|_| expected)?;
    (0.01..=100_000.0).contains(&speed).then_some(speed).ok_or_else(|| expected.to_owned())
}
