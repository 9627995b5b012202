//! Tests `oasis up` as a user runs it: in a folder, until Ctrl-C or a signal ends it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod agents;
mod client;
mod doctor;
mod find;
mod import;
mod import_rows;
mod process;
mod resources;
mod rooms;
mod schemas;
mod token;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use client::{Feed, health, is_ready, push};
use process::{ENDS_WITHIN, Home, LIMIT, POLL, Up, runs};
use rustix::process::{Signal, kill_process};

/// The task of the deliveries that these tests send.
const VTID: &str = "DEV-CICDL-0042";

async fn until_ready(port: u16) {
    let deadline = Instant::now() + LIMIT;
    while !is_ready(port).await {
        assert!(Instant::now() < deadline, "the gateway did not get ready in time");
        tokio::time::sleep(POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_survive_ctrl_c_and_kill_9() {
    let home = Home::new();
    let mut command = home.up_command(&[]);
    // docker compose passes an unset variable as an empty string.
    command.envs([("DATABASE_URL", ""), ("GITHUB_WEBHOOK_SECRET", ""), ("JWT_SECRET", ""), ("RUST_LOG", "")]);
    let up = Up::start(command);
    let (gateway, webhooks) = (home.port, home.port + 1);
    let secret = home.secret();
    for part in [
        format!("http://localhost:{gateway}/api/v1/devhub/feed"),
        format!("http://localhost:{webhooks}/webhooks/github"),
        secret.clone(),
    ] {
        assert!(up.banner.contains(&part), "{part}: {}", up.banner);
    }

    let (mut feed, connected) = Feed::open(gateway).await;
    assert_eq!(connected["mode"], "mock");
    assert_eq!(feed.event().await["vtid"], "DEV-CICDL-0031");
    let (status, answer) = push(webhooks, &secret, &"a".repeat(40)).await;
    assert_eq!((status, &answer["vtid"]), (200, &VTID.into()), "{answer}");
    let event = feed.event_of(VTID).await;
    assert_eq!(event["title"], "CICDL-CORE-PUSH");
    let (status, answer) = push(webhooks, "another secret", &"b".repeat(40)).await;
    assert_eq!((status, &answer["error"]["code"]), (401, &"bad_signature".into()));

    let postgres = home.postgres().expect("`oasis up` should run its own PostgreSQL");
    up.interrupt();
    assert!(!runs(postgres), "PostgreSQL is still running");
    assert_eq!(home.postgres(), None);

    let up = home.up(&[]);
    assert_eq!(home.secret(), secret, "the secret has changed");
    let (mut feed, connected) = Feed::open(gateway).await;
    assert_eq!((&connected["mode"], feed.event().await), (&"live".into(), event.clone()));

    let postgres = home.postgres().expect("`oasis up` should run its own PostgreSQL");
    up.kill();
    assert!(runs(postgres), "PostgreSQL should outlive a killed `oasis up`");
    let mut up = home.up(&[]);
    assert_eq!(home.postgres(), Some(postgres));
    let (mut feed, _) = Feed::open(gateway).await;
    assert_eq!(feed.event().await, event);
    up.signal(Signal::TERM);
    let (code, stderr) = up.finish(ENDS_WITHIN);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!runs(postgres), "the adopted PostgreSQL is still running");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_instance_needs_other_ports_and_shares_the_database() {
    let home = Home::new();
    let first = home.up(&[]);
    let mut second = Up::spawn(home.up_command(&[]));
    let (code, stderr) = second.finish(LIMIT);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&format!("port {} ", home.port)) && stderr.contains("--port"), "{stderr}");
    // The first instance still runs.
    until_ready(home.port).await;

    // On other ports, a second instance shares the database. The instance that ends last stops PostgreSQL.
    let other = Home::new();
    let mut command = home.command(env!("CARGO_BIN_EXE_oasis"));
    command.args(["up", "--port", &other.port.to_string()]);
    let second = Up::start(command);
    let (mut feed, _) = Feed::open(home.port).await;
    assert_eq!(push(other.port + 1, &home.secret(), &"c".repeat(40)).await.0, 200);
    feed.event_of(VTID).await;
    let postgres = home.postgres().unwrap();
    first.interrupt();
    assert!(runs(postgres));
    assert_eq!(push(other.port + 1, &home.secret(), &"d".repeat(40)).await.0, 200);
    second.interrupt();
    assert!(!runs(postgres));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_keeps_sending_events() {
    let home = Home::new();
    let up = home.up(&["--demo", "--allow-host", "dev.example"]);
    // A page whose name points to this machine may only use webhook-ingest, which checks signatures.
    for (nth, evil) in [(0, 403), (1, 200), (2, 403)] {
        for (host, status) in [("evil.example", evil), ("dev.example", 200), ("localhost", 200)] {
            assert_eq!(health(home.port + nth, host).await, status, "{nth} {host}");
        }
    }
    let (mut feed, _) = Feed::open(home.port).await;
    let deadline = Instant::now() + LIMIT;
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let event = feed.event().await;
        // The feed shows simulated events until the first real event.
        if event["vtid"] != "DEV-CICDL-0031" {
            seen.insert(event.to_string());
        }
        assert!(Instant::now() < deadline, "{seen:?}");
    }
    up.interrupt();
}

#[test]
fn a_missing_database_is_reported_at_once() {
    let home = Home::new();
    for (url, expected_code, expected) in [
        ("postgres://u:hunter2@127.0.0.1:1/d", 1, "no connection to the database"),
        ("nonsense-with-hunter2", 2, "DATABASE_URL"),
    ] {
        let mut command = home.up_command(&[]);
        command.env("DATABASE_URL", url);
        let (code, stderr) = Up::spawn(command).finish(Duration::from_secs(20));
        assert_eq!(code, Some(expected_code), "{stderr}");
        assert!(stderr.contains(expected) && !stderr.contains("hunter2"), "{stderr}");
    }
    assert!(!home.path(".oasis/postgres").exists(), "a private database was created too");
}

#[test]
fn a_bad_setting_is_reported_before_anything_is_started() {
    let home = Home::new();
    let mut command = home.up_command(&[]);
    command.env("MAX_SUBSCRIBERS", "many");
    let (code, stderr) = Up::spawn(command).finish(Duration::from_secs(20));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.starts_with("error: invalid value 'many'"), "{stderr}");
    assert!(stderr.contains("MAX_SUBSCRIBERS"), "{stderr}");
    assert_eq!(stderr.matches("error:").count(), 1, "{stderr}");
    assert!(!home.path(".oasis/postgres").exists());
}

