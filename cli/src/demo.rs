//! `oasis demo`: signs the deliveries of a made-up team, and sends them to webhook-ingest over HTTP.

mod agents;
mod casts;
pub(crate) mod deploys;
mod payloads;
pub(crate) mod resources;
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
use oasis_store::DatabaseArgs;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::address::Webhooks;
use crate::backoff::Backoff;
use crate::delivery::{Courier, Outcome};
use crate::output;
use crate::random;
use story::{Delivery, Story};

const EXAMPLES: &str = "\
Examples:
  oasis demo                         # send deliveries until Ctrl-C
  oasis demo --count 500 --speed 50  # fill a feed quickly
  oasis demo --count 9 --speed 20 --seed 7  # repeat the same story

The people, repositories and tasks are made up. The deliveries have the same
form as deliveries from GitHub. The events of the demo stay in the table.";

/// How long the fake Cloud Logging keeps an entry. A poll of deploy-watcher does not look back that far.
const LOGGED_FOR: SignedDuration = SignedDuration::from_mins(30);

/// Flags of `oasis demo`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    webhooks: Webhooks,
    #[command(flatten)]
    pace: Pace,
}

/// The story to play, its speed and its length. The default is a new story, in real time, without end.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Seed for the random deliveries; the same seed produces the same deliveries with new times
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Speed factor; 2 halves the pauses between deliveries
    #[arg(long, value_name = "FACTOR", value_parser = parse_speed)]
    pub(crate) speed: Option<f64>,
    /// End after N deliveries
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

/// Sends deliveries until Ctrl-C or SIGTERM, or until `--count` deliveries are sent.
///
/// # Errors
/// The signal handlers cannot be installed, or standard output cannot be written.
pub(crate) async fn command(args: Args) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    // The courier tries each delivery once, so that a wrong address is reported at once. `Demo::send` retries
    // the delivery.
    let (address, secret) = args.webhooks.find().await?;
    let courier = Courier::new(address.base.clone(), &secret).attempts(1);
    let mut demo = Demo {
        courier,
        logs: None,
        task: watch::Sender::new(None),
        reporter: Reporter::Terminal,
        advice: Some(address.advice()),
        refused: 0,
    };
    tokio::select! {
        () = shutdown.triggered() => {}
        played = demo.play(&args.pace) => played?,
    }
    Ok(ExitCode::from(u8::from(demo.refused > 0)))
}

/// Runs the demo together with the services of `oasis up` until `shutdown`. The demo reports only to the log.
/// It sends deliveries to the webhook-ingest at `webhook`, log entries of deploys to `logs`, beats of agents
/// to `destination`, and resource events and casts to `database`.
pub(crate) async fn run_in_background(
    webhook: Base,
    destination: Destination,
    database: DatabaseArgs,
    secret: &Secret,
    logs: Arc<FakeLogging>,
    shutdown: Shutdown,
) {
    let courier = Courier::new(webhook, secret);
    let task = watch::Sender::new(None);
    let seed = u64::from_le_bytes(random::bytes());
    let agents = agents::run(destination, seed, task.subscribe(), shutdown.clone());
    let resources = resources::run(database.clone(), seed, shutdown.clone());
    let casts = casts::run(database, seed, shutdown.clone());
    let mut demo =
        Demo { courier, logs: Some(logs), task, reporter: Reporter::Log, advice: None, refused: 0 };
    let pace = Pace::default();
    let played = async {
        tokio::select! {
            () = shutdown.triggered() => {}
            // With the default pace, `play` never ends. With `Reporter::Log`, `play` never fails, because it
            // does not write to standard output.
            _ = demo.play(&pace) => {}
        }
    };
    let ((), agents, resources, casts) = tokio::join!(played, agents, resources, casts);
    for (what, outcome) in [("agents", agents), ("resources", resources), ("casts", casts)] {
        if let Err(error) = outcome {
            warn!(what, error = format!("{error:#}"), "a part of the demo failed");
        }
    }
}

