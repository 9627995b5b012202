//! Tests `oasis audit`.

use oasis_core::{Channel, Event, Kind, Meta, Module, NewEvent, Source, Status, Task};
use oasis_store::{DatabaseArgs, Store};
use serde_json::{Value, json};

use crate::gateway::database;
use crate::process::{Done, oasis};

fn run(url: &str, arguments: &[&str]) -> Done {
    oasis(arguments).env("DATABASE_URL", url).finish()
}

fn row(kind: &str, meta: Value) -> NewEvent {
    let event = Event {
        ts: "2026-01-02T03:04:05Z".parse().unwrap(),
        task: Task::Unset,
        layer_hint: None,
        module: Module::core(),
        source: Source::OasisEvents,
        kind: Kind::stored(kind),
        status: Status::Info,
        link: None,
    };
    let Value::Object(meta) = meta else { panic!("expected an object") };
    let channel = Channel::parse("audit").unwrap();
    NewEvent { event, channel, meta: Meta::new(meta).unwrap(), dedup_key: None }
}

#[tokio::test]
async fn the_log_says_who_followed_what_and_why_it_ended() {
    let db = database().await;
    let none = run(&db.url, &["audit"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(none.stderr.contains("no rows"), "{}", none.stderr);
    let store = Store::new(DatabaseArgs::new(db.url.parse().unwrap()), "test").unwrap();
    let ann = json!({"userId": "ann", "castId": "site-1", "ip": "203.0.113.9"});
    let closed = json!({"userId": "ann", "castId": "site-1", "ip": "203.0.113.9", "duration": 61_250,
        "messages": 4, "reason": "terminal_state"});
    let refused = json!({"ip": "203.0.113.9", "path": "/api/casts/x/events", "status": 401,
        "code": "UNAUTHORIZED"});
    let rows = vec![
        row("cast.sse_connection_opened", ann),
        row("cast.sse_connection_closed", closed),
        row("cast.sse_connection_failed", refused),
        row("cast.sse_connection_failed", json!({"count": 7})),
    ];
    let appender = store.appender().unwrap();
    appender.append(rows, tokio::time::Instant::now()).await.unwrap();
    let time = "2026-01-02T03:04:05.000Z";
    let lines = run(&db.url, &["audit"]).stdout;
    let expected = format!(
        "TIME                      WHAT     USER  CAST    ADDRESS      DURATION  WHY\n\
         {time}  opened   ann   site-1  203.0.113.9  -         -\n\
         {time}  closed   ann   site-1  203.0.113.9  61.2 s    terminal_state, 4 events\n\
         {time}  refused  -     -       203.0.113.9  -         401 UNAUTHORIZED\n\
         {time}  refused  -     -       -            -         7 more\n"
    );
    assert_eq!(lines, expected);
    let only = run(&db.url, &["audit", "--user", "ann", "--cast", "site-1", "--only", "closed"]).stdout;
    assert_eq!(only.lines().count(), 2, "{only}");
    let json: Value =
        serde_json::from_str(&run(&db.url, &["audit", "--limit", "2", "--json"]).stdout).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["status"]), (2, &json!(401)), "the newest rows");
    assert_eq!(run(&db.url, &["audit", "--limit", "0"]).code, 2);
}
