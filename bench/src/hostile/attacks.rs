//! The attacks. All of them come from one address, and only the last three need the right to send events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::Connection;

/// The addresses of the services.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) gateway: SocketAddr,
    pub(crate) webhooks: SocketAddr,
}

#[derive(Clone, Copy)]
pub(crate) enum Attack {
    Bodies,
    Connections,
    Heads,
    Answers,
    Subscribers,
    Queries,
    Agents,
    Keys,
    /// So many events that they use up the processors.
    Flood,
}

/// The pause after an attempt that failed.
const PAUSE: Duration = Duration::from_millis(100);

impl Attack {
    pub(crate) const ALL: [Self; 9] = [
        Self::Bodies,
        Self::Connections,
        Self::Heads,
        Self::Answers,
        Self::Subscribers,
        Self::Queries,
        Self::Agents,
        Self::Keys,
        Self::Flood,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bodies => "39 large deliveries with false signatures, at 1 KB/s after 16 MiB",
            Self::Connections => "4,500 silent connections",
            Self::Heads => "4,500 connections with deliveries whose bodies never come",
            Self::Answers => "128 large answers over HTTP/2 that nobody reads, with PINGs",
            Self::Subscribers => "72 HTTP/2 connections with as many unread streams as they get",
            Self::Queries => "40 expensive queries at a time over one connection",
            Self::Agents => "10,000 agents that promise a ping for a day, then 1,000 new ones every 10 s",
            Self::Keys => "4 arrays of 150 events with 13,000 keys at a time",
            Self::Flood => "a flood of 10,000 new agents every 5 s",
        }
    }

    /// Whether the services must protect the other clients from the attack.
    pub(crate) fn is_defended(self) -> bool {
        !matches!(self, Self::Flood)
    }

    /// Begins the attack.
    pub(crate) fn begin(self, target: Target) -> anyhow::Result<Attacking> {
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("attack".into()).spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let _attackers = self.attackers(target);
                // The sender is dropped at the end of the attack.
                let _ = ended.await;
            });
            Ok(())
        })?;
        Ok(Attacking { end, thread })
    }

    fn attackers(self, target: Target) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let mut spawn = |count: usize, attack: fn(Target) -> BoxFuture| {
            (0..count).for_each(|_| {
                tasks.spawn(attack(target));
            });
        };
        match self {
            Self::Bodies => spawn(39, |target| Box::pin(again(move || body(target.webhooks)))),
            Self::Connections => spawn(4_500, |target| Box::pin(again(move || silence(target.webhooks, 0)))),
            Self::Heads => spawn(4_500, |target| Box::pin(again(move || silence(target.webhooks, 1_000)))),
            Self::Answers => spawn(1, |target| Box::pin(again(move || unread(target.gateway, 128, LARGE)))),
            Self::Subscribers => {
                spawn(72, |target| Box::pin(again(move || unread(target.gateway, 128, FEED))))
            }
            Self::Queries => spawn(1, |target| Box::pin(again(move || queries(target.gateway)))),
            Self::Agents => {
                spawn(1, |target| Box::pin(again(move || pings(target.gateway, 1, Duration::from_secs(10)))))
            }
            Self::Keys => spawn(4, |target| Box::pin(again(move || keys(target.gateway)))),
            Self::Flood => {
                spawn(1, |target| Box::pin(again(move || pings(target.gateway, 10, Duration::from_secs(5)))))
            }
        }
        tasks
    }
}

/// A running attack. The attackers have a thread of their own, so that the ordinary clients do not wait for
/// them within the bench.
pub(crate) struct Attacking {
    end: oneshot::Sender<Infallible>,
    thread: thread::JoinHandle<anyhow::Result<()>>,
}

