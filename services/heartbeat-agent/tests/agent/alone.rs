//! By itself: until it is asked to stop, talked to over its socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::{Running, Stand, agent, finished, refused_once, until_async};

#[tokio::test]
async fn it_beats_until_it_is_asked_to_stop() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let stand = Stand::new().await;
        let flags = ["--role", "PLANNER", "--vtid", "dev-cicdl-0031", "--interval", "1s", "--log", "off"];
        let running = Running::start(stand.agent(&flags));
        until_async("it beats", async || stand.pings().await.len() >= 3).await;
        let meta = stand.last().await;
        assert_eq!((&meta["repeat"], &meta["interval"]), (&true.into(), &1.into()));
        assert_eq!((&meta["role"], &meta["pid"]), (&"PLANNER".into(), &running.child.id().into()));
        running.signal(signal);
        assert_eq!(running.ended().await.code(), Some(0));
        assert_eq!(stand.pings().await.last().unwrap(), "success DEV-CICDL-0031");
    }
}

/// Two of one name beside each other, each with a socket of its own.
#[tokio::test]
async fn several_are_told_apart() {
    let stand = Stand::new().await;
    let ask = |flags: &[&str]| finished(agent(stand.home.path(), flags), Vec::new());
    let nobody = ask(&["status"]).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.said().contains("no agent runs here"), "{}", nobody.said());

    let start = |name: &str| Running::start(stand.agent(&["--agent", name, "--log", "off"]));
    let (one, two) = (start("planner"), start("builder"));
    until_async("both are there", async || stand.pings().await.len() == 2).await;
    let status = ask(&["status", "--agent", "builder"]).await;
    assert_eq!((status.code, status.out.as_slice()), (Some(0), &b"builder is idle\n"[..]));
    let which = ask(&["set-vtid", "DEV-CICDL-0031"]).await;
    assert_eq!(which.code, Some(1));
    assert!(which.said().contains("2 agents run here: say which with --socket"), "{}", which.said());

    // What is left of one that was killed is in nobody's way.
    one.signal(Signal::KILL);
    one.ended().await;
    let set = ask(&["set-vtid", "DEV-CICDL-0031"]).await;
    assert_eq!(set.out, b"builder works on DEV-CICDL-0031; before, is idle\n");
    two.signal(Signal::TERM);
    assert_eq!(two.ended().await.code(), Some(0));
}

/// Whatever comes over the socket, the task stays what it was.
#[tokio::test]
async fn junk_is_refused_and_changes_nothing() {
    let stand = Stand::new().await;
    let socket = stand.home.path().join("s");
    let flags = ["--vtid", "DEV-CICDL-0031", "--log", "off", "--socket", socket.to_str().unwrap()];
    let running = Running::start(stand.agent(&flags));
    stand.until_pings(&["in_progress DEV-CICDL-0031"]).await;
    let say = |line: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(line).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    // The bound on a line cuts this one.
    let long = vec![b'x'; 1 << 20];
    for junk in [&b"set-vtid DEV\n"[..], b"\n", b"", b"stop\n", b"\xff\xfe\n", b"set-vtid \0\n"] {
        let said = say(junk);
        assert!(said.is_empty() || said.starts_with("error "), "{said}");
    }
    let mut stream = UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&long);
    drop(stream);
    assert_eq!(say(b"status\n"), "ok planner works on DEV-CICDL-0031\n");
    // One that says nothing holds the next for a second.
    let _silent = UnixStream::connect(&socket).unwrap();
    assert_eq!(
        say(b"set-vtid vtid-0032\n"),
        "ok planner works on VTID-0032; before, works on DEV-CICDL-0031\n"
    );
    stand.until_pings(&["in_progress DEV-CICDL-0031", "in_progress VTID-0032"]).await;
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(!socket.exists());
}

