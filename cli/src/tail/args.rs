//! The flags of `oasis tail`.

use std::time::Duration;

use oasis_core::Ts;
use oasis_service::args::parse_duration;

use crate::filter::Filter;
use crate::gateway::{Gateway, query};
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  oasis tail                                    # the last 20 events, then live
  oasis tail --vtid DEV-CICDL-0031              # one task
  oasis tail --status failure,cancelled --since 2h
  oasis tail --json --no-follow | jq -r .title  # one JSON object per line
  oasis tail --status success -n 1              # end after one success

A line has the time, the status, the task, the name of the run or job, the title
of the change, the repository and the branch. In a terminal, the line is cut to
the width of the terminal. Names and titles come from the query API, with one
request for each batch of events. If the query API does not answer, the line has
the fields of the feed. --json prints what the feed sends.

After a lost connection, the command resumes where it stopped. With -n or
--no-follow, the first attempt to connect must succeed. A feed without events
shows simulated events. -n does not count them, and --json leaves them out.
Messages about the connection go to standard error.";

/// Flags of `oasis tail`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) gateway: Gateway,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Start with the first event recorded at or after TIME: RFC 3339, or an age such as 15m, 2h or 1d
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<Ts>,
    /// Start after the event with this id; overrides --since
    #[arg(long, value_name = "ID")]
    pub(super) last_event_id: Option<u64>,
    /// Print each event as the feed sends it: one JSON object per line
    #[arg(long)]
    pub(super) json: bool,
    /// End after N events; simulated events do not count
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// End once all events that were stored at the start have been printed; if the last stored event does not
    /// match the filter, the command ends with the next heartbeat (after up to 15 s)
    #[arg(long)]
    pub(super) no_follow: bool,
    /// Show times in UTC instead of local time
    #[arg(long, conflicts_with = "json")]
    pub(super) utc: bool,
    /// Reconnect when nothing, not even a heartbeat, has arrived for this long
    #[arg(long, value_name = "DURATION", default_value = "40s", value_parser = parse_duration)]
    pub(super) silence: Duration,
}

impl Args {
    /// The query of the request for the feed.
    pub(super) fn query(&self) -> String {
        let since = self.since.map(|since| since.to_string());
        let since = since.as_deref().map(|since| ("since", since));
        query(self.filter.parameters().into_iter().chain(since))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn query(flags: &[&str]) -> String {
        let argv = std::iter::once("tail").chain(flags.iter().copied());
        Cli::parse_from(argv).args.query()
    }

    #[test]
    fn the_flags_determine_the_query() {
        assert_eq!(query(&[]), "");
        assert_eq!(
            query(&["--vtid=DEV-CICDL-0031,UNSET", "--status=failure", "--since=2026-01-02T03:04:05+00:00"]),
            "?vtid=DEV-CICDL-0031%2CUNSET&status=failure&since=2026-01-02T03%3A04%3A05.000Z"
        );
    }
}
