//! The command line `oasis`.
//!
//! Each command has a module with the command's flags and a function that runs the command. [`NOTES`]
//! documents the exit codes.

mod address;
mod agents;
mod ansi;
mod audit;
mod backoff;
mod canon;
mod check;
mod columns;
mod credentials;
mod database;
mod delivery;
mod demo;
mod doctor;
mod emit;
mod emit_log;
mod event;
mod events;
mod fields;
mod filter;
mod follow;
mod gateway;
mod history;
mod import;
mod journey;
mod keys;
mod line;
mod logs;
mod manual;
mod output;
mod progress;
mod random;
mod refusal;
mod replay;
mod room;
mod room_writer;
mod rooms;
mod running;
mod sse;
mod stream;
mod tail;
mod task;
mod time;
mod token;
mod up;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// The end of `oasis --help`.
const NOTES: &str = "\
`oasis COMMAND --help` shows the flags of a command, with examples.

Exit codes:
  0    success; also if the reader of the output, such as `head`, ended first
  1    failure; standard error says why
  2    wrong usage: a flag, a variable or an argument is missing or invalid
If a command uses an exit code in another way, its help says so.";

/// OASIS DevHub from the command line
#[derive(Parser)]
#[command(name = "oasis", version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = NOTES)]
struct Cli {
    /// When to use colours; NO_COLOR turns them off unless the value is `always`
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = output::Colour::Auto)]
    #[arg(hide_possible_values = true, display_order = 900)]
    color: output::Colour,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start PostgreSQL, gateway-feed and webhook-ingest on this machine
    Up(up::Args),
    /// Bring the schema of a database up to date
    Migrate(database::MigrateArgs),
    /// Delete old events of the ticker or of another family of channels
    Prune(Box<database::PruneArgs>),
    /// Check a database as `/ready` does, and rebuild the states of rooms
    Check(Box<check::Args>),
    /// Check a repository against the naming canon, and fix its workflows
    Canon(canon::Args),
    /// Copy the events of another application's table
    Import(import::Args),
    /// Follow the live feed in the terminal
    Tail(tail::Args),
    /// Print stored events, the newest last
    Events(events::Args),
    /// Print the journey of a task: pull request, runs and deploys
    Task(task::Args),
    /// Follow a task until it ends; the exit code is the outcome
    Watch(watch::Args),
    /// List the agents and their states
    Agents(agents::Args),
    /// Print who followed casts, and why it ended
    Audit(audit::Args),
    /// Send one event
    Emit(emit::Args),
    /// Make and revoke the API keys of users
    Keys(keys::Args),
    /// Print the log of a room, and follow it
    Logs(logs::Args),
    /// List the rooms, open a room or close a room
    Rooms(Box<rooms::Args>),
    /// Write lines to a room
    EmitLog(Box<emit_log::Args>),
    /// Make and revoke tokens with which users prove who they are
    Token(token::Args),
    /// Send GitHub payload files as signed webhook deliveries
    Replay(replay::Args),
    /// Send the GitHub deliveries of a made-up team until stopped
    Demo(demo::Args),
    /// Check the installation, and say what is wrong and what to do
    Doctor(doctor::Args),
    /// Print the completions for a shell
    Completions(manual::CompletionsArgs),
    /// Write the manual pages of all programs
    Man(manual::ManArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = oasis_service::args::parse::<Cli>();
    output::set_colour(cli.color);
    let result = match cli.command {
        Command::Up(args) => up::run(args).await,
        Command::Migrate(args) => database::run_migrate(args).await,
        Command::Prune(args) => database::run_prune(*args).await,
        Command::Check(args) => check::run(*args).await,
        Command::Canon(args) => canon::run(args),
        Command::Import(args) => import::run(args).await,
        Command::Tail(args) => tail::run(args).await,
        Command::Events(args) => events::run(args).await,
        Command::Task(args) => task::run(args).await,
        Command::Watch(args) => watch::run(args).await,
        Command::Agents(args) => agents::run(args).await,
        Command::Emit(args) => emit::run(args).await,
        Command::Audit(args) => audit::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::Logs(args) => logs::run(args).await,
        Command::Rooms(args) => rooms::run(*args).await,
        Command::EmitLog(args) => emit_log::run(*args).await,
        Command::Token(args) => token::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Demo(args) => demo::command(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Completions(args) => manual::completions(&args, Cli::command()),
        Command::Man(args) => manual::man(&args, Cli::command()),
    };
    result.unwrap_or_else(|error| output::report(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_valid_and_every_command_shows_examples() {
        Cli::command().debug_assert();
        for mut command in Cli::command().get_subcommands().cloned() {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
        }
    }

    /// Other users of the machine see the arguments of a program in `ps`, but not its environment.
    #[test]
    fn no_example_shows_the_url_of_a_database_in_the_arguments_of_a_program() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_after_help().unwrap().to_string();
            assert!(!examples.contains("--database-url"), "{}", command.get_name());
            let url = command.get_arguments().find(|argument| argument.get_long() == Some("database-url"));
            let help = url.map(|url| url.get_help().unwrap().to_string());
            assert!(help.is_none_or(|help| help.contains("the variable is safer")), "{}", command.get_name());
        }
    }

    /// The help has at most 80 columns. A longer example would be broken into two lines, and could not be
    /// pasted.
    #[test]
    fn no_example_is_longer_than_a_line_of_the_help() {
        for command in Cli::command().get_subcommands() {
            let examples = command.get_after_help().unwrap().to_string();
            for line in examples.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
        }
    }
}
