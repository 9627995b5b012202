//! The `heartbeat-agent` program: parses the command line, and exits with the exit code of the run.

use std::process::ExitCode;

use heartbeat_agent::cli::{self, Cli, UsageError};
use oasis_service::args;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    if let Err(error) = cli::check_command(std::env::args_os()) {
        return failed(&error.into());
    }
    let cli: Cli = args::parse();
    // One thread is enough, because the agent mostly sleeps.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = match runtime.block_on(cli::run(cli)) {
        // Exit codes of processes fit into a byte.
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => failed(&error),
    };
    // Dropping the runtime would wait for an unfinished lookup of the gateway's name. Such a lookup can take
    // very long.
    runtime.shutdown_background();
    code
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
}
