//! Tests of an agent without a command: signals, its socket, and its settings.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::{Running, Setup, agent, output_of, refused_once, until_async};

#[tokio::test]
async fn an_agent_beats_until_a_signal_stops_it() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let setup = Setup::new().await;
        let flags = ["--role", "PLANNER", "--vtid", "dev-cicdl-0031", "--interval", "1s", "--log", "off"];
        let running = Running::start(setup.agent(&flags));
        until_async("three beats", async || setup.pings().await.len() >= 3).await;
        let meta = setup.last().await;
        assert_eq!((&meta["repeat"], &meta["interval"]), (&true.into(), &1.into()));
        assert_eq!((&meta["role"], &meta["pid"]), (&"PLANNER".into(), &running.child.id().into()));
        running.signal(signal);
        assert_eq!(running.ended().await.code(), Some(0));
        assert_eq!(setup.pings().await.last().unwrap(), "success DEV-CICDL-0031");
    }
}

#[tokio::test]
async fn beats_go_to_the_schema_of_the_settings() {
    let setup = Setup::new().await;
    let schema = "devhub".parse().unwrap();
    oasis_store::migrate_in(&setup.db.url.parse().unwrap(), &schema).await.unwrap();
    let mut command = setup.agent(&["--log", "off"]);
    command.env("OASIS_SCHEMA", "devhub");
    let running = Running::start(command);
    let beats = "SELECT count(*) FROM devhub.oasis_events";
    until_async("a beat", async || setup.sql.query_one(beats, &[]).await.unwrap().get::<_, i64>(0) > 0).await;
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
    assert_eq!(setup.pings().await, Vec::<String>::new());
}

/// Two agents run at the same time, each with its own socket.
#[tokio::test]
async fn a_name_selects_one_of_several_agents() {
    let setup = Setup::new().await;
    let ask = |flags: &[&str]| output_of(agent(setup.home.path(), flags), Vec::new());
    let none = ask(&["status"]).await;
    assert_eq!(none.code, Some(1));
    assert!(none.stderr().contains("no agent runs here"), "{}", none.stderr());

    let start = |name: &str| Running::start(setup.agent(&["--agent", name, "--log", "off"]));
    let (one, two) = (start("planner"), start("builder"));
    until_async("both agents beat", async || setup.pings().await.len() == 2).await;
    let status = ask(&["status", "--agent", "builder"]).await;
    assert_eq!((status.code, status.out.as_slice()), (Some(0), &b"builder is idle\n"[..]));
    let which = ask(&["set-vtid", "DEV-CICDL-0031"]).await;
    assert_eq!(which.code, Some(1));
    assert!(which.stderr().contains("2 agents run here: choose one with --socket"), "{}", which.stderr());

    // The stale socket of a killed agent is ignored.
    one.signal(Signal::KILL);
    one.ended().await;
    let set = ask(&["set-vtid", "DEV-CICDL-0031"]).await;
    assert_eq!(set.out, b"builder works on DEV-CICDL-0031; it was idle before\n");
    two.signal(Signal::TERM);
    assert_eq!(two.ended().await.code(), Some(0));
}

#[tokio::test]
async fn invalid_requests_are_refused_and_change_nothing() {
    let setup = Setup::new().await;
    let socket = setup.home.path().join("s");
    let flags = ["--vtid", "DEV-CICDL-0031", "--log", "off", "--socket", socket.to_str().unwrap()];
    let running = Running::start(setup.agent(&flags));
    setup.until_pings(&["in_progress DEV-CICDL-0031"]).await;
    let say = |line: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(line).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    };
    // This line exceeds the maximum length.
    let long = vec![b'x'; 1 << 20];
    for junk in [&b"set-vtid DEV\n"[..], b"\n", b"", b"stop\n", b"\xff\xfe\n", b"set-vtid \0\n"] {
        let said = say(junk);
        assert!(said.is_empty() || said.starts_with("error "), "{said}");
    }
    let mut stream = UnixStream::connect(&socket).unwrap();
    let _ = stream.write_all(&long);
    drop(stream);
    assert_eq!(say(b"status\n"), "ok planner works on DEV-CICDL-0031\n");
    // A client that sends nothing delays the next client by a second.
    let _silent = UnixStream::connect(&socket).unwrap();
    assert_eq!(
        say(b"set-vtid vtid-0032\n"),
        "ok planner works on VTID-0032; it worked on DEV-CICDL-0031 before\n"
    );
    setup.until_pings(&["in_progress DEV-CICDL-0031", "in_progress VTID-0032"]).await;
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(!socket.exists());
}

