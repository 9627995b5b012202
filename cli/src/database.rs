//! `oasis migrate` and `oasis prune`: what is done to a database rather than through a service.

use std::cell::Cell;
use std::process::ExitCode;
use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use oasis_core::Family;
use oasis_store::{DatabaseArgs, DatabaseUrl, Store, migrate, migration_script};

use crate::output::{Usage, line, notice};

const MIGRATE_EXAMPLES: &str = "\
Examples:
  DATABASE_URL=postgres://… oasis migrate
  oasis migrate --print > oasis.sql && psql \"$DATABASE_URL\" -v ON_ERROR_STOP=1 -f oasis.sql

It is safe to run at any time and by several at once: what is there already is left alone.";

const PRUNE_EXAMPLES: &str = "\
Examples:
  DATABASE_URL=postgres://… oasis prune --keep 90d
  DATABASE_URL=postgres://… oasis prune --keep '12 weeks'

Clients whose last event is gone are told so when they come back.";

/// Flags of `oasis migrate`.
#[derive(clap::Args, Debug)]
#[command(after_help = MIGRATE_EXAMPLES)]
pub(crate) struct MigrateArgs {
    /// Postgres URL; sslmode and sslrootcert mean what libpq says
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
    /// Print the SQL for `psql -f` instead of running it
    #[arg(long)]
    print: bool,
}

/// Brings a database up to date, or prints how.
///
/// # Errors
/// When the database can't be reached, refuses a step, or holds a table of that name that is not ours.
pub(crate) async fn run_migrate(args: MigrateArgs) -> anyhow::Result<ExitCode> {
    if args.print {
        line(migration_script())?;
        return Ok(ExitCode::SUCCESS);
    }
    let missing = || Usage("name the database: set DATABASE_URL or pass --database-url".into());
    let url = args.database_url.ok_or_else(missing)?;
    let migrated = migrate(&url).await?;
    for step in &migrated.applied {
        line(format_args!("applied {step}"))?;
    }
    line(format_args!("the database is at version {}", migrated.version))?;
    Ok(ExitCode::SUCCESS)
}

/// Flags of `oasis prune`.
#[derive(clap::Args, Debug)]
#[command(after_help = PRUNE_EXAMPLES)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Delete what was recorded longer ago than this, such as 90d, 36h or '12 weeks'
    #[arg(long, value_name = "AGE", value_parser = age)]
    keep: Duration,
    /// Allow a --keep of less than an hour, which deletes (nearly) everything
    #[arg(long)]
    everything: bool,
}

/// Whoever keeps less than this has more likely mistyped than meant it.
const LEAST_KEPT: Duration = Duration::from_secs(3_600);

/// Tells how far a long prune has got. The last count is the result's to tell, so each is told once the next
/// is known.
#[derive(Default)]
struct Progress(Cell<Option<u64>>);

impl Progress {
    /// Takes the latest count, and gives the one to tell now. Steps over holes in the ids change nothing.
    fn step(&self, rows: u64) -> Option<u64> {
        self.0.replace(Some(rows)).filter(|before| *before != rows && *before > 0)
    }
}

/// A span of at most 100 years, days counting as 24 hours.
fn age(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse().map_err(|_| "expected a span such as 90d, 36h or '12 weeks'".to_owned())?;
    let seconds = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "days and weeks are as far as it goes: a month has no fixed length".to_owned())?
        .as_secs();
    match u64::try_from(seconds) {
        Ok(seconds) if seconds <= 100 * 366 * 86_400 => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a span from 0 to 100 years".to_owned()),
    }
}

/// Deletes the oldest events.
///
/// # Errors
/// When so little is kept that it must be a mistake, or the database can't be reached or refuses.
pub(crate) async fn run_prune(args: PruneArgs) -> anyhow::Result<ExitCode> {
    if args.keep < LEAST_KEPT && !args.everything {
        let why =
            "a --keep of less than an hour deletes (nearly) all events: add --everything if that is meant";
        return Err(Usage(why.into()).into());
    }
    let store = Store::new(args.database, "oasis prune")?;
    let progress = Progress::default();
    let tell = |rows| {
        if let Some(rows) = progress.step(rows) {
            notice(format_args!("{rows} events deleted so far"));
        }
    };
    let pruned = store.prune(&Family::devhub(), args.keep, tell).await?;
    line(format_args!("deleted {} events; all up to id {} are gone", pruned.rows, pruned.through))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_count_is_told_twice() {
        let told = |counts: &[u64]| {
            let progress = Progress::default();
            counts.iter().filter_map(|rows| progress.step(*rows)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[7]), [0; 0]);
        assert_eq!(told(&[0, 7, 7]), [0; 0]);
        assert_eq!(told(&[7, 7, 9, 12]), [7, 9]);
    }

    #[test]
    fn ages() {
        assert_eq!(age("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(age("12 weeks"), Ok(Duration::from_secs(84 * 86_400)));
        assert_eq!(age("0s"), Ok(Duration::ZERO));
        for bad in ["", "90", "3 months", "-1d", "200 years", "9999 weeks"] {
            assert!(age(bad).is_err(), "{bad}");
        }
    }
}
