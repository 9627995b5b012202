//! `oasis import`: copies the events of another application's table into the table of OASIS DevHub.

mod mapping;
mod role;
mod tally;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use oasis_core::{NewEvent, Ts};
use oasis_store::{AppendError, Appender, DatabaseArgs, DatabaseUrl, Need, Schema, SourceTable, Store};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::output::{Usage, line, notice};
use crate::progress;
use mapping::Mapping;
use role::{Choice, Role};
use tally::Tally;

const EXAMPLES: &str = "\
Examples:
  oasis import --table app.events --dry-run
  oasis import --table app.events
  oasis import --table '\"OasisEvent\"' --map ts=created_at --map kind=event

The table may be in another database: set FROM_DATABASE_URL, or pass --from.
Without both, it is in the database of DATABASE_URL. The command only reads the
table, and the application can keep using it.

The command infers from the names and the types of the columns what each column
becomes, and prints it. --map FIELD=COLUMN overrides that. The fields are key,
ts, vtid, kind, status, module, layer, source, link and meta.

A row is imported once, even if the command is repeated or was interrupted. The
events get their ids, and appear on the feed, in the order of their times.

Exit code 1 means that rows were not imported; standard output says why.";

/// Flags of `oasis import`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// PostgreSQL URL of the database that has the table; by default, that of --database-url
    #[arg(long, env = "FROM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    from: Option<DatabaseUrl>,
    /// Name of the table or view, with or without its schema
    #[arg(long, value_name = "NAME")]
    table: String,
    /// What a column becomes, if the inferred mapping is wrong; can be repeated
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<Choice>,
    /// Show what would be imported, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// PostgreSQL URL of OASIS DevHub, with the parameters that psql accepts
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
    /// Schema of the tables of OASIS DevHub
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", value_name = "NAME", default_value_t)]
    schema: Schema,
}

/// The maximum number of rows that are read and appended at once.
const BATCH: u16 = 250;
/// How long a batch is sent again after the database did not accept it.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// Imports the rows, and prints the mapping and the counts.
///
/// # Errors
/// A database cannot be reached, the table does not exist, or a column that is needed is missing.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let missing = || Usage("no database is given: set DATABASE_URL or pass --database-url".into());
    let target = match args.database_url {
        Some(url) => {
            let database = DatabaseArgs { schema: args.schema, ..DatabaseArgs::new(url) };
            Some(Store::new(database, "oasis import")?)
        }
        None if args.dry_run => None,
        None => return Err(missing().into()),
    };
    let from = args.from.or_else(|| Some(target.as_ref()?.database_url().clone())).ok_or_else(missing)?;
    let source = SourceTable::open(&from, &args.table).await.context("the table cannot be read")?;
    let appender = match target.filter(|_| !args.dry_run) {
        Some(store) => Some(appender(&store, &source).await?),
        None => None,
    };
    let mapping = Mapping::infer(&source, &args.map)?;
    let count = source.start(&mapping.order()).await.context("the table cannot be read")?;
    line(format_args!("{}: {count} rows\n{mapping}", source.name()))?;
    if !mapping.has(Role::Ts) {
        notice("no column is the time: name one with --map ts=COLUMN, or all events get the time of now");
    }

    let mut import =
        Import { mapping, appender, tally: Tally::default(), now: Ts::clamped(Timestamp::now()) };
    let bar = progress::bar(count);
    let outcome = tokio::select! {
        outcome = import.all(&source, &bar) => outcome.map(|()| false),
        _ = tokio::signal::ctrl_c() => Ok(true),
    };
    bar.finish_and_clear();
    line(&import.tally)?;
    if args.dry_run {
        line("nothing was stored (--dry-run)")?;
    }
    let again = "run the same command again to import the other rows; no row is imported twice";
    match outcome {
        Ok(false) => Ok(ExitCode::from(u8::from(!import.tally.is_clean()))),
        Ok(true) => bail!("interrupted: {again}"),
        Err(error) => Err(error.context(format!("not all rows were read: {again}"))),
    }
}

/// Prepares to append to `store`, unless it is the table to read.
async fn appender(store: &Store, source: &SourceTable) -> anyhow::Result<Appender> {
    if let Some(reason) = store.check(Need::Write).await.first() {
        bail!("the database of OASIS DevHub is not ready: {reason}");
    }
    if source.is_of(store).await? {
        return Err(Usage(format!("{} is the table of OASIS DevHub itself", source.name())).into());
    }
    Ok(store.appender()?)
}

/// An import in progress.
struct Import {
    mapping: Mapping,
    /// `None` for a dry run.
    appender: Option<Appender>,
    tally: Tally,
    /// The time of events without a valid time.
    now: Ts,
}

impl Import {
    async fn all(&mut self, source: &SourceTable, bar: &ProgressBar) -> anyhow::Result<()> {
        loop {
            let rows = source.next(BATCH).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut events = Vec::with_capacity(rows.len());
            for row in &rows {
                match self.mapping.event(row, self.now) {
                    Ok(event) => events.push(event),
                    Err(error) => self.tally.does_not_fit(format!("the row cannot be read: {error:#}")),
                }
            }
            match &self.appender {
                Some(appender) if !events.is_empty() => append(appender, events, &mut self.tally).await?,
                Some(_) => {}
                None => events.iter().for_each(|event| self.tally.fits(event)),
            }
            bar.inc(rows.len() as u64);
        }
    }
}

/// Appends a batch. If the table refuses it, appends its events one by one, so that only the events that do
/// not fit are left out.
async fn append(appender: &Appender, events: Vec<NewEvent>, tally: &mut Tally) -> anyhow::Result<()> {
    let Some(why) = append_all(appender, &events, tally).await? else { return Ok(()) };
    match events.as_slice() {
        [_] => tally.does_not_fit(why),
        events => {
            for event in events {
                if let Some(why) = append_all(appender, std::slice::from_ref(event), tally).await? {
                    tally.does_not_fit(why);
                }
            }
        }
    }
    Ok(())
}

/// Appends all events or none. Returns why the table refused them.
async fn append_all(
    appender: &Appender,
    events: &[NewEvent],
    tally: &mut Tally,
) -> anyhow::Result<Option<String>> {
    let mut waits = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    let deadline = Instant::now() + RETRY_FOR;
    loop {
        match appender.append(events.to_vec(), Instant::now()).await {
            Ok(appended) => {
                events.iter().zip(appended).for_each(|(event, one)| tally.appended(event, one.duplicate));
                return Ok(None);
            }
            Err(AppendError::Refused(refusal)) => {
                let rule = refusal.constraint.unwrap_or(refusal.sqlstate);
                return Ok(Some(format!("the table refuses the event: {rule}")));
            }
            // The events have dedup keys, so it is safe to send them again.
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(waits.next()).await,
        }
    }
}