#[test]
fn the_printed_commands_can_be_pasted() {
    let home = Home::new();
    // This path resolves to `.oasis`, so the usual cleanup removes the folder.
    std::fs::create_dir_all(home.path(".oasis/it's odd")).unwrap();
    let mut command = home.up_command(&["--data", ".oasis/it's odd/.."]);
    // LISTEN_DATABASE_URL does not belong to the private database, so it must be ignored.
    command.envs([("READ_TOKENS", "hunter2"), ("LISTEN_DATABASE_URL", "nonsense")]);
    let up = Up::start(command);
    for part in ["/?token=TOKEN ", "curl -N -H 'Authorization: Bearer TOKEN' http", "READ_TOKENS"] {
        assert!(up.banner.contains(part), "{part}: {}", up.banner);
    }
    assert!(!up.banner.contains("hunter2"), "{}", up.banner);
    let cat = up.banner.lines().find_map(|line| line.split_once("$(cat ")).unwrap().1;
    let echo = format!("cat {}", cat.strip_suffix(")\"").unwrap());
    let output = home.command("/bin/sh").args(["-c", &echo]).output().unwrap();
    assert!(output.stdout.starts_with(b"postgres"), "{output:?}");
    // The command that connects GitHub runs with a `gh` that prints its arguments.
    let (_, connect) = up.banner.split_once("\n  gh webhook forward ").unwrap();
    let echo = format!("gh() {{ printf '%s\\n' \"$@\"; }}; gh webhook forward {connect}");
    let output = home.command("/bin/sh").args(["-c", &echo]).output().unwrap();
    let secret = std::fs::read_to_string(home.path(".oasis/webhook-secret")).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let url = format!("--url=http://localhost:{}/webhooks/github", home.port + 1);
    let expected = [
        "webhook",
        "forward",
        "--repo=OWNER/REPO",
        "--events=*",
        &url,
        &format!("--secret={}", secret.trim()),
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    up.interrupt();
}

#[test]
fn up_fails_if_the_database_never_answers() {
    let home = Home::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:hunter2@{}/d", silent.local_addr().unwrap());
    let mut command = home.up_command(&[]);
    command.env("DATABASE_URL", url);
    let (code, stderr) = Up::spawn(command).finish(Duration::from_secs(30));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(": timeout waiting for server"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_ends_is_restarted() {
    let home = Home::new();
    let up = home.up(&[]);
    let (mut feed, _) = Feed::open(home.port).await;
    for (signal, letter) in [(Signal::KILL, "1"), (Signal::INT, "2")] {
        let postgres = home.postgres().unwrap();
        kill_process(postgres, signal).unwrap();
        let sha = letter.repeat(40);
        let deadline = Instant::now() + LIMIT;
        loop {
            match push(home.port + 1, &home.secret(), &sha).await {
                (200, _) => break,
                (status, answer) => assert_eq!(status, 503, "{answer}"),
            }
            assert!(Instant::now() < deadline, "PostgreSQL was not restarted in time");
        }
        // The client that stayed connected gets the event.
        let link = feed.event_of(VTID).await["link"].clone();
        assert!(link.is_string(), "{link}");
        // A backend may answer for a moment after the signal, so the push may come before the restart.
        while home.postgres().is_none_or(|running| running == postgres) {
            assert!(Instant::now() < deadline, "PostgreSQL was not restarted in time");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    up.interrupt();
    assert_eq!(home.postgres(), None);
}

/// The standard output and the standard error of `oasis up` are closed, full or not read.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_or_full_outputs_do_not_stop_the_services() {
    let home = Home::new();
    let shell = |redirections: &str| {
        let mut command = home.command("/bin/sh");
        command.args(["-c", &format!("exec \"$0\" up --port {} {redirections}", home.port)]);
        command.arg(env!("CARGO_BIN_EXE_oasis"));
        command
    };
    for redirections in [">&- 2>/dev/full", ">/dev/full 2>&-", ""] {
        let mut up = Up::spawn(shell(redirections));
        up.stop_reading();
        until_ready(home.port).await;
        assert_eq!(push(home.port + 1, &home.secret(), redirections).await.0, 200);
        let postgres = home.postgres().unwrap();
        up.interrupt();
        assert!(!runs(postgres), "PostgreSQL is still running");
    }
}

#[test]
fn help_lists_the_variables_without_their_values() {
    let home = Home::new();
    for (command, variables) in [
        ("up", &["DATABASE_URL", "OASIS_SCHEMA", "GITHUB_WEBHOOK_SECRET", "JWT_SECRET", "RUST_LOG"][..]),
        ("migrate", &["DATABASE_URL", "OASIS_SCHEMA"]),
        ("prune", &["DATABASE_URL", "OASIS_SCHEMA"]),
        ("check", &["DATABASE_URL", "OASIS_SCHEMA"]),
    ] {
        let mut help = home.command(env!("CARGO_BIN_EXE_oasis"));
        help.args([command, "--help"]);
        help.envs([("DATABASE_URL", "postgres://u:hunter2@h/d"), ("GITHUB_WEBHOOK_SECRET", "hunter2")]);
        let output = help.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        // The help text breaks long lines.
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for variable in variables {
            assert!(words.contains(&format!("[env: {variable}]")), "{variable}: {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }
    for command in ["migrate", "prune"] {
        let mut wrong = home.command(env!("CARGO_BIN_EXE_oasis"));
        wrong.arg(command).env("DATABASE_URL", "mysql://u:hunter2@h/d");
        let output = wrong.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains("[env: DATABASE_URL]") && !text.contains("hunter2"), "{text}");
    }
}
