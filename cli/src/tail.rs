//! `oasis tail`: follows the feed in the terminal. A lost connection neither loses nor repeats an event.

mod args;
mod names;

use std::process::ExitCode;

use crate::event::Event;
use crate::follow::{Arrival, Feed, follow};
use crate::line::Printer;
use crate::output;
use crate::stream::Next;
use names::Names;

pub(crate) use args::Args;

/// Follows the feed until the command is stopped or has printed all requested events.
///
/// # Errors
/// The server refuses the request, or standard output cannot be written. With `-n` or `--no-follow`, it is
/// also an error if the first attempt to connect fails. A lost connection is not an error.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let gateway = args.gateway.find().await?;
    let mut lines = Lines {
        json: args.json,
        printer: Printer::new(args.utc),
        names: Names::new(gateway.another(), args.filter.clone()),
        left: args.count,
    };
    let feed = Feed {
        gateway: &gateway,
        query: args.query(),
        last_event_id: args.last_event_id,
        silence: args.silence,
        must_connect: args.no_follow || args.count.is_some(),
        stored_only: args.no_follow,
        mock_notice: if args.json {
            "no events yet, only simulated events, which --json leaves out"
        } else {
            "no events yet, so simulated events are shown"
        },
    };
    follow(&feed, async |arrivals| lines.print(arrivals).await).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints events, as lines or as JSON.
struct Lines {
    json: bool,
    printer: Printer,
    names: Names,
    /// With `-n`, the number of events that are still to be printed.
    left: Option<u64>,
}

impl Lines {
    async fn print(&mut self, arrivals: Vec<Arrival>) -> anyhow::Result<Next> {
        let mut events: Vec<Event> =
            if self.json { Vec::new() } else { arrivals.iter().map(event).collect() };
        self.names.add(&mut events).await;
        for (nth, arrival) in arrivals.iter().enumerate() {
            match events.get(nth) {
                Some(event) if arrival.simulated => self.printer.simulated(event)?,
                Some(event) => self.printer.event(event)?,
                None if arrival.simulated => {}
                // JSON has line breaks only between its tokens, where a space means the same.
                None => output::line(arrival.data.replace(['\r', '\n'], " "))?,
            }
            if let Some(left) = self.left.as_mut().filter(|_| !arrival.simulated) {
                *left -= 1;
                if *left == 0 {
                    return Ok(Next::End);
                }
            }
        }
        Ok(Next::Continue)
    }
}

fn event(arrival: &Arrival) -> Event {
    Event { id: arrival.id, ..Event::read(&arrival.value) }
}