/// Under nohup, an agent survives the end of its terminal. A new agent removes the sockets of killed agents.
#[tokio::test]
async fn under_nohup_an_agent_ignores_sighup() {
    let setup = Setup::new().await;
    let program = env!("CARGO_BIN_EXE_heartbeat-agent");
    let script =
        format!("trap '' HUP; exec {program} --agent planner --vtid DEV-CICDL-0031 --interval 1s --log off");
    let start = || {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env_clear();
        shell.envs(setup.agent(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        Running::start(shell)
    };
    let running = start();
    until_async("a beat", async || !setup.pings().await.is_empty()).await;
    running.signal(Signal::HUP);
    let count = setup.pings().await.len();
    until_async("more beats", async || setup.pings().await.len() > count + 1).await;
    running.signal(Signal::KILL);
    running.ended().await;
    let count = setup.pings().await.len();
    let running = start();
    until_async("a beat of the next agent", async || setup.pings().await.len() > count).await;
    assert_eq!(std::fs::read_dir(setup.home.path().join("oasis")).unwrap().count(), 1);
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
}

#[tokio::test]
async fn invalid_settings_are_refused_at_the_start() {
    let home = tempfile::tempdir().unwrap();
    let url = "postgres://127.0.0.1:1/x";
    let no_root = "postgres://127.0.0.1:1/x?sslmode=verify-full&sslrootcert=/nowhere";
    std::fs::write(home.path().join("notes"), "mine").unwrap();
    for (flags, expected) in [
        (&["--agent", "a", "--", "touch", "ran"][..], "set GATEWAY_URL (and INGEST_TOKEN)"),
        (&["--database-url", url, "--", "touch", "ran"], "--agent NAME"),
        (&["--agent", "a", "--database-url", url, "--"], "no command after `--`"),
        (&["--agent", "", "--database-url", url], "expected 1 to 100"),
        (&["--agent", "a", "--database-url", url, "--interval", "0.5s"], "1s to 1h"),
        (&["--agent", "a", "--database-url", url, "--vtid", "junk", "--", "touch", "ran"], "is not a VTID"),
        (&["--agent", "a", "--gateway-url", "ftp://h", "--", "touch", "ran"], "only http and https"),
        (&["set-vtid", "junk"], "is not a VTID"),
        (
            &["--agent", "a", "--database-url", url, "--socket", "notes", "--", "touch", "ran"],
            "can't listen on the socket notes",
        ),
        (&["--agent", "a", "--database-url", no_root, "--", "touch", "ran"], "sslrootcert /nowhere"),
        (&["--agent", "a", "--database-url", url, "--log", "loud"], "is not a log filter"),
    ] {
        let mut command = agent(home.path(), flags);
        command.current_dir(home.path());
        let run = output_of(command, Vec::new()).await;
        assert_eq!(run.code, Some(2), "{flags:?}: {}", run.stderr());
        assert!(run.stderr().contains(expected), "{flags:?}: {}", run.stderr());
        assert!(!home.path().join("ran").exists(), "{flags:?}");
    }
    assert_eq!(std::fs::read(home.path().join("notes")).unwrap(), b"mine");
}

#[tokio::test]
async fn a_beat_after_an_outage_of_the_database_reports_the_gap() {
    let setup = Setup::new().await;
    // The trigger counts the attempts with a sequence, because a sequence also counts statements that fail.
    let shut = "CREATE SEQUENCE tries; CREATE FUNCTION shut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
                PERFORM nextval('tries'); RAISE 'shut'; END $$; \
                CREATE TRIGGER shut BEFORE INSERT ON oasis_events EXECUTE FUNCTION shut()";
    setup.sql.batch_execute(shut).await.unwrap();
    let running =
        Running::start(setup.agent(&["--log", "off", "--vtid", "DEV-CICDL-0031", "--interval", "2s"]));
    until_async("two attempts", async || {
        let tries = setup.sql.query_one("SELECT last_value FROM tries", &[]).await.unwrap();
        tries.get::<_, i64>(0) >= 2
    })
    .await;
    setup.sql.batch_execute("DROP TRIGGER shut ON oasis_events").await.unwrap();
    setup.until_pings(&["in_progress DEV-CICDL-0031"]).await;
    let meta = setup.last().await;
    assert!(meta["gap_since"].is_string() && meta["failed_attempts"].as_u64() > Some(0), "{meta}");
    running.signal(Signal::TERM);
    assert_eq!(running.ended().await.code(), Some(0));
}

/// A retry would be refused as well. The next change of the state is sent at once.
#[tokio::test]
async fn a_beat_that_the_table_refuses_is_not_sent_again() {
    let setup = Setup::new().await;
    let refuse = "ALTER TABLE oasis_events ADD CONSTRAINT ours CHECK (vtid <> 'IDLE' OR status <> 'info')";
    setup.sql.batch_execute(refuse).await.unwrap();
    let mut command = setup.agent(&["--interval", "1h", "--log", "debug"]);
    command.stderr(Stdio::piped());
    let why = "the table refused the event: SQLSTATE 23514, constraint ours; vtid IDLE";
    let log = refused_once(command, setup.home.path(), why).await;
    assert!(log.contains(why) && !log.contains("instance"), "{log}");
    assert_eq!(setup.pings().await, ["in_progress DEV-CICDL-0031", "success DEV-CICDL-0031"]);
}
