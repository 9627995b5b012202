//! Starts the peer Express 5 with pg, a setup that users have today. One Node process runs
//! `bench/peers/express/server.js`.

use std::process::Command;
use std::time::Duration;

use tokio_postgres::Client;

use crate::delivery::SECRET;
use crate::peers::node;
use crate::service::Service;
use crate::stack::{Database, Stack};

pub(crate) const NAME: &str = "Express 5 + pg";
const POLL: Duration = Duration::from_millis(20);

/// The server's table. It has the columns of an event, a serial id, a unique index that rejects redeliveries,
/// and an index for the events of a task. It has no triggers, no CHECKs, and none of the other indexes of
/// `oasis_events`.
const TABLE: &str = "\
    CREATE TABLE IF NOT EXISTS bench_express (id bigserial PRIMARY KEY, ts timestamptz NOT NULL, \
    vtid text NOT NULL, layer text NOT NULL, module text NOT NULL, source text NOT NULL, kind text NOT NULL, \
    status text NOT NULL, title text NOT NULL, ref text NOT NULL, link text, \
    recorded_at timestamptz NOT NULL DEFAULT now(), channel text NOT NULL, meta jsonb NOT NULL, \
    dedup_key text UNIQUE); \
    CREATE INDEX IF NOT EXISTS bench_express_vtid ON bench_express (vtid, id)";
/// A description of [`TABLE`] for the report.
pub(crate) const TABLE_IN_WORDS: &str = "\
    the table has the columns of oasis_events, a serial id as primary key, a unique dedup_key and an index \
    on (vtid, id), but no triggers and no CHECKs";

/// Creates the server's table in `database` unless the table already exists, and starts the server. If the
/// machine cannot run the server, the inner error gives the reason.
pub(crate) async fn start(stack: &Stack, database: &Database) -> anyhow::Result<Result<Service, String>> {
    let (node, dir) = match node::install("express").await? {
        Ok(installed) => installed,
        Err(why) => return Ok(Err(why)),
    };
    database.connect().await?.batch_execute(TABLE).await?;
    let mut server = Command::new(node);
    server.arg("server.js").current_dir(dir);
    let settings = [
        ("DATABASE_URL", database.url.as_str()),
        ("GITHUB_WEBHOOK_SECRET", SECRET),
        ("NODE_ENV", "production"),
    ];
    Service::launch("express", server, &settings, stack.dir(), POLL).await.map(Ok)
}

pub(crate) async fn count(client: &Client) -> anyhow::Result<i64> {
    Ok(client.query_one("SELECT count(*) FROM bench_express", &[]).await?.get(0))
}
