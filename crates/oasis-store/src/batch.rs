//! One append statement: rows as arrays, sent in one round trip, answered row by row.

use deadpool_postgres::Object;
use jiff::Timestamp;
use oasis_core::NewEvent;
use tokio_postgres::types::{ToSql, Type};

/// An event as the statement takes it.
#[derive(Debug)]
pub(crate) struct Row {
    ts: Timestamp,
    vtid: String,
    layer: String,
    module: String,
    source: &'static str,
    kind: String,
    status: &'static str,
    title: String,
    reference: String,
    link: Option<String>,
    channel: String,
    meta: String,
    pub(crate) dedup_key: Option<String>,
}

impl From<NewEvent> for Row {
    fn from(new: NewEvent) -> Self {
        let NewEvent { event, channel, meta, dedup_key } = new;
        Self {
            ts: event.ts.instant(),
            vtid: event.task.as_str().to_owned(),
            layer: event.layer().to_owned(),
            module: event.module.as_str().to_owned(),
            source: event.source.as_str(),
            kind: event.kind.as_str().to_owned(),
            status: event.status.as_str(),
            title: event.title(),
            reference: event.reference(),
            link: event.link.as_ref().map(|link| link.as_str().to_owned()),
            channel: channel.as_str().to_owned(),
            meta: meta.to_json(),
            dedup_key: dedup_key.map(|key| key.as_str().to_owned()),
        }
    }
}

impl Row {
    /// About how many bytes it holds while it waits.
    pub(crate) fn weight(&self) -> usize {
        512 + self.meta.len()
            + self.link.as_ref().map_or(0, String::len)
            + self.dedup_key.as_ref().map_or(0, String::len)
    }
}

/// What became of one event that was to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The event's id: its own, or that of the event it repeats. `None` when that one has been pruned
    /// meanwhile or can't be looked up.
    pub id: Option<i64>,
    /// Whether an event with the same dedup key was there already.
    pub duplicate: bool,
}

const INSERT: &str = "\
    INSERT INTO public.oasis_events \
        (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key) \
    SELECT ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta::jsonb, dedup_key \
    FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], \
                $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[]) \
        AS row (ts, vtid, layer, module, source, kind, status, title, ref, link, channel, meta, dedup_key) \
    ON CONFLICT (dedup_key) WHERE dedup_key IS NOT NULL DO NOTHING \
    RETURNING id, dedup_key";

/// Appends `rows` in one transaction and says what became of each, in their order.
pub(crate) async fn insert(client: &Object, rows: &[&Row]) -> Result<Vec<Appended>, tokio_postgres::Error> {
    fn column<'a, T>(rows: &[&'a Row], field: impl Fn(&'a Row) -> T) -> Vec<T> {
        rows.iter().map(|row| field(row)).collect()
    }
    let ts = column(rows, |row| row.ts);
    let texts: [Vec<&str>; 10] = [
        column(rows, |row| row.vtid.as_str()),
        column(rows, |row| row.layer.as_str()),
        column(rows, |row| row.module.as_str()),
        column(rows, |row| row.source),
        column(rows, |row| row.kind.as_str()),
        column(rows, |row| row.status),
        column(rows, |row| row.title.as_str()),
        column(rows, |row| row.reference.as_str()),
        column(rows, |row| row.channel.as_str()),
        column(rows, |row| row.meta.as_str()),
    ];
    let [vtid, layer, module, source, kind, status, title, reference, channel, meta] = &texts;
    let link = column(rows, |row| row.link.as_deref());
    let dedup_key = column(rows, |row| row.dedup_key.as_deref());
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
        (meta, Type::TEXT_ARRAY),
        (&dedup_key, Type::TEXT_ARRAY),
    ];
    let inserted = client.query_typed(INSERT, &params).await?;

    // Only inserted rows come back, in the order of the arrays: whatever is passed over was a duplicate.
    let mut inserted = inserted.iter().peekable();
    let mut outcome: Vec<Appended> = rows
        .iter()
        .map(|row| {
            match inserted.next_if(|back| back.get::<_, Option<&str>>(1) == row.dedup_key.as_deref()) {
                Some(back) => Appended { id: Some(back.get(0)), duplicate: false },
                None => Appended { id: None, duplicate: true },
            }
        })
        .collect();
    if outcome.iter().any(|appended| appended.duplicate)
        && let Err(error) = find_originals(client, rows, &mut outcome).await
    {
        // The rows are committed; what is missing is which ids the duplicates repeat.
        tracing::warn!(%error, "the ids of duplicates can't be looked up");
    }
    Ok(outcome)
}

/// Looks up the ids of the events that duplicates repeat. A statement of its own, since the first one's snapshot may
/// be older than the original's commit.
async fn find_originals(
    client: &Object,
    rows: &[&Row],
    outcome: &mut [Appended],
) -> Result<(), tokio_postgres::Error> {
    let keys: Vec<&str> = rows
        .iter()
        .zip(outcome.iter())
        .filter_map(|(row, appended)| row.dedup_key.as_deref().filter(|_| appended.duplicate))
        .collect();
    let sql = "SELECT dedup_key, id FROM public.oasis_events WHERE dedup_key = ANY($1)";
    let found = client.query_typed(sql, &[(&keys, Type::TEXT_ARRAY)]).await?;
    for (row, appended) in rows.iter().zip(outcome) {
        if appended.duplicate {
            appended.id = found
                .iter()
                .find(|original| original.get::<_, Option<&str>>(0) == row.dedup_key.as_deref())
                .map(|original| original.get(1));
        }
    }
    Ok(())
}
