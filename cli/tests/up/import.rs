//! Tests `oasis import` with tables of other applications. OASIS DevHub has its own schema in the same
//! database.

use std::process::{Command, Stdio};
use std::time::Instant;

use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::{DatabaseArgs, Need, Store};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::client::push;
use crate::process::{Home, LIMIT, Up};

/// A database with an application's table, and the tables of OASIS DevHub in the schema `devhub`.
pub(crate) struct Setup {
    pub(crate) home: Home,
    pub(crate) db: TestDatabase,
    pub(crate) sql: Client,
}

impl Setup {
    pub(crate) async fn new(tables: &[&str]) -> Self {
        let db = testing::empty_database().await;
        let (sql, connection) = tokio_postgres::connect(&db.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        for statements in tables {
            sql.batch_execute(statements).await.unwrap();
        }
        let setup = Self { home: Home::new(), db, sql };
        let (code, text) = setup.run(&["migrate"]);
        assert_eq!(code, Some(0), "{text}");
        setup
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(env!("CARGO_BIN_EXE_oasis"));
        command.args(arguments).envs([("DATABASE_URL", self.db.url.as_str()), ("OASIS_SCHEMA", "devhub")]);
        command
    }

    /// Runs a command. Returns its exit code and its output.
    pub(crate) fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    /// Imports the table. Returns the output.
    pub(crate) fn import(&self, table: &str, arguments: &[&str]) -> String {
        let (code, text) = self.run(&[&["import", "--table", table], arguments].concat());
        assert_eq!(code, Some(0), "{text}");
        text
    }

    /// Changes a setting for new sessions of the database.
    pub(crate) async fn set(&self, setting: &str) {
        let alter = format!("format('ALTER DATABASE %I SET {setting}', current_database())");
        self.sql(&format!("DO $$ BEGIN EXECUTE {alter}; END $$")).await;
    }

    /// Runs statements of the application.
    pub(crate) async fn sql(&self, statements: &str) {
        self.sql.batch_execute(statements).await.unwrap();
    }

    /// The events of OASIS DevHub, in the order of their ids.
    pub(crate) async fn events(&self) -> Vec<Value> {
        let sql = "SELECT concat_ws(' ', to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), vtid, \
                     layer, module, source, kind, status, link), meta::text \
                   FROM devhub.oasis_events ORDER BY id";
        let rows = self.sql.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| {
                let meta: Value = serde_json::from_str(row.get(1)).unwrap();
                json!([row.get::<_, String>(0), meta])
            })
            .collect()
    }
}

/// Whether the output has a line with this label and this count.
pub(crate) fn counts(text: &str, label: &str, count: u64) -> bool {
    text.lines().any(|line| line.strip_prefix(label).is_some_and(|rest| rest.trim() == count.to_string()))
}

fn meta_without_id(event: &Value) -> Value {
    let mut meta = event[1].clone();
    assert!(meta.as_object_mut().unwrap().remove("id").is_some());
    meta
}

const TOPIC: &str = include_str!("tables/topic.sql");
const EXTENDED: &str = include_str!("tables/extended.sql");
const CAMEL: &str = include_str!("tables/camel.sql");

