//! The configuration of the gateway: its flags, each with an environment variable.

use std::time::Duration;

use clap::Parser;
use oasis_identity::IdentityArgs;
use oasis_service::args::parse_duration;
use oasis_service::{ServiceArgs, Tokens};
use oasis_store::DatabaseArgs;

use crate::access::{Origins, SenderTokens};

/// The gateway's name in logs, metrics and probes, and in the database's list of sessions.
pub const NAME: &str = "gateway-feed";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Serves the public ticker (Server-Sent Events), rooms, the query API and ingest of OASIS DevHub
#[derive(Debug, Clone, Parser)]
#[command(name = NAME, version)]
pub struct Config {
    /// Where to listen, and what to log.
    #[command(flatten)]
    pub service: ServiceArgs<8080>,

    /// How to connect to the database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Comma-separated tokens; a client needs one of the tokens, a valid JSON Web Token or an API key to
    /// read. Without this setting, everyone may read, and e-mail addresses in meta, in links, in the list of
    /// agents and in the canon's report are withheld
    #[arg(
        long,
        env = "READ_TOKENS",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub read_tokens: Tokens,

    /// Comma-separated tokens, with which clients send events and write to rooms
    #[arg(
        long,
        env = "INGEST_TOKENS",
        hide_env_values = true,
        value_name = "LIST",
        default_value = "",
        hide_default_value = true
    )]
    pub ingest_tokens: SenderTokens,

    /// Let everyone send events, without a token
    #[arg(long, env = "INGEST_ANONYMOUS", value_name = "BOOL", default_value_t = false, num_args = 0..=1,
          default_missing_value = "true", action = clap::ArgAction::Set)]
    pub ingest_anonymous: bool,

    /// Comma-separated origins, such as https://app.example; pages of these origins may use rooms, resource
    /// events, casts and the audit log with a session cookie
    #[arg(long, env = "CORS_ORIGINS", value_name = "LIST", default_value = "", hide_default_value = true)]
    pub cors_origins: Origins,

    /// The number of proxies in front of the gateway that append the address of their peer to
    /// X-Forwarded-For; 1 on Cloud Run. Without proxies, the address of a client is the other end of its
    /// connection
    #[arg(long, env = "TRUSTED_PROXY_HOPS", value_name = "N", default_value_t = 0)]
    pub trusted_proxy_hops: u8,

    /// Which JSON Web Tokens are valid.
    #[command(flatten)]
    pub identity: IdentityArgs,

    /// The maximum number of clients that may follow the feed at the same time; the same limit applies
    /// separately to rooms, resource events and casts
    #[arg(long, env = "MAX_SUBSCRIBERS", value_name = "N", default_value_t = 18_000)]
    pub max_subscribers: usize,

    /// The maximum number of streams that one HTTP/2 connection may follow at the same time. A proxy can use
    /// one connection for many clients. The default is 8, or 100 if --trusted-proxy-hops is not 0
    #[arg(long, env = "MAX_STREAMS_PER_CONNECTION", value_name = "N")]
    pub max_streams_per_connection: Option<u32>,

    /// How long a client may follow casts through one connection; then it must connect again
    #[arg(long, env = "CAST_STREAM_LIMIT", value_name = "DURATION", value_parser = cast_stream_limit,
          default_value = "5m")]
    pub cast_stream_limit: Duration,

    /// Serve the test stream, which the bench uses
    #[cfg(feature = "test-stream")]
    #[arg(long, env = "TEST_STREAM", hide = true)]
    pub test_stream: bool,
}

impl Config {
    /// Checks settings that contradict each other.
    ///
    /// # Errors
    /// When everyone may send events although there are tokens for sending. One of the two settings must be a
    /// mistake.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            !(self.ingest_anonymous && self.ingest_tokens.send_events()),
            "INGEST_ANONYMOUS lets everyone send events, so INGEST_TOKENS would have no effect: set only one \
             of them"
        );
        Ok(())
    }
}

fn cast_stream_limit(text: &str) -> Result<Duration, String> {
    let limit = parse_duration(text)?;
    if limit <= DAY { Ok(limit) } else { Err(format!("{text:?} is more than a day")) }
}
