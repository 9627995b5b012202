//! `oasis tail`: follows the feed in the terminal. A lost connection neither loses nor repeats an event.

mod args;
mod feed;
mod line;

use std::process::ExitCode;

pub(crate) use args::Args;

/// Follows the feed until the command is stopped or has printed all requested events.
///
/// # Errors
/// The server refuses the request, or standard output cannot be written. With `-n` or `--no-follow`, it is
/// also an error if the first attempt to connect fails. A lost connection is not an error.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    feed::follow(&args).await?;
    Ok(ExitCode::SUCCESS)
}