/// Under nohup it goes on when its terminal has gone; and what was left by one that was killed is swept away.
#[tokio::test]
async fn under_nohup_it_goes_on() {
    let stand = Stand::new().await;
    let program = env!("CARGO_BIN_EXE_heartbeat-agent");
    let script =
        format!("trap '' HUP; exec {program} --agent planner --vtid DEV-CICDL-0031 --interval 1s --log off");
    let start = || {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env_clear();
        shell.envs(stand.agent(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        Running::start(shell)
    };
    let running = start();
    until_async("it beats", async || !stand.pings().await.is_empty()).await;
    running.signal(Signal::HUP);
    let count = stand.pings().await.len();
    until_async("it beats on", async || stand.pings().await.len() > count + 1).await;
    running.signal(Signal::KILL);
    running.ended().await;
    let count = stand.pings().await.len();
    let running = start();
    until_async("another beats", async || stand.pings().await.len() > count).await;
    assert_eq!(std::fs::read_dir(stand.home.path().join("oasis")).unwrap().count(), 1);
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let url = "postgres://127.0.0.1:1/x";
    let no_root = "postgres://127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/nowhere";
    std::fs::write(home.path().join("notes"), "mine").unwrap();
    for (flags, said) in [
        (&["--agent", "a", "--", "touch", "ran"][..], "set GATEWAY_URL (and INGEST_TOKEN)"),
        (&["--database-url", url, "--", "touch", "ran"], "--agent NAME"),
        (&["--agent", "a", "--database-url", url, "--"], "no command stands after `--`"),
        (&["--agent", "", "--database-url", url], "expected 1 to 100"),
        (&["--agent", "a", "--database-url", url, "--interval", "0.5s"], "1s to 1d"),
        (&["--agent", "a", "--database-url", url, "--vtid", "junk", "--", "touch", "ran"], "is not a VTID"),
        (&["--agent", "a", "--gateway-url", "ftp://h", "--", "touch", "ran"], "only http and https"),
        (&["set-vtid", "junk"], "is not a VTID"),
        (
            &["--agent", "a", "--database-url", url, "--socket", "notes", "--", "touch", "ran"],
            "listening at the socket notes",
        ),
        (&["--agent", "a", "--database-url", no_root, "--", "touch", "ran"], "sslrootcert /nowhere"),
        (&["--agent", "a", "--database-url", url, "--log", "loud"], "is not a log filter"),
    ] {
        let mut command = agent(home.path(), flags);
        command.current_dir(home.path());
        let run = finished(command, Vec::new()).await;
        assert_eq!(run.code, Some(2), "{flags:?}: {}", run.said());
        assert!(run.said().contains(said), "{flags:?}: {}", run.said());
        assert!(!home.path().join("ran").exists(), "{flags:?}");
    }
    assert_eq!(std::fs::read(home.path().join("notes")).unwrap(), b"mine");
}

/// A table that can't be reached is tried again, and what is told then says since when.
#[tokio::test]
async fn a_database_that_comes_later_is_told_the_gap() {
    let stand = Stand::new().await;
    // A sequence counts also what is rolled back.
    let shut = "CREATE SEQUENCE tries; CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                PERFORM nextval('tries'); RAISE 'shut'; END $$; \
                CREATE TRIGGER shut BEFORE INSERT ON oasis_events EXECUTE FUNCTION shut()";
    stand.sql.batch_execute(shut).await.unwrap();
    let running =
        Running::start(stand.agent(&["--log", "off", "--vtid", "DEV-CICDL-0031", "--interval", "2s"]));
    until_async("it has tried twice", async || {
        let tries = stand.sql.query_one("SELECT last_value FROM tries", &[]).await.unwrap();
        tries.get::<_, i64>(0) >= 2
    })
    .await;
    stand.sql.batch_execute("DROP TRIGGER shut ON oasis_events").await.unwrap();
    stand.until_pings(&["in_progress DEV-CICDL-0031"]).await;
    let meta = stand.last().await;
    assert!(meta["gap_since"].is_string() && meta["failed_attempts"].as_u64() > Some(0), "{meta}");
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
}

/// What a gateway would be told as well: the same beat would be refused again, and what is said next is sent
/// at once.
#[tokio::test]
async fn a_beat_that_the_table_refuses_is_not_sent_again() {
    let stand = Stand::new().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (vtid <> 'IDLE' OR status <> 'info')";
    stand.sql.batch_execute(refuse).await.unwrap();
    let mut command = stand.agent(&["--interval", "1h", "--log", "debug"]);
    command.stderr(Stdio::piped());
    let why = "the table refused the event: SQLSTATE 23514, constraint ours; vtid IDLE";
    let log = refused_once(command, stand.home.path(), why).await;
    assert!(log.contains(why) && !log.contains("instance"), "{log}");
    assert_eq!(stand.pings().await, ["in_progress DEV-CICDL-0031", "success DEV-CICDL-0031"]);
}
