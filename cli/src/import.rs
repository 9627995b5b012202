//! `oasis import`: copies the events of another application's table into the table of OASIS DevHub.

mod mapping;
mod moment;
mod role;
mod tally;

use std::fmt::Display;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use jiff::Timestamp;
use oasis_core::{DedupKey, Ts};
use oasis_store::{
    AppendError, Appender, DatabaseArgs, DatabaseUrl, Need, Schema, SourceRow, SourceTable, Store,
    StoreError, StoredBefore,
};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::database::no_database;
use crate::output::{OutputClosed, Usage, line, notice, printable};
use crate::progress;
use mapping::{Imported, Mapping};
use role::{Choice, Role};
use tally::Tally;

const EXAMPLES: &str = "\
Examples:
  DATABASE_URL=\"$(cat .oasis/database-url)\" \\
       oasis import --table app.events --dry-run
  DATABASE_URL=\"$(cat .oasis/database-url)\" \\
       oasis import --table app.events --map kind=what --map ts=happened_at

DATABASE_URL is the database of OASIS DevHub. If the table is in another
database, set FROM_DATABASE_URL to that database. The command only reads the
table, so the application can keep using it.

The command prints what each column becomes. It infers this from the names and
the types of the columns. --map FIELD=COLUMN overrides the inferred field. The
fields are key, ts, vtid, kind, status, module, layer, source, link and meta.

A row is imported once, even if you repeat the command or interrupt it. The
events get their ids, and appear on the feed, in the order of their times.

Exit code 1 means that rows were not imported. The output says why.";

/// Flags of `oasis import`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// PostgreSQL URL of the database with the table; by default, the URL of --database-url; the variable is
    /// safer, because other users can see flags in `ps`
    #[arg(long, env = "FROM_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    from: Option<DatabaseUrl>,
    /// Name of the table or view, with or without its schema
    #[arg(long, value_name = "NAME")]
    table: String,
    /// The field that a column becomes, instead of the inferred field; may be repeated
    #[arg(long, value_name = "FIELD=COLUMN")]
    map: Vec<Choice>,
    /// Name of this import; needed if you import tables with the same name and the same keys from several
    /// databases
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Show what would be imported, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// PostgreSQL URL of OASIS DevHub, with the parameters that psql accepts; the variable is safer, because
    /// other users can see flags in `ps`
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
    /// Schema of the tables of OASIS DevHub
    #[arg(long = "oasis-schema", env = "OASIS_SCHEMA", value_name = "NAME", default_value_t)]
    schema: Schema,
}

/// The maximum number of rows that are read and appended at once.
const BATCH: u16 = 250;
/// The target size of a batch, in bytes of JSON. The rows of a batch give an estimate for the next batch.
const BATCH_BYTES: usize = 4 << 20;
/// The number of rows in the first batch. It is small, because the size of a row is not known yet.
const FIRST_BATCH: u16 = 10;
/// How long the import tries again to store a batch if the database is not available.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// Imports the rows, and prints the mapping and the counts.
///
/// # Errors
/// A database cannot be reached, the table does not exist, or no column becomes the kind.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let target = match args.database_url {
        Some(url) => {
            let database = DatabaseArgs { schema: args.schema, ..DatabaseArgs::new(url) };
            Some(Store::new(database, "oasis import")?)
        }
        None if args.dry_run => None,
        None => return Err(no_database().into()),
    };
    let from = args.from.or_else(|| Some(target.as_ref()?.database_url().clone())).ok_or_else(no_database)?;
    let mut source = SourceTable::open(&from, &args.table).await.context("the table cannot be read")?;
    if let Some(store) = &target {
        check(store, &source, args.dry_run).await?;
    }
    let mapping = Mapping::infer(&source, &args.map, args.name.as_deref())?;
    let times: Vec<&str> = mapping.with(Role::Ts).collect();
    let count = source.start(&times, &mapping.keys()).await.context("the table cannot be read")?;
    let rows = if count == 1 { "row" } else { "rows" };
    show(format_args!("{}: {count} {rows}{mapping}\n", printable(source.sql_name())))?;
    if times.is_empty() {
        notice("no column becomes ts, so all events get the current time: name one with --map ts=COLUMN");
    }

    let target = match target.filter(|_| !args.dry_run) {
        Some(store) => Some(Target { appender: store.appender()?, store }),
        None => None,
    };
    let now = Ts::clamped(Timestamp::now());
    let mut import = Import { mapping, target, tally: Tally::default(), now };
    let bar = progress::bar(count);
    let outcome = tokio::select! {
        outcome = import.all(&mut source, &bar) => outcome.map(|()| false),
        _ = tokio::signal::ctrl_c() => Ok(true),
    };
    bar.finish_and_clear();
    show(&import.tally)?;
    if args.dry_run {
        show("nothing was stored (--dry-run)")?;
    }
    let again = match args.dry_run {
        true => "the counts are not complete",
        false => "run the same command again to import the other rows; no row is imported twice",
    };
    match outcome {
        Ok(false) => Ok(ExitCode::from(u8::from(!import.tally.is_clean()))),
        Ok(true) => bail!("interrupted: {again}"),
        Err(error) => Err(error.context(format!("the import did not finish: {again}"))),
    }
}