impl Attacking {
    /// Ends the attack and closes its connections.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        drop(self.end);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

const LARGE: &str = "/api/v1/oasis/events?limit=1000";
const FEED: &str = crate::sse::FEED;

/// Repeats an attack whenever the service ends it.
async fn again<F: Future<Output = anyhow::Result<Infallible>>>(attack: impl Fn() -> F) {
    loop {
        let Err(_ended) = attack().await;
        sleep(PAUSE).await;
    }
}

/// The head of a delivery with a false signature.
fn head(address: SocketAddr, bytes: usize) -> String {
    format!(
        "POST /webhooks/github HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         x-github-event: push\r\nx-hub-signature-256: sha256={}\r\ncontent-length: {bytes}\r\n\r\n",
        "0".repeat(64),
    )
}

async fn body(address: SocketAddr) -> anyhow::Result<Infallible> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(head(address, 24 << 20).as_bytes()).await?;
    let part = vec![b' '; 64 << 10];
    for _ in 0..256 {
        stream.write_all(&part).await?;
        // Together, the attackers have a line of 1 Gbit/s.
        sleep(Duration::from_millis(20)).await;
    }
    loop {
        stream.write_all(&part[..1_024]).await?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Opens a connection, and sends nothing, or only the head of a delivery of so many bytes.
async fn silence(address: SocketAddr, delivery: usize) -> anyhow::Result<Infallible> {
    let mut stream = TcpStream::connect(address).await?;
    if delivery > 0 {
        stream.write_all(head(address, delivery).as_bytes()).await?;
    }
    let read = stream.read(&mut [0; 1]).await?;
    anyhow::bail!("closed after {read} bytes")
}

/// Opens an HTTP/2 connection that sends PINGs, and does not allow the service to send data.
async fn deaf(address: SocketAddr) -> anyhow::Result<SendRequest<Empty<Bytes>>> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(1).timer(TokioTimer::new());
    builder.keep_alive_interval(Duration::from_secs(1)).keep_alive_while_idle(true);
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (sender, connection) = builder.handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn request(address: SocketAddr, path: &str) -> anyhow::Result<hyper::Request<Empty<Bytes>>> {
    Ok(hyper::Request::get(format!("http://{address}{path}")).body(Empty::new())?)
}

/// Requests `count` answers over one connection, and reads none of them. Requests an answer again after it
/// was refused or has ended.
async fn unread(address: SocketAddr, count: usize, path: &'static str) -> anyhow::Result<Infallible> {
    let sender = deaf(address).await?;
    let mut streams = JoinSet::<anyhow::Result<Infallible>>::new();
    for _ in 0..count {
        let mut sender = sender.clone();
        streams.spawn(async move {
            loop {
                sender.ready().await?;
                let answer = sender.send_request(request(address, path)?).await?;
                if answer.status() == 200 {
                    // The body is held for as long as the service lets it.
                    let mut body = answer.into_body();
                    sleep(Duration::from_secs(35)).await;
                    while let Some(Ok(_)) = body.frame().await {}
                }
                sleep(PAUSE).await;
            }
        });
    }
    match streams.join_next().await {
        Some(Ok(Err(error))) => Err(error),
        _ => anyhow::bail!("the connection has ended"),
    }
}

async fn queries(address: SocketAddr) -> anyhow::Result<Infallible> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (sender, connection) = Builder::new(TokioExecutor::new()).handshake(stream).await?;
    tokio::spawn(connection);
    let kinds: Vec<String> = (0..50).map(|n| format!("kind{n}")).collect();
    let path = format!(
        "/api/v1/oasis/events?limit=1000&offset=100000&kind=workflow_run,push,{}\
         &status=queued,in_progress,success,failure,cancelled,info",
        kinds[..48].join(",")
    );
    let mut streams = JoinSet::<anyhow::Result<Infallible>>::new();
    for _ in 0..40 {
        let (mut sender, path) = (sender.clone(), path.clone());
        streams.spawn(async move {
            loop {
                sender.ready().await?;
                let answer = sender.send_request(request(address, &path)?).await?;
                answer.into_body().collect().await?;
            }
        });
    }
    match streams.join_next().await {
        Some(Ok(Err(error))) => Err(error),
        _ => anyhow::bail!("the connection has ended"),
    }
}

/// Sends ten requests with 1,000 agents each, and then `requests` more after each `pause`.
async fn pings(address: SocketAddr, requests: u64, pause: Duration) -> anyhow::Result<Infallible> {
    let mut connection = Connection::open(address).await?;
    for request in 0_u64.. {
        if request >= 10 && request.is_multiple_of(requests) {
            sleep(pause).await;
        }
        let events: Vec<_> = (request * 1_000..(request + 1) * 1_000)
            .map(|n| {
                let (agent, instance) = (format!("a{n}"), format!("i{n}"));
                let meta = json!({ "agent": agent, "instance": instance, "interval": 86_400 });
                json!({ "source": "agent.ping", "kind": "ping", "status": "info", "meta": meta })
            })
            .collect();
        let body = serde_json::to_string(&events)?;
        let request = crate::http::post(address, "/events/ingest", "none", &body);
        connection.exchange(request.as_bytes()).await?;
    }
    anyhow::bail!("there is no further number")
}

/// Sends events that need much time of a processor for their size.
async fn keys(address: SocketAddr) -> anyhow::Result<Infallible> {
    let payload: serde_json::Map<_, _> = (0..13_000).map(|n| (format!("{n:05x}"), json!(0))).collect();
    let events = vec![json!({ "type": "x", "payload": payload }); 150];
    let request = crate::http::post(address, "/events/ingest", "none", &json!(events).to_string());
    loop {
        Connection::open(address).await?.exchange(request.as_bytes()).await?;
    }
}
