//! Tests two stacks in one database, each with its own schema, and `--oasis-schema` of other commands.

use oasis_core::Channel;
use oasis_postgres::testing;
use oasis_store::{DatabaseArgs, Filter, Order, PageQuery, Store, StoredEvent};

use crate::VTID;
use crate::client::{Feed, push};
use crate::process::{Home, Up};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stacks_share_a_database_with_a_schema_each() {
    let db = testing::empty_database().await;
    let (one, two) = (Home::new(), Home::new());
    let start = |home: &Home, arguments: &[&str], schema: &str| {
        let mut command = home.up_command(arguments);
        command.env("DATABASE_URL", &db.url).env("OASIS_SCHEMA", schema);
        Up::start(command)
    };
    let first = start(&one, &[], "");
    let (mut feed, connected) = Feed::open(one.port).await;
    assert_eq!(connected["mode"], "mock");
    // The second stack migrates its schema while the first stack runs. It also has a deploy-watcher.
    let second = start(&two, &["--demo"], "devhub");
    let (mut demo, _) = Feed::open(two.port).await;
    // The feed shows simulated events of one task until the first real event.
    while demo.event().await["vtid"] == "DEV-CICDL-0031" {}

    let sha = "e".repeat(40);
    assert_eq!(push(one.port + 1, &one.secret(), &sha).await.0, 200);
    feed.event_of(VTID).await;
    let links = |events: Vec<StoredEvent>| {
        let links = events.into_iter().filter_map(|event| Some(event.link?.as_str().to_owned()));
        links.collect::<Vec<_>>()
    };
    let in_public = links(events(&db.url, "public").await);
    assert_eq!(in_public.len(), 1, "{in_public:?}");
    assert!(!links(events(&db.url, "devhub").await).contains(&in_public[0]));
    first.interrupt();
    second.interrupt();

    let run = |arguments: &[&str]| {
        let mut command = one.command(env!("CARGO_BIN_EXE_oasis"));
        let output = command.args(arguments).env("DATABASE_URL", &db.url).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, text) = run(&["migrate", "--oasis-schema", "devhub"]);
    assert!(code == Some(0) && text.starts_with("the schema devhub is at version "), "{text}");
    let (code, text) = run(&["prune", "--keep", "0s", "--everything", "--oasis-schema", "devhub"]);
    assert!(code == Some(0) && text.contains("deleted "), "{text}");
    let (code, text) = run(&["migrate", "--print", "--oasis-schema", "devhub"]);
    assert!(code == Some(0) && text.contains("CREATE TABLE \"devhub\".oasis_events"), "{text}");
    let (code, text) = run(&["migrate", "--oasis-schema", "information_schema"]);
    assert!(code == Some(2) && text.contains("[env: OASIS_SCHEMA]") && text.contains("reserved"), "{text}");
    assert_eq!(events(&db.url, "devhub").await, []);
    assert_eq!(events(&db.url, "public").await.len(), 1);
}

/// The newest events of the ticker in a schema.
async fn events(url: &str, schema: &str) -> Vec<StoredEvent> {
    let database =
        DatabaseArgs { schema: schema.parse().unwrap(), ..DatabaseArgs::new(url.parse().unwrap()) };
    let store = Store::new(database, "test").unwrap();
    let ticker = Filter::all(Channel::devhub());
    let newest = PageQuery::ticker(Some(&ticker), Order::NewestFirst { before: None }, 500);
    store.page(&newest).await.unwrap().events
}
