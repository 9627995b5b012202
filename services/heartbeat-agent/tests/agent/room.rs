//! Tests of an agent that sends the output of its command to a room.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::rooms::{Refusal, Setup};
use crate::{Running, agent, output_of};

fn shell(script: &str) -> [&str; 4] {
    ["--", "sh", "-c", script]
}

#[tokio::test]
async fn the_output_becomes_lines_of_a_room_that_is_opened_first() {
    let setup = Setup::new().await;
    let script = r#"echo one; echo two >&2; sleep 0.05
        echo '{"level":"error","msg":"boom","code":7}'; printf 'no line end'"#;
    let flags = ["--role", "CODER", "--vtid", "DEV-CICDL-0031", "--room-title", "Build 7"];
    let more = ["--room-owner", "ann", "--room-readers", "owner"];
    let run = output_of(setup.agent(&[&flags[..], &more, &shell(script)].concat()), Vec::new()).await;
    assert_eq!((run.code, run.err.as_slice()), (Some(0), &b"two\n"[..]));
    let received = setup.received.lock().unwrap();
    assert_eq!(received.rooms["build"], json!({"title": "Build 7", "owner": "ann", "readers": "owner"}));
    let mut lines = received.lines.clone();
    // The order of the two streams is not defined.
    lines[..2].sort_by_key(|line| line["message"].to_string());
    let shown: Vec<_> = lines.iter().map(|line| (&line["level"], &line["message"])).collect();
    assert_eq!(
        json!(shown),
        json!([["info", "one"], ["warn", "two"], ["error", "boom"], ["info", "no line end"]])
    );
    assert_eq!(lines[2]["metadata"], json!({"code": 7}));
    for line in &lines {
        assert_eq!((&line["agentType"], &line["vtid"]), (&json!("coder"), &json!("DEV-CICDL-0031")));
    }
    assert!(received.pings.iter().all(|meta| meta["room"] == "build"), "{:?}", received.pings);
}

#[tokio::test]
async fn a_room_is_opened_only_if_it_does_not_exist() {
    let setup = Setup::new().await;
    let run = output_of(setup.agent(&shell("echo one")), Vec::new()).await;
    assert_eq!(run.code, Some(0));
    assert_eq!(setup.received.lock().unwrap().rooms["build"], json!({}));
    setup.received.lock().unwrap().rooms.insert("build".into(), json!("kept"));
    let run = output_of(setup.agent(&shell("echo two")), Vec::new()).await;
    assert_eq!((run.code, setup.lines()), (Some(0), vec!["info one".to_owned(), "info two".into()]));
    assert_eq!(setup.received.lock().unwrap().rooms["build"], json!("kept"));
}

#[tokio::test]
async fn each_byte_and_the_exit_code_are_passed_on() {
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    for setup in [Setup::new().await, Setup::away().await] {
        let run = output_of(setup.agent(&shell("tee /dev/stderr; exit 7")), bytes.clone()).await;
        assert_eq!(run.code, Some(7));
        assert!(run.out == bytes, "{} bytes out of {}", run.out.len(), bytes.len());
        assert!(run.err == bytes, "{} bytes out of {}", run.err.len(), bytes.len());
    }
}

/// The agent cannot send 100,000 lines at once. The command must not wait.
#[tokio::test]
async fn a_burst_does_not_delay_the_command_and_its_last_lines_are_kept() {
    let setup = Setup::new().await;
    let began = Instant::now();
    let running = Running::start(setup.agent(&shell("seq 1 100000; exit 3")));
    let read = move || {
        let lines: Vec<String> = (0..100_000).map(|_| running.line()).collect();
        (running, lines[99_999].clone())
    };
    let (running, last) = tokio::task::spawn_blocking(read).await.unwrap();
    let passed = began.elapsed();
    assert_eq!((running.ended().await.code(), last.as_str()), (Some(3), "100000"));
    println!("100,000 lines were passed on in {passed:?}, and the agent ended after {:?}", began.elapsed());
    assert!(passed < Duration::from_secs(3), "{passed:?}");
    let lines = setup.lines();
    assert_eq!(lines.last().unwrap(), &format!("info {last}"));
    let marks: Vec<&String> = lines.iter().filter(|line| line.contains("dropped")).collect();
    assert!(!marks.is_empty() && marks[0].starts_with("warn dropped "), "{marks:?}");
    // Each line was sent, or is counted in a mark.
    let received = setup.received.lock().unwrap();
    let dropped: u64 = received.lines.iter().filter_map(|line| line["metadata"]["dropped"].as_u64()).sum();
    assert_eq!(dropped + (lines.len() - marks.len()) as u64, 100_000);
    assert!(lines.len() >= 10_000, "{}", lines.len());
    assert!(received.batches.len() < 100, "{:?}", received.batches);
}

