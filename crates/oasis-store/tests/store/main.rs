//! Tests the store against a real PostgreSQL server: commit order, constraints, appends, tails, pages and
//! migrations.

#![allow(clippy::unwrap_used, reason = "test helpers report failures by panicking")]

mod agents;
mod api_keys;
mod append;
mod append_failures;
mod behind_pooler;
mod behind_proxy;
mod cast_states;
mod channel_rows;
mod channels;
mod check;
mod clocks;
mod constraints;
mod deploys;
mod foreign_tables;
mod held_lock;
mod histories;
mod migration_sessions;
mod migrations;
mod older_migrations;
mod order;
mod page_sizes;
mod pages;
mod pages_by_time;
mod polling;
mod rebuild;
mod replay;
mod resources;
mod retention;
mod room_lines;
mod room_states;
mod rooms;
mod schemas;
mod tls;
mod tls_server;
mod urls;
mod watch;

use std::time::Duration;

use oasis_core::{Channel, DedupKey, Event, Kind, Meta, Module, NewEvent, Source, Status, Task};
use oasis_postgres::testing::{self, TestDatabase};
use oasis_store::{DatabaseArgs, DatabaseUrl, Filter, Schema, Store, StoredEvent, Tail, Update};
use tokio::sync::mpsc;
use tokio_postgres::{Client, NoTls};

/// Makes a new, migrated database.
async fn database() -> TestDatabase {
    testing::database(async |url| oasis_store::migrate(&parse(url)).await).await
}

fn parse(url: &str) -> DatabaseUrl {
    url.parse().unwrap()
}

fn store(url: &str) -> Store {
    store_in(url, &Schema::default())
}

fn store_in(url: &str, schema: &Schema) -> Store {
    let args = DatabaseArgs { schema: schema.clone(), ..DatabaseArgs::new(parse(url)) };
    Store::new(args, "test").unwrap()
}

/// Connects a plain PostgreSQL client, as another program would.
async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn event(task: &str, status: Status) -> Event {
    Event {
        ts: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        task: task.parse::<Task>().unwrap(),
        layer_hint: None,
        module: Module::core(),
        source: Source::OasisEvents,
        kind: Kind::parse("task.step").unwrap(),
        status,
        link: None,
    }
}

fn new(task: &str, key: Option<&str>) -> NewEvent {
    NewEvent {
        event: event(task, Status::Info),
        channel: Channel::devhub(),
        meta: Meta::default(),
        dedup_key: key.map(|key| DedupKey::new("test", key).unwrap()),
    }
}

/// An INSERT of a row without a task into `channel`, as any client may send it. `meta` is JSON.
fn insert_row(channel: &str, kind: &str, meta: &str) -> String {
    let (dashed, meta) = (kind.replace(['.', '_'], "-"), meta.replace('\'', "''"));
    format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
         VALUES (now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', '{kind}', 'info', \
          'UNSET-CORE-{}', 'vt/UNSET-{dashed}', '{channel}', '{meta}')",
        dashed.to_uppercase()
    )
}

/// The text of an INSERT that any client may send. The INSERT names only the nine required columns.
fn plain_insert(number: usize) -> String {
    format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref) VALUES \
         (now(), 'DEV-TEST-{number:06}', 'TEST', 'CORE', 'oasis.events', 'event', 'info', 'TEST-CORE-EVENT', \
          'vt/DEV-TEST-{number:06}-event')"
    )
}

/// Makes a filter that accepts these values of the named fields.
fn filter<'a>(channel: &str, named: impl IntoIterator<Item = (&'a str, Vec<String>)>) -> Filter {
    let mut filter = Filter::all(Channel::parse(channel).unwrap());
    for (name, values) in named {
        let field = Filter::FIELDS.iter().find(|field| field.name == name).unwrap();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        field.accept(&mut filter, &values).unwrap();
    }
    filter
}

/// Runs `tail` and returns a receiver of its updates. The tail ends when the receiver is dropped.
fn follow(tail: Tail) -> mpsc::UnboundedReceiver<Update> {
    let (send, receive) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        tokio::select! {
            () = tail.run(|update| drop(send.send(update))) => {}
            () = send.closed() => {}
        }
    });
    receive
}

async fn next(updates: &mut mpsc::UnboundedReceiver<Update>) -> Update {
    tokio::time::timeout(Duration::from_secs(60), updates.recv()).await.expect("no update in 60 s").unwrap()
}

/// Waits until the tail follows the table and notifications wake it.
async fn until_up(updates: &mut mpsc::UnboundedReceiver<Update>) {
    while next(updates).await != (Update::Up { polls: None }) {}
}

/// Collects the events that arrive, oldest first, until there are at least `count`.
async fn collect(updates: &mut mpsc::UnboundedReceiver<Update>, count: usize) -> Vec<StoredEvent> {
    let mut events = Vec::new();
    while events.len() < count {
        if let Update::Events(page) = next(updates).await {
            events.extend(page);
        }
    }
    events
}
