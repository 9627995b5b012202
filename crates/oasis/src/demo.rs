//! A made-up team at work: a lively, properly signed set of GitHub deliveries, sent to webhook-ingest over HTTP.

mod payloads;
mod story;
mod team;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use oasis_service::{Secret, Shutdown};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::delivery::{Courier, Outcome};
use crate::http::Base;
use crate::output::Paint;
use crate::random;
use story::{Beat, Story};

const EXAMPLES: &str = "\
Examples:
  oasis demo                        keep a feed lively, until Ctrl-C
  oasis demo --count 500 --speed 50 fill one quickly
  oasis demo --seed 7               the same story again

The people, repositories and tasks are made up; the deliveries have the shape of GitHub's own and are stored for good.";

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

/// Which story is told, how fast and how long. The default is a new one each time, at the speed of life, without end.
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
/// When the signal handlers cannot be installed.
pub(crate) async fn command(args: Args) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::on_signals()?;
    tracing_subscriber::fmt()
        .with_env_filter("oasis=debug")
        .with_writer(std::io::stderr)
        .with_ansi(Paint::for_stream(&std::io::stderr()).is_on())
        .with_target(false)
        .compact()
        .init();
    let refused = run(args.url, &args.secret, &args.pace, shutdown.triggered()).await;
    Ok(ExitCode::from(u8::from(refused > 0)))
}

/// Sends the deliveries of a story to the webhook-ingest at `webhook` until `shutdown` completes, and gives the number
/// of those that were refused. While webhook-ingest is away the story stands still.
pub(crate) async fn run(
    webhook: Base,
    secret: &Secret,
    pace: &Pace,
    shutdown: impl Future<Output = ()>,
) -> u64 {
    let mut refused = 0;
    tokio::select! {
        () = shutdown => {}
        () = tell(webhook, secret, pace, &mut refused) => {}
    }
    refused
}

async fn tell(webhook: Base, secret: &Secret, pace: &Pace, refused: &mut u64) {
    let mut story = Story::new(pace.seed.unwrap_or_else(|| u64::from_le_bytes(random::bytes())));
    let mut courier = Courier::new(webhook, secret);
    let speed = pace.speed.unwrap_or(1.0);
    let mut sent = 0;
    while pace.count.is_none_or(|count| sent < count) {
        sleep(story.pause().div_f64(speed)).await;
        let beat = story.beat(Timestamp::now());
        *refused += u64::from(!send(&mut courier, &beat).await);
        sent += 1;
    }
}

/// Sends one delivery, however long its recipient is away, and says whether it was taken.
async fn send(courier: &mut Courier, beat: &Beat) -> bool {
    let body = Bytes::from(beat.payload.to_string());
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
    let mut away = false;
    loop {
        let error = match courier.deliver(beat.event, body.clone()).await {
            Outcome::Stored | Outcome::Duplicate | Outcome::Ignored => {
                if away {
                    info!("demo deliveries arrive again");
                }
                debug!(event = beat.event, task = beat.vtid, "delivered");
                return true;
            }
            Outcome::Refused(refusal) => {
                warn!(event = beat.event, %refusal, "a demo delivery was refused");
                return false;
            }
            Outcome::Failed(error) | Outcome::Unreachable(error) => error,
        };
        if !away {
            warn!(
                event = beat.event,
                error = format!("{error:#}"),
                "demo deliveries do not arrive; trying on"
            );
        }
        away = true;
        sleep(backoff.next()).await;
    }
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let expected = "expected a number from 0.01 to 100000";
    let speed: f64 = text.parse().map_err(|_| expected)?;
    (0.01..=100_000.0).contains(&speed).then_some(speed).ok_or_else(|| expected.to_owned())
}
