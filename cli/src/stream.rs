//! Reads a stream of a gateway. After a lost connection, the next connection resumes after the last block.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode};
use oasis_core::chain;
use oasis_service::client as http;
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::gateway::Reader;
use crate::output::{expect_open_output, notice};
use crate::refusal::Refusal;
use crate::sse::{Block, Parser};

/// The maximum wait that a server may ask for. Without such a request, the waits are shorter.
const MAX_RETRY: Duration = Duration::from_secs(300);
/// The minimum wait that a server may ask for. Without a minimum, a server could make the command reconnect
/// without a pause.
const MIN_RETRY: Duration = Duration::from_millis(100);
/// How long to wait for the body of an error answer.
const REFUSAL_WITHIN: Duration = Duration::from_secs(10);

/// The stream to read.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    /// The gateway. Only its address and its token are used.
    pub(crate) gateway: &'a Reader,
    /// The path of the stream, with its query.
    pub(crate) path: String,
    /// Start after the event with this id.
    pub(crate) last_event_id: Option<u64>,
    /// Reconnect when nothing has arrived for this long.
    pub(crate) silence: Duration,
    /// Fail if the first attempt to connect fails.
    pub(crate) must_connect: bool,
}

/// Whether to read further events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Continue,
    End,
}

/// Handles the blocks of a stream.
pub(crate) trait Blocks {
    /// Handles a block. `cursor` is the id of the previous block. The id is empty if there is none yet.
    async fn block(&mut self, block: Block, cursor: &str) -> anyhow::Result<Next>;

    /// Called after all blocks that arrived together have been handled.
    async fn pause(&mut self) -> anyhow::Result<Next>;
}

/// How a connection ended.
enum Lost {
    /// The stream has ended, so the command does not reconnect.
    Done,
    /// The connection was lost or could not be made, for this reason.
    Reason(String),
}

/// Reads a stream until `blocks` returns [`Next::End`].
///
/// # Errors
/// The server refuses the request, or `blocks` fails. With `must_connect`, it is also an error if the first
/// attempt to connect fails.
pub(crate) async fn read(source: &Source<'_>, blocks: &mut impl Blocks) -> anyhow::Result<()> {
    let mut follower = Follower {
        source,
        blocks,
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
        cursor: source.last_event_id.map(|id| id.to_string()).unwrap_or_default(),
        attempted: false,
        advice: None,
    };
    while let Lost::Reason(reason) = follower.connection().await? {
        expect_open_output()?;
        let wait = follower.backoff.next();
        notice(format_args!("{reason}; reconnecting in {:.1} s", wait.as_secs_f64()));
        if let Some(advice) = follower.advice.take() {
            notice(advice);
        }
        sleep(wait).await;
    }
    Ok(())
}

struct Follower<'a, B> {
    source: &'a Source<'a>,
    blocks: &'a mut B,
    backoff: Backoff,
    /// The id after which to resume. Empty while no id is known.
    cursor: String,
    /// Whether a connection was attempted before.
    attempted: bool,
    /// Advice for the user after the first attempt to connect failed. The advice is printed once.
    advice: Option<String>,
}

impl<B: Blocks> Follower<'_, B> {
    async fn connection(&mut self) -> anyhow::Result<Lost> {
        let request = self.request()?;
        let address = &self.source.gateway.address;
        let first = !std::mem::replace(&mut self.attempted, true);
        let mut sender = match http::connect(&address.base).await {
            Ok(sender) => sender,
            // With `must_connect`, the command does not wait for a first connection, because a script with a
            // wrong address would hang.
            Err(error) if first && self.source.must_connect => return Err(address.unanswered(&error)),
            Err(error) => {
                self.advice = first.then(|| address.advice());
                return Ok(Lost::Reason(chain(&error)));
            }
        };
        match timeout(self.source.silence, sender.send_request(request)).await {
            Err(_) => Ok(self.silent()),
            Ok(Err(error)) => Ok(Lost::Reason(format!("the connection broke: {error}"))),
            Ok(Ok(response)) => match response.status() {
                StatusCode::OK => self.stream(response).await,
                // By the HTML standard, 204 tells a client not to reconnect.
                StatusCode::NO_CONTENT => Ok(Lost::Done),
                _ => refused(response, self.source.silence).await,
            },
        }
    }

    fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        let Reader { address, token, .. } = self.source.gateway;
        let mut request = address
            .base
            .request(Method::GET, &self.source.path)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-cache");
        if !self.cursor.is_empty() {
            request = request.header("Last-Event-ID", &self.cursor);
        }
        let mut request = request.body(Full::default())?;
        http::authorize(request.headers_mut(), token.next()?.as_ref())?;
        Ok(request)
    }

    async fn stream(&mut self, response: Response<Incoming>) -> anyhow::Result<Lost> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        anyhow::ensure!(
            media_type.trim().eq_ignore_ascii_case("text/event-stream"),
            self.source.gateway.not_a_gateway("an event stream")
        );
        let mut body = response.into_body();
        let mut parser = Parser::new(&self.cursor);
        loop {
            let frame = match timeout(self.source.silence, body.frame()).await {
                Err(_) => return Ok(self.silent()),
                Ok(None) => return Ok(Lost::Reason("the server closed the connection".to_owned())),
                Ok(Some(Err(error))) => return Ok(Lost::Reason(format!("the connection broke: {error}"))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            parser.push(&bytes)?;
            if let Some(retry) = parser.take_retry() {
                self.backoff.set_first(retry.clamp(MIN_RETRY, MAX_RETRY));
            }
            while let Some(block) = parser.next_block() {
                self.backoff.reset();
                let id = block.id.clone();
                let next = self.blocks.block(block, &self.cursor).await?;
                self.cursor = id;
                if next == Next::End {
                    self.blocks.pause().await?;
                    return Ok(Lost::Done);
                }
            }
            if self.blocks.pause().await? == Next::End {
                return Ok(Lost::Done);
            }
        }
    }

    fn silent(&self) -> Lost {
        Lost::Reason(format!("no data for {} s", self.source.silence.as_secs_f64()))
    }
}

/// Reads a refusal. A refusal that may be temporary leads to a new attempt. Any other refusal ends the
/// command.
async fn refused(response: Response<Incoming>, silence: Duration) -> anyhow::Result<Lost> {
    let status = response.status();
    let transient = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let refusal = Refusal::receive(response, silence.min(REFUSAL_WITHIN)).await;
    if transient { Ok(Lost::Reason(refusal.to_string())) } else { Err(refusal.into()) }
}
