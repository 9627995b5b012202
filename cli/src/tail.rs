//! `oasis tail`: follows the feed in the terminal. When a connection is lost, no event is lost or repeated.

mod args;
mod feed;
mod line;

use std::process::ExitCode;

pub(crate) use args::Args;

/// Follows the feed until the command is stopped or has printed all requested events.
///
/// # Errors
/// The server refuses the request, standard output cannot be written, or a tail with `-n` or `--no-follow`
/// cannot connect for the first time. Lost connections are not errors.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    feed::follow(&args).await?;
    Ok(ExitCode::SUCCESS)
}
