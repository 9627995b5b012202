//! [`RoomWriter`]: sends requests that write to a room. After a failure, a batch of lines is sent again.

use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode};
use oasis_core::room::RoomId;
use oasis_service::Secret;
use oasis_service::client::{self as http, Answer, ClientError, Sender};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::address::Address;
use crate::backoff::Backoff;
use crate::output::notice;
use crate::random;
use crate::refusal::Refusal;

/// How long a batch that fails is sent again.
const GIVE_UP: Duration = Duration::from_secs(60);

/// Writes to one room.
pub(crate) struct RoomWriter {
    address: Address,
    token: Option<Secret>,
    room: RoomId,
    /// Whether to open the room if it does not exist.
    create: bool,
    connection: Option<Sender>,
    /// Whether the gateway has answered before.
    answered: bool,
    /// The number of lines that the gateway has stored.
    stored: usize,
}

/// Why a request did not succeed.
enum Failure {
    /// The same request may succeed later, so it is sent again.
    Transient(anyhow::Error),
    Final(anyhow::Error),
}

impl RoomWriter {
    pub(crate) fn new(address: Address, token: Option<Secret>, room: RoomId, create: bool) -> Self {
        Self { address, token, room, create, connection: None, answered: false, stored: 0 }
    }

    /// Writes a batch of at most 1,000 lines. If the gateway fails, sends the batch again for [`GIVE_UP`].
    ///
    /// # Errors
    /// The gateway refuses the lines or does not answer. The message names the room, and the number of lines
    /// that were stored before.
    pub(crate) async fn write(&mut self, lines: Vec<Value>) -> anyhow::Result<()> {
        let count = lines.len();
        let body = Value::from(lines).to_string();
        let key = random::guid();
        let give_up = Instant::now() + GIVE_UP;
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(5));
        loop {
            let error = match self.attempt(&body, &key).await {
                Ok(()) => break,
                Err(Failure::Transient(error)) if Instant::now() < give_up => error,
                Err(Failure::Transient(error) | Failure::Final(error)) => {
                    let (room, stored) = (&self.room, self.stored);
                    let after =
                        if stored > 0 { format!(" (after {stored} stored lines)") } else { String::new() };
                    return Err(error.context(format!("room {room}{after}")));
                }
            };
            let wait = backoff.next();
            notice(format_args!("{error:#}; trying again in {:.1} s", wait.as_secs_f64()));
            sleep(wait).await;
        }
        self.stored += count;
        Ok(())
    }

    async fn attempt(&mut self, body: &str, key: &str) -> Result<(), Failure> {
        let path = format!("/api/v1/rooms/{}/logs", self.room);
        let mut answer = self.ask(Method::POST, &path, body, Some(key)).await?;
        if answer.status == StatusCode::NOT_FOUND && self.create {
            let opened = self.ask(Method::PUT, &format!("/api/v1/rooms/{}", self.room), "{}", None).await?;
            expect_success(&opened, &self.room)?;
            answer = self.ask(Method::POST, &path, body, Some(key)).await?;
        }
        expect_success(&answer, &self.room)
    }

    /// Sends a request once, and returns the body of the answer.
    ///
    /// # Errors
    /// The gateway refuses the request or does not answer.
    pub(crate) async fn request(&mut self, method: Method, path: &str, body: &str) -> anyhow::Result<Bytes> {
        let asked = async {
            let answer = self.ask(method, path, body, None).await?;
            expect_success(&answer, &self.room).map(|()| answer.body)
        };
        let done = asked.await;
        done.map_err(|(Failure::Transient(error) | Failure::Final(error))| error)
            .with_context(|| format!("room {}", self.room))
    }

    async fn ask(
        &mut self,
        method: Method,
        path: &str,
        body: &str,
        key: Option<&str>,
    ) -> Result<Answer, Failure> {
        let request = self.address.base.request(method, path).header(CONTENT_TYPE, "application/json");
        let request = key.into_iter().fold(request, |request, key| request.header("idempotency-key", key));
        let request = request.body(Full::new(Bytes::from(body.to_owned())));
        let mut request = request.map_err(|error| Failure::Final(error.into()))?;
        http::authorize(request.headers_mut(), self.token.as_ref())
            .map_err(|error| Failure::Final(error.into()))?;
        let mut connection = match self.connection.take().filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => http::connect(&self.address.base).await.map_err(|error| self.unanswered(error))?,
        };
        let answer = http::exchange(&mut connection, request).await;
        let answer = answer.map_err(|error| Failure::Transient(error.into()))?;
        (self.connection, self.answered) = (Some(connection), true);
        Ok(answer)
    }

    /// The failure of an attempt to connect. If the gateway has never answered, the address is probably
    /// wrong, so the failure is final.
    fn unanswered(&self, error: ClientError) -> Failure {
        if self.answered {
            Failure::Transient(error.into())
        } else {
            Failure::Final(self.address.unanswered(&error))
        }
    }
}

fn expect_success(answer: &Answer, room: &RoomId) -> Result<(), Failure> {
    if answer.status.is_success()
        && serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body.is_object())
    {
        return Ok(());
    }
    let refusal = Refusal::read(answer);
    let advice = match answer.status {
        StatusCode::NOT_FOUND => format!("\n  hint: run `oasis rooms create {room}`"),
        StatusCode::UNAUTHORIZED => {
            "\n  hint: set INGEST_TOKEN to one of the gateway's INGEST_TOKENS, or run this command in the \
             folder of the running `oasis up`"
                .to_owned()
        }
        _ => String::new(),
    };
    let is_transient = answer.status.is_server_error() && refusal.code.as_deref() != Some("internal")
        || matches!(answer.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    let error = anyhow!("{refusal}{advice}");
    Err(if is_transient { Failure::Transient(error) } else { Failure::Final(error) })
}
