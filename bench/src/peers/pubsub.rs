//! Starts the peers that run on Node and get their lines or events from Redis. One Node process runs
//! `bench/peers/NAME/server.js`.

use std::process::Command;
use std::time::Duration;

use crate::peers::node;
use crate::peers::redis::Redis;
use crate::service::Service;
use crate::stack::Stack;

const POLL: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
pub(crate) enum Peer {
    /// A usual setup for the live logs of rooms. The server holds one Redis connection per viewer.
    Nest,
    /// A usual setup for events with a filter per client. The server holds one Redis connection.
    BetterSse,
}

impl Peer {
    /// The name in the report, with all parts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nest => "NestJS + ioredis + Redis",
            Self::BetterSse => "better-sse + ioredis + Redis",
        }
    }

    pub(crate) fn short_name(self) -> &'static str {
        match self {
            Self::Nest => "NestJS",
            Self::BetterSse => "better-sse",
        }
    }

    /// The name of the folder in `bench/peers`.
    fn folder(self) -> &'static str {
        match self {
            Self::Nest => "nest",
            Self::BetterSse => "better-sse",
        }
    }
}

/// A running peer and its Redis.
pub(crate) struct PubSub {
    pub(crate) server: Service,
    pub(crate) redis: Redis,
}

impl PubSub {
    /// Starts both processes. `secret` verifies the tokens of clients. If the machine cannot run the peer,
    /// the inner error gives the reason.
    pub(crate) async fn start(
        stack: &Stack,
        peer: Peer,
        secret: &str,
    ) -> anyhow::Result<Result<Self, String>> {
        let (node, dir) = match node::install(peer.folder()).await? {
            Ok(installed) => installed,
            Err(why) => return Ok(Err(why)),
        };
        let redis = match Redis::start(stack.dir()).await? {
            Ok(redis) => redis,
            Err(why) => return Ok(Err(why)),
        };
        let port = redis.port();
        let mut server = Command::new(node);
        server.arg("server.js").current_dir(dir);
        let settings = [("JWT_SECRET", secret), ("REDIS_PORT", port.as_str()), ("NODE_ENV", "production")];
        let server = Service::launch(peer.folder(), server, &settings, stack.dir(), POLL).await?;
        Ok(Ok(Self { server, redis }))
    }

    /// Ends both processes, and returns the problems that the log of the server shows.
    pub(crate) async fn stop(self) -> anyhow::Result<Vec<String>> {
        self.server.stop().await
    }
}