/// Plays a story. The story pauses while webhook-ingest is unavailable.
struct Demo {
    courier: Courier,
    /// The fake Cloud Logging that gets the log entries of deploys.
    logs: Option<Arc<FakeLogging>>,
    /// The task of the last delivery, for the agents.
    task: watch::Sender<Option<Vtid>>,
    reporter: Reporter,
    /// What to do if no connection to webhook-ingest can be made. It is printed once.
    advice: Option<String>,
    /// The number of refused deliveries.
    refused: u64,
}

impl Demo {
    async fn play(&mut self, pace: &Pace) -> anyhow::Result<()> {
        let mut story = Story::new(pace.seed.unwrap_or_else(|| u64::from_le_bytes(random::bytes())));
        let speed = pace.speed.unwrap_or(1.0);
        let mut sent = 0;
        while pace.count.is_none_or(|count| sent < count) {
            let pause = story.pause().div_f64(speed);
            // The first delivery is sent at once, so that a wrong address is reported at once.
            if sent > 0 {
                sleep(pause).await;
            }
            let delivery = story.next(Timestamp::now());
            self.send(&delivery).await?;
            self.task.send_replace(Vtid::parse(&delivery.vtid).ok());
            if let (Some(logs), Some(entry)) = (&self.logs, &delivery.log_entry) {
                logs.add(entry, LOGGED_FOR);
            }
            sent += 1;
        }
        Ok(())
    }

    /// Sends one delivery, and retries until webhook-ingest accepts or refuses the delivery.
    async fn send(&mut self, delivery: &Delivery) -> anyhow::Result<()> {
        let body = Bytes::from(delivery.payload.to_string());
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        let mut unavailable = false;
        loop {
            let outcome = self.courier.deliver(delivery.event, body.clone()).await;
            let is_unreachable = matches!(outcome, Outcome::Unreachable(_));
            let error = match outcome {
                Outcome::Failed(error) | Outcome::Unreachable(error) => error,
                Outcome::Refused(refusal) => {
                    self.refused += 1;
                    self.reporter.problem(delivery, "a demo delivery was refused", &refusal.to_string());
                    return Ok(());
                }
                accepted => {
                    if unavailable {
                        self.reporter.recovered("demo deliveries arrive again");
                    }
                    return self.reporter.accepted(delivery, &accepted);
                }
            };
            if !unavailable {
                let why = format!("{error:#}");
                self.reporter.problem(delivery, "demo deliveries do not arrive; retrying", &why);
                if let Some(advice) = self.advice.take_if(|_| is_unreachable) {
                    output::notice(advice);
                }
            }
            unavailable = true;
            sleep(backoff.next()).await;
        }
    }
}

/// Where the demo reports the outcomes of its deliveries.
#[derive(Debug, Clone, Copy)]
enum Reporter {
    /// One line per delivery goes to standard output, and problems go to standard error.
    Terminal,
    /// Everything goes to the log.
    Log,
}

impl Reporter {
    fn accepted(self, delivery: &Delivery, outcome: &Outcome) -> anyhow::Result<()> {
        let (event, task) = (delivery.event, &delivery.vtid);
        let what = match outcome {
            Outcome::Duplicate => "already stored",
            Outcome::Ignored => "ignored",
            _ => "stored",
        };
        match self {
            Self::Terminal => output::line(format_args!("{what} {event} {task}"))?,
            Self::Log => debug!(event, task, "{what}"),
        }
        Ok(())
    }

    fn problem(self, delivery: &Delivery, what: &str, why: &str) {
        let event = delivery.event;
        match self {
            Self::Terminal => output::notice(format_args!("{what}: {event}: {}", output::printable(why))),
            Self::Log => warn!(event, error = why, "{what}"),
        }
    }

    fn recovered(self, what: &str) {
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