/// Prints to standard output. If the reader of the output has exited, the import continues.
fn show(text: impl Display) -> anyhow::Result<()> {
    line(text).or_else(|error| if error.is::<OutputClosed>() { Ok(()) } else { Err(error) })
}

/// Checks that events can be appended to `store`, and that `source` is not the table of `store`. In a dry
/// run, a database that is not ready causes only a notice.
async fn check(store: &Store, source: &SourceTable, dry_run: bool) -> anyhow::Result<()> {
    match store.check(Need::Write).await.first() {
        Some(reason) if dry_run => notice(format_args!("OASIS DevHub is not ready: {reason}")),
        Some(reason) => bail!("OASIS DevHub is not ready: {reason}"),
        None if source.is_of(store).await? => {
            return Err(Usage(format!("{} is the table of OASIS DevHub itself", source.sql_name())).into());
        }
        None => {}
    }
    Ok(())
}

/// Where the events go.
struct Target {
    store: Store,
    appender: Appender,
}

/// An import in progress.
struct Import {
    mapping: Mapping,
    /// `None` for a dry run.
    target: Option<Target>,
    tally: Tally,
    /// The start of the import: the time of events without a valid time.
    now: Ts,
}

impl Import {
    async fn all(&mut self, source: &mut SourceTable, bar: &ProgressBar) -> anyhow::Result<()> {
        let mut rows = source.next(FIRST_BATCH).await?;
        while !rows.is_empty() {
            let read = rows.len();
            let bytes: usize = rows.iter().flatten().map(|row| row.json.len()).sum();
            let fit = u16::try_from(BATCH_BYTES / (bytes / read).max(1)).unwrap_or(BATCH);
            let events = self.events(rows);
            // The next batch is read while this batch is stored.
            let (stored, next) = tokio::join!(self.store(&events, bar), source.next(fit.clamp(1, BATCH)));
            stored?;
            bar.inc(read as u64);
            rows = next?;
        }
        Ok(())
    }

    /// Turns rows into events, and counts the rows that cannot become events.
    fn events(&mut self, rows: Vec<Result<SourceRow, String>>) -> Vec<Imported> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            match row.as_ref().map(|row| self.mapping.event(row, self.now)) {
                Ok(Ok(event)) => events.push(event),
                Ok(Err(error)) => {
                    let row = row.map(|row| row.json).unwrap_or_default();
                    self.tally.does_not_fit(error.to_string(), &row);
                }
                Err(error) => self.tally.does_not_fit(format!("the database cannot output it: {error}"), "?"),
            }
        }
        events
    }

    /// Stores a batch. A dry run only counts the rows.
    async fn store(&mut self, events: &[Imported], bar: &ProgressBar) -> anyhow::Result<()> {
        match &self.target {
            None => events.iter().for_each(|one| self.tally.fits(&one.marks)),
            Some(_) if events.is_empty() => {}
            Some(target) => target.store(events, &mut self.tally, bar).await?,
        }
        Ok(())
    }
}

