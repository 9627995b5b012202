//! Tests the gateway in a separate process: flags, environment variables and signals.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use oasis_postgres::testing::TestDatabase;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::client::{Answer, Feed, get, pause, post};
use crate::{database, postgres};

/// How long the tests wait for a process to end.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A gateway process. Dropping this value kills the process.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The thread that collects the log after the line with the address.
    log: Option<std::thread::JoinHandle<String>>,
}

/// A command that runs the gateway with only these environment variables.
pub(crate) fn binary(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-feed"));
    command.env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

/// Runs a command until it ends. Returns the exit code, and standard output followed by standard error.
pub(crate) fn finished(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

impl Process {
    /// Starts a gateway that accepts events without a token, and waits until the gateway listens.
    async fn start(database: &TestDatabase) -> Self {
        Self::start_with(&[
            ("DATABASE_URL", &database.url),
            ("HOST", "127.0.0.1"),
            ("PORT", "0"),
            ("INGEST_ANONYMOUS", "true"),
        ])
        .await
    }

    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        let mut child = binary(variables).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        // The gateway logs its address once it listens.
        let begun = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).unwrap() > 0 {
                let read: Value = serde_json::from_str(&line).unwrap_or_default();
                if read["message"] == "listening" {
                    return Some((read["address"].as_str().unwrap().parse().unwrap(), stderr));
                }
                line.clear();
            }
            None
        });
        let (address, mut stderr) = begun.await.unwrap().expect("the gateway ended before it listened");
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            let _ = stderr.read_to_string(&mut log);
            log
        });
        Self { child, address, log: Some(log) }
    }

    /// Stops the gateway with SIGTERM. Returns the log after the line with the address.
    pub(crate) async fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        assert!(self.ended().await.success());
        self.log.take().unwrap().join().unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the process has ended.
    async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + ENDS_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the gateway is still running");
            pause().await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(number: usize) -> String {
    let key = number.to_string();
    json!({"source": "oasis.events", "kind": "event", "status": "info", "dedup_key": key}).to_string()
}

/// Waits until the result of a query is true.
pub(crate) async fn until(client: &tokio_postgres::Client, sql: &str) {
    until_within(client, sql, Duration::from_secs(30)).await;
}

/// As [`until`], but waits at most for this time.
pub(crate) async fn until_within(client: &tokio_postgres::Client, sql: &str, time: Duration) {
    let deadline = Instant::now() + time;
    while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(Instant::now() < deadline, "the result was false for {} s: {sql}", time.as_secs());
        pause().await;
    }
}

async fn ends_cleanly(signal: Signal) {
    let database = database().await;
    let mut gateway = Process::start(&database).await;
    let address = gateway.address;
    let mut feeds = Vec::new();
    for _ in 0..50 {
        let mut feed = Feed::open(address, "", &[]).await;
        feed.connected().await;
        feeds.push(feed);
    }
    // This session holds the writers' lock, so the request below is still in flight when the signal comes.
    let holder = postgres(&database.url).await;
    holder.batch_execute("BEGIN; LOCK TABLE oasis_events_lock IN EXCLUSIVE MODE").await.unwrap();
    let in_flight = tokio::spawn(async move { post(address, "/events/ingest", event(0)).await });
    let observer = postgres(&database.url).await;
    let waits =
        "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'oasis_events_lock'::regclass AND NOT granted)";
    until(&observer, waits).await;

    gateway.signal(signal);
    // The streams must end while the request still waits for the lock. `block` returns an error if a
    // connection breaks.
    for mut feed in feeds {
        while feed.block().await.expect("the connection broke before the stream ended").is_some() {}
    }
    let deadline = Instant::now() + ENDS_WITHIN;
    while TcpStream::connect(address).await.is_ok() {
        assert!(Instant::now() < deadline, "the gateway is still listening");
        pause().await;
    }
    holder.batch_execute("ROLLBACK").await.unwrap();
    let answer: Answer = in_flight.await.unwrap();
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert_eq!(stored(&observer).await, ["0"]);
}

