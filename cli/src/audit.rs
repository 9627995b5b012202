//! `oasis audit`: prints who followed casts, for how long, and why it ended; and which requests were refused.

use std::io;
use std::process::ExitCode;

use clap::ValueEnum;
use oasis_store::{AuditQuery, DatabaseArgs, StoredEvent};
use serde_json::{Map, Value, json};

use crate::columns;
use crate::database;
use crate::output::{Paint, line, notice, printable};

const EXAMPLES: &str = "\
Examples:
  export DATABASE_URL=\"$(cat .oasis/database-url)\"
  oasis audit
  oasis audit --user alice --only closed
  oasis audit --cast site-1
  oasis audit --only refused --json | jq -r '.[].ip' | sort | uniq -c

The newest rows are printed last. The log has the streams of casts. The view
oasis_audit_logs shows the same rows in SQL.";

const HEADERS: [&str; 7] = ["TIME", "WHAT", "USER", "CAST", "ADDRESS", "DURATION", "WHY"];
/// The statement reads this many rows at most.
const MOST: u16 = 10_000;

/// Flags of `oasis audit`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    database: Box<DatabaseArgs>,
    /// Show only rows about this user
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Show only rows about this cast
    #[arg(long, value_name = "ID")]
    cast: Option<String>,
    /// Show only streams that began, streams that ended, or refused requests
    #[arg(long, value_name = "WHAT", value_enum)]
    only: Option<What>,
    /// How many rows to show
    #[arg(long, value_name = "N", default_value_t = 50,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST)))]
    limit: u16,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// What a row reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Opened,
    Closed,
    Refused,
}

impl What {
    const ALL: [Self; 3] = [Self::Opened, Self::Closed, Self::Refused];

    fn kind(self) -> &'static str {
        match self {
            Self::Opened => "cast.sse_connection_opened",
            Self::Closed => "cast.sse_connection_closed",
            Self::Refused => "cast.sse_connection_failed",
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Refused => "refused",
        }
    }

    fn of(row: &StoredEvent) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.kind() == row.kind.as_str())
    }
}

/// Prints rows of the audit log.
///
/// # Errors
/// The database cannot be reached, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let store = database::open(*args.database, "oasis audit").await?;
    let query = AuditQuery {
        user: args.user,
        cast: args.cast,
        kind: args.only.map(|what| what.kind().to_owned()),
        before: None,
        limit: args.limit.into(),
    };
    let mut rows = store.audit(&query).await?;
    rows.reverse();
    match (args.json, rows.is_empty()) {
        (true, _) => line(serde_json::to_string_pretty(&rows.iter().map(as_json).collect::<Vec<_>>())?)?,
        (false, true) => {
            notice("no rows: a row appears when a user follows a cast (see `oasis audit --help`)")
        }
        (false, false) => line(table(&rows, Paint::for_stream(&io::stdout())).join("\n"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn members(row: &StoredEvent) -> Map<String, Value> {
    row.meta.as_ref().map(|meta| meta.as_map().clone()).unwrap_or_default()
}

fn as_json(row: &StoredEvent) -> Value {
    let mut all = Map::new();
    all.insert("id".into(), row.id.into());
    all.insert("time".into(), json!(row.ts));
    all.insert("what".into(), What::of(row).map(What::as_str).into());
    all.extend(members(row));
    Value::Object(all)
}

fn table(rows: &[StoredEvent], paint: Paint) -> Vec<String> {
    let rows = rows.iter().map(|row| {
        let meta = members(row);
        let text = |name: &str| meta.get(name).and_then(Value::as_str).map_or("-".to_owned(), printable);
        let number = |name: &str| meta.get(name).and_then(Value::as_u64);
        let why = match (What::of(row), number("count")) {
            (_, Some(count)) => format!("{count} more"),
            (Some(What::Refused), None) => {
                let status = number("status").map_or(String::new(), |status| status.to_string());
                format!("{status} {}", text("code"))
            }
            (Some(What::Closed), None) => match number("messages") {
                Some(messages) => format!("{}, {messages} events", text("reason")),
                None => text("reason"),
            },
            (Some(What::Opened) | None, None) => "-".to_owned(),
        };
        [
            row.ts.to_string(),
            What::of(row).map_or_else(|| row.kind.as_str().to_owned(), |what| what.as_str().to_owned()),
            text("userId"),
            text("castId"),
            text("ip"),
            number("duration").map_or("-".to_owned(), |ms| format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)),
            why,
        ]
    });
    let rows: Vec<_> = std::iter::once(HEADERS.map(str::to_owned)).chain(rows).collect();
    let mut lines: Vec<String> = columns::padded(&rows).iter().map(|row| columns::joined(row)).collect();
    lines[0] = paint.dim(&lines[0]);
    lines
}
