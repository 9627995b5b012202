//! The command line `oasis`.
//!
//! Each command has a module with the command's flags and a function that runs the command. The exit codes
//! are 0 for success, 1 for failure and 2 for wrong usage.

mod address;
mod agents;
mod backoff;
mod columns;
mod database;
mod delivery;
mod demo;
mod emit;
mod event;
mod events;
mod filter;
mod follow;
mod gateway;
mod history;
mod journey;
mod line;
mod output;
mod random;
mod refusal;
mod replay;
mod running;
mod sse;
mod tail;
mod task;
mod time;
mod up;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// OASIS DevHub from the command line.
#[derive(Parser)]
#[command(name = "oasis", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start PostgreSQL, gateway-feed and webhook-ingest on this machine.
    Up(up::Args),
    /// Bring the schema of a database up to date.
    Migrate(database::MigrateArgs),
    /// Delete old events of the ticker.
    Prune(Box<database::PruneArgs>),
    /// Follow the live feed in the terminal.
    Tail(tail::Args),
    /// Print stored events, the newest last.
    Events(events::Args),
    /// Print the journey of a task: pull request, runs and deploys.
    Task(task::Args),
    /// Follow a task until it ends; the exit code is the outcome.
    Watch(watch::Args),
    /// List the agents and their states.
    Agents(agents::Args),
    /// Send one event.
    Emit(emit::Args),
    /// Send GitHub payload files as signed webhook deliveries.
    Replay(replay::Args),
    /// Send the GitHub deliveries of a made-up team until Ctrl-C.
    Demo(demo::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match oasis_service::args::parse::<Cli>().command {
        Command::Up(args) => up::run(args).await,
        Command::Migrate(args) => database::run_migrate(args).await,
        Command::Prune(args) => database::run_prune(*args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Task(args) => task::run(args).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Agents(args) => agents::run(args).await,
        Command::Emit(args) => emit::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Demo(args) => demo::command(args).await,
    };
    result.unwrap_or_else(|error| output::report(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_valid_and_every_command_shows_examples() {
        Cli::command().debug_assert();
        for mut command in Cli::command().get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }
}