/// The deduplication keys of the stored events, without the prefix that ingest adds.
async fn stored(client: &tokio_postgres::Client) -> Vec<String> {
    let sql = "SELECT replace(dedup_key, 'ingest:', '') FROM oasis_events ORDER BY id";
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn sigterm_ends_streams_and_finishes_requests_in_flight() {
    ends_cleanly(Signal::TERM).await;
}

#[tokio::test]
async fn sigint_ends_streams_and_finishes_requests_in_flight() {
    ends_cleanly(Signal::INT).await;
}

/// The gateway answers events with 201, and is then killed with `kill -9`. Each of these events is stored,
/// and a client that reconnects gets each event once.
#[tokio::test]
async fn kill_9_loses_no_event_that_was_answered_with_201() {
    let database = database().await;
    let gateway = Process::start(&database).await;
    let mut feed = Feed::open(gateway.address, "", &[]).await;
    feed.connected().await;
    for number in 0..20 {
        assert_eq!(post(gateway.address, "/events/ingest", event(number)).await.status, 201);
    }
    let first = feed.ids(10).await;
    gateway.signal(Signal::KILL);
    drop(gateway);

    let gateway = Process::start(&database).await;
    let last = first[9].to_string();
    let mut feed = Feed::open(gateway.address, "", &[("last-event-id", &last)]).await;
    let deadline = Instant::now() + ENDS_WITHIN;
    while get(gateway.address, "/ready").await.status != 200 {
        assert!(Instant::now() < deadline, "the gateway did not become ready");
        pause().await;
    }
    // The client has probably connected before the gateway first read the table. The client must still get
    // the stored events at once, without waiting for a new event.
    let connected = tokio::time::timeout(Duration::from_secs(2), feed.connected());
    connected.await.expect("the message `connected` did not arrive within 2 s");
    let second = feed.ids(10).await;
    let all = [first, second].concat();
    assert!(all.is_sorted_by(|one, next| one < next), "{all:?}");
    let client = postgres(&database.url).await;
    assert_eq!(stored(&client).await, (0..20).map(|number| number.to_string()).collect::<Vec<_>>());
}

/// The log has one line about the refusal. The line names the constraint that refused the event, and shows
/// the event's mandatory fields.
#[tokio::test]
async fn an_event_that_the_table_refuses_is_logged_once_without_private_data() {
    let database = database().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (vtid <> 'DEV-TEST-6666')";
    postgres(&database.url).await.batch_execute(refuse).await.unwrap();
    let mut gateway = Process::start(&database).await;
    let event = json!({
        "source": "oasis.events", "kind": "task.init", "status": "info",
        "vtid": "DEV-TEST-6666", "module": "SHOP",
        "meta": { "note": "hunter2" }, "dedup_key": "hunter3", "link": "https://hunter4.example/",
    });
    assert_eq!(post(gateway.address, "/events/ingest", event.to_string()).await.status, 500);
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    let log = gateway.log.take().unwrap().join().unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("23514")).collect();
    let [line] = lines[..] else { panic!("expected one line, not {lines:?}, in {log}") };
    for part in ["ours", "DEV-TEST-6666", "task.init", "oasis.events", "SHOP", "devhub", "\"ERROR\""] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!log.contains("hunter"), "{log}");
}

