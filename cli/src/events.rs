//! `oasis events`: prints stored events, the newest last.

use std::process::ExitCode;

use oasis_core::Ts;

use crate::filter::Filter;
use crate::gateway::Gateway;
use crate::history::{self, Selection};
use crate::line::Printer;
use crate::output::{self, notice};
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  oasis events                              # the last 50, the newest last
  oasis events --status failure --since 2h  # what failed in the last two hours
  oasis events --vtid DEV-CICDL-0031        # the events of one task
  oasis events --limit 1000 --json          # JSON lines, with id and meta

--since and --until compare the time at the source (ts). The events are in the
order in which they were stored, so the times can be out of order. A line has
the same parts as a line of `oasis tail`.";

/// Flags of `oasis events`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    gateway: Gateway,
    #[command(flatten)]
    filter: Filter,
    /// Show only events that happened at or after TIME: RFC 3339, or an age such as 15m, 2h or 1d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Ts>,
    /// Show only events that happened at or before TIME
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<Ts>,
    /// Show only the newest N events
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Print each event as the gateway sends it: one JSON object per line
    #[arg(long)]
    json: bool,
    /// Show times in UTC instead of local time
    #[arg(long, conflicts_with = "json")]
    utc: bool,
}

/// Prints the events once.
///
/// # Errors
/// The gateway does not answer or refuses the request, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut gateway = args.gateway.find().await?;
    let bounds = [("since", args.since), ("until", args.until)];
    let parameters: Vec<_> =
        bounds.iter().filter_map(|(name, bound)| Some((*name, bound.as_ref()?.to_string()))).collect();
    let all = parameters.is_empty() && args.filter.parameters().is_empty();
    let limit = usize::try_from(args.limit)?;
    let selection = Selection { filter: &args.filter, parameters, after: 0, before: None, limit };
    let events = history::read(&mut gateway, &selection).await?;
    if events.is_empty() && !args.json {
        notice(if all { "no events are stored yet" } else { "no event matches the filters" });
    }
    let printer = Printer::new(args.utc);
    for stored in &events {
        if args.json {
            // JSON has line breaks only between its tokens, where a space means the same.
            output::line(stored.json.replace(['\r', '\n'], " "))?;
        } else {
            printer.event(&stored.event)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
