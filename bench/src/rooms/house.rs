//! The rooms of a scenario, their viewers, and the lines that are written into them. Only the owner of a room
//! may read it. Each room has its own owner.

use jiff::Timestamp;
use tokio_postgres::{Client, Statement};

use crate::audience::Writer;
use crate::crowd::{Keep, Subscription};
use crate::draw::Item;
use crate::events::LINK;
use crate::tokens;

/// The bytes that each line has once in the streams of all servers.
pub(super) const LINE: &[u8] = b"event: log\n";
const TASK: &str = "BENCH-LINES-0001";

/// Opens rooms, and gives each room an owner with a token.
pub(super) struct House {
    tokens: Vec<String>,
}

impl House {
    /// Opens `count` rooms in the table.
    pub(super) async fn open(client: &Client, count: usize) -> anyhow::Result<Self> {
        let house = Self { tokens: tokens::mint(count)? };
        let sql = "INSERT INTO public.oasis_events \
                     (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta, dedup_key) \
                   SELECT clock_timestamp(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'room.opened', \
                     'info', 'UNSET-CORE-ROOM-OPENED', 'vt/UNSET-room-opened', 'room:' || id, \
                     jsonb_build_object('owner', owner, 'readers', 'owner'), 'room:' || id || ':opened' \
                   FROM unnest($1::text[], $2::text[]) AS rooms (id, owner)";
        let ids: Vec<String> = (0..count).map(room).collect();
        let owners: Vec<String> = (0..count).map(tokens::user).collect();
        client.execute(sql, &[&ids, &owners]).await?;
        client.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(house)
    }

    /// The path of the stream of a room, with the token of the owner.
    pub(super) fn path(&self, number: usize) -> String {
        format!("{}?token={}", logs(number), self.tokens[number])
    }

    /// One viewer for each of the first `count` rooms.
    pub(super) fn viewers(&self, count: usize, keep: Keep) -> Vec<Subscription> {
        (0..count).map(|number| Subscription { path: self.path(number), keep }).collect()
    }
}

/// The path of the log of a room.
pub(super) fn logs(number: usize) -> String {
    format!("/api/v1/rooms/{}/logs", room(number))
}

/// The id of a room.
pub(super) fn room(number: usize) -> String {
    format!("room-{number}")
}

/// The text of a line. It contains the number of the line, as the events of the bench do.
pub(super) fn message(number: u64) -> String {
    format!("step 7 of 12 took 1.4 s, see {LINK}{number:010}")
}

/// A line as the peer publishes it. It has the members of a line of the gateway.
pub(super) fn json(number: u64) -> String {
    let (now, message) = (Timestamp::now(), message(number));
    format!(
        "{{\"timestamp\":\"{now:.3}\",\"agentType\":\"code\",\"level\":\"info\",\"message\":\"{message}\",\
         \"vtid\":\"{TASK}\"}}"
    )
}

/// Writes lines into the table in one database session.
pub(super) struct Lines<'a> {
    client: &'a Client,
    insert: Statement,
}

impl<'a> Lines<'a> {
    pub(super) async fn prepare(client: &'a Client) -> anyhow::Result<Self> {
        let sql = format!(
            "INSERT INTO public.oasis_events \
               (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
             SELECT clock_timestamp(), '{TASK}', 'LINES', 'CODE', 'oasis.events', 'log', 'info', \
               'LINES-CODE-LOG', 'vt/{TASK}-log', 'room:' || id, \
               jsonb_build_object('agentType', 'code', 'level', 'info', 'message', message) \
             FROM unnest($1::text[], $2::text[]) AS lines (id, message) RETURNING id"
        );
        Ok(Self { client, insert: client.prepare(&sql).await? })
    }

    /// Writes lines with one statement, and returns the ids of their rows. The topic of a line is its room.
    pub(super) async fn insert(&self, lines: &[Item]) -> anyhow::Result<Vec<i64>> {
        let ids: Vec<String> = lines.iter().map(|(number, _)| room(*number)).collect();
        let messages: Vec<String> = lines.iter().map(|(_, number)| message(*number)).collect();
        let rows = self.client.query(&self.insert, &[&ids, &messages]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

impl Writer for Lines<'_> {
    async fn write(&mut self, lines: &[Item]) -> anyhow::Result<()> {
        self.insert(lines).await.map(|_| ())
    }
}
