//! Tests the list of agents, the reports of lost and returned agents, and which pings the feed replays.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::client::{Block, Feed, get, pause, post, send};
use crate::{Gateway, database, insert, postgres, process};

pub(crate) const AGENTS: &str = "/api/v1/oasis/agents";
/// Inserts a ping with the given module and `meta` directly into the table.
const INSERT_PING: &str = "INSERT INTO oasis_events \
      (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
    VALUES (now(), 'IDLE', 'UNSET', $1, 'agent.ping', 'ping', 'info', 'UNSET-' || $1 || '-PING', \
            'vt/IDLE-ping', $2::text::jsonb)";

/// Sends a ping to the ingest API, and returns the id of the stored event.
pub(crate) async fn ping(address: SocketAddr, instance: &str, status: &str, meta: Value) -> i64 {
    let mut whole = json!({ "agent": "planner", "role": "PLANNER", "instance": instance, "host": "build-7",
                            "pid": 42, "started": "2026-01-02T03:04:05.000Z" });
    whole.as_object_mut().unwrap().extend(meta.as_object().unwrap().clone());
    let event = json!({ "source": "agent.ping", "kind": "ping", "status": status, "module": "PLANNER",
                        "vtid": "DEV-TEST-0001", "meta": whole });
    let answer = post(address, "/events/ingest", event.to_string()).await;
    assert_eq!(answer.status, 201, "{:?}", answer.body);
    answer.json()["id"].as_i64().unwrap()
}

async fn agents(address: SocketAddr, query: &str) -> Vec<Value> {
    let answer = get(address, &format!("{AGENTS}{query}")).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json().as_array().unwrap().clone()
}

