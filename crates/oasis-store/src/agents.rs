//! Reads the latest events of each agent, for a gateway that starts to watch the agents.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use oasis_core::{Status, ping};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::page::fields;
use crate::store::Store;

/// The maximum number of instances that a gateway watches or lists. An instance is one run of an agent.
pub const MOST_AGENTS: usize = 10_000;
/// How long an instance stays in the list after its latest event, if the instance has ended or promises no
/// next ping.
pub const ENDED_AGENTS_STAY: Duration = Duration::from_secs(24 * 3_600);
/// How many of the latest losses (`ping.lost`) of each instance are read. A gateway may still have to append
/// a return (`ping.back`) for each of these losses.
pub const LOSSES_OF_AGENT: usize = 8;
/// How many of the latest returns of each instance are read. Some of these returns may belong to older
/// losses, which are not read.
const RETURNS_OF_AGENT: usize = 2 * LOSSES_OF_AGENT;
/// How many instances one statement reads.
const PAGE: i64 = 1_000;

/// The condition of the index `oasis_events_agents`. The next two constants are the leading columns of this
/// index: the instance, and the sort of event, which is its kind or `repeat`. `Pinger::read` of oasis-core
/// computes the instance in the same way, except that it cuts long names at 200 bytes and the index cuts them
/// at 200 characters.
const PINGS: &str =
    "e.channel = 'devhub' AND e.source = 'agent.ping' AND e.kind IN ('ping', 'ping.lost', 'ping.back')";
const INSTANCE: &str = "(left(coalesce( \
      CASE WHEN jsonb_typeof(e.meta -> 'instance') = 'string' THEN nullif(e.meta ->> 'instance', '') END, \
      CASE WHEN jsonb_typeof(e.meta -> 'agent') = 'string' THEN nullif(e.meta ->> 'agent', '') END, \
      e.module), 200) COLLATE \"C\")";
const SORT: &str = "(CASE WHEN e.kind = 'ping' AND (e.meta -> 'repeat') IS NOT DISTINCT FROM 'true'::jsonb \
      THEN 'repeat' ELSE e.kind END COLLATE \"C\")";

/// An event of source `agent.ping`, with the `meta` of the event.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentEvent {
    /// The event.
    pub event: StoredEvent,
    /// How long ago the event was recorded, by the database's clock.
    pub age: Duration,
}

/// One run of one agent, and the events of this run that have been read so far.
struct Instance {
    /// 0 if the next ping is expected. 1 if the instance stopped or is lost. 2 if the instance promises no
    /// next ping.
    ended: i32,
    events: Vec<AgentEvent>,
}

impl Instance {
    fn last_ping(&self) -> Option<&StoredEvent> {
        let events = self.events.iter().map(|found| &found.event);
        events.filter(|event| event.kind.as_str() == ping::PING).max_by_key(|event| event.id)
    }

    /// In which order the instances of a token are dropped; those with the highest numbers go first. An
    /// instance that has pinged only once goes before one that pings regularly.
    fn turn(&self) -> i32 {
        let mut pings = self.events.iter().filter(|found| found.event.kind.as_str() == ping::PING);
        let (first, second) = (pings.next(), pings.next());
        let repeats = first
            .and_then(|found| found.event.meta.as_ref())
            .is_some_and(|meta| ping::is_repeat(meta.as_map()));
        match self.ended {
            0 if repeats || second.is_some() => 0,
            ended => ended + 1,
        }
    }

    /// The name of the token with which the last ping was sent, see [`ping::via`].
    fn via(&self) -> String {
        let meta = self.last_ping().and_then(|ping| ping.meta.as_ref());
        meta.map_or_else(String::new, |meta| ping::via(meta.as_map()).to_owned())
    }
}

