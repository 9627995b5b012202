//! `oasis completions` and `oasis man`: the completions for shells and the manual pages. Both are made from
//! the definitions of the flags, so they are always complete.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::output::line;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(oasis completions bash)
  oasis completions fish > oasis.fish

To keep the completions, write them to a file that the shell loads:
  bash    ~/.local/share/bash-completion/completions/oasis
  zsh     a file _oasis in a directory of $fpath
  fish    ~/.config/fish/completions/oasis.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  oasis man --out man/man1
  MANPATH=$PWD/man man oasis-tail

There is a page for oasis, for each of its commands, and for each of the other
programs.";

/// Flags of `oasis completions`.
#[derive(clap::Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Flags of `oasis man`.
#[derive(clap::Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Folder for the pages; the folder is made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints the completions of `oasis` for a shell.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(args: &CompletionsArgs, mut oasis: Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut oasis, "oasis", &mut script);
    line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual pages of `oasis` and of the other programs.
///
/// # Errors
/// A page cannot be written.
pub(crate) fn man(args: &ManArgs, oasis: Command) -> anyhow::Result<ExitCode> {
    let programs = [
        oasis,
        gateway_feed::Config::command(),
        webhook_ingest::Config::command(),
        deploy_watcher::Config::command(),
        heartbeat_agent::cli::Cli::command(),
    ];
    write_pages(&args.out, programs)
        .with_context(|| format!("cannot write the pages to {}", args.out.display()))?;
    line(format_args!("the pages are in {}", args.out.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn write_pages(folder: &Path, programs: impl IntoIterator<Item = Command>) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    programs.into_iter().try_for_each(|program| clap_mangen::generate_to(program, folder))
}
