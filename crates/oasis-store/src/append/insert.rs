//! Sends the rows of an append statement as arrays in one round trip. Returns a result for each row.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use deadpool_postgres::Object;
use oasis_core::Ts;
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::prepared::PreparedEvent;
use crate::schema::Schema;

/// The result of appending one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The id of the event, or of the event that it duplicates. `None` if that event has been pruned in the
    /// meantime or can't be looked up.
    pub id: Option<i64>,
    /// The `ts` of that event. `None` if its `id` is `None`.
    pub ts: Option<Ts>,
    /// Whether an event with the same dedup key was stored before.
    pub duplicate: bool,
}

impl Appended {
    /// The result for a row that was inserted. `back` has the id of the row in its first column.
    fn new(row: &PreparedEvent, back: &Row) -> Self {
        Self { id: Some(back.get(0)), ts: Some(row.event().ts), duplicate: false }
    }
}

/// With `unnest` in the SELECT list, PostgreSQL produces one row at a time from all arrays. With `unnest` in
/// FROM, PostgreSQL would first store each array as a separate table.
const INSERT: &str = "\
    INSERT INTO {schema}.oasis_events \
        (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key) \
    SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), \
           unnest($9), unnest($10), unnest($11), unnest($12), unnest($13)";
const REFUSE_DUPLICATES: &str = " RETURNING id";
const SKIP_DUPLICATES: &str =
    " ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL DO NOTHING RETURNING id, dedup_key";
const ORIGINALS: &str = "SELECT dedup_key, id, ts FROM {schema}.oasis_events WHERE dedup_key = ANY($1)";

/// The SQL of the appends to one schema. It is rendered once, not for each append.
pub(super) struct AppendSql {
    refuse_duplicates: String,
    skip_duplicates: String,
    originals: String,
}

impl AppendSql {
    pub(super) fn new(schema: &Schema) -> Self {
        Self {
            refuse_duplicates: schema.sql(&[INSERT, REFUSE_DUPLICATES].concat()),
            skip_duplicates: schema.sql(&[INSERT, SKIP_DUPLICATES].concat()),
            originals: schema.sql(ORIGINALS),
        }
    }
}

/// What the statement does with duplicates. A duplicate is a row whose dedup key is already in the table or
/// earlier in the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duplicates {
    /// The statement fails. This is faster if there are no duplicates: skipping duplicates costs up to a
    /// sixth of PostgreSQL's time.
    Refused,
    /// The statement skips duplicates.
    Skipped,
}

/// JSON text in the binary form of `jsonb`, so that PostgreSQL parses it while it reads the parameter.
#[derive(Debug)]
struct Json<'a>(&'a str);

impl ToSql for Json<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_u8(1);
        out.put_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

/// Appends `rows` in one transaction. Returns a result for each row, in the order of the rows.
pub(super) async fn insert(
    client: &Object,
    sql: &AppendSql,
    rows: &[&PreparedEvent],
    duplicates: Duplicates,
) -> Result<Vec<Appended>, tokio_postgres::Error> {
    fn column<'a, T>(rows: &[&'a PreparedEvent], field: impl Fn(&'a PreparedEvent) -> T) -> Vec<T> {
        rows.iter().map(|row| field(row)).collect()
    }
    let ts = column(rows, |row| row.event().ts.instant());
    let texts: [Vec<&str>; 9] = [
        column(rows, |row| row.event().task.as_str()),
        column(rows, |row| row.event().layer()),
        column(rows, |row| row.event().module.as_str()),
        column(rows, |row| row.event().source.as_str()),
        column(rows, |row| row.event().kind.as_str()),
        column(rows, |row| row.event().status.as_str()),
        column(rows, |row| row.title()),
        column(rows, |row| row.reference()),
        column(rows, |row| row.channel().as_str()),
    ];
    let [vtid, layer, module, source, kind, status, title, reference, channel] = &texts;
    let meta = column(rows, |row| Json(row.meta()));
    let link = column(rows, |row| row.link());
    let dedup_key = column(rows, |row| row.dedup_key());
    let params: [(&(dyn ToSql + Sync), Type); 13] = [
        (&ts, Type::TIMESTAMPTZ_ARRAY),
        (vtid, Type::TEXT_ARRAY),
        (layer, Type::TEXT_ARRAY),
        (module, Type::TEXT_ARRAY),
        (source, Type::TEXT_ARRAY),
        (kind, Type::TEXT_ARRAY),
        (status, Type::TEXT_ARRAY),
        (title, Type::TEXT_ARRAY),
        (reference, Type::TEXT_ARRAY),
        (&link, Type::TEXT_ARRAY),
        (channel, Type::TEXT_ARRAY),
        (&meta, Type::JSONB_ARRAY),
        (&dedup_key, Type::TEXT_ARRAY),
    ];
    let insert = match duplicates {
        Duplicates::Refused => &sql.refuse_duplicates,
        Duplicates::Skipped => &sql.skip_duplicates,
    };
    let inserted = client.query_typed(insert, &params).await?;
    if duplicates == Duplicates::Refused {
        return Ok(rows.iter().zip(&inserted).map(|(row, back)| Appended::new(row, back)).collect());
    }

    // The statement returns only inserted rows, in the order of the arrays. Every other row was a duplicate.
    let mut inserted = inserted.iter().peekable();
    let mut outcome: Vec<Appended> = rows
        .iter()
        .map(|row| match inserted.next_if(|back| back.get::<_, Option<&str>>(1) == row.dedup_key()) {
            Some(back) => Appended::new(row, back),
            None => Appended { id: None, ts: None, duplicate: true },
        })
        .collect();
    if outcome.iter().any(|appended| appended.duplicate)
        && let Err(error) = find_originals(client, &sql.originals, rows, &mut outcome).await
    {
        // The rows are committed. Only the ids of the originals are missing.
        tracing::warn!(%error, "the ids of duplicates could not be looked up");
    }
    Ok(outcome)
}

/// Looks up the ids and the times of the events that the duplicates repeat. This is a separate statement,
/// because the snapshot of the insert may be older than the commit of the original.
async fn find_originals(
    client: &Object,
    sql: &str,
    rows: &[&PreparedEvent],
    outcome: &mut [Appended],
) -> Result<(), tokio_postgres::Error> {
    let keys: Vec<&str> = rows
        .iter()
        .zip(outcome.iter())
        .filter_map(|(row, appended)| row.dedup_key().filter(|_| appended.duplicate))
        .collect();
    let found = client.query_typed(sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
    for (row, appended) in rows.iter().zip(outcome) {
        if appended.duplicate {
            let original =
                found.iter().find(|original| original.get::<_, Option<&str>>(0) == row.dedup_key());
            appended.id = original.map(|original| original.get(1));
            appended.ts = original.map(|original| Ts::clamped(original.get(2)));
        }
    }
    Ok(())
}
