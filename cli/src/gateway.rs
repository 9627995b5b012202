//! The flags for the address of a gateway and for the token that the gateway may require, and requests to the
//! gateway's read APIs.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::ACCEPT;
use hyper::{Method, Request};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use oasis_service::Secret;
use oasis_service::client::{self as http, Answer, Sender};
use tokio::time::{Instant, sleep};

use crate::address::{Address, GatewayUrl};
use crate::credentials::ReadToken;
use crate::refusal::Refusal;

/// How long to wait for a gateway that has just started.
const START: Duration = Duration::from_secs(10);

/// The address of a gateway, and the token for it.
#[derive(clap::Args, Debug)]
pub(crate) struct Gateway {
    #[command(flatten)]
    pub(crate) url: GatewayUrl,
    /// Token for reading; required if READ_TOKENS is set on the gateway, and for rooms of a gateway that is
    /// not the running `oasis up`
    #[arg(long, env = "READ_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Secret>,
}

impl Gateway {
    /// Finds the gateway.
    ///
    /// # Errors
    /// The current folder is unknown.
    pub(crate) async fn find(&self) -> anyhow::Result<Reader> {
        Ok(Reader::new(self.url.find().await?, ReadToken::Given(self.token.clone())))
    }
}

/// The address of a gateway, and the user who reads rooms there.
#[derive(clap::Args, Debug)]
pub(crate) struct RoomGateway {
    #[command(flatten)]
    gateway: Gateway,
    /// Read rooms of the running `oasis up` as this user, instead of with READ_TOKEN; without both, you read
    /// them with your login name
    #[arg(long = "as", value_name = "USER", conflicts_with = "token")]
    user: Option<String>,
}

impl RoomGateway {
    /// Finds the gateway.
    ///
    /// # Errors
    /// The current folder is unknown, or no token can be made for the user.
    pub(crate) async fn find(&self) -> anyhow::Result<Reader> {
        if self.gateway.token.is_some() {
            return self.gateway.find().await;
        }
        let (address, token) = ReadToken::of_user(&self.gateway.url, self.user.as_deref()).await?;
        Ok(Reader::new(address, token))
    }
}

/// Reads from the APIs of one gateway, over one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) address: Address,
    pub(crate) token: ReadToken,
    connection: Option<Sender>,
    clock: Option<Timestamp>,
}

impl Reader {
    fn new(address: Address, token: ReadToken) -> Self {
        Self { address, token, connection: None, clock: None }
    }

    /// Makes a reader of the same gateway with its own connection.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.address.clone(), self.token.clone())
    }

    /// The time of the gateway's last answer, by the gateway's clock, in whole seconds. `None` if the answer
    /// had no `Date`.
    pub(crate) fn clock(&self) -> Option<Timestamp> {
        self.clock
    }

    /// Requests `path`, which may contain a query, and returns the body of the answer. If the gateway has
    /// just started and has not read the table yet, repeats the request for up to [`START`].
    ///
    /// # Errors
    /// The gateway does not answer, or refuses the request.
    pub(crate) async fn get(&mut self, path: &str, max_bytes: usize) -> anyhow::Result<Bytes> {
        let patient_until = Instant::now() + START;
        loop {
            let answer = self.answer(path, max_bytes).await?;
            let date = answer.date.as_deref();
            self.clock = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
            if answer.status.is_success() {
                return Ok(answer.body);
            }
            let refusal = Refusal::read(&answer);
            if refusal.code.as_deref() != Some("starting") || Instant::now() >= patient_until {
                return Err(refusal.into());
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    async fn answer(&mut self, path: &str, max_bytes: usize) -> anyhow::Result<Answer> {
        let request = self.address.base.request(Method::GET, path).header(ACCEPT, "application/json");
        let mut request = request.body(Full::<Bytes>::default())?;
        http::authorize(request.headers_mut(), self.token.next()?.as_ref())?;
        // If the caller stops waiting in the middle of an answer, the connection cannot be used again. So the
        // connection is put back only after the whole answer.
        let kept = self.connection.take().filter(|connection| !connection.is_closed());
        if let Some(mut kept) = kept
            && let Ok(answer) = http::exchange_up_to(&mut kept, request.clone(), max_bytes).await
        {
            self.connection = Some(kept);
            return Ok(answer);
        }
        // There was no connection, or the gateway has closed the connection while it was idle.
        self.ask(request, max_bytes).await
    }

    async fn ask(&mut self, request: Request<Full<Bytes>>, max_bytes: usize) -> anyhow::Result<Answer> {
        let mut connection = self.address.connect().await?;
        let answer = http::exchange_up_to(&mut connection, request, max_bytes).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// The error for an answer that no gateway sends.
    pub(crate) fn not_a_gateway(&self, expected: &str) -> String {
        format!(
            "{} did not answer with {expected}: check that --url is the address of gateway-feed",
            self.address.base
        )
    }
}

/// Makes the query of a path from names and values. The result is empty, or begins with `?`.
pub(crate) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { query } else { format!("?{query}") }
}
