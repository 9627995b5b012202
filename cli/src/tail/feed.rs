//! Opens and reads the connections of `oasis tail`. When a connection is lost, the next connection resumes
//! after the last event.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use oasis_core::chain;
use oasis_service::client as http;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::args::Args;
use super::line::Printer;
use crate::backoff::Backoff;
use crate::output::{expect_open_output, notice};
use crate::refusal::Refusal;
use crate::sse::{Block, Parser};

/// The maximum wait that a server may ask for. It is longer than the maximum of our own waits.
const MAX_RETRY: Duration = Duration::from_secs(300);

/// How a connection ended.
enum End {
    /// All requested events are printed.
    Done,
    /// The connection was lost or could not be made, for this reason.
    Lost(String),
}

/// Follows the feed that `args` describe.
///
/// # Errors
/// The server refuses the request, or standard output cannot be written. With `-n` or `--no-follow`, it is
/// also an error if the first attempt to connect fails.
pub(super) async fn follow(args: &Args) -> anyhow::Result<()> {
    let mut follower = Follower {
        args,
        printer: Printer::new(args.json, args.utc),
        backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)),
        cursor: args.last_event_id.map(|id| id.to_string()).unwrap_or_default(),
        until: None,
        printed: 0,
        connected_before: false,
        mock: false,
    };
    while let End::Lost(reason) = follower.connection().await? {
        expect_open_output()?;
        let wait = follower.backoff.next();
        notice(format_args!("{reason}; reconnecting in {:.1} s", wait.as_secs_f64()));
        sleep(wait).await;
    }
    Ok(())
}

struct Follower<'a> {
    args: &'a Args,
    printer: Printer,
    backoff: Backoff,
    /// The id after which to resume. Empty while no id is known.
    cursor: String,
    /// With `--no-follow`, the newest id when the first connection began.
    until: Option<u64>,
    printed: u64,
    /// Whether a connection has been made before. If so, the address is right.
    connected_before: bool,
    /// Whether the feed is in mode `mock`, in which events without an id are simulated.
    mock: bool,
}

