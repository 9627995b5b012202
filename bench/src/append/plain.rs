//! Inserts rows with plain COPY and INSERT statements, the fastest way to insert rows in one session. The
//! texts of the statements are made before the clock starts. The statements are sent one after another, and
//! each statement is one transaction.

use std::time::Instant;

use futures_util::SinkExt;
use oasis_core::NewEvent;
use tokio_postgres::Client;

use super::series::Series;
use crate::processes::Meter;

const COLUMNS: &str =
    "(ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key)";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `COPY … FROM STDIN` into the events table.
    Copy,
    /// `COPY` into a table with the same columns, but without indexes, CHECKs and triggers.
    CopyBare,
    /// `INSERT … VALUES` into the events table, with literal values.
    Insert,
}

/// Inserts `events` with `at_once` rows per statement, and adds the figures to `measured`.
pub(super) async fn insert_plain(
    client: &Client,
    form: Form,
    at_once: usize,
    events: &[NewEvent],
    watched: &[(&'static str, u32)],
    measured: &mut Series,
) -> anyhow::Result<()> {
    let statements: Vec<String> = events
        .chunks(at_once)
        .map(|events| match form {
            Form::Copy | Form::CopyBare => events.iter().map(line).collect(),
            Form::Insert => {
                let rows: Vec<String> = events.iter().map(literals).collect();
                format!("INSERT INTO oasis_events {COLUMNS} VALUES {}", rows.join(", "))
            }
        })
        .collect();
    let table = if form == Form::CopyBare { "bench_bare" } else { "oasis_events" };
    let copy = client.prepare(&format!("COPY {table} {COLUMNS} FROM STDIN")).await?;
    let meter = Meter::start(watched);
    let began = Instant::now();
    for statement in statements {
        match form {
            Form::Insert => client.batch_execute(&statement).await?,
            Form::Copy | Form::CopyBare => {
                let mut sink = std::pin::pin!(client.copy_in(&copy).await?);
                sink.send(bytes::Bytes::from(statement)).await?;
                sink.finish().await?;
            }
        }
    }
    measured.rates.push(events.len() as f64 / began.elapsed().as_secs_f64());
    measured.cpu = meter.text();
    Ok(())
}

fn fields(new: &NewEvent) -> [Option<String>; 13] {
    let event = &new.event;
    [
        Some(event.ts.to_string()),
        Some(event.task.as_str().to_owned()),
        Some(event.layer().to_owned()),
        Some(event.module.to_string()),
        Some(event.source.to_string()),
        Some(event.kind.to_string()),
        Some(event.status.to_string()),
        Some(event.title()),
        Some(event.reference()),
        event.link.as_ref().map(ToString::to_string),
        Some(new.channel.to_string()),
        Some(new.meta.to_json()),
        new.dedup_key.as_ref().map(|key| key.as_str().to_owned()),
    ]
}

/// An event as a line in the text format of COPY.
fn line(new: &NewEvent) -> String {
    let fields = fields(new).map(|field| match field {
        Some(text) => text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n"),
        None => "\\N".to_owned(),
    });
    fields.join("\t") + "\n"
}

/// An event as a row of `VALUES`.
fn literals(new: &NewEvent) -> String {
    let fields = fields(new).map(|field| match field {
        Some(text) => format!("'{}'", text.replace('\'', "''")),
        None => "NULL".to_owned(),
    });
    format!("({})", fields.join(", "))
}
