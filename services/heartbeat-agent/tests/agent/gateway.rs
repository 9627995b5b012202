//! Through a gateway: what is sent, with which token, and what becomes of it when the gateway does not take
//! it.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use oasis_service::{
    ApiError, App, Limits, NotReady, Request, RequestContext, Response, Shutdown, Tokens, bearer, response,
    serve,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Running, agent, finished, refused_once, until_async};

/// As much of a gateway as takes events.
struct Sink {
    tokens: Tokens,
    taken: Arc<Mutex<Vec<Value>>>,
    /// What the next requests are refused with.
    refusals: Mutex<Vec<ApiError>>,
}

impl App for Sink {
    const NAME: &'static str = "sink";

    type Route = ();

    fn resolve(_path: &str) {}

    async fn route(
        &self,
        _route: &(),
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/hub/events/ingest"));
        if !bearer(request.headers()).is_some_and(|token| self.tokens.accept(token)) {
            return Err(ApiError::unauthorized("bad_token", "this token may not send events"));
        }
        let refusal = self.refusals.lock().unwrap().pop();
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let body = context.read_body(request.into_body(), 1 << 20).await?;
        self.taken.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        response::json(StatusCode::CREATED, &json!({ "ok": true }))
    }

    async fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Its address, and what it has taken.
async fn sink(refusals: Vec<ApiError>) -> (String, Arc<Mutex<Vec<Value>>>) {
    let taken = Arc::<Mutex<Vec<Value>>>::default();
    let tokens = "s3cret".parse().unwrap();
    let app = Sink { tokens, taken: Arc::clone(&taken), refusals: Mutex::new(refusals) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    tokio::spawn(serve(Arc::new(app), listener, Limits::default(), Shutdown::manual()));
    (url, taken)
}

#[tokio::test]
async fn what_is_sent_is_an_event_of_ingests_own_form() {
    let (url, taken) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    let flags = [
        "--agent",
        "web planner",
        "--role",
        "PLANNER",
        "--vtid",
        "DEV-CICDL-0031",
        "--",
        "sh",
        "-c",
        "read line; exit 3",
    ];
    let mut command = agent(home.path(), &flags);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "s3cret");
    // Not even asked: the gateway wins.
    command.env("DATABASE_URL", "postgres://127.0.0.1:1/x");
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    until_async("the first is told", async || taken.lock().unwrap().len() == 1).await;
    drop(running.child.stdin.take());
    assert_eq!(running.ended().await.code(), Some(3));
    let taken = taken.lock().unwrap().clone();
    let [first, last] = &taken[..] else { panic!("{taken:?}") };
    for (event, status, seq) in [(first, "in_progress", 1), (last, "failure", 2)] {
        assert_eq!((&event["source"], &event["kind"]), (&json!("agent.ping"), &json!("ping")));
        assert_eq!((&event["vtid"], &event["module"]), (&json!("DEV-CICDL-0031"), &json!("WEB-PLANNER")));
        assert_eq!((&event["status"], &event["meta"]["seq"]), (&json!(status), &json!(seq)));
        let key = format!("ping:{}:{seq}", event["meta"]["instance"].as_str().unwrap());
        assert_eq!(event["dedup_key"], key);
    }
    assert_eq!(last["meta"]["exit_code"], 3);
}

/// It goes on trying, and its log says why, without the token.
#[tokio::test]
async fn a_gateway_that_refuses_is_tried_again() {
    let busy = || ApiError::overloaded("too much waits");
    let (url, taken) = sink(vec![busy(), busy()]).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = agent(home.path(), &["--agent", "planner", "--interval", "2s", "--log", "debug"]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "s3cret").stderr(Stdio::piped());
    let mut running = Running::start_with(command);
    until_async("it is told", async || !taken.lock().unwrap().is_empty()).await;
    running.signal(Signal::TERM);
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    let mut log = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut log).unwrap();
    assert!(log.contains("a beat could not be told") && log.contains("too much waits"), "{log}");
    assert!(log.contains("beats are told again") && !log.contains("s3cret"), "{log}");
    let taken = taken.lock().unwrap().clone();
    assert_eq!(taken[0]["meta"]["failed_attempts"], 2, "{taken:?}");
    assert_eq!(taken.last().unwrap()["status"], "success");
}

/// Whether ingest does not take the event or the table does not: the same beat would be refused again, so it
/// is not sent again as if nobody had answered. What is said next is.
#[tokio::test]
async fn a_beat_that_a_gateway_refuses_is_not_sent_again() {
    let defect = || ApiError::internal(std::io::Error::other("private"));
    for (refusal, why) in [
        (defect(), "the gateway answered 500 Internal Server Error: something went wrong here"),
        (
            ApiError::bad_request("bad_event", "no such kind"),
            "the gateway answered 400 Bad Request: no such kind",
        ),
    ] {
        let (url, taken) = sink(vec![refusal]).await;
        let home = tempfile::tempdir().unwrap();
        let mut command = agent(home.path(), &["--agent", "planner", "--interval", "1h", "--log", "debug"]);
        command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "s3cret").stderr(Stdio::piped());
        let log = refused_once(command, home.path(), why).await;
        assert!(log.contains(why), "{log}");
        let taken = taken.lock().unwrap().clone();
        let [next, end] = &taken[..] else { panic!("{taken:?}") };
        assert_eq!((&next["vtid"], &next["meta"]["failed_attempts"]), (&json!("DEV-CICDL-0031"), &json!(1)));
        assert_eq!(end["status"], "success");
    }
}

#[tokio::test]
async fn a_wrong_token_is_told() {
    let (url, taken) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = agent(home.path(), &["--agent", "planner", "--log", "info", "--", "true"]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "wr0ng");
    let began = Instant::now();
    let run = finished(command, Vec::new()).await;
    assert_eq!(run.code, Some(0));
    // It would be refused again.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(run.said().contains("401 Unauthorized: this token may not send events"), "{}", run.said());
    assert!(!run.said().contains("wr0ng"), "{}", run.said());
    assert!(taken.lock().unwrap().is_empty());
}

/// Who wrapped a command hears nothing of it, since the output is the command's; who asks is told.
#[tokio::test]
async fn status_says_why_nothing_can_be_told() {
    let (url, _) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    let script = "until heartbeat-agent status | grep 'nothing could be told'; do sleep 0.01; done";
    let mut command = agent(home.path(), &["--agent", "planner", "--", "sh", "-c", script]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "wr0ng");
    let run = finished(command, Vec::new()).await;
    let out = String::from_utf8(run.out).unwrap();
    assert!(out.contains("401 Unauthorized: this token may not send events"), "{out}");
    assert_eq!((run.code, run.err.len()), (Some(0), 0));
}

/// A file's last newline is no part of the token; what no header can carry, or is a list, is refused.
#[tokio::test]
async fn tokens_are_trimmed_and_checked() {
    let (url, taken) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    for (token, code) in [(" s3cret\n", 0), ("a,b", 2), ("a\nb", 2), (" ", 2)] {
        let mut command = agent(home.path(), &["--agent", "planner", "--", "true"]);
        command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", token);
        let run = finished(command, Vec::new()).await;
        assert_eq!(run.code, Some(code), "{token:?}: {}", run.said());
        assert_eq!(code == 2, run.said().contains("INGEST_TOKEN"), "{}", run.said());
    }
    assert!(!taken.lock().unwrap().is_empty());
}
