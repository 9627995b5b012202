//! The last that was said by and of each agent, for a gateway that begins to watch them.

use std::collections::BTreeMap;
use std::time::Duration;

use oasis_core::{Status, ping};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// Most instances of agents that are kept in view.
pub const MOST_AGENTS: usize = 10_000;
/// How long one that has ended, or that promises no next ping, stays in view after the last that was said of
/// it.
pub const ENDED_AGENTS_STAY: Duration = Duration::from_secs(24 * 3_600);
/// The last losses of each instance that are kept in view; the return from any of them may be owed.
pub const LOSSES_OF_AGENT: usize = 8;
/// And returns: some may answer losses before those.
const RETURNS_OF_AGENT: usize = 2 * LOSSES_OF_AGENT;
/// Instances that one statement goes through.
const PAGE: i64 = 1_000;

/// What the index `oasis_events_agents` is over, and its two leading columns. Who pings is what
/// `Pinger::read` of oasis-core says, but for the cut, which is at 200 bytes there.
const PINGS: &str =
    "e.channel = 'devhub' AND e.source = 'agent.ping' AND e.kind IN ('ping', 'ping.lost', 'ping.back')";
const INSTANCE: &str = "(left(coalesce( \
      CASE WHEN jsonb_typeof(e.meta -> 'instance') = 'string' THEN nullif(e.meta ->> 'instance', '') END, \
      CASE WHEN jsonb_typeof(e.meta -> 'agent') = 'string' THEN nullif(e.meta ->> 'agent', '') END, \
      e.module), 200) COLLATE \"C\")";
const SAID: &str = "(CASE WHEN e.kind = 'ping' AND (e.meta -> 'repeat') IS NOT DISTINCT FROM 'true'::jsonb \
      THEN 'repeat' ELSE e.kind END COLLATE \"C\")";

/// An event that was said by or of an agent, with its `meta`.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEvent {
    /// The event.
    pub event: StoredEvent,
    /// How long ago it was recorded, by the database's clock.
    pub age: Duration,
}

/// One run of one agent, while they are being read.
struct Instance {
    /// 0: it can be missed. 1: it stopped, or is lost. 2: it promises no next ping, and is left out first.
    ended: i32,
    events: Vec<AgentEvent>,
}

impl Instance {
    fn last_ping(&self) -> i64 {
        let pings = self.events.iter().filter(|said| said.event.kind.as_str() == ping::PING);
        pings.map(|said| said.event.id).max().unwrap_or_default()
    }
}

impl Store {
    /// The last ping of each instance, its last one that was no repeat, and the last `ping.lost`
    /// ([`LOSSES_OF_AGENT`]) and `ping.back` of it, in id order. Those that ended (that stopped, are lost, or
    /// promise no next ping) only if something was said within [`ENDED_AGENTS_STAY`]. Of more than
    /// [`MOST_AGENTS`] those are left out first that promise nothing, then others that ended, each time those
    /// that pinged longest ago.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn agents(&self) -> Result<Vec<AgentEvent>, StoreError> {
        let sql = statement();
        let stay = ENDED_AGENTS_STAY.as_secs_f64();
        let mut found: BTreeMap<String, Instance> = BTreeMap::new();
        let mut after = String::new();
        loop {
            let rows = self.read(async |client| {
                let params: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
                    [(&after, Type::TEXT), (&PAGE, Type::INT8), (&stay, Type::FLOAT8)];
                client.query_typed(&sql, &params).await
            });
            let rows = rows.await?;
            for row in &rows {
                take(row, &mut found)?;
            }
            if found.len() > 2 * MOST_AGENTS {
                found = bounded(found);
            }
            let end =
                rows.first().map(|row| (row.get::<_, i64>("walked"), row.get::<_, Option<String>>("upto")));
            match end {
                Some((PAGE, Some(upto))) => after = upto,
                _ => break,
            }
        }
        let mut events: Vec<AgentEvent> = bounded(found).into_values().flat_map(|one| one.events).collect();
        events.sort_unstable_by_key(|said| said.event.id);
        Ok(events)
    }

    /// Asks the table next to nothing: whether it answers, how fast, and whether whoever appends could do so:
    /// not while somebody holds a lock that writers wait for, and not when one has waited for a second.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn answers(&self) -> Result<bool, StoreError> {
        let sql = "SELECT max(id), NOT EXISTS (SELECT FROM pg_locks \
                     WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND ( \
                       relation = 'public.oasis_events'::regclass AND granted \
                         AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock') \
                       OR relation IN ('public.oasis_events'::regclass, \
                       'public.oasis_events_lock'::regclass) \
                         AND NOT granted AND mode <> 'ShareUpdateExclusiveLock' \
                         AND waitstart < clock_timestamp() - interval '1 second')) AS open \
                   FROM public.oasis_events";
        let rows = self.read(async |client| client.query_typed(sql, &[]).await).await?;
        Ok(rows.first().is_some_and(|row| row.get("open")))
    }

    /// Whether this role, where it is connected, may append at all.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn may_append(&self) -> Result<bool, StoreError> {
        let sql = "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' \
                     AND has_any_column_privilege(e.oid, 'INSERT') AND NOT (row_security_active(e.oid) AND \
                     NOT EXISTS ( \
                       SELECT FROM pg_policy WHERE polrelid = e.oid AND polcmd IN ('*', 'a') AND (0 = ANY \
                       (polroles) \
                         OR EXISTS (SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, \
                         'MEMBER'))))) \
                   FROM (SELECT 'public.oasis_events'::regclass::oid AS oid) AS e";
        let rows = self.read(async |client| client.query_typed(sql, &[]).await).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// From one instance to the next along the index, and for each the last event of every sort. There is a row,