/// Waits until the list has agents in exactly these states, in this order. Returns the list.
pub(crate) async fn until(address: SocketAddr, states: &[&str]) -> Vec<Value> {
    let mut last_answer = String::new();
    let reached = async {
        loop {
            let answer = get(address, AGENTS).await;
            last_answer = String::from_utf8_lossy(&answer.body).into_owned();
            if answer.status == 200 {
                let all = answer.json().as_array().unwrap().clone();
                if all.iter().map(|agent| agent["state"].as_str().unwrap()).eq(states.iter().copied()) {
                    return all;
                }
            }
            pause().await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(60), reached).await {
        Ok(all) => all,
        Err(_) => panic!("the agents did not reach the states {states:?}: {last_answer}"),
    }
}

pub(crate) async fn count(sql: &Client, kind: &str) -> i64 {
    sql.query_one("SELECT count(*) FROM oasis_events WHERE kind = $1", &[&kind]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_agent_is_listed_with_its_state() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let address = gateway.address;
    assert_eq!(until(address, &[]).await, Vec::<Value>::new());
    let first = ping(address, "a", "in_progress", json!({ "interval": 60, "role": "ann@example.com" })).await;
    ping(address, "b", "info", json!({ "agent": "zoe", "interval": 90.5 })).await;
    let last = ping(
        address,
        "a",
        "in_progress",
        json!({ "interval": 60, "repeat": true, "role": "ann@example.com", "room": "plan-1" }),
    )
    .await;
    ping(address, "c", "failure", json!({ "agent": "builder", "exit_code": 7, "room": "../x" })).await;
    let all = until(address, &["stopped", "working", "idle"]).await;
    let shown = get(address, &format!("{AGENTS}?agent=planner")).await;
    assert_eq!(shown.headers["access-control-allow-origin"], "*");
    let rows = postgres(&db.url).await;
    let seen = |id: i64| {
        let rows = &rows;
        async move {
            let sql = "SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), \
                       to_char(ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') \
                       FROM oasis_events WHERE id = $1";
            let row = rows.query_one(sql, &[&id]).await.unwrap();
            (row.get::<_, String>(0), row.get::<_, String>(1))
        }
    };
    let (last_seen, since) = (seen(last).await.0, seen(first).await.1);
    let text = std::str::from_utf8(&shown.body).unwrap();
    let expected = format!(
        concat!(
            r#"[{{"agent":"planner","role":"[withheld]","instance":"a","host":"build-7","pid":42,"#,
            r#""started":"2026-01-02T03:04:05.000Z","module":"PLANNER","vtid":"DEV-TEST-0001","#,
            r#""layer":"TEST","state":"working","status":null,"since":"{since}","last_seen":"{seen}","#,
            r#""interval":60,"last_id":{last},"room":"plan-1"}}]"#
        ),
        since = since,
        // This value comes from the list itself. An assertion below compares it with the table.
        seen = all[1]["last_seen"].as_str().unwrap(),
        last = last,
    );
    assert_eq!(text, expected);
    assert_eq!(last_seen[..19], all[1]["last_seen"].as_str().unwrap()[..19]);
    assert_eq!((&all[0]["status"], &all[0]["interval"]), (&"failure".into(), &Value::Null));
    assert_eq!(all[0]["room"], Value::Null, "no room can have this id");
    assert_eq!(all[2]["interval"], 90.5);

    // A gateway that starts now reads the agents from the table, and lists the same agents.
    let other = Gateway::start(&db.url, &[]).await;
    let again = until(other.address, &["stopped", "working", "idle"]).await;
    assert_eq!(again, all);
    for (query, names) in [
        ("?state=stopped,idle", &["builder", "zoe"][..]),
        ("?vtid=dev-test-0001&agent=zoe,builder", &["builder", "zoe"]),
        ("?vtid=DEV-OTHER-0001", &[]),
        ("?vtid=ALL", &["builder", "planner", "zoe"]),
        ("?agent=Planner", &[]),
    ] {
        let found = agents(other.address, query).await;
        assert_eq!(
            found.iter().map(|agent| agent["agent"].as_str().unwrap()).collect::<Vec<_>>(),
            names,
            "{query}"
        );
    }
    for (query, name) in [
        ("state=dead", "state"),
        ("state=", "state"),
        ("agent=", "agent"),
        ("vtid=x", "vtid"),
        ("limit=5", "limit"),
        ("state=idle&state=late", "state"),
    ] {
        let answer = get(address, &format!("{AGENTS}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().1.contains(&format!("`{name}`")), "{query}: {:?}", answer.error());
    }
    assert_eq!(send(address, "OPTIONS", AGENTS, &[("origin", "http://x")], "").await.status, 204);
    let head = send(address, "HEAD", AGENTS, &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let wrong = send(address, "POST", AGENTS, &[], "{}").await;
    assert_eq!(
        (wrong.status.as_u16(), wrong.headers["allow"].to_str().unwrap()),
        (405, "GET, HEAD, OPTIONS")
    );
    let metrics = String::from_utf8(get(address, "/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("feed_agents{state=\"working\"}"), "{metrics}");
    gateway.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn if_read_tokens_are_set_only_readers_with_a_token_see_the_agents() {
    let db = database().await;
    let gateway = Gateway::start(&db.url, &["--read-tokens", "t", "--ingest-anonymous"]).await;
    ping(gateway.address, "a", "info", json!({ "role": "ann@example.com" })).await;
    assert_eq!(get(gateway.address, AGENTS).await.error().0, "token_missing");
    assert_eq!(get(gateway.address, &format!("{AGENTS}?token=no")).await.error().0, "bad_token");
    loop {
        let answer = get(gateway.address, &format!("{AGENTS}?token=t")).await;
        let shown = if answer.status == 200 { answer.json() } else { Value::Null };
        if shown[0] != Value::Null {
            assert_eq!(shown[0]["role"], "ann@example.com");
            break;
        }
        pause().await;
    }
    gateway.stop().await;
}

/// A gateway learns the agents from the table. Until it has read the table, it answers 503.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_database_the_agents_are_unknown() {
    let gateway = Gateway::start("postgres://u:p@127.0.0.1:1/none", &[]).await;
    let answer = get(gateway.address, AGENTS).await;
    assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (503, "starting"));
    assert!(answer.json()["error"]["hint"].as_str().unwrap().contains("/ready"));
    gateway.stop().await;
}

/// Two gateways watch the same agent. The table gets only one event when the agent is lost, and only one
/// event when the agent returns.
#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_report_one_loss_and_one_return() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateways = [
        Gateway::start(&db.url, &["--ingest-anonymous"]).await,
        Gateway::start(&db.url, &["--ingest-anonymous"]).await,
    ];
    let address = gateways[0].address;
    let last_id = ping(address, "x", "in_progress", json!({ "interval": 1 })).await;
    // This agent has stopped, so it is never reported as lost.
    ping(address, "y", "success", json!({ "agent": "stopped", "interval": 1 })).await;
    for gateway in &gateways {
        let all = until(gateway.address, &["lost", "stopped"]).await;
        assert_eq!((&all[0]["last_id"], &all[0]["vtid"]), (&last_id.into(), &"DEV-TEST-0001".into()));
    }
    let lost = "SELECT id, vtid, layer, module, status, meta::text, dedup_key FROM oasis_events \
                WHERE kind = 'ping.lost'";
    let rows = sql.query(lost, &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
    let text = |column: usize| rows[0].get::<_, String>(column);
    let strict = [text(1), text(2), text(3), text(4)];
    assert_eq!(strict, ["DEV-TEST-0001", "TEST", "PLANNER", "failure"]);
    assert_eq!(text(6), format!("gateway:lost:x:{last_id}"));
    let meta: Value = serde_json::from_str(&text(5)).unwrap();
    assert_eq!(
        (&meta["instance"], &meta["interval"], &meta["last_id"]),
        (&"x".into(), &1.into(), &last_id.into())
    );

    // If a gateway reported this loss twice, the second report would come within 1 s. The next agent becomes
    // lost only after 2.5 s, so the count below would include the second report.
    ping(address, "z", "info", json!({ "agent": "zoe", "interval": 1 })).await;
    for gateway in &gateways {
        until(gateway.address, &["lost", "stopped", "lost"]).await;
    }
    assert_eq!(count(&sql, "ping.lost").await, 2);

    let back = ping(address, "x", "in_progress", json!({ "interval": 60 })).await;
    while count(&sql, "ping.back").await == 0 {}
    for gateway in &gateways {
        let all = until(gateway.address, &["working", "stopped", "lost"]).await;
        assert_eq!(all[0]["last_id"], back);
    }
    // If a gateway reported this return twice, the second report would come before the report about `z`.
    ping(address, "z", "info", json!({ "agent": "zoe", "interval": 60 })).await;
    while count(&sql, "ping.back").await == 1 {}
    for gateway in &gateways {
        until(gateway.address, &["working", "stopped", "idle"]).await;
    }
    let rows = sql
        .query("SELECT dedup_key, meta::text FROM oasis_events WHERE kind = 'ping.back' ORDER BY id", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].get::<_, String>(0).starts_with("gateway:back:x:"));
    let meta: Value = serde_json::from_str(rows[0].get(1)).unwrap();
    assert!(meta["away"].as_i64().unwrap() >= 2, "{meta}");
    for gateway in gateways {
        gateway.stop().await;
    }
}

/// While no gateway runs, one agent dies, and another agent comes back. The next gateway reports the loss and
/// the return.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_gateway_reports_losses_and_returns_from_the_time_without_a_gateway() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    ping(gateway.address, "x", "in_progress", json!({ "interval": 1 })).await;
    until(gateway.address, &["lost"]).await;
    gateway.stop().await;
    for (module, meta) in [
        ("PLANNER", json!({ "agent": "planner", "instance": "x", "interval": 60, "repeat": true })),
        ("DIED", json!({ "interval": 1 })),
    ] {
        sql.execute(INSERT_PING, &[&module, &meta.to_string()]).await.unwrap();
    }
    let gateway = Gateway::start(&db.url, &[]).await;
    let all = until(gateway.address, &["lost", "idle"]).await;
    assert_eq!((&all[0]["agent"], &all[0]["instance"]), (&"DIED".into(), &"DIED".into()));
    assert_eq!((count(&sql, "ping.lost").await, count(&sql, "ping.back").await), (2, 1));
    gateway.stop().await;
}

/// The replay leaves out repeated pings, whether the events come from memory (the ring) or from the table. A
/// connected client gets every ping.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_pings_are_sent_live_but_not_replayed() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let old = insert(&sql, "DEV-OLD-0001", "success", 30).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    let mut live = Feed::open(gateway.address, "", &[]).await;
    live.connected().await;
    assert_eq!(live.ids(20).await, old[10..]);
    let mut pings = vec![ping(gateway.address, "a", "in_progress", json!({ "interval": 60 })).await];
    for _ in 0..30 {
        pings
            .push(ping(gateway.address, "a", "in_progress", json!({ "interval": 60, "repeat": true })).await);
    }
    assert_eq!(live.ids(31).await, pings, "a connected client gets all pings");
    let news: Vec<i64> = old[11..].iter().chain(&pings[..1]).copied().collect();
    let mut late = Feed::open(gateway.address, "", &[]).await;
    late.connected().await;
    assert_eq!(late.ids(20).await, news);
    assert_eq!(late.next().await, Block::Cursor(pings[30]), "a reconnect starts after the last ping");
    let mut filtered = Feed::open(gateway.address, "?source=agent.ping", &[]).await;
    filtered.connected().await;
    assert_eq!(filtered.event().await.0, pings[0]);
    assert_eq!(filtered.next().await, Block::Cursor(pings[30]));
    let mut resumed = Feed::open(gateway.address, &format!("?last_event_id={}", pings[5]), &[]).await;
    resumed.connected().await;
    assert_eq!(resumed.ids(25).await, pings[6..], "a resume leaves out no ping");
    let query = get(gateway.address, "/api/v1/oasis/events?source=agent.ping&limit=100").await;
    assert_eq!(query.json().as_array().unwrap().len(), 31, "a query leaves out no ping");

    // The ring cannot hold this many rows.
    let many = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, meta) \
                SELECT now(), 'IDLE', 'UNSET', 'X', 'agent.ping', 'ping', 'info', 'UNSET-X-PING', \
                       'vt/IDLE-ping', '{\"repeat\": true, \"agent\": \"many\"}' \
                FROM generate_series(1, 5000)";
    sql.batch_execute(many).await.unwrap();
    let restarted = Gateway::start(&db.url, &[]).await;
    for gateway in [gateway, restarted] {
        let mut late = Feed::open(gateway.address, "", &[]).await;
        while late.connected().await["head"].as_i64() < Some(5_061) {
            late = Feed::open(gateway.address, "", &[]).await;
        }
        assert_eq!(late.ids(20).await, news);
        gateway.stop().await;
    }
}

