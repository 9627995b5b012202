//! The flags of `oasis tail`, and the request for the feed that these flags describe.

use std::time::Duration;

use hyper::Method;
use hyper::header::{ACCEPT, CACHE_CONTROL};
use hyper::http::request;
use oasis_core::{Source, Status, Ts};
use oasis_service::args::parse_duration;
use oasis_service::client as http;

use crate::gateway::Gateway;
use crate::time::parse_time;

const EXAMPLES: &str = "\
Examples:
  oasis tail                                       the last 20 events, then new ones
  oasis tail --vtid DEV-CICDL-0031                 one task
  oasis tail --status failure,cancelled --since 2h failures of the last two hours, then new ones
  oasis tail --json | jq -r .title                 one JSON object per line
  oasis tail --status success -n 1                 end after one success

After a lost connection, the command resumes where it stopped. With -n or --no-follow, the first attempt to
connect must succeed. A feed without events shows simulated events. Simulated events do not count towards -n,
and --json leaves them out. Messages about the connection go to standard error.";

/// Flags of `oasis tail`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) gateway: Gateway,
    #[command(flatten)]
    filter: Filter,
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

/// Which events to show; each flag takes a comma-separated list.
#[derive(clap::Args, Debug)]
struct Filter {
    /// Show only events of these tasks, such as DEV-CICDL-0031
    #[arg(long, value_name = "LIST")]
    vtid: Option<String>,
    /// Show only events of these layers, such as CICDL
    #[arg(long, value_name = "LIST")]
    layer: Option<String>,
    /// Show only events of these modules, such as CORE
    #[arg(long, value_name = "LIST")]
    module: Option<String>,
    #[arg(long, help = format!("Show only events from these sources: {}", Source::list()),
          value_name = "LIST")]
    source: Option<String>,
    /// Show only events of these kinds, such as workflow_run
    #[arg(long, value_name = "LIST")]
    kind: Option<String>,
    #[arg(long, help = format!("Show only events with these statuses: {}", Status::list()),
          value_name = "LIST")]
    status: Option<String>,
}

impl Args {
    /// Makes the request for the feed. If `last_event_id` is given, the feed resumes after this event.
    pub(super) fn request(&self, last_event_id: Option<&str>) -> anyhow::Result<request::Builder> {
        let since = self.since.map(|since| since.to_string());
        let filter = &self.filter;
        let parameters = [
            ("vtid", &filter.vtid),
            ("layer", &filter.layer),
            ("module", &filter.module),
            ("source", &filter.source),
            ("kind", &filter.kind),
            ("status", &filter.status),
            ("since", &since),
        ];
        let mut path = "/api/v1/devhub/feed".to_owned();
        let given = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let mut request = self
            .gateway
            .url
            .request(Method::GET, &path)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-cache");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        if let Some(headers) = request.headers_mut() {
            http::authorize(headers, self.gateway.token.as_ref())?;
        }
        Ok(request)
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

    fn request(flags: &[&str], id: Option<&str>) -> hyper::Request<()> {
        let argv = std::iter::once("tail").chain(flags.iter().copied());
        Cli::parse_from(argv).args.request(id).unwrap().body(()).unwrap()
    }

    #[test]
    fn the_flags_determine_the_request() {
        let plain = request(&[], None);
        assert_eq!(plain.uri(), "/api/v1/devhub/feed");
        assert!(!plain.headers().contains_key("last-event-id"));
        let full = request(
            &[
                "--vtid=DEV-CICDL-0031,UNSET",
                "--status=failure",
                "--since=2026-01-02T03:04:05+00:00",
                "--token=t",
            ],
            Some("7"),
        );
        assert_eq!(
            full.uri(),
            "/api/v1/devhub/feed?vtid=DEV-CICDL-0031%2CUNSET&status=failure\
             &since=2026-01-02T03%3A04%3A05.000Z"
        );
        assert_eq!(full.headers()["last-event-id"], "7");
        assert_eq!(full.headers()["authorization"], "Bearer t");
    }
}
