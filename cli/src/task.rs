//! `oasis task`: prints the journey of a task.

use std::process::ExitCode;

use oasis_core::{Source, Vtid};

use crate::columns::{self, Part};
use crate::filter::Filter;
use crate::gateway::{Gateway, Reader};
use crate::history::{self, Selection, Stored};
use crate::journey::{Item, Journey, Lane, State, Verdict};
use crate::line::Printer;
use crate::output::{self, notice};
use crate::time::took;

const EXAMPLES: &str = "\
Examples:
  oasis task DEV-CICDL-0031        # pull request, runs, deploys and durations
  oasis task dev-cicdl-0031 --utc

The first line has the state of the task: what runs, or how the task ended.
`oasis watch --help` says when a task has ended. A run shows its failed jobs.
For all events of a task as JSON, use `oasis events --vtid VTID --json`.";

/// The maximum number of events of a task that are read. These are the newest events.
const MAX_EVENTS: usize = 5_000;
/// The maximum number of pings that are read in addition. Pings only show when agents worked on the task.
const MAX_PINGS: usize = 1_000;

/// Flags of `oasis task`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The task, such as DEV-CICDL-0031
    #[arg(value_parser = Vtid::parse)]
    vtid: Vtid,
    #[command(flatten)]
    gateway: Gateway,
    /// Show times in UTC instead of local time
    #[arg(long)]
    utc: bool,
}

/// Prints the journey.
///
/// # Errors
/// The task has no events, the gateway does not answer or refuses the request, or standard output cannot be
/// written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut gateway = args.gateway.find().await?;
    let mut stored = events_of(&mut gateway, &args.vtid, 0).await?;
    if stored.len() == MAX_EVENTS {
        notice(format_args!("only the newest {MAX_EVENTS} events of the task are shown"));
    }
    let pings = Filter::task(args.vtid.as_str()).with_sources("agent.ping");
    stored.extend(read(&mut gateway, &pings, 0, MAX_PINGS).await?);
    anyhow::ensure!(
        !stored.is_empty(),
        "{} has no events: check the id of the task, or list the latest events with `oasis events`",
        args.vtid
    );
    let events: Vec<_> = stored.into_iter().map(|stored| stored.event).collect();
    let journey = Journey::of(&events);
    let text = text(&args.vtid, &journey, &Printer::new(args.utc), columns::terminal());
    output::line(text.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Selects the events of a task without the pings of agents. An agent that works on the task sends so many
/// pings that the pings would push out the other events.
pub(crate) fn work_of(vtid: &Vtid) -> Filter {
    let others = Source::ALL.iter().filter(|source| **source != Source::AgentPing);
    let others: Vec<&str> = others.map(|source| source.as_str()).collect();
    Filter::task(vtid.as_str()).with_sources(&others.join(","))
}

/// Reads the events of [`work_of`] with ids above `after`, the oldest first.
///
/// # Errors
/// The gateway does not answer or refuses the request.
pub(crate) async fn events_of(gateway: &mut Reader, vtid: &Vtid, after: u64) -> anyhow::Result<Vec<Stored>> {
    read(gateway, &work_of(vtid), after, MAX_EVENTS).await
}

async fn read(
    gateway: &mut Reader,
    filter: &Filter,
    after: u64,
    limit: usize,
) -> anyhow::Result<Vec<Stored>> {
    let selection = Selection { filter, parameters: Vec::new(), after, before: None, limit };
    history::read(gateway, &selection).await
}

/// Describes the state of a task in words.
pub(crate) fn state(journey: &Journey) -> String {
    let names = |items: &[&Item]| items.iter().map(|item| item.summary()).collect::<Vec<_>>().join(", ");
    match journey.state() {
        State::NotStarted => "no run or deploy has started".to_owned(),
        State::Active(items) => format!("running: {}", names(&items)),
        State::Ended(Verdict::Success, _) => "success".to_owned(),
        State::Ended(Verdict::Failure, items) => format!("failure: {}", names(&items)),
        State::Ended(Verdict::Cancelled, items) => format!("cancelled: {}", names(&items)),
    }
}

fn text(vtid: &Vtid, journey: &Journey, printer: &Printer, width: Option<usize>) -> Vec<String> {
    let items = &journey.items;
    let first = |text: fn(&Item) -> &str, lanes: &[Lane]| -> String {
        let mut found = items.iter().filter(|item| lanes.contains(&item.lane)).map(text);
        found.rfind(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let title = match first(|item| &item.about.title, &[Lane::Pull]) {
        title if title.is_empty() => first(|item| &item.about.title, &[Lane::Run]),
        title => title,
    };
    let place = [
        first(|item| &item.about.repository, &[Lane::Code, Lane::Pull, Lane::Run]),
        first(|item| &item.about.branch, &[Lane::Pull]),
    ];
    let max = width.unwrap_or(usize::MAX);
    let mut lines = vec![columns::cut(&format!("{vtid}  {}", state(journey)), max)];
    lines.extend([title.clone(), columns::join(&place)].iter().map(|line| columns::cut(line, max)));
    lines.retain(|line| !line.is_empty());
    if let (Some(began), Some(ended)) =
        (items.iter().map(|item| item.began).min(), items.iter().filter_map(|item| item.ended).max())
    {
        let (from, to) = (printer.time(began, None), printer.time(ended, None));
        lines.push(columns::cut(&format!("{from} to {to} ({})", took(began, ended)), max));
    }
    lines.push(String::new());
    for item in items {
        lines.push(row(item, &title, printer, width));
        let failed = item.failed_jobs().map(|job| format!("failed: {job}"));
        let indent = columns::width(&printer.time(item.began, width)) + 24;
        lines.extend(failed.map(|line| columns::cut(&format!("{}{line}", " ".repeat(indent)), max)));
    }
    lines
}

fn row(item: &Item, title: &str, printer: &Printer, width: Option<usize>) -> String {
    let time = printer.time(item.began, width);
    let lasting = item.lane != Lane::Code;
    let took = item.ended.filter(|ended| lasting && *ended > item.began).map(|ended| took(item.began, ended));
    let took = format!("{:>7}", took.as_deref().unwrap_or("-"));
    let status = match (item.lane, item.status) {
        (Lane::Pull, _) if item.ended.is_none() => "open",
        (_, Some(status)) => status.as_str(),
        (_, None) => "unknown",
    };
    let status = format!("{status:<11}");
    let about = &item.about;
    // The title of the task is in the head.
    let own = if about.title == title { "" } else { about.title.as_str() };
    let used = columns::width(&time) + 7 + 11 + 6;
    let free = width.map_or(usize::MAX, |width| width.saturating_sub(used));
    let has_room = |texts: &[&str]| {
        texts.iter().map(|text| columns::width(text) + 2).sum::<usize>() <= free.saturating_add(2)
    };
    let link = if has_room(&[&about.name, own, &item.link]) { item.link.as_str() } else { "" };
    let mut texts = columns::fit(&about.name, &[Part { text: own, rank: 0 }], free);
    texts[0] = printer.painted(item.status, &texts[0]);
    texts.push(printer.dim(link));
    let (time, status) = (printer.dim(&time), printer.painted(item.status, &status));
    format!("{time}  {took}  {status}  {}", columns::join(&texts)).trim_end().to_owned()
}