impl Store {
    /// Reads the latest events of each instance: the last ping that only repeats the previous ping, the last
    /// other ping, the last [`LOSSES_OF_AGENT`] events of kind `ping.lost`, and the last events of kind
    /// `ping.back`. The result is in id order.
    ///
    /// Instances without a ping are left out. Instances that stopped, are lost, or promise no next ping are
    /// left out unless their latest event was recorded within the last [`ENDED_AGENTS_STAY`]. If there are
    /// more than [`MOST_AGENTS`] instances, the tokens ([`ping::via`]) with the most instances lose some:
    /// first instances that promise no next ping, then instances that stopped or are lost, then those that
    /// have pinged only once, then the rest. Of these, those that pinged longest ago go first.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn agents(&self) -> Result<Vec<AgentEvent>, StoreError> {
        let sql = self.sql(&agents_sql());
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
                collect_row(row, &mut found)?;
            }
            if found.len() > 2 * MOST_AGENTS {
                found = within_limit(found);
            }
            let end =
                rows.first().map(|row| (row.get::<_, i64>("walked"), row.get::<_, Option<String>>("upto")));
            match end {
                Some((PAGE, Some(upto))) => after = upto,
                _ => break,
            }
        }
        let mut events: Vec<AgentEvent> =
            within_limit(found).into_values().flat_map(|one| one.events).collect();
        events.sort_unstable_by_key(|found| found.event.id);
        Ok(events)
    }

    /// Whether a writer could append now. The result is false while a session holds a lock on the table that
    /// writers must wait for. It is also false while any session has waited for more than a second for the
    /// table or for the writers' lock. The query is so cheap that its duration shows how fast the database
    /// answers.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn accepts_appends(&self) -> Result<bool, StoreError> {
        let sql = "SELECT max(id), NOT EXISTS (SELECT FROM pg_locks \
                     WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND ( \
                       relation = '{schema}.oasis_events'::regclass AND granted \
                         AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock') \
                       OR relation \
                         IN ('{schema}.oasis_events'::regclass, '{schema}.oasis_events_lock'::regclass) \
                         AND NOT granted AND mode <> 'ShareUpdateExclusiveLock' \
                         AND waitstart < clock_timestamp() - interval '1 second')) AS open \
                   FROM {schema}.oasis_events";
        let rows = self.read(async |client| client.query_typed(&self.sql(sql), &[]).await).await?;
        Ok(rows.first().is_some_and(|row| row.get("open")))
    }

    /// Whether the server accepts writes and this role has the rights to append.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn may_append(&self) -> Result<bool, StoreError> {
        let sql = "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' \
                     AND has_any_column_privilege(e.oid, 'INSERT') \
                     AND NOT (row_security_active(e.oid) AND NOT EXISTS ( \
                       SELECT FROM pg_policy WHERE polrelid = e.oid AND polcmd IN ('*', 'a') \
                         AND (0 = ANY (polroles) OR EXISTS ( \
                           SELECT FROM unnest(polroles) AS role WHERE pg_has_role(role, 'MEMBER'))))) \
                   FROM (SELECT '{schema}.oasis_events'::regclass::oid AS oid) AS e";
        let rows = self.read(async |client| client.query_typed(&self.sql(sql), &[]).await).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}

