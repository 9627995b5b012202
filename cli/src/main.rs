//! `oasis`: OASIS DevHub from the command line.
//!
//! Each command is a module with its `Args` and a `run`. Exit codes: 0 done, 1 failed, 2 used wrongly.

mod agents;
mod backoff;
mod database;
mod delivery;
mod demo;
mod emit;
mod gateway;
mod output;
mod random;
mod refusal;
mod replay;
mod sse;
mod tail;
mod time;
mod up;

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
    /// Start everything on this machine: PostgreSQL, gateway-feed, webhook-ingest.
    Up(up::Args),
    /// Bring a database up to date.
    Migrate(database::MigrateArgs),
    /// Delete the oldest events.
    Prune(Box<database::PruneArgs>),
    /// Follow the live feed in the terminal.
    Tail(tail::Args),
    /// Show which agents there are, and how they are.
    Agents(agents::Args),
    /// Send one event.
    Emit(emit::Args),
    /// Send GitHub payload files as signed webhook deliveries.
    Replay(replay::Args),
    /// Send the deliveries of a made-up team at work, until stopped.
    Demo(demo::Args),
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match oasis_service::args::parse::<Cli>().command {
        Command::Up(args) => up::run(args).await,
        Command::Migrate(args) => database::run_migrate(args).await,
        Command::Prune(args) => database::run_prune(*args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Agents(args) => agents::run(args).await,
        Command::Emit(args) => emit::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Demo(args) => demo::command(args).await,
    };
    done.unwrap_or_else(|error| output::report(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_shows_examples() {
        Cli::command().debug_assert();
        for mut command in Cli::command().get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }
}