impl Follower<'_> {
    async fn connection(&mut self) -> anyhow::Result<End> {
        let resume = Some(self.cursor.as_str()).filter(|id| !id.is_empty());
        let request = self.args.request(resume)?.body(Full::<Bytes>::default())?;
        let mut sender = match http::connect(&self.args.gateway.url).await {
            Ok(sender) => sender,
            // A tail that ends by itself does not wait for a first connection, because a script with a wrong
            // address would hang.
            Err(error) if !self.connected_before && (self.args.no_follow || self.args.count.is_some()) => {
                return Err(error.into());
            }
            Err(error) => return Ok(End::Lost(chain(&error))),
        };
        self.connected_before = true;
        match timeout(self.args.silence, sender.send_request(request)).await {
            Err(_) => Ok(self.silent()),
            Ok(Err(error)) => Ok(End::Lost(format!("the connection broke: {error}"))),
            Ok(Ok(response)) => match response.status() {
                StatusCode::OK => self.stream(response).await,
                // By the HTML standard, 204 tells a client not to reconnect.
                StatusCode::NO_CONTENT => Ok(End::Done),
                _ => refused(response).await,
            },
        }
    }

    async fn stream(&mut self, response: Response<Incoming>) -> anyhow::Result<End> {
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        anyhow::ensure!(
            media_type.trim().eq_ignore_ascii_case("text/event-stream"),
            "{} did not answer with an event stream: check that --url is the address of gateway-feed",
            self.args.gateway.url
        );
        let mut body = response.into_body();
        let mut parser = Parser::new(&self.cursor);
        loop {
            let frame = match timeout(self.args.silence, body.frame()).await {
                Err(_) => return Ok(self.silent()),
                Ok(None) => return Ok(End::Lost("the server closed the connection".to_owned())),
                Ok(Some(Err(error))) => return Ok(End::Lost(format!("the connection broke: {error}"))),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(bytes) = frame.into_data() else { continue };
            parser.push(&bytes)?;
            if let Some(retry) = parser.take_retry() {
                self.backoff.set_first(retry.min(MAX_RETRY));
            }
            while let Some(block) = parser.next_block() {
                self.backoff.reset();
                if self.block(block)? {
                    return Ok(End::Done);
                }
            }
        }
    }

    fn silent(&self) -> End {
        End::Lost(format!("no data for {} s", self.args.silence.as_secs_f64()))
    }

    /// Handles one block. Returns whether this was the last block that the command needs.
    fn block(&mut self, block: Block) -> anyhow::Result<bool> {
        // A message with any other name does not belong to the feed.
        let data = block.data.filter(|_| matches!(block.event.as_str(), "" | "message"));
        // An event that moves the cursor is real, even if it arrives before the message that changes the
        // mode.
        let simulated = self.mock && block.id == self.cursor;
        let mut done = match data {
            Some(data) => self.message(&data, simulated)?,
            None => false,
        };
        let id = block.id.parse::<u64>().ok();
        done |= self.until.zip(id).is_some_and(|(until, id)| id >= until);
        self.cursor = block.id;
        Ok(done)
    }

    fn message(&mut self, data: &str, simulated: bool) -> anyhow::Result<bool> {
        let Ok(value) = serde_json::from_str::<Value>(data) else {
            notice("skipped an event that is not JSON");
            return Ok(false);
        };
        match value.get("type").and_then(Value::as_str) {
            None if simulated => {
                // Simulated events come after all stored events.
                if self.args.no_follow {
                    return Ok(true);
                }
                self.printer.simulated(&value)?;
            }
            None => {
                self.printer.event(data, &value)?;
                self.printed += 1;
                return Ok(self.args.count.is_some_and(|count| self.printed >= count));
            }
            Some("heartbeat") => {
                expect_open_output()?;
                return Ok(self.mock && self.args.no_follow);
            }
            Some("connected") => return Ok(self.connected(&value)),
            Some("mode") => notice(self.mode(&value)),
            Some("gap") => notice(gap(&value)),
            // A newer server may send other types of messages, which are not events.
            Some(_) => {}
        }
        Ok(false)
    }

    fn connected(&mut self, value: &Value) -> bool {
        let head = number(value.get("head"));
        let at = head.map(|head| format!(", newest event {head}")).unwrap_or_default();
        let mode = self.mode(value);
        notice(format_args!("connected to {}{at}: {mode}", self.args.gateway.url));
        if !self.args.no_follow {
            return false;
        }
        let until = *self.until.get_or_insert(head.unwrap_or(0));
        until == 0 || self.cursor.parse::<u64>().is_ok_and(|cursor| cursor >= until)
    }

    /// Stores the mode that a message announces, and returns its description.
    fn mode(&mut self, value: &Value) -> &'static str {
        self.mock = value.get("mode").and_then(Value::as_str) == Some("mock");
        match (self.mock, self.args.json) {
            (true, false) => "no events yet, so simulated events are shown",
            (true, true) => "no events yet, only simulated events, which --json leaves out",
            (false, _) => "live",
        }
    }
}

/// Reads a refusal. A refusal that may be temporary leads to a new attempt. Any other refusal ends the
/// command.
async fn refused(response: Response<Incoming>) -> anyhow::Result<End> {
    let status = response.status();
    let transient = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    let refusal = Refusal::read(&http::read(response).await?);
    if transient { Ok(End::Lost(refusal.to_string())) } else { Err(refusal.into()) }
}

fn gap(value: &Value) -> String {
    match value.get("reason").and_then(Value::as_str) {
        Some("reset") => {
            "gap: the feed started over (its database was restored), so the missed events are unknown".into()
        }
        _ => match (number(value.get("from")), number(value.get("to"))) {
            (Some(from), Some(to)) => format!("gap: the events after {from}, up to {to}, were deleted"),
            _ => "gap: some events were deleted".into(),
        },
    }
}

fn number(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