/// The statement that goes from one instance to the next along the index (a loose index scan), and reads the
/// last events of every sort for each instance. The statement returns at least one row. Every row contains
/// the number of instances that the scan visited, and the last of these instances.
fn agents_sql() -> String {
    let next = |after: &str| {
        format!(
            "SELECT {INSTANCE} AS instance FROM {{schema}}.oasis_events AS e \
             WHERE {PINGS} AND {INSTANCE} > {after} \
             ORDER BY {INSTANCE}, {SORT}, (e.id + 0) LIMIT 1"
        )
    };
    let finals: Vec<String> =
        Status::ALL.iter().filter(|status| status.is_final()).map(|status| format!("'{status}'")).collect();
    let finals = finals.join(", ");
    format!(
        "WITH RECURSIVE walk (instance, n) AS ( \
           SELECT first.instance, 1::bigint FROM ({first}) AS first \
           UNION ALL SELECT next.instance, walk.n + 1 FROM walk CROSS JOIN LATERAL ({then}) AS next \
             WHERE walk.n < $2 \
         ), latest AS MATERIALIZED ( \
           SELECT walk.instance, last.* FROM walk \
             CROSS JOIN unnest(ARRAY['ping', 'repeat', 'ping.lost', 'ping.back'], \
               ARRAY[1, 1, {LOSSES_OF_AGENT}, {RETURNS_OF_AGENT}]) AS sort (name, most) \
             CROSS JOIN LATERAL (SELECT e.* FROM {{schema}}.oasis_events AS e \
               WHERE {PINGS} AND {INSTANCE} = walk.instance AND {SORT} = sort.name ORDER BY (e.id + 0) DESC \
               LIMIT sort.most) AS last \
         ), agents AS ( \
           SELECT latest.instance, max(latest.recorded_at) AS recorded_at, \
             max(latest.id) FILTER (WHERE latest.kind = 'ping') AS pinged, \
             max(CASE WHEN latest.meta ->> 'last_id' ~ '^[0-9]{{1,18}}$' \
                 AND (latest.meta ->> 'last_id')::bigint < latest.id \
                 AND jsonb_typeof(latest.meta -> 'last_id') = 'number' \
               THEN (latest.meta ->> 'last_id')::bigint ELSE latest.id END) \
               FILTER (WHERE latest.kind = 'ping.lost') AS lost \
           FROM latest GROUP BY latest.instance \
         ), wanted AS ( \
           SELECT ends.ended, latest.* FROM agents JOIN latest AS ping ON ping.id = agents.pinged \
             CROSS JOIN LATERAL (SELECT CASE \
               WHEN agents.lost >= agents.pinged OR ping.status IN ({finals}) THEN 1 \
               WHEN CASE jsonb_typeof(ping.meta -> 'interval') \
                 WHEN 'number' THEN (ping.meta ->> 'interval')::numeric > 0 END THEN 0 \
               ELSE 2 END AS ended) AS ends \
             JOIN latest ON latest.instance = agents.instance \
           WHERE NOT (ends.ended > 0 AND agents.recorded_at < clock_timestamp() - $3 * interval '1 second') \
         ) \
         SELECT {fields}, wanted.meta::text AS meta, wanted.instance, wanted.ended, \
           extract(epoch FROM clock_timestamp() - wanted.recorded_at)::float8 AS age, \
           state.walked, state.upto \
         FROM (SELECT count(*) AS walked, max(walk.instance) AS upto FROM walk) AS state \
           LEFT JOIN wanted ON true",
        first = next("$1"),
        then = next("walk.instance"),
        fields = fields("wanted"),
    )
}

/// Adds the event of `row` to its instance in `found`. A row without an event is ignored.
fn collect_row(row: &Row, found: &mut BTreeMap<String, Instance>) -> Result<(), StoreError> {
    let Some(instance) = row.try_get::<_, Option<String>>("instance")? else { return Ok(()) };
    let age: f64 = row.try_get("age")?;
    let event = AgentEvent { event: StoredEvent::from_row(row)?, age: Duration::from_secs_f64(age.max(0.0)) };
    let ended = row.try_get("ended")?;
    found.entry(instance).or_insert_with(|| Instance { ended, events: Vec::new() }).events.push(event);
    Ok(())
}

/// Drops instances until at most [`MOST_AGENTS`] are left.
fn within_limit(found: BTreeMap<String, Instance>) -> BTreeMap<String, Instance> {
    if found.len() <= MOST_AGENTS {
        return found;
    }
    let mut all: Vec<(String, Instance)> = found.into_iter().collect();
    all.sort_by_key(|(_, one)| (one.turn(), Reverse(one.last_ping().map(|ping| ping.id))));
    // The instance of each token that is dropped last comes first, then the second one of each, and so on.
    let mut ranks: HashMap<String, usize> = HashMap::new();
    let mut ranked: Vec<_> = all
        .into_iter()
        .map(|(name, one)| {
            let rank = ranks.entry(one.via()).or_default();
            *rank += 1;
            (*rank, (name, one))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.truncate(MOST_AGENTS);
    ranked.into_iter().map(|(_, instance)| instance).collect()
}