/// A gateway with a read-only database role shows the agents, but reports no losses.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_the_right_to_append_still_shows_the_agents() {
    let db = database().await;
    let owner = postgres(&db.url).await;
    let role = format!("oasis_watcher_{}", std::process::id());
    owner
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'pw'; \
             GRANT SELECT ON oasis_events, oasis_feed_state, oasis_channels TO {role}; \
             GRANT EXECUTE ON FUNCTION oasis_places_renew(text, bigint, boolean) TO {role}; \
             CREATE POLICY p ON oasis_events TO {role} USING (true); \
             CREATE POLICY p ON oasis_channels TO {role} USING (true); \
             CREATE POLICY p ON oasis_feed_state TO {role} USING (true)"
        ))
        .await
        .unwrap();
    let (before, at) = db.url.split_once("://").unwrap();
    let reader_url = format!("{before}://{role}:pw@{}", at.split_once('@').unwrap().1);
    let reader = Gateway::start(&reader_url, &[]).await;
    until(reader.address, &[]).await;
    owner.execute(INSERT_PING, &[&"ADA", &r#"{"interval": 1}"#]).await.unwrap();
    until(reader.address, &["late"]).await;
    // A gateway that could append would report ADA as lost one second later. ZOE becomes late only after 3 s.
    owner.execute(INSERT_PING, &[&"ZOE", &r#"{"interval": 2}"#]).await.unwrap();
    until(reader.address, &["late", "late"]).await;
    assert_eq!(count(&owner, "ping.lost").await, 0);
    // While an agent could become lost, the gateway reads every 2 s. The end of the gateway would cancel a
    // read, and PostgreSQL would count a rollback.
    let stopped = INSERT_PING.replace("'info'", "'success'");
    for agent in ["ADA", "ZOE"] {
        owner.execute(&stopped, &[&agent, &r#"{"interval": 1}"#]).await.unwrap();
    }
    until(reader.address, &["stopped", "stopped"]).await;
    reader.stop().await;
    // The gateway has not even tried to append: no transaction was rolled back. PostgreSQL counts the
    // rollbacks of a session before it removes the session from `pg_stat_activity`.
    let sessions = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'");
    while owner.query_one(&sessions, &[]).await.unwrap().get::<_, i64>(0) > 0 {}
    let failed = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(owner.query_one(failed, &[]).await.unwrap().get::<_, i64>(0), 0);
    owner.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

/// The tail reads new rows from the table. While it has not read an agent's latest ping, the agent does not
/// become lost. The test suspends only the tail's session.
#[tokio::test(flavor = "multi_thread")]
async fn no_agent_is_lost_while_the_tail_is_suspended() {
    let db = database().await;
    let sql = postgres(&db.url).await;
    let gateway = Gateway::start(&db.url, &["--ingest-anonymous"]).await;
    until(gateway.address, &[]).await;
    ping(gateway.address, "x", "in_progress", json!({ "interval": 1 })).await;
    until(gateway.address, &["working"]).await;
    let tail = "SELECT pid FROM pg_stat_activity \
                WHERE datname = current_database() AND application_name = 'gateway-feed' \
                AND query LIKE '%oasis_feed_state%' AND query LIKE '%sized.%'";
    let tails = sql.query(tail, &[]).await.unwrap();
    assert_eq!(tails.len(), 1, "the tail must have exactly one session");
    let tail = Pid::from_raw(tails[0].get(0)).unwrap();
    kill_process(tail, Signal::STOP).unwrap();
    let pinged = ping(gateway.address, "x", "in_progress", json!({ "interval": 60 })).await;
    // The agent's next ping is overdue, so the gateway reads the highest id of the table.
    let head_queries = "SELECT count(*) > 0 FROM pg_stat_activity \
                 WHERE datname = current_database() AND query LIKE 'SELECT greatest(%'";
    process::until(&sql, head_queries).await;
    assert_eq!(until(gateway.address, &["late"]).await[0]["interval"], 1);
    kill_process(tail, Signal::CONT).unwrap();
    // After a slow query, the gateway counts the silence of all agents from zero again. The agent may
    // therefore be shown as working before the tail has read the ping. So the test also waits for the id of
    // the ping.
    while until(gateway.address, &["working"]).await[0]["last_id"] != pinged {
        pause().await;
    }
    assert_eq!(count(&sql, "ping.lost").await, 0);
    gateway.stop().await;
}
