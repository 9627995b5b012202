//! Tests of an agent that wraps a command: exit codes, input, output, signals, and the socket.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::{Running, Setup, agent, children, output_of, until_async};

/// The URL of a gateway that refuses connections.
const NOWHERE: &str = "http://127.0.0.1:1";

fn shell(script: &str) -> [&str; 5] {
    ["--", "sh", "-c", script, "sh"]
}

#[tokio::test]
async fn exit_codes_are_passed_on_and_reported() {
    let setup = Setup::new().await;
    let not_executable = setup.home.path().join("text");
    std::fs::write(&not_executable, "text").unwrap();
    std::fs::set_permissions(&not_executable, PermissionsExt::from_mode(0o600)).unwrap();
    let not_executable = not_executable.to_str().unwrap().to_owned();
    let cases: [(&[&str], i32, &str); 7] = [
        (&shell("exit 0"), 0, "success IDLE 0"),
        (&shell("exit 1"), 1, "failure IDLE 1"),
        (&shell("exit 255"), 255, "failure IDLE 255"),
        (&shell("kill -9 $$"), 137, "failure IDLE 137"),
        (&shell("kill -SEGV $$"), 139, "failure IDLE 139"),
        (&["--", "no-such-command"], 127, "failure IDLE 127"),
        (&["--", &not_executable], 126, "failure IDLE 126"),
    ];
    for (flags, code, ping) in cases {
        let run = output_of(setup.agent(flags), Vec::new()).await;
        assert_eq!(run.code, Some(code), "{flags:?}: {}", run.stderr());
        assert_eq!(setup.pings().await.last().unwrap(), ping, "{flags:?}");
    }
    let meta = setup.last().await;
    assert_eq!((&meta["command"], &meta["agent"]), (&json!("text"), &json!("planner")));
}

/// No byte changes, even if no beat can be delivered.
#[tokio::test]
async fn input_and_output_are_passed_through_unchanged() {
    let home = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
    let script = "tee /dev/stderr";
    let mut command = agent(home.path(), &shell(script));
    command.env("GATEWAY_URL", NOWHERE).env("AGENT_NAME", "planner").env("RUST_LOG", "trace");
    let run = output_of(command, bytes.clone()).await;
    assert_eq!(run.code, Some(0));
    assert!(run.out == bytes, "{} bytes out of {}", run.out.len(), bytes.len());
    assert!(run.err == bytes, "{} bytes out of {}", run.err.len(), bytes.len());
}

#[tokio::test]
async fn the_command_does_not_inherit_the_credential_of_the_beats() {
    let home = tempfile::tempdir().unwrap();
    let printed = async |flags: &[&str], gateway: bool| {
        let script = "echo ${INGEST_TOKEN-none} ${DATABASE_URL-none}";
        let mut command = agent(home.path(), &[flags, &shell(script)].concat());
        command.env("AGENT_NAME", "planner").env("INGEST_TOKEN", "hunter2");
        command.env("DATABASE_URL", "postgres://127.0.0.1:1/d");
        if gateway {
            command.env("GATEWAY_URL", NOWHERE);
        }
        let run = output_of(command, Vec::new()).await;
        assert_eq!(run.code, Some(0), "{}", run.stderr());
        String::from_utf8(run.out).unwrap()
    };
    assert_eq!(printed(&[], true).await, "none postgres://127.0.0.1:1/d\n", "the command's own database");
    assert_eq!(printed(&[], false).await, "hunter2 none\n");
    assert_eq!(printed(&["--keep-credentials"], true).await, "hunter2 postgres://127.0.0.1:1/d\n");
}

