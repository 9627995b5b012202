//! The agent's heart as a process of its own.

use std::process::ExitCode;

use heartbeat_agent::cli::{self, Cli, Usage};
use oasis_service::args;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    if let Err(error) = cli::names_a_command(std::env::args_os()) {
        return failed(&error.into());
    }
    let cli: Cli = args::parse();
    // One thread: it mostly sleeps.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = match runtime.block_on(cli::run(cli)) {
        // Codes of processes fit.
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => failed(&error),
    };
    // Dropped, it would wait until the name of a gateway has been looked up, however long that takes.
    runtime.shutdown_background();
    code
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}
