//! The rooms of a scenario, their viewers, and the lines that are written into them. Only the owner of a room
//! may read it. Each room has its own owner.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, NewToken, Rules};
use serde_json::Map;
use tokio::time::sleep;
use tokio_postgres::{Client, Statement};

use crate::crowd::{Keep, Subscription};
use crate::events::LINK;
use crate::service::Service;
use crate::stack::{Database, Stack};

/// The secret that signs the tokens of viewers.
pub(super) const SECRET: &str = "only-for-the-bench-only-for-the-bench";
/// The token that allows the bench to write lines.
pub(super) const SERVICE: &str = "bench-service-token";
/// The settings of a gateway that serves rooms.
pub(super) const SETTINGS: [(&str, &str); 2] = [("JWT_SECRET", SECRET), ("INGEST_TOKENS", SERVICE)];
/// The bytes that each line has once in the streams of all servers.
pub(super) const LINE: &[u8] = b"event: log\n";
/// How long the tokens are valid.
const HOURS: i64 = 12;
const TASK: &str = "BENCH-LINES-0001";

/// Starts a gateway that serves rooms.
pub(super) async fn gateway(stack: &Stack, database: &Database) -> anyhow::Result<Service> {
    stack.gateway_with(database, &SETTINGS).await
}

/// Opens rooms, and gives each room an owner with a token.
pub(super) struct House {
    tokens: Vec<String>,
}

impl House {
    /// Mints the tokens of the owners of `count` rooms, but opens no room.
    pub(super) fn new(count: usize) -> anyhow::Result<Self> {
        let keys = Keys::new(&[KeySource::Secrets(SECRET.parse()?)], Rules::default())?;
        let now = Timestamp::now().as_second();
        let at = |second| Ts::from_unix_seconds(second);
        let (now, exp) = (at(now)?, at(now + HOURS * 3_600)?);
        let token = |room| {
            let (sub, jti) = (owner(room), format!("token-{room}"));
            keys.mint(&NewToken { sub, jti, now, exp, is_admin: false, claims: Map::new() })
        };
        Ok(Self { tokens: (0..count).map(token).collect::<Result<_, _>>()? })
    }

    /// Opens `count` rooms in the table.
    pub(super) async fn open(client: &Client, count: usize) -> anyhow::Result<Self> {
        let house = Self::new(count)?;
        let sql = "INSERT INTO public.oasis_events \
                     (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta, dedup_key) \
                   SELECT clock_timestamp(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'room.opened', \
                     'info', 'UNSET-CORE-ROOM-OPENED', 'vt/UNSET-room-opened', 'room:' || id, \
                     jsonb_build_object('owner', owner, 'readers', 'owner'), 'room:' || id || ':opened' \
                   FROM unnest($1::text[], $2::text[]) AS rooms (id, owner)";
        let ids: Vec<String> = (0..count).map(room).collect();
        let owners: Vec<String> = (0..count).map(owner).collect();
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

/// The user who owns a room.
pub(super) fn owner(number: usize) -> String {
    format!("user-{number}")
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

    /// Writes lines with one statement, and returns the ids of their rows. A line is the number of its room
    /// and its own number.
    pub(super) async fn write(&self, lines: &[(usize, u64)]) -> anyhow::Result<Vec<i64>> {
        let ids: Vec<String> = lines.iter().map(|(number, _)| room(*number)).collect();
        let messages: Vec<String> = lines.iter().map(|(_, number)| message(*number)).collect();
        let rows = self.client.query(&self.insert, &[&ids, &messages]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// Chooses random rooms, and numbers the lines. A linear congruential generator is random enough, and gives
/// the same rooms in each run.
pub(super) struct Draw {
    rooms: usize,
    random: u64,
    next: u64,
}

impl Draw {
    pub(super) fn new(rooms: usize) -> Self {
        Self { rooms, random: 1, next: 0 }
    }

    /// The number of lines so far.
    pub(super) fn drawn(&self) -> u64 {
        self.next
    }

    /// The next lines.
    pub(super) fn lines(&mut self, count: usize) -> Vec<(usize, u64)> {
        (0..count).map(|_| self.line()).collect()
    }

    fn line(&mut self) -> (usize, u64) {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.next += 1;
        ((self.random >> 33) as usize % self.rooms, self.next - 1)
    }
}

/// Waits until the next step of a load that has `per_second` steps per second, and began at `began`.
pub(super) async fn pace(began: Instant, steps: u32, per_second: u32) {
    let due = Duration::from_secs(1) * steps / per_second;
    sleep(due.saturating_sub(began.elapsed())).await;
}
