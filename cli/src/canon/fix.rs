//! `oasis canon fix`: shows the changes as a diff, and writes them with `--write`.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use oasis_canon::{Config, Plan, Renames};
use tokio::signal::unix::{SignalKind, signal};

use super::repository::open;
use crate::output::{Paint, Usage, line, notice, printable};

const EXAMPLES: &str = "\
Examples:
  oasis canon fix
  oasis canon fix --write
  oasis canon fix --rename ci.yml=CICDL-CORE-CHECK.yml
  oasis canon fix --rename CI=CICDL-CORE-CHECK --write

The command renames workflow files with git, rewrites `name:`, adds `run-name:`,
and changes the references in workflows, links, badges and documents. It changes
no file without --write. Required checks in the settings of the repository on
GitHub must be renamed there. Exit code 1: some files must be changed by hand.";

/// Flags of `oasis canon fix`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A path in the repository; the whole repository is fixed [default: the current folder]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write the changes instead of showing them
    #[arg(long)]
    write: bool,
    /// Give a workflow file or a workflow this name; can be repeated
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<String>,
    /// The repository on GitHub, to recognise links to it [default: the remote `origin`]
    #[arg(long, value_name = "OWNER/NAME", env = "GITHUB_REPOSITORY", value_parser = parse_repository)]
    repository: Option<String>,
}

fn parse_repository(text: &str) -> Result<String, String> {
    match text.split_once('/') {
        Some((owner, name)) if !owner.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok(text.to_owned())
        }
        _ => Err("expected OWNER/NAME, as in acme/shop".to_owned()),
    }
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let renames = Renames::parse(&args.rename).map_err(|error| Usage(error.to_string()))?;
    let (tree, _) = open(args.path.as_ref())?;
    let tree = tree.with_slug(args.repository.clone());
    let config = Config::read(&tree).map_err(|error| Usage(error.to_string()))?;
    let plan = Plan::of(&tree, &config, &renames).map_err(|error| Usage(error.to_string()))?;
    if args.write {
        // From here on, Ctrl-C and SIGTERM do not end the process, so no file is left half-written.
        let _interrupt = signal(SignalKind::interrupt())?;
        let _terminate = signal(SignalKind::terminate())?;
        plan.write(&tree).context("the fixes were not written")?;
        for fixed in &plan.fixed {
            match &fixed.renamed {
                Some(new) => line(printable(&format!("renamed {} to {new}", fixed.path)))?,
                None => line(printable(&format!("changed {}", fixed.path)))?,
            }
        }
    } else if !plan.fixed.is_empty() {
        line(coloured(plan.diff().trim_end_matches('\n')))?;
    }
    for unfixed in &plan.unfixed {
        notice(format!("{}: {}", unfixed.path, unfixed.message));
    }
    let count = plan.fixed.len();
    match (count, args.write) {
        (0, _) if plan.unfixed.is_empty() => notice("nothing to fix"),
        (0, _) => notice("nothing was fixed; change the files above by hand"),
        (1, true) => notice("1 file was changed; look at `git status`"),
        (_, true) => notice(format!("{count} files were changed; look at `git status`")),
        (1, false) => notice("1 file would change; run the command again with --write"),
        (_, false) => notice(format!("{count} files would change; run the command again with --write")),
    }
    Ok(if plan.unfixed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The diff with colours. A file or a pipe gets the diff as it is, so that `git apply` can read it.
fn coloured(diff: &str) -> String {
    if !io::stdout().is_terminal() {
        return diff.to_owned();
    }
    let paint = Paint::for_stream(&io::stdout());
    let coloured = |line: &str| {
        let text = printable(line);
        match line.as_bytes().first() {
            Some(b'+') => paint.with(32, &text),
            Some(b'-') => paint.red(&text),
            Some(b'd' | b'r') => paint.dim(&text),
            _ => text,
        }
    };
    diff.lines().map(coloured).collect::<Vec<_>>().join("\n")
}
