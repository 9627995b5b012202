//! Reads the current states of channels from the table `oasis_channels`. A trigger of `oasis_events` keeps
//! this table up to date.

use jiff::Timestamp;
use oasis_core::{CastState, Channel, Invalid, Meta, RoomState, Task, Ts};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::marks::HEAD;
use crate::store::Store;

/// The current state of a channel. `S` is [`RoomState`] or [`CastState`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState<S> {
    /// The channel.
    pub channel: Channel,
    /// The state.
    pub state: S,
}

/// A kind of state that `oasis_channels` stores.
pub trait StoredState: Sized + Send + Sync + 'static {
    /// The columns that only this kind of state needs, of the table `oasis_channels AS c`.
    const COLUMNS: &'static str;

    /// Reads the state from a row with these columns and those that all states need.
    ///
    /// # Errors
    /// When the row was written by a newer version, or is the state of another kind of channel.
    fn read(row: &Row) -> Result<Self, StoreError>;
}

/// The states of some channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStates<S> {
    /// The states of the channels that exist, in any order.
    pub states: Vec<ChannelState<S>>,
    /// The highest id that is known to have been in the table when the states were read.
    pub head: i64,
}

/// Selects the rooms of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomQuery {
    /// The maximum number of rooms.
    pub limit: i64,
    /// Only rooms whose newest change has a lower id are listed. This is [`RoomPage::next`] of the previous
    /// page.
    pub before: Option<i64>,
    /// Only rooms that have rows of this task are listed.
    pub vtid: Option<Task>,
}

/// A part of the list of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// The rooms. The room with the newest change is first.
    pub rooms: Vec<ChannelState<RoomState>>,
    /// The value of [`RoomQuery::before`] for the next page. `None` if this is the last page.
    pub next: Option<i64>,
}

/// The columns of a [`ChannelState`].
pub(crate) fn columns<S: StoredState>() -> String {
    format!("c.channel, c.owner, c.state, c.last_id, c.created_at, c.updated_at, {}", S::COLUMNS)
}

/// The maximum number of rooms of one task. Any further rooms are never listed for this task.
const MOST_ROOMS_OF_TASK: i64 = 10_000;

impl<S: StoredState> ChannelState<S> {
    pub(crate) fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { channel: Channel::stored(row.try_get("channel")?), state: S::read(row)? })
    }
}

impl<S: StoredState> ChannelStates<S> {
    /// Reads rows that have a state, or only the head.
    pub(crate) fn from_rows(rows: &[Row]) -> Result<Self, StoreError> {
        let mut states = Self { states: Vec::new(), head: 0 };
        for row in rows {
            states.head = row.try_get("head")?;
            if row.try_get::<_, Option<&str>>("channel")?.is_some() {
                states.states.push(ChannelState::from_row(row)?);
            }
        }
        Ok(states)
    }
}

/// The error for a state that this version does not know.
fn newer(last_id: i64, why: Invalid) -> StoreError {
    StoreError::Newer { id: last_id, why }
}

fn time(row: &Row, column: &str) -> Result<Ts, StoreError> {
    Ok(Ts::clamped(row.try_get::<_, Timestamp>(column)?))
}

impl StoredState for RoomState {
    const COLUMNS: &'static str = "c.readers, c.data ->> 'title' AS title";

    fn read(row: &Row) -> Result<Self, StoreError> {
        let last_id = row.try_get("last_id")?;
        Ok(Self {
            owner: row.try_get("owner")?,
            readers: row.try_get::<_, &str>("readers")?.parse().map_err(|why| newer(last_id, why))?,
            is_closed: match row.try_get("state")? {
                "open" => false,
                "closed" => true,
                other => {
                    return Err(newer(last_id, Invalid::new(format!("{other} is not a state of a room"))));
                }
            },
            title: row.try_get("title")?,
            last_id,
            created_at: time(row, "created_at")?,
            updated_at: time(row, "updated_at")?,
        })
    }
}

impl StoredState for CastState {
    const COLUMNS: &'static str = "c.attempt, c.data::text AS data";

