//! Adds facts to the events of the feed, such as the name of a run. The feed does not send these facts, so
//! they come from the query API.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::event::{Event, Nature};
use crate::filter::Filter;
use crate::gateway::Reader;
use crate::history::{self, Selection};
use crate::output::notice;

/// How long the events wait for the answer. After this time, they are printed without the facts.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a failure, no request is made for this long.
const PAUSE: Duration = Duration::from_secs(30);

/// Requests `meta` with one request for each batch of events.
pub(super) struct Names {
    gateway: Reader,
    filter: Filter,
    /// When the next request may be made. `None` if the last request succeeded.
    paused_until: Option<Instant>,
}

impl Names {
    /// Makes a `Names` for the events that match `filter`.
    pub(super) fn new(gateway: Reader, filter: Filter) -> Self {
        Self { gateway, filter, paused_until: None }
    }

    /// Sets `meta` of the events that need it. If the gateway does not answer in time, the events stay
    /// unchanged.
    pub(super) async fn add(&mut self, events: &mut [Event]) {
        // A ping of an agent needs no other name, because its module is the name of the agent.
        let needing = || events.iter().filter(|event| event.id.is_some() && is_named(event));
        let Some(newest) = needing().filter_map(|event| event.id).max() else { return };
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        // The feed sends every event that matches the filter. So the newest events of these sources, as many
        // as there are in the batch, are the events of the batch.
        let mut sources: Vec<&str> = needing().map(|event| event.source.as_str()).collect();
        let limit = sources.len().min(history::PAGE);
        sources.sort_unstable();
        sources.dedup();
        let filter = self.filter.with_sources(&sources.join(","));
        let before = newest.checked_add(1);
        let selection = Selection { filter: &filter, parameters: Vec::new(), after: 0, before, limit };
        let failure = match timeout(PATIENCE, history::read(&mut self.gateway, &selection)).await {
            Ok(Ok(found)) => {
                self.paused_until = None;
                let mut found = found.into_iter().map(|stored| stored.event).peekable();
                for event in events.iter_mut().filter(|event| event.id.is_some()) {
                    while found.next_if(|found| found.id < event.id).is_some() {}
                    if let Some(found) = found.next_if(|found| found.id == event.id) {
                        event.meta = found.meta;
                    }
                }
                return;
            }
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        if self.paused_until.is_none() {
            notice(format_args!("names and titles are not shown, because the query API fails: {failure}"));
        }
        self.paused_until = Some(Instant::now() + PAUSE);
    }
}

fn is_named(event: &Event) -> bool {
    match Nature::of(event) {
        Nature::Agent => false,
        Nature::Push
        | Nature::Reference
        | Nature::Pull
        | Nature::Run
        | Nature::Job
        | Nature::Suite
        | Nature::Deployment
        | Nature::Deploy
        | Nature::Release
        | Nature::Other => !event.source.is_empty(),
    }
}
