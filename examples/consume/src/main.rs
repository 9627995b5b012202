//! Prints the events of the feed until Ctrl-C. A lost connection neither loses nor repeats an event.
//!
//! After a lost connection, the program sends the id of its last event in the `Last-Event-ID` header, and the
//! gateway continues after that event. To resume after a restart of this program, store the id with your own
//! results. For `https` addresses, replace `HttpConnector` with the connector of hyper-rustls.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::{sleep, timeout};

/// The feed sends a heartbeat every 15 s. If two heartbeats are missing, the connection is dead.
const SILENCE: Duration = Duration::from_secs(40);

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let client: HttpClient = Client::builder(TokioExecutor::new()).build_http();
    let mut last_id = None;
    let mut wait = Duration::from_secs(1);
    loop {
        let request = request(last_id.as_deref())?;
        match timeout(SILENCE, client.request(request)).await {
            Ok(Ok(response)) => {
                if follow(response, &mut last_id).await? {
                    wait = Duration::from_secs(1);
                }
            }
            Ok(Err(error)) => eprintln!("cannot reach the gateway: {error}"),
            Err(_) => eprintln!("the gateway does not answer"),
        }
        sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(30));
    }
}

/// Reads one connection to its end. Returns whether a message arrived.
async fn follow(response: Response<Incoming>, last_id: &mut Option<String>) -> anyhow::Result<bool> {
    let status = response.status();
    let mut body = response.into_body();
    if matches!(status.as_u16(), 400 | 401 | 403) {
        let reason = body.collect().await?.to_bytes();
        bail!("refused with {status}: {}", String::from_utf8_lossy(&reason));
    }
    if status != StatusCode::OK {
        eprintln!("the gateway answered {status}");
        return Ok(false);
    }
    let mut arrived = false;
    let mut unread = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout(SILENCE, body.frame()).await {
        unread.extend_from_slice(frame.data_ref().map_or(&[][..], |bytes| bytes));
        // A block ends with an empty line.
        while let Some(end) = unread.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = unread.drain(..end + 2).collect();
            handle(std::str::from_utf8(&block)?, last_id)?;
            arrived = true;
        }
    }
    Ok(arrived)
}

fn request(last_id: Option<&str>) -> anyhow::Result<Request<Empty<Bytes>>> {
    let url = std::env::var("GATEWAY_URL").unwrap_or_else(|_| "http://localhost:8080".into());
    let mut request = Request::get(url + "/api/v1/devhub/feed").header("Accept", "text/event-stream");
    if let Some(id) = last_id {
        request = request.header("Last-Event-ID", id);
    }
    if let Ok(token) = std::env::var("READ_TOKEN") {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    request.body(Empty::new()).context("GATEWAY_URL or READ_TOKEN is malformed")
}

/// Prints the event of the block, if there is an event, and then moves the cursor. A block with an id but
/// without an event moves the cursor as well.
fn handle(block: &str, last_id: &mut Option<String>) -> anyhow::Result<()> {
    let field = |name| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let id = field("id");
    if let Some(data) = field("data") {
        let message: Value = serde_json::from_str(data)?;
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        match text("type") {
            "" => {
                let id = id.unwrap_or("simulated");
                println!("{id} {} {} {}", text("ts"), text("title"), text("status"));
            }
            "gap" => println!("gap: {}", text("reason")),
            _ => {}
        }
    }
    if let Some(id) = id {
        *last_id = Some(id.to_owned());
    }
    Ok(())
}