    fn read(row: &Row) -> Result<Self, StoreError> {
        let last_id = row.try_get("last_id")?;
        let data = Meta::stored(row.try_get("data")?);
        Ok(Self {
            owner: row.try_get("owner")?,
            status: row.try_get::<_, &str>("state")?.parse().map_err(|why| newer(last_id, why))?,
            attempt: row.try_get("attempt")?,
            data: data.as_map().clone(),
            last_id,
            created_at: time(row, "created_at")?,
            updated_at: time(row, "updated_at")?,
        })
    }
}

impl Store {
    /// Reads the states of `channels` in one statement. Channels that do not exist are left out.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn channels<S: StoredState>(
        &self,
        channels: &[Channel],
    ) -> Result<ChannelStates<S>, StoreError> {
        let names: Vec<&str> = channels.iter().map(Channel::as_str).collect();
        let sql = self.sql(&format!(
            "SELECT {HEAD} AS head, {} FROM (SELECT) AS one \
             LEFT JOIN {{schema}}.oasis_channels AS c ON c.channel = ANY($1)",
            columns::<S>()
        ));
        let rows = self.read(async |client| client.query_typed(&sql, &[(&names, Type::TEXT_ARRAY)]).await);
        ChannelStates::from_rows(&rows.await?)
    }

    /// Lists the rooms that the user `viewer` may read.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn rooms(&self, viewer: &str, select: &RoomQuery) -> Result<RoomPage, StoreError> {
        let before = select.before.unwrap_or(i64::MAX);
        let limit = select.limit.saturating_add(1);
        let vtid = select.vtid.as_ref().map(Task::as_str);
        let sql = self.sql(&match vtid {
            None => rooms_sql(),
            Some(_) => rooms_of_task_sql(),
        });
        let mut params: Vec<(&(dyn ToSql + Sync), Type)> =
            vec![(&viewer, Type::TEXT), (&before, Type::INT8), (&limit, Type::INT8)];
        params.extend(vtid.as_ref().map(|vtid| (vtid as &(dyn ToSql + Sync), Type::TEXT)));
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut rooms: Vec<ChannelState<RoomState>> =
            rows.iter().map(ChannelState::from_row).collect::<Result<_, _>>()?;
        let most = usize::try_from(select.limit).unwrap_or_default();
        let more = rooms.len() > most;
        rooms.truncate(most);
        Ok(RoomPage { next: rooms.last().filter(|_| more).map(|last| last.state.last_id), rooms })
    }
}

/// The statement that lists rooms. The statement uses two indexes: the rooms that every user may read, and
/// the rooms that only the viewer may read.
fn rooms_sql() -> String {
    let part = |condition: &str| {
        format!(
            "(SELECT c.* FROM {{schema}}.oasis_channels AS c \
              WHERE {condition} AND split_part(c.channel, ':', 1) = 'room' AND c.last_id < $2 \
              ORDER BY c.last_id DESC LIMIT $3)"
        )
    };
    format!(
        "SELECT {} FROM ({} UNION ALL {}) AS c ORDER BY c.last_id DESC LIMIT $3",
        columns::<RoomState>(),
        part("c.readers = 'signed_in'"),
        part("c.readers = 'owner' AND c.owner = $1"),
    )
}

/// The statement that lists the rooms of the task $4. Each step of the recursion finds the next room of the
/// task in the index `oasis_events_channel_vtids`.
fn rooms_of_task_sql() -> String {
    let next = |after: &str| {
        format!(
            "SELECT e.channel FROM {{schema}}.oasis_events AS e \
             WHERE e.channel <> 'devhub' AND e.vtid NOT IN ('UNSET', 'IDLE') AND e.vtid = $4 \
               AND e.channel > {after} AND e.channel < 'room;' ORDER BY e.channel LIMIT 1"
        )
    };
    format!(
        "WITH RECURSIVE named (channel, n) AS ( \
           SELECT first.channel, 1::bigint FROM ({}) AS first \
           UNION ALL SELECT next.channel, named.n + 1 FROM named CROSS JOIN LATERAL ({}) AS next \
             WHERE named.n < {MOST_ROOMS_OF_TASK}) \
         SELECT {} FROM named JOIN {{schema}}.oasis_channels AS c ON c.channel = named.channel \
         WHERE (c.readers = 'signed_in' OR c.readers = 'owner' AND c.owner = $1) AND c.last_id < $2 \
         ORDER BY c.last_id DESC LIMIT $3",
        next("'room:'"),
        next("named.channel"),
        columns::<RoomState>(),
    )
}
