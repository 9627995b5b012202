//! Tests of the server in a separate process: signals, a broken stderr, and too few file descriptors.
//!
//! The child process runs this test binary again. An environment variable makes the child process run the
//! service.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use oasis_service::shutdown::is_ignored;
use oasis_service::{Limits, Shutdown, serve, telemetry};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use super::client::{Client, get};
use super::sample::Sample;

const MARK: &str = "child listens on ";

/// Runs the service in the child process. Does nothing in an ordinary test run.
#[test]
fn child_service() {
    if std::env::var_os("OASIS_SERVICE_CHILD").is_none() {
        return;
    }
    if let Some(files) = std::env::var_os("OASIS_SERVICE_FILES") {
        let files = files.to_str().unwrap().parse().ok();
        setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files }).unwrap();
    }
    let other = std::env::var("OASIS_SERVICE_OTHER_FILES").map_or(0, |count| count.parse().unwrap());
    let _other: Vec<File> = (0..other).map(|_| File::open("/dev/null").unwrap()).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        telemetry::init("child", "info").unwrap();
        let shutdown = Shutdown::on_signals().unwrap();
        let listener = oasis_service::args::bind("127.0.0.1", 0).await.unwrap();
        println!("\n{MARK}{}", listener.local_addr().unwrap());
        serve(Sample::new(), listener, Limits::default(), shutdown).await.unwrap();
    });
}

fn spawn(stderr: Stdio) -> (Child, SocketAddr) {
    spawn_with(stderr, &[])
}

fn spawn_with(stderr: Stdio, variables: &[(&str, &str)]) -> (Child, SocketAddr) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .envs(variables.iter().copied())
        .args(["--exact", "process::child_service", "--nocapture"])
        .env("OASIS_SERVICE_CHILD", "1")
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let stdout = child.stdout.as_mut().unwrap();
    let address = BufReader::new(stdout)
        .lines()
        .find_map(|line| line.unwrap().strip_prefix(MARK).map(|address| address.parse().unwrap()));
    (child, address.expect("the child process ended before it listened"))
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[tokio::test]
async fn sigterm_ends_streams_and_the_log_is_json() {
    let (mut child, address) = spawn(Stdio::piped());
    let mut stream = Client::begun(address, "/stream").await;
    assert_eq!(get(address, "/panic").await.status, 500);

    signal(&child, Signal::TERM);
    assert!(stream.end().await.ends_with(b"0\r\n\r\n"));
    assert!(child.wait().unwrap().success());

    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let of_panic: Vec<_> = lines.iter().filter(|line| line.to_string().contains("went wrong")).collect();
    let [line] = of_panic[..] else { panic!("{of_panic:?}") };
    assert_eq!((&line["severity"], &line["service"]), (&"ERROR".into(), &"sample".into()));
    assert!(line["error"].as_str().unwrap().contains("sample.rs"));
    assert!(lines.iter().any(|line| line["message"] == "shutting down" && line["service"] == "child"));
}

#[tokio::test]
async fn sighup_ends_the_process_as_sigterm_does() {
    let (mut child, address) = spawn(Stdio::null());
    let mut stream = Client::begun(address, "/stream").await;
    signal(&child, Signal::HUP);
    // Under nohup, the tests and the child ignore SIGHUP.
    if is_ignored(Signal::HUP) {
        assert_eq!(get(address, "/hello").await.status, 200);
        signal(&child, Signal::TERM);
    }
    assert!(stream.end().await.ends_with(b"0\r\n\r\n"));
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn the_process_exits_at_once_on_a_second_sigint() {
    let (mut child, address) = spawn(Stdio::null());
    let _stuck = Client::begun(address, "/stubborn").await;
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/hello").await.status, 200);
    signal(&child, Signal::INT);
    // The idle connection ends when the first signal has been handled.
    idle.end().await;
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[tokio::test]
async fn the_service_survives_a_closed_or_full_stderr() {
    let (mut child, address) = spawn(Stdio::piped());
    drop(child.stderr.take());
    for path in ["/panic", "/unavailable", "/hello"] {
        get(address, path).await;
    }
    assert_eq!(get(address, "/hello").await.status, 200);
    signal(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());

    let full = File::options().write(true).open("/dev/full").unwrap();
    let (mut child, address) = spawn(full.into());
    assert_eq!(get(address, "/panic").await.status, 500);
    assert_eq!(get(address, "/hello").await.status, 200);
    signal(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());
}

#[tokio::test]
async fn the_service_recovers_from_too_few_file_descriptors() {
    let (mut child, address) =
        spawn_with(Stdio::piped(), &[("OASIS_SERVICE_FILES", "64"), ("OASIS_SERVICE_OTHER_FILES", "40")]);
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(Client::connect(address).await);
    }
    // The test reads the log until the server has reported the error.
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("cannot accept connections") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0);
    }
    drop(crowd);
    assert_eq!(get(address, "/hello").await.status, 200);
    signal(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert!(rest.matches("cannot accept").count() < 50, "{rest}");
}

#[tokio::test]
async fn a_low_limit_on_open_files_lowers_the_limit_on_connections() {
    let (mut child, address) = spawn_with(Stdio::piped(), &[("OASIS_SERVICE_FILES", "64")]);
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(Client::connect(address).await);
        assert_eq!(get(address, "/health").await.status, 200);
    }
    assert_eq!(get(address, "/hello").await.status, 200);
    signal(&child, Signal::TERM);
    assert!(child.wait().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.contains("the limit on open files is low"), "{log}");
    assert!(!log.contains("cannot accept"), "{log}");
}
