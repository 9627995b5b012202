//! `oasis-bench`: measures the release binaries on this machine and prints a table.
//!
//! Each scenario is a file with a `run` that gives a [`Report`](report::Report). Everything that is measured
//! runs as a process of its own, over a private PostgreSQL that keeps what it commits; all of it is gone
//! again at the end, also after Ctrl-C. Exit codes: 0 all bars are met, 1 one is missed or the run failed,
//! 130 interrupted.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod agents;
mod append;
mod child;
mod crowd;
mod delay;
mod delivery;
mod deploys;
mod events;
mod fanout;
mod filters;
mod flood;
mod footprint;
mod history;
mod http;
mod idle;
mod ingest;
mod latency;
mod load;
mod memory;
mod peers;
mod pgbench;
mod processes;
mod queries;
mod replay;
mod report;
mod resume;
mod rows;
mod service;
mod sides;
mod sse;
mod stack;
mod throughput;
mod topics;
mod webhooks;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use report::Run;
use stack::Stack;

/// Measure the release binaries of OASIS DevHub on this machine
#[derive(Parser)]
#[command(name = "oasis-bench", version, after_help = "Build first: cargo build --release --workspace")]
struct Cli {
    /// What to measure; everything if nothing is named
    #[arg(value_enum)]
    what: Vec<What>,
    /// A smoke test: a fraction of the size and the time, and figures that mean little
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Be the peer that only writes
    #[arg(long, hide = true)]
    floor: bool,
    /// Be so many agents
    #[arg(long, hide = true)]
    agents: Option<usize>,
    /// Seconds between their beats
    #[arg(long, hide = true, default_value_t = 60)]
    every: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// From a signed delivery to the frame at a client of the feed
    Latency,
    /// From a commit to the frame at a hundred clients, beside Nchan
    Delay,
    /// Events to a thousand clients, beside Nchan and one bare write for each
    Fanout,
    /// A hundred clients that each want something else among a thousand that want everything
    Filters,
    /// Thousands of topics with one subscriber each: what a line costs, and what they take
    Topics,
    /// Memory of a gateway: idle clients, and one that never reads
    Memory,
    /// Statements that a gateway sends while nothing happens
    Idle,
    /// Deliveries a second, beside PostgreSQL's own single-row inserts
    Throughput,
    /// Deliveries a second, beside Express 5 and pg; and a feed that polls
    Webhooks,
    /// Small events a second on POST /events/ingest, beside pgbench
    Ingest,
    /// Rows a second through the batcher, beside PostgreSQL's own COPY and INSERT
    Append,
    /// The query API over five million events
    Queries,
    /// The ticker where a million lines of rooms stand between two of its events
    Flood,
    /// The first events of a new client behind three million pings that say nothing new
    Replay,
    /// Clients that resume a million events behind, and what others notice
    Resume,
    /// A poll of deploy-watcher over five thousand entries
    Deploys,
    /// What two thousand agents that beat cost the feed, and one agent where it runs
    Agents,
    /// Start to /ready, size and idle memory of each binary
    Footprint,
}

// One thread: the generator is to take as little as it can from what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let measured = match (cli.floor, cli.agents) {
        (true, _) => peers::floor::serve().context("the floor").map(|()| Some(true)),
        (_, Some(count)) => agents::be(count, cli.every).await.context("the agents").map(|()| Some(true)),
        _ => measured(&cli).await,
    };
    match measured {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all bars are met; `None` when it was interrupted.
async fn measured(cli: &Cli) -> anyhow::Result<Option<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Dropping the run ends every process that it started.
    let run = tokio::select! {
        run = run(cli) => run?,
        _ = interrupt.recv() => return Ok(None),
        _ = terminate.recv() => return Ok(None),
    };
    print!("{}", run.markdown());
    if let Some(path) = &cli.json {
        let json = serde_json::to_string_pretty(&run)?;
        std::fs::write(path, json + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(Some(run.met()))
}

async fn run(cli: &Cli) -> anyhow::Result<Run> {
    eprintln!("starting a private PostgreSQL");
    let stack = Stack::start().await?;
    let mut run = Run::new(stack.describe().await?, cli.quick);
    let all = What::value_variants();
    for what in if cli.what.is_empty() { all } else { &cli.what } {
        // No variant is hidden.
        let name = what.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        eprintln!("measuring {name}");
        let load_before = processes::load()?;
        let measured = match what {
            What::Latency => latency::run(&stack, cli.quick).await,
            What::Delay => delay::run(&stack, cli.quick).await,
            What::Fanout => fanout::run(&stack, cli.quick).await,
            What::Filters => filters::run(&stack, cli.quick).await,
            What::Topics => topics::run(&stack, cli.quick).await,
            What::Memory => memory::run(&stack, cli.quick).await,
            What::Idle => idle::run(&stack, cli.quick).await,
            What::Throughput => throughput::run(&stack, cli.quick).await,
            What::Webhooks => webhooks::run(&stack, cli.quick).await,
            What::Ingest => ingest::run(&stack, cli.quick).await,
            What::Append => append::run(&stack, cli.quick).await,
            What::Queries => queries::run(&stack, cli.quick).await,
            What::Flood => flood::run(&stack, cli.quick).await,
            What::Replay => replay::run(&stack, cli.quick).await,
            What::Resume => resume::run(&stack, cli.quick).await,
            What::Deploys => deploys::run(&stack, cli.quick).await,
            What::Agents => agents::run(&stack, cli.quick).await,
            What::Footprint => footprint::run(&stack, cli.quick).await,
        }
        .with_context(|| format!("measuring {name}"));
        match measured {
            Ok(mut report) => {
                report.note(format!("load average when it began: {load_before:.2}"));
                run.reports.push(report);
            }
            // What others measured is worth its while.
            Err(error) => run.failed(format!("{error:#}")),
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
