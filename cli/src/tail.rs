//! `oasis tail`: follows the feed in the terminal, across lost connections, with nothing lost or doubled.

mod args;
mod feed;
mod line;

use std::process::ExitCode;

pub(crate) use args::Args;

/// Follows the feed until it is stopped, or has printed what was asked for.
///
/// # Errors
/// When the server refuses, the output cannot be written, or a tail that is to end finds no server at first.
/// Lost connections are no errors.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    feed::follow(&args).await?;
    Ok(ExitCode::SUCCESS)
}