impl Target {
    /// Stores a batch, and counts its rows. If the table refuses the batch, stores the events one by one, and
    /// leaves out only the events that the table refuses.
    async fn store(&self, events: &[Imported], tally: &mut Tally, bar: &ProgressBar) -> anyhow::Result<()> {
        match (self.store_all(events, bar).await?, events) {
            (Ok(fates), events) => {
                for (one, fate) in events.iter().zip(fates) {
                    match fate {
                        Fate::Stored => tally.stored(&one.marks),
                        Fate::StoredBefore => tally.stored_before(&one.marks),
                        Fate::KeyOfAnother => tally.does_not_fit(OTHER.to_owned(), one.key()),
                    }
                }
            }
            (Err(why), [one]) => tally.does_not_fit(why, one.key()),
            (Err(_), _) => {
                for one in events {
                    Box::pin(self.store(std::slice::from_ref(one), tally, bar)).await?;
                }
            }
        }
        Ok(())
    }

    /// Stores all events or none. Tries again while the database is not available. The inner error says why
    /// the table refused the events.
    async fn store_all(
        &self,
        events: &[Imported],
        bar: &ProgressBar,
    ) -> anyhow::Result<Result<Vec<Fate>, String>> {
        let mut waits = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let deadline = Instant::now() + RETRY_FOR;
        let mut is_noticed = false;
        loop {
            match self.try_to_store(events).await {
                Ok(fates) => return Ok(Ok(fates)),
                Err(StoreFailure::Append(AppendError::Refused(refusal))) => {
                    let rule = refusal.constraint.unwrap_or(refusal.sqlstate);
                    return Ok(Err(format!("the table refuses the event: {rule}")));
                }
                // The events have dedup keys, so it is safe to send them again.
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                Err(error) => {
                    if !std::mem::replace(&mut is_noticed, true) {
                        bar.suspend(|| notice(format_args!("{error}; trying again for {RETRY_FOR:?}")));
                    }
                    tokio::time::sleep(waits.next()).await;
                }
            }
        }
    }

    /// Appends the events that are not stored yet. Appending a stored event again would use up an id.
    async fn try_to_store(&self, events: &[Imported]) -> Result<Vec<Fate>, StoreFailure> {
        let keys: Vec<&str> = events.iter().map(Imported::key).collect();
        let mut stored = self.store.stored_with(&keys).await?;
        let new: Vec<&Imported> = events.iter().filter(|one| !stored.contains_key(one.key())).collect();
        let appended = match new.as_slice() {
            [] => Vec::new(),
            new => {
                let events = new.iter().map(|one| one.event.clone()).collect();
                self.appender.append(events, Instant::now()).await?
            }
        };
        // Another import may have stored some of the events in the meantime.
        let duplicates = new.iter().zip(&appended).filter(|(_, appended)| appended.duplicate);
        let keys: Vec<&str> = duplicates.map(|(one, _)| one.key()).collect();
        if !keys.is_empty() {
            stored.extend(self.store.stored_with(&keys).await?);
        }
        let fate = |one: &Imported| match stored.get(one.key()) {
            None => Fate::Stored,
            Some(stored) if one.is_stored_as(stored) => Fate::StoredBefore,
            Some(_) => Fate::KeyOfAnother,
        };
        Ok(events.iter().map(fate).collect())
    }
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stored,
    StoredBefore,
    /// Another event has the same key.
    KeyOfAnother,
}

/// Why a batch was not stored.
#[derive(Debug, thiserror::Error)]
enum StoreFailure {
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Read(#[from] StoreError),
}

/// Why an event was not stored, if the stored event of another row has the same key.
const OTHER: &str = "a row with this key was imported before, with another ts, vtid, module or kind: if the \
    table is in another database, add --name NAME; if the key is not unique, add --map key=COLUMN";

impl Imported {
    /// The dedup key of the event.
    fn key(&self) -> &str {
        self.event.dedup_key.as_ref().map_or("", DedupKey::as_str)
    }

    /// Whether `stored` is the event of the same row. The status and `meta` of a row may change after the
    /// import.
    fn is_stored_as(&self, stored: &StoredBefore) -> bool {
        let event = &self.event.event;
        (event.task.as_str(), event.module.as_str(), event.kind.as_str())
            == (stored.vtid.as_str(), stored.module.as_str(), stored.kind.as_str())
            && (!self.has_time || event.ts == stored.ts)
    }
}
