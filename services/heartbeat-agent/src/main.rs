//! The agent's heart as a process of its own.

use std::process::ExitCode;

use heartbeat_agent::cli::{self, Cli, Usage};
use oasis_service::args;

// One thread: it mostly sleeps.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli: Cli = args::parse();
    match cli::run(cli).await {
        // Codes of processes fit.
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}
