//! `oasis-bench`: measures the release binaries on this machine and prints a table.
//!
//! Each scenario is a file with a function `run` that returns a [`Report`](report::Report). A bar is the
//! limit that a figure has to meet. The measured programs run as separate processes and use a private
//! PostgreSQL with durable commits. Only the scenarios `append` and `verification` measure code that runs in
//! this process. The database and all other files are removed at the end, even after Ctrl-C.
//!
//! Exit codes: 0 if all bars are met; 1 if a bar is missed, a peer is missing or a measurement failed; 130 if
//! the run was interrupted.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod agents;
mod append;
mod audience;
mod casts;
mod child;
mod compare;
mod crowd;
mod delay;
mod delivery;
mod deploys;
mod draw;
mod events;
mod fanout;
mod filters;
mod flood;
mod footprint;
mod history;
mod hostile;
mod http;
mod idle;
mod ingest;
mod latency;
mod load;
mod memory;
mod peers;
mod pgbench;
mod posts;
mod processes;
mod queries;
mod replay;
mod report;
mod resources;
mod resume;
mod rooms;
mod rows;
mod servers;
mod service;
mod sse;
mod stack;
mod throughput;
mod tokens;
mod topics;
mod verification;
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
    /// Also write the figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run as the floor, a peer that only writes events to its clients
    #[arg(long, hide = true)]
    floor: bool,
    /// Run this many agents
    #[arg(long, hide = true)]
    agents: Option<usize>,
    /// Seconds between two beats of an agent
    #[arg(long, hide = true, default_value_t = 60)]
    every: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Delay from a signed GitHub delivery to its event at a client of the feed
    Latency,
    /// Delay from the commit of an event to its arrival at a hundred clients, compared with Nchan
    Delay,
    /// Processor time to send events to a thousand clients, compared with Nchan and with bare writes
    Fanout,
    /// Additional processor time of a gateway when a hundred clients with filters join a thousand clients
    Filters,
    /// Processor time and memory of a gateway with thousands of topics, each with one subscriber
    Topics,
    /// Rooms: cost of thousands of viewers, delay of a line, a restart, and the ticker under a load of lines;
    /// also compared with NestJS and Redis
    Rooms,
    /// Resource events: cost of an event, delay of an event, and memory, with thousands of clients that each
    /// follow one workload; also compared with better-sse
    Resources,
    /// Casts: delay from a GitHub delivery to the frame at the owner, losses after a kill, and statements of
    /// a gateway with two thousand idle streams; also compared with Node and NATS
    Casts,
    /// Memory of a gateway with idle clients, and with one client that never reads
    Memory,
    /// Number of statements that a gateway sends to PostgreSQL while no events come
    Idle,
    /// Deliveries a second, compared with single-row inserts on one connection
    Throughput,
    /// Deliveries a second, compared with Express 5 and pg; also the delay of Express's polling feed
    Webhooks,
    /// Small events a second on POST /events/ingest, compared with pgbench
    Ingest,
    /// Rows a second through the batcher, compared with plain COPY and INSERT statements
    Append,
    /// Answer times of the query API over five million events
    Queries,
    /// Answer times of the ticker when a million messages in rooms lie between its newest event and the older
    /// events
    Flood,
    /// Time until a new client gets its first events when three million newer pings only repeat earlier pings
    Replay,
    /// Reading speed of clients that resume a million events behind, and their effect on live clients
    Resume,
    /// Time and memory that deploy-watcher needs to poll five thousand log entries
    Deploys,
    /// Effect of two thousand agents on the delay of the feed, and cost of one agent
    Agents,
    /// Effect of attacks on ordinary clients: deliveries, clients of the feed, and queries
    Hostile,
    /// Time to verify a JSON Web Token, compared with ring alone; also a million changed tokens
    Verification,
    /// Start time, size and idle memory of each binary
    Footprint,
}

// All tasks of the bench run on one thread, so the bench takes little processor time from the programs that
// it measures.
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
    // An interrupt drops the future of the run. The drop ends every process that the run has started.
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
            Scenario::Rooms => rooms::run(&stack, cli.quick).await,
            Scenario::Resources => resources::run(&stack, cli.quick).await,
            Scenario::Casts => casts::run(&stack, cli.quick).await,
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
            Scenario::Hostile => hostile::run(&stack, cli.quick).await,
            Scenario::Verification => verification::run(cli.quick),
            Scenario::Footprint => footprint::run(&stack, cli.quick).await,
        }
        .with_context(|| format!("measuring {name}"));
        match measured {
            Ok(mut report) => {
                report.note(format!("load average of the machine before the scenario: {load_before:.2}"));
                run.reports.push(report);
            }
            // A failed scenario does not end the run. The other scenarios are still measured.
            Err(error) => run.failed(format!("{error:#}")),
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_valid() {
        super::Cli::command().debug_assert();
    }
}
