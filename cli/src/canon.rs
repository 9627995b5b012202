//! `oasis canon`: checks a repository against the naming canon, fixes the names of workflows, and prints the
//! labels of a deploy.

mod check;
mod fix;
mod repository;

use std::process::ExitCode;

use clap::Subcommand;
use oasis_canon::Labels;

use crate::output::line;

const EXAMPLES: &str = "\
Examples:
  oasis canon check
  oasis canon check --format sarif > canon.sarif
  oasis canon check --explain run-name
  oasis canon fix
  oasis canon fix --rename ci.yml=CICDL-CORE-CHECK.yml --write
  oasis canon labels gateway DEV-CICDL-0031 CICDL GATEWAY

Exit codes:
  0    the repository follows the canon; warnings are allowed
  1    it does not, or a file could not be fixed or written
  2    wrong usage, not a Git repository, or canon.toml is not valid

canon.toml at the top of the repository sets the levels of rules, and exempts
files and folders. canon-baseline.json lists findings that are not reported.";

/// Flags of `oasis canon`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: CanonCommand,
}

#[derive(Debug, Subcommand)]
enum CanonCommand {
    /// Report where a repository does not follow the canon
    Check(check::Args),
    /// Rename workflows and rewrite their names, with all references
    Fix(fix::Args),
    /// Print the flag that labels a deploy to Cloud Run with its task
    Labels(LabelsArgs),
}

const LABELS_EXAMPLES: &str = "\
Examples:
  oasis canon labels gateway DEV-CICDL-0031 CICDL GATEWAY

The flag is for `gcloud run deploy`. Exit code 1: an argument is not valid.
deploy/ensure-vtid.sh prints the same flag on machines without `oasis`.";

/// Flags of `oasis canon labels`.
#[derive(clap::Args, Debug)]
#[command(after_help = LABELS_EXAMPLES)]
struct LabelsArgs {
    /// The Cloud Run service to deploy
    #[arg(value_name = "SERVICE")]
    service: String,
    /// The task of the deploy, such as DEV-CICDL-0031
    #[arg(value_name = "VTID")]
    vtid: String,
    /// The task's layer, such as CICDL; if the VTID has a layer, the same layer
    #[arg(value_name = "LAYER")]
    layer: String,
    /// The service's module in the feed, such as GATEWAY
    #[arg(value_name = "MODULE")]
    module: String,
}

/// Runs a command of the canon.
///
/// # Errors
/// The repository or its settings cannot be read, or a file cannot be written.
pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        CanonCommand::Check(args) => check::run(args),
        CanonCommand::Fix(args) => fix::run(&args),
        CanonCommand::Labels(LabelsArgs { service, vtid, layer, module }) => {
            line(Labels::new(&service, &vtid, &layer, &module)?.flag())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
