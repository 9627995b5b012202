//! `oasis replay`: sends GitHub payload files as signed deliveries to webhook-ingest.

mod payloads;
mod summary;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;
use oasis_service::Secret;
use tokio::task::JoinSet;

use crate::address::{Address, Webhooks};
use crate::delivery::{Courier, Outcome};
use crate::{output, progress};
use payloads::{Loaded, Payload};
use summary::Summary;

const EXAMPLES: &str = "\
Examples:
  oasis replay services/webhook-ingest/tests/payloads  # a directory
  oasis replay services/webhook-ingest/tests/payloads/push.branch.json
  oasis replay --event push --limit 1 \\
       services/webhook-ingest/tests/payloads/push.branch.json

The name of a file or of its directory gives the event: push.json,
issues.opened.json, push/one.payload.json. With --concurrency 1, the files are
sent in the order of their names. A file can also be a collection, such as the
index.json of the npm package @octokit/webhooks-examples.

In a directory, files that are no deliveries, such as package.json, are skipped
and counted. The folder node_modules and folders whose names begin with a dot
are not searched.

Exit code 1 means that a delivery was refused or failed. It is safe to send a
file again: webhook-ingest stores the same bytes with the same event name once.";

/// Flags of `oasis replay`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Payload files, directories with payload files, or collections: JSON arrays of {name, examples}
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    webhooks: Webhooks,
    /// Event name for all payloads; by default, the event name is taken from the collection, or from the name
    /// of the file or directory
    #[arg(long, value_name = "NAME", value_parser = payloads::parse_event)]
    event: Option<String>,
    /// Number of deliveries in progress at the same time; 1 keeps the order of the payloads
    #[arg(long, value_name = "N", default_value_t = 8)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Send only the first N payloads
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print only refused and failed deliveries
    #[arg(short, long)]
    quiet: bool,
}

/// Sends the payloads and prints a summary.
///
/// # Errors
/// A path has no readable payloads, or standard output cannot be written. In the first case, nothing is sent.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (address, secret) = args.webhooks.find().await?;
    let Loaded { mut payloads, skipped } = payloads::load(&args.paths, args.event.as_deref())?;
    payloads.truncate(args.limit.unwrap_or(usize::MAX));
    if payloads.is_empty() {
        let passed_over = if skipped.is_empty() { String::new() } else { format!(" (skipped {skipped})") };
        let message =
            format!("no payloads{passed_over}: pass payload files, or directories of payload files");
        return Err(output::Usage(message).into());
    }
    let bar = if args.quiet { ProgressBar::hidden() } else { progress::bar(payloads.len() as u64) };
    let mut summary = send(payloads, &args, &address, &secret, &bar).await;
    summary.skipped(skipped);
    bar.finish_and_clear();

    summary.explain(&address.advice());
    if !args.quiet {
        output::line(&summary)?;
    }
    Ok(ExitCode::from(u8::from(!summary.is_clean())))
}

async fn send(
    payloads: Vec<Payload>,
    args: &Args,
    address: &Address,
    secret: &Secret,
    bar: &ProgressBar,
) -> Summary {
    let workers = usize::from(args.concurrency).min(payloads.len());
    let queue = Arc::new(Mutex::new(VecDeque::from(payloads)));
    let mut couriers = JoinSet::new();
    for _ in 0..workers {
        let courier = Courier::new(address.base.clone(), secret);
        couriers.spawn(work(courier, Arc::clone(&queue), bar.clone()));
    }
    let mut summary = Summary::default();
    while let Some(joined) = couriers.join_next().await {
        match joined {
            Ok(part) => summary.merge(part),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
    summary.not_sent(with_queue(&queue, |queue| queue.len()));
    summary
}

async fn work(mut courier: Courier, queue: Arc<Mutex<VecDeque<Payload>>>, bar: ProgressBar) -> Summary {
    let mut summary = Summary::default();
    while let Some(payload) = with_queue(&queue, VecDeque::pop_front) {
        let outcome = courier.deliver(&payload.event, payload.body).await;
        bar.inc(1);
        let unreachable = matches!(outcome, Outcome::Unreachable(_));
        summary.count(&payload.event, &payload.origin, outcome);
        // The worker ends here, because it would wait for the service again with each further payload.
        if unreachable {
            break;
        }
    }
    summary
}

fn with_queue<T>(queue: &Mutex<VecDeque<Payload>>, action: impl FnOnce(&mut VecDeque<Payload>) -> T) -> T {
    action(&mut queue.lock().unwrap_or_else(PoisonError::into_inner))
}