/// with how far it went alone, even when none is wanted.
fn statement() -> String {
    let next = |after: &str| {
        format!(
            "SELECT {INSTANCE} AS instance FROM public.oasis_events AS e WHERE {PINGS} AND {INSTANCE} > \
             {after} \
             ORDER BY {INSTANCE}, {SAID}, (e.id + 0) LIMIT 1"
        )
    };
    let finals: Vec<String> =
        Status::ALL.iter().filter(|status| status.is_final()).map(|status| format!("'{status}'")).collect();
    let finals = finals.join(", ");
    format!(
        "WITH RECURSIVE walk (instance, n) AS ( \
           SELECT first.instance, 1::bigint FROM ({first}) AS first \
           UNION ALL SELECT next.instance, walk.n + 1 FROM walk CROSS JOIN LATERAL ({then}) AS next WHERE \
           walk.n < $2 \
         ), said AS MATERIALIZED ( \
           SELECT walk.instance, last.* FROM walk \
             CROSS JOIN unnest(ARRAY['ping', 'repeat', 'ping.lost', 'ping.back'], \
               ARRAY[1, 1, {LOSSES_OF_AGENT}, {RETURNS_OF_AGENT}]) AS sort (name, most) \
             CROSS JOIN LATERAL (SELECT e.* FROM public.oasis_events AS e \
               WHERE {PINGS} AND {INSTANCE} = walk.instance AND {SAID} = sort.name ORDER BY (e.id + 0) DESC \
               LIMIT sort.most) AS last \
         ), agents AS ( \
           SELECT said.instance, max(said.recorded_at) AS recorded_at, max(said.id) FILTER (WHERE said.kind \
           = 'ping') AS pinged, \
             max(CASE WHEN said.meta ->> 'last_id' ~ '^[0-9]{{1,18}}$' AND (said.meta ->> 'last_id')::bigint \
             < said.id \
               AND jsonb_typeof(said.meta -> 'last_id') = 'number' THEN (said.meta ->> 'last_id')::bigint \
               ELSE said.id END) \
               FILTER (WHERE said.kind = 'ping.lost') AS lost \
           FROM said GROUP BY said.instance \
         ), wanted AS ( \
           SELECT ends.ended, said.* FROM agents JOIN said AS ping ON ping.id = agents.pinged \
             CROSS JOIN LATERAL (SELECT CASE \
               WHEN agents.lost >= agents.pinged OR ping.status IN ({finals}) THEN 1 \
               WHEN CASE jsonb_typeof(ping.meta -> 'interval') WHEN 'number' THEN (ping.meta ->> \
               'interval')::numeric > 0 END THEN 0 \
               ELSE 2 END AS ended) AS ends \
             JOIN said ON said.instance = agents.instance \
           WHERE NOT (ends.ended > 0 AND agents.recorded_at < clock_timestamp() - $3 * interval '1 second') \
         ) \
         SELECT {fields}, wanted.meta::text AS meta, wanted.instance, wanted.ended, \
           extract(epoch FROM clock_timestamp() - wanted.recorded_at)::float8 AS age, state.walked, \
           state.upto \
         FROM (SELECT count(*) AS walked, max(walk.instance) AS upto FROM walk) AS state LEFT JOIN wanted ON \
         true",
        first = next("$1"),
        then = next("walk.instance"),
        fields = fields("wanted"),
    )
}

fn take(row: &Row, found: &mut BTreeMap<String, Instance>) -> Result<(), StoreError> {
    let Some(instance) = row.try_get::<_, Option<String>>("instance")? else { return Ok(()) };
    let age: f64 = row.try_get("age")?;
    let said = AgentEvent { event: StoredEvent::from_row(row)?, age: Duration::from_secs_f64(age.max(0.0)) };
    let ended = row.try_get("ended")?;
    found.entry(instance).or_insert_with(|| Instance { ended, events: Vec::new() }).events.push(said);
    Ok(())
}

fn bounded(found: BTreeMap<String, Instance>) -> BTreeMap<String, Instance> {
    if found.len() <= MOST_AGENTS {
        return found;
    }
    let mut all: Vec<(String, Instance)> = found.into_iter().collect();
    all.sort_by_key(|(_, one)| (one.ended, std::cmp::Reverse(one.last_ping())));
    all.truncate(MOST_AGENTS);
    all.into_iter().collect()
}