#[tokio::test]
async fn lines_wait_for_a_gateway_that_is_not_available_at_the_start() {
    let setup = Setup::away().await;
    let mut command = setup.agent(&shell("echo one; echo two; read line; echo three"));
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    assert_eq!(running.line(), "one");
    assert_eq!(running.line(), "two");
    setup.listen().await;
    setup.until_lines(&["info one", "info two"]).await;
    running.child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    assert_eq!(setup.lines(), ["info one", "info two", "info three"]);
}

/// The gateway stores a batch, and the agent does not get the answer. Then the gateway restarts.
#[tokio::test]
async fn no_line_is_lost_or_repeated_if_the_gateway_fails() {
    let mut setup = Setup::new().await;
    let busy = || Refusal::Refuse(429, "overloaded", "the gateway is busy");
    setup.received.lock().unwrap().refusals = vec![Refusal::LoseAnswer, Refusal::LoseAnswer, busy()];
    let mut command = setup.agent(&shell("echo one; read line; echo two; read line; echo three"));
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child.stdin.take().unwrap();
    setup.until_lines(&["info one"]).await;
    setup.stop().await;
    stdin.write_all(b"go\n").unwrap();
    assert_eq!((running.line(), running.line()), ("one".to_owned(), "two".to_owned()));
    setup.listen().await;
    stdin.write_all(b"go\n").unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    assert_eq!(setup.lines(), ["info one", "info two", "info three"]);
}

#[tokio::test]
async fn a_gateway_that_is_not_available_delays_the_exit_by_at_most_5_seconds() {
    let setup = Setup::away().await;
    let began = Instant::now();
    let run = output_of(setup.agent(&shell("echo one; exit 4")), Vec::new()).await;
    assert_eq!((run.code, run.out.as_slice()), (Some(4), &b"one\n"[..]));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(run.stderr(), "");
}

#[tokio::test]
async fn lines_that_may_not_be_written_do_not_delay_the_exit_and_status_says_why() {
    let setup = Setup::new().await;
    let script =
        "echo one; until heartbeat-agent status | grep 'no line reaches the room'; do sleep 0.01; done";
    let mut command = setup.agent(&shell(script));
    command.env("INGEST_TOKEN", "wr0ng");
    let began = Instant::now();
    let run = output_of(command, Vec::new()).await;
    assert_eq!(run.code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let out = String::from_utf8(run.out).unwrap();
    assert!(out.contains("the gateway answered 401 Unauthorized: this token may not write"), "{out}");
}

#[tokio::test]
async fn nothing_is_sent_to_a_closed_room_and_the_command_continues() {
    let setup = Setup::new().await;
    setup.received.lock().unwrap().rooms.insert("build".into(), json!({}));
    let closed = || Refusal::Refuse(409, "room_closed", "the room is closed");
    setup.received.lock().unwrap().refusals = vec![closed()];
    let script = "echo one; until heartbeat-agent status | grep 'is closed'; do sleep 0.01; done; echo two";
    let run = output_of(setup.agent(&shell(script)), Vec::new()).await;
    assert_eq!(run.code, Some(0));
    assert!(run.out.ends_with(b"two\n"));
    assert_eq!(setup.lines(), [""; 0]);
}

/// A batch that is refused is not sent again. The next batch reports how many lines are missing.
#[tokio::test]
async fn refused_lines_are_counted() {
    let setup = Setup::new().await;
    setup.received.lock().unwrap().rooms.insert("build".into(), json!({}));
    let bad = || Refusal::Refuse(400, "bad_line", "no such level");
    setup.received.lock().unwrap().refusals = vec![bad()];
    let script =
        "echo one; until heartbeat-agent status | grep -q 'no such level'; do sleep 0.01; done; echo two";
    let run = output_of(setup.agent(&shell(script)), Vec::new()).await;
    assert_eq!(run.code, Some(0));
    let lines = setup.lines();
    assert!(lines[0].starts_with("warn dropped 1 line"), "{lines:?}");
    assert_eq!(lines[1], "info two");
}

#[tokio::test]
async fn a_signal_ends_the_command_and_its_last_lines_are_sent() {
    let setup = Setup::new().await;
    let script = "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.01; done";
    let running = Running::start(setup.agent(&shell(script)));
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(9));
    assert_eq!(setup.lines(), ["info ready", "info bye"]);
    let run = output_of(setup.agent(&shell("echo last; kill -9 $$")), Vec::new()).await;
    assert_eq!(run.code, Some(137));
    assert_eq!(setup.lines()[2..], ["info last"]);
}

/// The lines before the death of the agent are sent. The command gets SIGPIPE at its next write.
#[tokio::test]
async fn the_lines_before_the_death_of_the_agent_are_sent() {
    let setup = Setup::new().await;
    let running = Running::start(setup.agent(&shell("echo one; exec sleep 600")));
    assert_eq!(running.line(), "one");
    setup.until_lines(&["info one"]).await;
    let command = crate::children(running.pid())[0].0;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.signal(), Some(9));
    rustix::process::kill_process(rustix::process::Pid::from_raw(command).unwrap(), Signal::KILL).unwrap();
}

