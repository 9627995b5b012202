//! The two sides of the comparison: webhook-ingest, PostgreSQL and a gateway; and two processes of Node with
//! NATS, with PostgreSQL or without.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::json;

use super::plan::STREAM;
use crate::delivery::FIRST_RUN;
use crate::http::Connection;
use crate::peers::nats::{self, Nats, Role};
use crate::service::Service;
use crate::sse::Feed;
use crate::stack::{Database, GATEWAY, Stack};
use crate::tokens::{self, SERVICE, user};

const POLL: Duration = Duration::from_millis(5);
const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// Where the events of a side come from.
pub(super) enum Source<'a> {
    Ours(&'a Database),
    /// The peer, with a database or without.
    Theirs(&'a Nats, Option<&'a Database>),
}

/// A running side. Its streams can be killed and started again.
pub(super) struct Side<'a> {
    stack: &'a Stack,
    source: Source<'a>,
    pub(super) webhooks: Service,
    pub(super) events: Service,
    token: String,
}

impl<'a> Side<'a> {
    /// Starts a side. A side with a database gets `casts` casts of one user, each with another run.
    pub(super) async fn start(stack: &'a Stack, source: Source<'a>, casts: usize) -> anyhow::Result<Self> {
        let (webhooks, events) = match &source {
            Source::Ours(database) => {
                (stack.webhooks(database).await?, stack.private_gateway(database).await?)
            }
            Source::Theirs(nats, database) => {
                if let Some(database) = database {
                    nats::open_casts(database, FIRST_RUN, casts).await?;
                }
                let webhooks = nats.node(stack, Role::Webhooks(*database), None).await?;
                (webhooks, nats.node(stack, Role::Events, None).await?)
            }
        };
        let token = tokens::mint(1)?.pop().context("a token")?;
        let side = Self { stack, source, webhooks, events, token };
        if matches!(side.source, Source::Ours(_)) {
            open_casts(side.events.address, casts).await?;
        }
        Ok(side)
    }

    /// Follows all casts, from the beginning, without the first states of `known` casts.
    pub(super) async fn follow(&self, known: usize) -> anyhow::Result<Feed> {
        let mut feed = self.open("").await?;
        if matches!(self.source, Source::Ours(_)) {
            for _ in 0..known {
                feed.next(ARRIVES_WITHIN).await?;
            }
        }
        Ok(feed)
    }

    /// Follows all casts after the frame with this id.
    pub(super) async fn resume(&self, last: i64) -> anyhow::Result<Feed> {
        self.open(&format!("&last_event_id={last}")).await
    }

    async fn open(&self, more: &str) -> anyhow::Result<Feed> {
        Feed::open_path(self.events.address, &format!("{STREAM}?token={}{more}", self.token)).await
    }

    /// Kills the process that serves the streams. Returns the function that starts it again.
    pub(super) fn kill(self) -> anyhow::Result<Killed<'a>> {
        let address = self.events.address;
        self.events.kill()?;
        let Self { stack, source, webhooks, token, .. } = self;
        Ok(Killed { stack, source, webhooks, token, address })
    }

    /// The processes of this side.
    pub(super) fn watched(&self) -> Vec<(&'static str, u32)> {
        let mut watched = vec![self.events.watched(), self.webhooks.watched()];
        if let Source::Theirs(nats, _) = &self.source {
            watched.push(nats.watched());
        }
        if !matches!(self.source, Source::Theirs(_, None)) {
            watched.push(self.stack.watched());
        }
        watched
    }

    pub(super) async fn stop(self) -> anyhow::Result<Vec<String>> {
        let problems = self.webhooks.stop().await?;
        Ok([problems, self.events.stop().await?].concat())
    }
}

/// A side whose streams were killed.
pub(super) struct Killed<'a> {
    stack: &'a Stack,
    source: Source<'a>,
    pub(super) webhooks: Service,
    token: String,
    address: SocketAddr,
}

impl<'a> Killed<'a> {
    /// Starts the process that serves the streams again.
    pub(super) async fn restart(self) -> anyhow::Result<Side<'a>> {
        let Self { stack, source, webhooks, token, address } = self;
        let events = match &source {
            Source::Ours(database) => {
                let settings = [&[("DATABASE_URL", database.url.as_str())][..], &tokens::SETTINGS].concat();
                Service::start_at(address, GATEWAY, &settings, stack.dir(), POLL).await?
            }
            Source::Theirs(nats, _) => nats.node(stack, Role::Events, Some(address)).await?,
        };
        Ok(Side { stack, source, webhooks, events, token })
    }
}

/// Opens casts of one user, each with another run.
async fn open_casts(gateway: SocketAddr, count: usize) -> anyhow::Result<()> {
    let mut opening = Connection::open(gateway).await?;
    for nth in 0..count {
        let body = json!({"owner": user(0), "runId": FIRST_RUN + nth as u64}).to_string();
        let request = format!(
            "POST /api/casts HTTP/1.1\r\nHost: {gateway}\r\nAuthorization: Bearer {SERVICE}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = opening.exchange(request.as_bytes()).await?;
        ensure!(answer.status == 201, "the gateway answered {}: {}", answer.status, answer.body);
    }
    Ok(())
}