#[test]
fn help_lists_every_variable_but_shows_no_value() {
    let mut command = binary(&[
        ("INGEST_TOKENS", "hunter2"),
        ("JWT_SECRET", "hunter2"),
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
    ]);
    command.arg("--help");
    let (code, text) = finished(command);
    assert_eq!(code, Some(0), "{text}");
    // The help breaks long entries into two lines.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for variable in [
        "HOST",
        "PORT",
        "RUST_LOG",
        "DATABASE_URL",
        "LISTEN_DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "OASIS_SCHEMA",
        "READ_TOKENS",
        "INGEST_TOKENS",
        "INGEST_ANONYMOUS",
        "MAX_SUBSCRIBERS",
        "JWT_SECRET",
        "JWT_PUBLIC_KEYS",
        "JWKS_URL",
        "JWT_ISSUER",
        "JWT_AUDIENCE",
    ] {
        assert!(words.contains(&format!("[env: {variable}]")), "{variable}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn an_error_names_the_bad_variable_but_does_not_show_a_secret() {
    for url in ["", "u:hunter2@h", "mysql://u:hunter2@h/d", "postgres://u:hunter2@h/d?sslmode=maybe"] {
        let (code, text) = finished(binary(&[("DATABASE_URL", url)]));
        assert_eq!(code, Some(2), "{url}: {text}");
        assert!(text.contains("[env: DATABASE_URL]") && !text.contains("hunter2"), "{text}");
    }
    let (code, text) =
        finished(binary(&[("DATABASE_URL", "postgres://h/d"), ("OASIS_SCHEMA", "pg_catalog")]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("[env: OASIS_SCHEMA]") && text.contains("reserved"), "{text}");
    // These settings would let everyone read or send.
    for (name, value) in
        [("READ_TOKENS", " "), ("READ_TOKENS", ","), ("INGEST_TOKENS", ", ,"), ("INGEST_TOKENS", " ")]
    {
        let (code, text) = finished(binary(&[("DATABASE_URL", "postgres://h/d"), (name, value)]));
        assert_eq!(code, Some(2), "{name} {value:?}: {text}");
        assert!(text.contains(&format!("[env: {name}]")) && text.contains("has no token"), "{text}");
    }
    // These settings would turn a check of the tokens off.
    for (name, value) in
        [("JWT_AUDIENCE", " "), ("JWT_AUDIENCE", ","), ("JWT_ISSUER", " "), ("JWT_ISSUER", " , ")]
    {
        let (code, text) = finished(binary(&[("DATABASE_URL", "postgres://h/d"), (name, value)]));
        assert_eq!(code, Some(2), "{name} {value:?}: {text}");
        assert!(text.contains(&format!("[env: {name}]")) && text.contains("has no item"), "{text}");
    }
    let both = [
        ("DATABASE_URL", "postgres://h/d"),
        ("INGEST_TOKENS", "t"),
        ("INGEST_ANONYMOUS", "1"),
        ("PORT", "0"),
    ];
    let (code, text) = finished(binary(&both));
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("set only one of them"), "{text}");
    let (code, text) = finished(binary(&[("DATABASE_URL", "postgres://h/d"), ("INGEST_ANONYMOUS", "maybe")]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("[env: INGEST_ANONYMOUS]"), "{text}");
}

#[tokio::test]
async fn variables_are_accepted_as_people_write_them() {
    let database = database().await;
    let variables = |host, anonymous| {
        [
            ("DATABASE_URL", database.url.as_str()),
            ("HOST", host),
            ("PORT", "0"),
            ("INGEST_TOKENS", if matches!(anonymous, "0" | " ") { " a , ci = b " } else { "" }),
            ("INGEST_ANONYMOUS", anonymous),
        ]
    };
    for (host, anonymous, status) in [
        ("127.0.0.1", "1", 201),
        ("localhost", " Yes ", 201),
        ("0.0.0.0", "ON", 201),
        ("[::]", "0", 401),
        ("", " ", 401),
    ] {
        let gateway = Process::start_with(&variables(host, anonymous)).await;
        let address = SocketAddr::from(([127, 0, 0, 1], gateway.address.port()));
        let answer = post(address, "/events/ingest", event(0)).await;
        assert_eq!(answer.status, status, "{host} {anonymous}: {:?}", answer.body);
        let port = gateway.address.port().to_string();
        while get(address, "/ready").await.status != 200 {
            pause().await;
        }
        let mut check = binary(&variables(host, anonymous));
        check.args(["--healthcheck", "--port", &port]);
        let (code, text) = finished(check);
        assert_eq!(code, Some(0), "{host}: {text}");
    }
}

#[tokio::test]
async fn empty_variables_count_as_unset() {
    let database = database().await;
    let mut gateway = Process::start_with(&[
        ("DATABASE_URL", &database.url),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("RUST_LOG", ""),
        ("LISTEN_DATABASE_URL", ""),
        ("DATABASE_POOL_SIZE", ""),
        ("OASIS_SCHEMA", ""),
        ("READ_TOKENS", ""),
        ("INGEST_TOKENS", ""),
        ("INGEST_ANONYMOUS", ""),
        ("MAX_SUBSCRIBERS", ""),
        ("JWT_SECRET", ""),
        ("JWT_PUBLIC_KEYS", " "),
        ("JWKS_URL", ""),
        ("JWT_ISSUER", ""),
        ("JWT_AUDIENCE", ""),
    ])
    .await;
    let refused = post(gateway.address, "/events/ingest", event(0)).await;
    assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (403, "ingest_disabled"));
    assert_eq!(get(gateway.address, "/api/v1/oasis/events").await.json(), json!([]));
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success());
    // An empty RUST_LOG counts as unset, so the default level `info` applies.
    let log = gateway.log.take().unwrap().join().unwrap();
    assert!(log.contains("\"stopped\""), "{log}");
}