/// A prompt has no line end, so it must be passed on at once.
#[tokio::test]
async fn a_dialogue_on_a_terminal_works() {
    let setup = Setup::new().await;
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let side = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let script = "printf 'name? '; read name; test -t 0 && echo \"hello $name\"";
    let mut command = setup.agent(&shell(script));
    let stdio = || Stdio::from(side.try_clone().unwrap());
    command.stdin(stdio()).stdout(stdio()).stderr(stdio());
    let mut child = command.spawn().unwrap();
    let dialogue = move || {
        let mut terminal = File::from(terminal);
        let mut shown = String::new();
        let mut until = |terminal: &mut File, text: &str| {
            let mut bytes = [0; 1_024];
            while !shown.contains(text) {
                let length = terminal.read(&mut bytes).unwrap();
                shown.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
            }
        };
        until(&mut terminal, "name? ");
        terminal.write_all(b"ann\n").unwrap();
        until(&mut terminal, "hello ann\r\n");
        child.wait().unwrap()
    };
    assert_eq!(tokio::task::spawn_blocking(dialogue).await.unwrap().code(), Some(0));
    assert_eq!(setup.lines(), ["info name? hello ann"]);
}

/// A process that outlives the command keeps the pipe open.
#[tokio::test]
async fn processes_that_outlive_the_command_do_not_delay_the_exit() {
    let setup = Setup::new().await;
    let began = Instant::now();
    let script = "sleep 20 & echo $!";
    let running = Running::start(setup.agent(&shell(script)));
    let left: i32 = running.line().parse().unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(setup.lines(), [format!("info {left}")]);
    let _ = rustix::process::kill_process(rustix::process::Pid::from_raw(left).unwrap(), Signal::KILL);
}

/// The reader of the output has closed the pipe. So the command ends, as it does without the agent.
#[tokio::test]
async fn a_command_ends_if_the_reader_of_its_output_closes_the_pipe() {
    let setup = Setup::new().await;
    let mut child = setup.agent(&["--", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    // 128 plus the number of SIGPIPE.
    assert_eq!(status.code(), Some(141));
}

/// The last output cannot be passed on, because the reader does not read. A signal still ends the agent.
#[tokio::test]
async fn a_signal_ends_an_agent_whose_output_is_not_read() {
    let setup = Setup::new().await;
    let mut command = setup.agent(&shell("head -c 100000 /dev/zero; echo done >&2"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut err = [0; 5];
    child.stderr.take().unwrap().read_exact(&mut err).unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Signal::TERM).unwrap();
    let began = Instant::now();
    // The pipe stays open, and nothing reads it.
    let pipe = child.stdout.take();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(8));
    assert!(matches!(status.code(), Some(0 | 143)), "{status:?}");
    drop(pipe);
}

#[tokio::test]
async fn wrong_settings_of_a_room_are_reported_before_the_command_starts() {
    let home = tempfile::tempdir().unwrap();
    let command = ["--", "echo", "started"];
    for (flags, part) in [
        (&["--room", "a/b"][..], "is not the id of a room"),
        (&["--room", "r", "--agent-type", "A"], "is not the type of an agent"),
        (&["--room", "r", "--room-readers", "owner"], "--room-readers owner needs --room-owner"),
        (&["--room", "r", "--room-readers", "all"], "signed_in"),
        (&["--room-title", "t"], "--room"),
    ] {
        let mut run = agent(home.path(), &["--agent", "planner"]);
        run.args(flags).args(command).env("GATEWAY_URL", "http://127.0.0.1:1");
        let run = output_of(run, Vec::new()).await;
        assert_eq!((run.code, run.out.as_slice()), (Some(2), &b""[..]), "{flags:?}");
        assert!(run.stderr().contains(part), "{}", run.stderr());
    }
    let mut run = agent(home.path(), &["--agent", "planner", "--room", "r", "--", "echo", "started"]);
    run.env("DATABASE_URL", "postgres://127.0.0.1:1/x");
    let run = output_of(run, Vec::new()).await;
    assert_eq!((run.code, run.out.as_slice()), (Some(2), &b""[..]));
    assert!(run.stderr().contains("needs a gateway: set GATEWAY_URL and INGEST_TOKEN"), "{}", run.stderr());
    let mut run = agent(home.path(), &["--agent", "planner", "--room", "r"]);
    run.env("GATEWAY_URL", "http://127.0.0.1:1");
    let run = output_of(run, Vec::new()).await;
    assert_eq!(run.code, Some(2));
    assert!(run.stderr().contains("needs a command"), "{}", run.stderr());
}
