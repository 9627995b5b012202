//! `oasis-bench`: measures the release binaries on this machine and prints a table.
//!
//! Each scenario is a file with a `run` that returns a [`Report`](report::Report). The measured programs run
//! as processes of their own, over a private PostgreSQL with durable commits. Only `append` measures in this
//! process. The database and all other files are removed at the end, even after Ctrl-C. Exit codes: 0 if all
//! bars are met; 1 if a bar is missed, a peer is missing or a measurement failed; 130 if the run was
//! interrupted.

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
mod servers;
mod service;
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
    /// Scenarios to measure; all by default
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Smoke test: small sizes and short times, so the figures mean little
    #[arg(long)]
    quick: bool,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run as the floor, the peer that only writes
    #[arg(long, hide = true)]
    floor: bool,
    /// Run this many agents
    #[arg(long, hide = true)]
    agents: Option<usize>,
    /// Seconds between the beats of an agent
    #[arg(long, hide = true, default_value_t = 60)]
    every: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Time from a signed delivery to its frame at a client of the feed
    Latency,
    /// Time from a commit to its frame at a hundred clients, compared with Nchan
    Delay,
    /// Processor time of events to a thousand clients, compared with Nchan and with bare writes
    Fanout,
    /// Processor time of a hundred clients with a filter each, added to a thousand without one
    Filters,
    /// Processor time and memory of thousands of topics with one subscriber each
    Topics,
    /// Memory of a gateway with idle clients, and with one client that never reads
    Memory,
    /// Statements that a gateway sends while nothing happens
    Idle,
    /// Deliveries a second, compared with PostgreSQL's own single-row inserts
    Throughput,
    /// Deliveries a second, compared with Express 5 and pg, and the delay of a feed that polls
    Webhooks,
    /// Small events a second on POST /events/ingest, compared with pgbench
    Ingest,
    /// Rows a second through the batcher, compared with PostgreSQL's own COPY and INSERT
    Append,
    /// Answer times of the query API over five million events
    Queries,
    /// Answer times of the ticker with a million room lines between two of its events
    Flood,
    /// Time to a new client's first events, which are older than three million repeated pings
    Replay,
    /// Clients that resume a million events behind, and their effect on live clients
    Resume,
    /// Time and memory of a poll of deploy-watcher over five thousand log entries
    Deploys,
    /// The effect of two thousand agents on the feed, and the cost of one agent
    Agents,
    /// Time from start to /ready, size and idle memory of each binary
    Footprint,
}

// One thread, so that the generator takes little processor time from the programs that it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match (cli.floor, cli.agents) {
        (true, _) => peers::floor::serve().context("running the floor").map(|()| Some(true)),
        (_, Some(count)) => {
            agents::beat(count, cli.every).await.context("running the agents").map(|()| Some(true))
        }
        _ => measure(&cli).await,
    };
    match outcome {
        Ok(Some(true)) => ExitCode::SUCCESS,
        Ok(Some(false)) => ExitCode::FAILURE,
        Ok(None) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the scenarios. Returns whether all bars are met, or `None` after an interrupt.
async fn measure(cli: &Cli) -> anyhow::Result<Option<bool>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // An interrupt drops the run, which ends every process that it started.
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
    let all = Scenario::value_variants();
    for scenario in if cli.scenarios.is_empty() { all } else { &cli.scenarios } {
        // `to_possible_value` returns `None` only for a hidden variant, and no variant is hidden.
        let name = scenario.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        eprintln!("measuring {name}");
        let load_before = processes::load()?;
        let measured = match scenario {
            Scenario::Latency => latency::run(&stack, cli.quick).await,
            Scenario::Delay => delay::run(&stack, cli.quick).await,
            Scenario::Fanout => fanout::run(&stack, cli.quick).await,
            Scenario::Filters => filters::run(&stack, cli.quick).await,
            Scenario::Topics => topics::run(&stack, cli.quick).await,
            Scenario::Memory => memory::run(&stack, cli.quick).await,
            Scenario::Idle => idle::run(&stack, cli.quick).await,
            Scenario::Throughput => throughput::run(&stack, cli.quick).await,
            Scenario::Webhooks => webhooks::run(&stack, cli.quick).await,
            Scenario::Ingest => ingest::run(&stack, cli.quick).await,
            Scenario::Append => append::run(&stack, cli.quick).await,
            Scenario::Queries => queries::run(&stack, cli.quick).await,
            Scenario::Flood => flood::run(&stack, cli.quick).await,
            Scenario::Replay => replay::run(&stack, cli.quick).await,
            Scenario::Resume => resume::run(&stack, cli.quick).await,
            Scenario::Deploys => deploys::run(&stack, cli.quick).await,
            Scenario::Agents => agents::run(&stack, cli.quick).await,
            Scenario::Footprint => footprint::run(&stack, cli.quick).await,
        }
        .with_context(|| format!("measuring {name}"));
        match measured {
            Ok(mut report) => {
                report.note(format!("load average at the start: {load_before:.2}"));
                run.reports.push(report);
            }
            // The other scenarios are still measured.
            Err(error) => run.failed(format!("{error:#}")),
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_valid() {
        super::Cli::command().debug_assert();
    }
}
