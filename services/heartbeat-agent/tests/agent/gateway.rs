//! Tests of an agent that sends beats to a gateway: the requests, the token, and refusals.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use oasis_service::{
    ApiError, App, Limits, NotReady, Presented, Request, RequestContext, Response, Shutdown, Tokens, bearer,
    response, serve,
};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Running, agent, output_of, refused_once, until_async};

/// A fake gateway, which only accepts events.
struct Sink {
    tokens: Tokens,
    accepted: Arc<Mutex<Vec<Value>>>,
    /// The errors that the next requests get. The next request gets the last error in the list.
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
        if !matches!(bearer(request.headers()), Presented::Token(token) if self.tokens.accept(token)) {
            return Err(ApiError::unauthorized("bad_token", "this token may not send events"));
        }
        let refusal = self.refusals.lock().unwrap().pop();
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        let body = context.read_body(request.into_body(), 1 << 20).await?;
        self.accepted.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        response::json(StatusCode::CREATED, &json!({ "ok": true }))
    }

    async fn ready(&self) -> Result<(), NotReady> {
        Ok(())
    }
}

/// Starts a fake gateway. Returns the URL of the gateway, and the list of accepted events.
async fn sink(refusals: Vec<ApiError>) -> (String, Arc<Mutex<Vec<Value>>>) {
    let accepted = Arc::<Mutex<Vec<Value>>>::default();
    let tokens = "s3cret".parse().unwrap();
    let app = Sink { tokens, accepted: Arc::clone(&accepted), refusals: Mutex::new(refusals) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hub", listener.local_addr().unwrap());
    tokio::spawn(serve(Arc::new(app), listener, Limits::default(), Shutdown::manual()));
    (url, accepted)
}

#[tokio::test]
async fn beats_have_the_format_of_the_ingest_endpoint() {
    let (url, accepted) = sink(Vec::new()).await;
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
    // The gateway has precedence, so the database is not used.
    command.env("DATABASE_URL", "postgres://127.0.0.1:1/x");
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    until_async("the first beat", async || accepted.lock().unwrap().len() == 1).await;
    drop(running.child.stdin.take());
    assert_eq!(running.ended().await.code(), Some(3));
    let accepted = accepted.lock().unwrap().clone();
    let [first, last] = &accepted[..] else { panic!("{accepted:?}") };
    for (event, status, seq) in [(first, "in_progress", 1), (last, "failure", 2)] {
        assert_eq!((&event["source"], &event["kind"]), (&json!("agent.ping"), &json!("ping")));
        assert_eq!((&event["vtid"], &event["module"]), (&json!("DEV-CICDL-0031"), &json!("WEB-PLANNER")));
        assert_eq!((&event["status"], &event["meta"]["seq"]), (&json!(status), &json!(seq)));
        let key = format!("ping:{}:{seq}", event["meta"]["instance"].as_str().unwrap());
        assert_eq!(event["dedup_key"], key);
    }
    assert_eq!(last["meta"]["exit_code"], 3);
}

/// The log contains the error, but not the token.
#[tokio::test]
async fn a_beat_is_sent_again_if_the_gateway_is_overloaded() {
    let busy = || ApiError::overloaded("the gateway is busy");
    let (url, accepted) = sink(vec![busy(), busy()]).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = agent(home.path(), &["--agent", "planner", "--interval", "2s", "--log", "debug"]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "s3cret").stderr(Stdio::piped());
    let mut running = Running::start_with(command);
    until_async("a beat is accepted", async || !accepted.lock().unwrap().is_empty()).await;
    running.signal(Signal::TERM);
    let mut stderr = running.child.stderr.take().unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    let mut log = String::new();
    std::io::Read::read_to_string(&mut stderr, &mut log).unwrap();
    assert!(log.contains("a beat could not be delivered") && log.contains("the gateway is busy"), "{log}");
    assert!(log.contains("beats are delivered again") && !log.contains("s3cret"), "{log}");
    let accepted = accepted.lock().unwrap().clone();
    assert_eq!(accepted[0]["meta"]["failed_attempts"], 2, "{accepted:?}");
    assert_eq!(accepted.last().unwrap()["status"], "success");
}

/// The gateway or the table refuses the event, and would refuse a retry as well. The next change of the state
/// is sent at once.
#[tokio::test]
async fn a_beat_that_a_gateway_refuses_is_not_sent_again() {
    let defect = || ApiError::internal(std::io::Error::other("private"));
    for (refusal, why) in [
        (defect(), "the gateway answered 500 Internal Server Error: an internal error occurred"),
        (
            ApiError::bad_request("bad_event", "no such kind"),
            "the gateway answered 400 Bad Request: no such kind",
        ),
    ] {
        let (url, accepted) = sink(vec![refusal]).await;
        let home = tempfile::tempdir().unwrap();
        let mut command = agent(home.path(), &["--agent", "planner", "--interval", "1h", "--log", "debug"]);
        command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "s3cret").stderr(Stdio::piped());
        let log = refused_once(command, home.path(), why).await;
        assert!(log.contains(why), "{log}");
        let accepted = accepted.lock().unwrap().clone();
        let [next, end] = &accepted[..] else { panic!("{accepted:?}") };
        assert_eq!((&next["vtid"], &next["meta"]["failed_attempts"]), (&json!("DEV-CICDL-0031"), &json!(1)));
        assert_eq!(end["status"], "success");
    }
}

#[tokio::test]
async fn a_wrong_token_is_reported() {
    let (url, accepted) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    let mut command = agent(home.path(), &["--agent", "planner", "--log", "info", "--", "true"]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "wr0ng");
    let began = Instant::now();
    let run = output_of(command, Vec::new()).await;
    assert_eq!(run.code, Some(0));
    // The final beat is not retried, because it would be refused again.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!(run.stderr().contains("401 Unauthorized: this token may not send events"), "{}", run.stderr());
    assert!(!run.stderr().contains("wr0ng"), "{}", run.stderr());
    assert!(accepted.lock().unwrap().is_empty());
}

/// The agent of a wrapped command logs nothing, because the output belongs to the command. `status` shows the
/// error.
#[tokio::test]
async fn status_says_why_no_beat_is_delivered() {
    let (url, _) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    let script = "until heartbeat-agent status | grep 'no beat has been delivered'; do sleep 0.01; done";
    let mut command = agent(home.path(), &["--agent", "planner", "--", "sh", "-c", script]);
    command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", "wr0ng");
    let run = output_of(command, Vec::new()).await;
    let out = String::from_utf8(run.out).unwrap();
    assert!(out.contains("401 Unauthorized: this token may not send events"), "{out}");
    assert_eq!((run.code, run.err.len()), (Some(0), 0));
}

/// White space around a token is removed, and a blank token counts as unset. A list of tokens is refused, and
/// so is a text that is not allowed in a header.
#[tokio::test]
async fn tokens_are_trimmed_and_checked() {
    let (url, accepted) = sink(Vec::new()).await;
    let home = tempfile::tempdir().unwrap();
    for (token, code) in [(" s3cret\n", 0), ("a,b", 2), ("a\nb", 2), (" ", 2)] {
        let mut command = agent(home.path(), &["--agent", "planner", "--", "true"]);
        command.env("GATEWAY_URL", &url).env("INGEST_TOKEN", token);
        let run = output_of(command, Vec::new()).await;
        assert_eq!(run.code, Some(code), "{token:?}: {}", run.stderr());
        assert_eq!(code == 2, run.stderr().contains("INGEST_TOKEN"), "{}", run.stderr());
    }
    assert!(!accepted.lock().unwrap().is_empty());
}