/// The lookup of the gateway's name hangs: the resolver opens the file of aliases, which is a pipe without a
/// writer.
#[tokio::test]
async fn a_hanging_name_lookup_does_not_delay_the_exit_of_the_agent() {
    let home = tempfile::tempdir().unwrap();
    let aliases = home.path().join("aliases");
    assert!(Command::new("mkfifo").arg(&aliases).status().unwrap().success());
    let mut command = agent(home.path(), &shell("exit 3"));
    command.env("GATEWAY_URL", "http://gateway").env("AGENT_NAME", "planner").env("HOSTALIASES", &aliases);
    let began = Instant::now();
    assert_eq!(Running::start(command).ended().await.code(), Some(3));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

/// The gateway refuses connections, or never answers. After the end of the command, the agent waits at most
/// 5 s.
#[tokio::test]
async fn an_unreachable_gateway_does_not_delay_the_command() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", silent.local_addr().unwrap());
    for gateway in [NOWHERE, &silent] {
        let home = tempfile::tempdir().unwrap();
        let mut command = agent(home.path(), &shell("echo began; exec sleep 0.2"));
        command.env("GATEWAY_URL", gateway).env("AGENT_NAME", "planner");
        let began = Instant::now();
        let running = Running::start(command);
        assert_eq!(running.line(), "began");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(running.ended().await.code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn signals_are_forwarded_to_the_command() {
    let setup = Setup::new().await;
    let script =
        "for s in HUP INT QUIT USR1 USR2 ALRM; do trap \"echo $s\" $s; done; trap 'echo TERM; exit 7' TERM
                  echo ready; while :; do sleep 0.01; done";
    let running = Running::start(setup.agent(&shell(script)));
    assert_eq!(running.line(), "ready");
    for (signal, name) in [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::ALARM, "ALRM"),
        (Signal::TERM, "TERM"),
    ] {
        running.signal(signal);
        assert_eq!(running.line(), name);
    }
    assert_eq!(running.ended().await.code(), Some(7));
    assert_eq!(setup.pings().await.last().unwrap(), "failure IDLE 7");
}

/// The agent forwarded the signal that ended the command, so the command ended as intended.
#[tokio::test]
async fn a_command_that_ends_on_a_forwarded_sigterm_is_a_success() {
    let setup = Setup::new().await;
    let running = Running::start(setup.agent(&shell("echo ready; exec sleep 600")));
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(143));
    assert_eq!(setup.pings().await.last().unwrap(), "success IDLE 143");
    assert_eq!(setup.last().await["signal"], 15);
}

/// The agent waits without a limit, and continues to send beats.
#[tokio::test]
async fn the_agent_waits_for_a_command_that_ignores_sigterm() {
    let setup = Setup::new().await;
    let script = "trap '' TERM; echo ready; read line; echo $line";
    let mut command = setup.agent(&["--interval", "1s", "--vtid", "DEV-CICDL-0031"]);
    command.args(shell(script)).stdin(Stdio::piped());
    let mut running = Running::start(command);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::TERM);
    running.signal(Signal::TERM);
    let count = async || setup.pings().await.len();
    until_async("more beats", async || count().await >= 3).await;
    assert!(running.child.try_wait().unwrap().is_none());
    running.child.stdin.take().unwrap().write_all(b"enough\n").unwrap();
    assert_eq!(running.line(), "enough");
    assert_eq!(running.ended().await.code(), Some(0));
    assert_eq!(setup.pings().await.last().unwrap(), "success DEV-CICDL-0031 0");
}

/// nohup starts a process with SIGHUP ignored.
#[tokio::test]
async fn ignored_signals_stay_ignored() {
    let setup = Setup::new().await;
    let program = env!("CARGO_BIN_EXE_heartbeat-agent");
    let script =
        format!("trap '' HUP; exec {program} --agent planner -- sh -c 'echo ready; read line; echo $line'");
    let mut command = setup.agent(&[]);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command = shell;
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    assert_eq!(running.line(), "ready");
    running.signal(Signal::HUP);
    for (child, _) in children(running.pid()) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(child).unwrap(), Signal::HUP).unwrap();
    }
    running.child.stdin.take().unwrap().write_all(b"here\n").unwrap();
    assert_eq!(running.line(), "here");
    assert_eq!(running.ended().await.code(), Some(0));
}

/// The agent reaps the orphans of the command when they end.
#[tokio::test]
async fn orphans_are_reaped() {
    let setup = Setup::new().await;
    // Each of the inner shells leaves behind a process that outlives the shell.
    let script = "for i in 1 2 3 4 5; do (sleep 0.1 & echo $!); done; echo ready; read line";
    let mut command = setup.agent(&shell(script));
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    let orphans: Vec<i32> = (0..5).map(|_| running.line().parse().unwrap()).collect();
    assert_eq!(running.line(), "ready");
    let pid = running.pid();
    until_async("only the command is left", async || children(pid).len() == 1).await;
    assert!(children(pid).iter().all(|(child, state)| !orphans.contains(child) && *state != 'Z'));
    running.child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(running.ended().await.code(), Some(0));
}

/// In containers, runs often have the same host name, process id and start second.
#[tokio::test]
async fn runs_in_equal_containers_have_different_instances() {
    let setup = Setup::new().await;
    let run = || output_of(setup.agent(&["--", "true"]), Vec::new());
    tokio::join!(run(), run(), run());
    let sql = "SELECT count(DISTINCT regexp_replace(meta->>'instance', ':[0-9]+:', ':1:')) FROM oasis_events";
    assert_eq!(setup.sql.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 3);
}