/// For each shape: the migration and `/ready` of the schema `public`, and then both applications at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_keeps_its_table_while_its_events_are_imported() {
    let new_topic = "INSERT INTO oasis_events (vtid, topic, service, status) \
                     VALUES ('VTID-01234', 'task.done', 'worker', 'success')";
    let new_camel = "INSERT INTO \"OasisEvent\" (id, service, event, metadata) \
                     VALUES ('clx3', 'worker', 'task_done', '{\"vtid\":\"VTID-01234\"}')";
    for (tables, table, rows, insert) in [
        (&[TOPIC][..], "public.oasis_events", 3, new_topic),
        (&[TOPIC, EXTENDED], "public.oasis_events", 5, new_topic),
        (&[CAMEL], "\"OasisEvent\"", 2, new_camel),
    ] {
        let setup = Setup::new(tables).await;
        let (code, text) = setup.run(&["migrate", "--oasis-schema", "public"]);
        let public = Store::new(DatabaseArgs::new(setup.db.url.parse().unwrap()), "test").unwrap();
        let reasons = public.check(Need::Read).await.join(" ");
        let (code_of_prune, prune) = setup.run(&["prune", "--keep", "90d", "--oasis-schema", "public"]);
        if table.ends_with("oasis_events") {
            assert!(code_of_prune == Some(1) && prune.contains("is not from OASIS DevHub"), "{prune}");
            // Nothing is changed, and `/ready` names the table and the remedy.
            assert_eq!(code, Some(1), "{text}");
            assert!(text.contains("public.oasis_events that OASIS DevHub did not make"), "{text}");
            assert!(reasons.contains("OASIS_SCHEMA=devhub"), "{reasons}");
        } else {
            // This table has another name, so the schema `public` would do too.
            assert_eq!((code, reasons.as_str()), (Some(0), ""), "{text}");
        }

        let mut command = setup.home.up_command(&[]);
        command.envs([("DATABASE_URL", setup.db.url.as_str()), ("OASIS_SCHEMA", "devhub")]);
        let up = Up::start(command);
        let text = setup.import(table, &[]);
        assert!(counts(&text, "stored now", rows) && !text.contains("stored before    1"), "{text}");
        setup.sql(insert).await;
        let text = setup.import(table, &[]);
        assert!(counts(&text, "stored now", 1) && counts(&text, "stored before", rows), "{text}");
        let address = format!("http://localhost:{}", setup.home.port);
        let (code, text) = setup.run(&["events", "--url", &address]);
        assert!(code == Some(0) && text.lines().count() as u64 == rows + 1, "{text}");
        assert!(text.contains("VTID-01234"), "{text}");
        let (status, answer) = push(setup.home.port + 1, &setup.home.secret(), &"a".repeat(40)).await;
        assert_eq!(status, 200, "{answer}");
        up.interrupt();
        let count = format!("SELECT count(*) FROM {table}");
        let left = setup.sql.query_one(&count, &[]).await.unwrap().get::<_, i64>(0);
        assert_eq!(u64::try_from(left).unwrap(), rows + 1);
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_counted_and_kept_in_meta() {
    let setup = Setup::new(&[TOPIC]).await;
    let text = setup.import("oasis_events", &["--dry-run"]);
    assert!(counts(&text, "fit unchanged", 1) && counts(&text, "fit with a mark", 2), "{text}");
    assert!(counts(&text, "do not fit", 0) && text.contains("public.oasis_events: 3 rows"), "{text}");
    for part in
        ["topic ", "vtid_given     1  \"SYSTEM\" is not a VTID", "error becomes failure", "nothing was"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(setup.events().await, Vec::<Value>::new());
    let page = include_str!("../../../docs/database.md");
    let shown: Vec<&str> = text.lines().take_while(|line| !line.starts_with("  kind_given")).collect();
    assert!(page.contains(&shown.join("\n")), "docs/database.md should show:\n{text}");

    setup.import("oasis_events", &[]);
    let events = setup.events().await;
    assert_eq!(
        (&events[0][0], meta_without_id(&events[0])),
        (
            &json!(
                "2025-10-28 10:00:00.000 DEV-CICDL-0031 CICDL GATEWAY oasis.events deploy.gateway success \
                    https://example.com/1"
            ),
            json!({"message": "deployed", "sha": "abc"})
        )
    );
    assert_eq!(
        (&events[1][0], meta_without_id(&events[1])),
        (
            &json!(
                "2025-10-28 10:01:00.000 UNSET UNSET REGISTRY-SCAN oasis.events agents.registry_degraded \
                    info"
            ),
            json!({
                "message": "2 stale", "vtid_given": "SYSTEM", "kind_given": "Agents.Registry Degraded",
                "link_given": "/relative"
            })
        )
    );
    assert_eq!(
        events[2][0],
        json!("2025-10-28 10:02:00.000 DEV-COMMU-0042.G COMMU WORKER-7 oasis.events task_failed failure")
    );
    let long = meta_without_id(&events[2]);
    assert_eq!((&long["truncated"], &long["module_given"]), (&json!(true), &json!("Worker 7")));
    assert_eq!(long["message"].as_str().map(str::len), Some(1_024));
    assert_eq!(long["n"].to_string(), "123456789012345678901234567890");
}

#[tokio::test]
async fn columns_with_the_fields_of_an_event_count_more_than_older_columns() {
    let setup = Setup::new(&[TOPIC, EXTENDED]).await;
    let text = setup.import("oasis_events", &[]);
    assert!(text.contains("  source_given   1  \"agent.ping\""), "{text}");
    assert!(counts(&text, "stored now", 5), "{text}");
    let events = setup.events().await;
    assert_eq!(
        (&events[3][0], meta_without_id(&events[3])),
        (
            &json!("2025-11-02 09:00:00.000 VTID-0099 CICDL GATEWAY github.actions workflow_run info"),
            json!({
                "topic": "task.stage", "service": "planner", "title": "CICDL-GATEWAY-WORKFLOW-RUN",
                "run_id": 7, "projected": true, "actor_id": "u1"
            })
        )
    );
    // An old ping does not show that the agent is alive.
    assert_eq!(
        (&events[4][0], meta_without_id(&events[4])),
        (
            &json!("2025-11-02 09:01:00.000 UNSET UNSET CREWAI oasis.events ping info"),
            json!({
                "topic": "heartbeat", "agent": "planner", "projected": false, "source_given": "agent.ping"
            })
        )
    );
}

#[tokio::test]
async fn an_older_table_with_other_names_is_read_too() {
    let setup = Setup::new(&[CAMEL]).await;
    let text = setup.import("oasisevent", &[]);
    assert!(counts(&text, "stored now", 2) && text.contains("public.\"OasisEvent\": 2 rows"), "{text}");
    let events = setup.events().await;
    assert_eq!(
        events[0],
        json!(["2025-06-01 08:00:00.500 DEV-CICDL-0031 CICDL GCP oasis.events deploy in_progress", {
            "id": "clx1", "rid": "r-1", "tenant": "maxina", "notes": "v1", "git_sha": "abc123"
        }])
    );
    assert_eq!(events[1][1]["ts_given"], "infinity");
    assert_eq!(events[1][1]["agent_role"], "planner");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_import_is_repeated_without_doubling() {
    const ROWS: i64 = 20_000;
    let table = format!(
        "CREATE TABLE history (id bigint PRIMARY KEY, at timestamptz, what text); \
         INSERT INTO history SELECT n, '2025-01-01'::timestamptz + n * interval '1 s', 'step' \
         FROM generate_series(1, {ROWS}) AS n"
    );
    let setup = Setup::new(&[&table]).await;
    let arguments = ["import", "--table", "history", "--map", "kind=what", "--map", "ts=at"];
    let count = async || {
        let rows = setup.sql.query_one("SELECT count(*) FROM devhub.oasis_events", &[]).await.unwrap();
        rows.get::<_, i64>(0)
    };
    let mut import = setup.command(&arguments).spawn().unwrap();
    while count().await == 0 {
        assert_eq!(import.try_wait().unwrap(), None, "the import ended before it was killed");
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let before = count().await;
    assert!(before < ROWS, "the import was not interrupted");

    let (code, text) = setup.run(&arguments);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(count().await, ROWS);
    assert!(text.contains(&format!("{ROWS} rows")), "{text}");
    let late = "SELECT count(*) FROM (SELECT ts < lag(ts) OVER (ORDER BY id) AS late \
                FROM devhub.oasis_events) AS e WHERE late";
    assert_eq!(setup.sql.query_one(late, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_ends_an_import_with_its_counts_and_advice() {
    let setup = Setup::new(&[TOPIC]).await;
    let lock = "BEGIN; LOCK TABLE devhub.oasis_events IN SHARE ROW EXCLUSIVE MODE";
    setup.sql(lock).await;
    let mut command = setup.command(&["import", "--table", "public.oasis_events"]);
    let import = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
    let deadline = Instant::now() + LIMIT;
    while setup.sql.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < deadline, "the import does not wait for the table");
    }
    kill_process(Pid::from_child(&import), Signal::INT).unwrap();
    let output = import.wait_with_output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("interrupted: run the same command again"), "{text}");
    assert!(counts(&text, "fit unchanged", 0), "{text}");
}

#[tokio::test]
async fn rows_that_the_table_refuses_are_counted_and_the_others_stored() {
    let setup = Setup::new(&[TOPIC]).await;
    let check = "ALTER TABLE devhub.oasis_events ADD CONSTRAINT no_worker CHECK (module <> 'WORKER-7')";
    setup.sql(check).await;
    let (code, text) = setup.run(&["import", "--table", "oasis_events"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(counts(&text, "stored now", 2) && counts(&text, "do not fit", 1), "{text}");
    assert!(text.contains("the table refuses the event: no_worker"), "{text}");
}

#[tokio::test]
async fn wrong_tables_and_hidden_rows_are_refused_with_advice() {
    let setup = Setup::new(&[TOPIC, "CREATE TABLE people (id int PRIMARY KEY, name text)"]).await;
    for (arguments, expected, part) in [
        (&["--table", "evnts"][..], 1, "no table evnts; it has devhub."),
        (&["--table", "people"], 2, "--map kind=COLUMN"),
        (&["--table", "people", "--map", "kind=nam"], 2, "has no column nam; it has id, name"),
        (&["--table", "people", "--map", "what=name"], 2, "no field what: expected one of key, ts"),
        (&["--table", "devhub.oasis_events"], 2, "is the table of OASIS DevHub itself"),
    ] {
        let (code, text) = setup.run(&[&["import"], arguments].concat());
        assert!(code == Some(expected) && text.contains(part), "{arguments:?}: {text}");
    }
    // By default, PostgreSQL silently hides the rows from this role.
    let hide = "ALTER TABLE oasis_events ENABLE ROW LEVEL SECURITY; \
                ALTER TABLE oasis_events FORCE ROW LEVEL SECURITY; \
                CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON oasis_events TO reader";
    setup.sql(hide).await;
    let mut url = url::Url::parse(&setup.db.url).unwrap();
    url.set_username("reader").unwrap();
    url.set_password(Some("reader")).unwrap();
    let mut command = setup.command(&["import", "--table", "oasis_events", "--dry-run"]);
    let output = command.env("FROM_DATABASE_URL", url.as_str()).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("row-level security"), "{text}");
}
