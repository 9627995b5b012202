//! `oasis migrate` and `oasis prune`, and what all commands with a direct connection to the database share.

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use jiff::{Span, SpanRelativeTo};
use oasis_core::Family;
use oasis_store::{DatabaseArgs, DatabaseUrl, Schema, Store, migrate_in, migration_script};

use crate::output::{Usage, line, notice};

const MIGRATE_EXAMPLES: &str = "\
Examples:
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis migrate
  oasis migrate --print > oasis.sql  # for psql -v ON_ERROR_STOP=1 -f oasis.sql
  oasis migrate --oasis-schema devhub --print > devhub.sql

With --oasis-schema, the tables of another application in the schema public stay
as they are. You can run this command at any time, and several copies can run at
the same time. The command skips steps that were applied before.";

const PRUNE_EXAMPLES: &str = "\
Examples:
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis prune --keep 90d
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis prune --keep '12 weeks'
  DATABASE_URL=\"$(cat .oasis/database-url)\" oasis prune --channel room --keep 7d

Without --channel, only events of the ticker are deleted. The rows that define
an open room are kept. Revocations (--channel access) are kept until the revoked
tokens have expired. A client that resumes gets a gap message if events after
its cursor were deleted.";

/// Flags of `oasis migrate`.
#[derive(clap::Args, Debug)]
#[command(after_help = MIGRATE_EXAMPLES)]
pub(crate) struct MigrateArgs {
    /// PostgreSQL URL, with the parameters that psql accepts; the variable is safer, because other users can
    /// see flags in `ps`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
    /// Schema of the tables, if an application has its own table oasis_events in the schema public
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", value_name = "NAME", default_value_t)]
    schema: Schema,
    /// Print the SQL for `psql -f` instead of running it
    #[arg(long)]
    print: bool,
}

/// Brings the schema of a database up to date, or prints the SQL for it.
///
/// # Errors
/// The database cannot be reached, refuses a step, or has a table `oasis_events` that OASIS DevHub did not
/// make.
pub(crate) async fn run_migrate(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    if args.print {
        line(migration_script(&args.schema))?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = args.database_url.ok_or_else(no_database)?;
    let migrated = migrate_in(&url, &args.schema).await?;
    for step in &migrated.applied {
        line(format_args!("applied {step}"))?;
    }
    line(format_args!("the schema {} is at version {}", args.schema, migrated.version))?;
    Ok(ExitCode::SUCCESS)
}

/// The error of a command that needs a database.
pub(crate) fn no_database() -> Usage {
    Usage("no database is given: set DATABASE_URL or pass --database-url".into())
}

/// Flags of `oasis prune`.
#[derive(clap::Args, Debug)]
#[command(after_help = PRUNE_EXAMPLES)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Family of the channels to prune, such as `room` or `access`; without this flag, the ticker is pruned
    #[arg(long, value_name = "FAMILY", value_parser = Family::parse, default_value_t = Family::devhub())]
    #[arg(hide_default_value = true)]
    channel: Family,
    /// Age of the oldest events to keep, such as 90d, 36h or '12 weeks'; older events are deleted
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep: Duration,
    /// Allow --keep to be less than an hour; a value below an hour deletes all or nearly all events
    #[arg(long)]
    everything: bool,
}

/// The minimum of `--keep` without `--everything`. A smaller value is probably a typing error.
const MIN_KEEP: Duration = Duration::from_secs(3_600);

/// Chooses the counts that a long prune prints as progress. A count is printed only when the next count is
/// known, because the last count is part of the result.
#[derive(Default)]
struct Progress(Cell<Option<u64>>);

impl Progress {
    /// Takes the latest count, and returns the count to print now, if any. If a step deletes no rows because
    /// of a hole in the ids, the count does not change and nothing is printed.
    fn step(&self, rows: u64) -> Option<u64> {
        self.0.replace(Some(rows)).filter(|before| *before != rows && *before > 0)
    }
}

/// Parses a span of at most 100 years, in which each day has 24 hours.
fn age(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|_| "expected a span such as 90d, 36h or '12 weeks'".to_owned())?;
    let seconds = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years have no fixed length: use days or weeks".to_owned())?
        .as_secs();
    match u64::try_from(seconds) {
        Ok(seconds) if seconds <= 100 * 366 * 86_400 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a span from 0 to 100 years".to_owned()),
    }
}

/// Opens the database of a command that runs without a service.
///
/// # Errors
/// The database cannot be reached, or its tables are not those of this program.
pub(crate) async fn open(database: DatabaseArgs, name: &'static str) -> anyhow::Result<Store> {
    let store = Store::new(database, name)?;
    match store.unusable().await? {
        Some(reason) => bail!("{reason}"),
        None => Ok(store),
    }
}

/// Deletes old events of a family of channels.
///
/// # Errors
/// `--keep` is below an hour without `--everything`, or the database cannot be reached or refuses a step.
pub(crate) async fn run_prune(args: PruneArgs) -> anyhow::Result<ExitCode> {
    if args.keep < MIN_KEEP && !args.everything {
        let why = "--keep below an hour deletes all or nearly all events: add --everything if you mean it";
        return Err(Usage(why.into()).into());
    }
    let store = open(args.database, "oasis prune").await?;
    let progress = Progress::default();
    let report = |rows| {
        if let Some(rows) = progress.step(rows) {
            notice(format_args!("{rows} events deleted so far"));
        }
    };
    let pruned = store.prune(&args.channel, args.keep, report).await?;
    let (rows, through) = (pruned.rows, pruned.through);
    let is_ticker = args.channel == Family::devhub();
    let family = &args.channel;
    line(match (is_ticker, rows) {
        (true, 0) => "nothing to prune: the ticker has no event that is older than --keep".to_owned(),
        (true, rows) => format!("deleted {rows} events; the ticker is pruned up to id {through}"),
        (false, 0) => format!("nothing to prune: no row of {family} is older than --keep and may be deleted"),
        (false, rows) => format!("deleted {rows} rows; {family} is pruned up to id {through}"),
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_except_the_last_is_printed_once() {
        let printed = |counts: &[u64]| {
            let progress = Progress::default();
            counts.iter().filter_map(|rows| progress.step(*rows)).collect::<Vec<_>>()
        };
        assert_eq!(printed(&[7]), [0; 0]);
        assert_eq!(printed(&[0, 7, 7]), [0; 0]);
        assert_eq!(printed(&[7, 7, 9, 12]), [7, 9]);
    }

    #[test]
    fn an_age_is_a_span_of_up_to_100_years_without_months() {
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(age("12 weeks"), Ok(Duration::from_secs(84 * 86_400)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        for bad in ["", "90", "3 months", "-1d", "200 years", "9999 weeks"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