/// An agent runs a second agent, which runs the command. The command reaches the inner agent, or no agent.
#[tokio::test]
async fn the_inner_command_never_reaches_the_outer_agent() {
    let setup = Setup::new().await;
    // The inner agent needs the credential of the outer one.
    let outer = |script: &str| setup.agent(&[&["--keep-credentials"], &shell(script)[..]].concat());
    let inner = "heartbeat-agent status; heartbeat-agent status --agent planner";
    let script = format!("heartbeat-agent --agent inner -- sh -c '{inner}'");
    let run = output_of(outer(&script), Vec::new()).await;
    assert_eq!(String::from_utf8(run.out).unwrap(), "inner is idle\nplanner is idle\n");
    // The path of a socket for the inner agent would be too long, so the inner agent has no socket.
    let nowhere = setup.home.path().join("x".repeat(120));
    std::fs::create_dir(&nowhere).unwrap();
    let script = format!("XDG_RUNTIME_DIR={} {script}", nowhere.display());
    let run = output_of(outer(&script), Vec::new()).await;
    assert_eq!(run.out, b"", "{}", run.stderr());
}

/// The command must not change the task of another agent.
#[tokio::test]
async fn a_command_without_a_socket_reaches_no_agent() {
    let setup = Setup::new().await;
    // In this directory, the path of a socket is valid if the agent's name is short, but too long otherwise.
    let home = setup.home.path().join("x".repeat(59 - setup.home.path().as_os_str().len()));
    std::fs::create_dir(&home).unwrap();
    let mut other = setup.agent(&["--vtid", "DEV-CICDL-0031", "--log", "off"]);
    let running = Running::start({
        other.env("XDG_RUNTIME_DIR", &home);
        other
    });
    setup.until_pings(&["in_progress DEV-CICDL-0031"]).await;
    let script =
        "heartbeat-agent set-vtid DEV-CICDL-0032 || echo refused; heartbeat-agent status --agent planner";
    let mut command = setup.agent(&["--agent", &"y".repeat(40)]);
    command.args(shell(script)).env("XDG_RUNTIME_DIR", &home);
    let run = output_of(command, Vec::new()).await;
    assert_eq!(
        String::from_utf8_lossy(&run.out),
        "refused\nplanner works on DEV-CICDL-0031\n",
        "{}",
        run.stderr()
    );
    assert!(run.stderr().contains("the agent of this command has no socket"), "{}", run.stderr());
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
}

/// Because the final beat is missing, the gateways report the agent as lost.
#[tokio::test]
async fn a_killed_agent_sends_no_final_beat() {
    let setup = Setup::new().await;
    let mut command = setup.agent(&shell("echo ready; read line"));
    command.stdin(Stdio::piped());
    let running = Running::start(command);
    assert_eq!(running.line(), "ready");
    setup.until_pings(&["info IDLE"]).await;
    running.signal(Signal::KILL);
    assert_eq!(running.ended().await.signal(), Some(9));
    assert_eq!(setup.pings().await, ["info IDLE"]);
}

/// The command finds its agent's socket through the environment.
#[tokio::test]
async fn a_command_sets_the_task_of_its_agent() {
    let setup = Setup::new().await;
    let script = "heartbeat-agent status; read go; heartbeat-agent set-vtid dev-cicdl-0032; read go
                  heartbeat-agent set-vtid junk; heartbeat-agent status; heartbeat-agent idle; read go";
    let mut command = setup.agent(&shell(script));
    command.env("VTID", "DEV-CICDL-0031").stdin(Stdio::piped());
    let mut running = Running::start(command);
    let mut stdin = running.child.stdin.take().unwrap();
    let mut go = || stdin.write_all(b"go\n").unwrap();
    assert_eq!(running.line(), "planner works on DEV-CICDL-0031");
    let mut expected = vec!["in_progress DEV-CICDL-0031"];
    setup.until_pings(&expected).await;
    go();
    assert_eq!(running.line(), "planner works on DEV-CICDL-0032; it worked on DEV-CICDL-0031 before");
    expected.push("in_progress DEV-CICDL-0032");
    setup.until_pings(&expected).await;
    go();
    assert_eq!(running.line(), "planner works on DEV-CICDL-0032");
    assert_eq!(running.line(), "planner is idle; it worked on DEV-CICDL-0032 before");
    expected.push("info IDLE");
    setup.until_pings(&expected).await;
    go();
    assert_eq!(running.ended().await.code(), Some(0));
    expected.push("success IDLE 0");
    assert_eq!(setup.pings().await, expected);
    let left: Vec<_> = std::fs::read_dir(setup.home.path().join("oasis")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
