//! Tests which rows `oasis import` stores, and in which order.

use std::process::Stdio;

use tokio_postgres::NoTls;

use crate::import::{Setup, counts};

/// Two rows are never taken for the same row, and a row is never stored twice.
#[tokio::test]
async fn rows_with_equal_or_changing_keys_are_not_lost_and_not_doubled() {
    let setup = Setup::new(&["\
        CREATE TABLE no_key (id int, kind text); \
        INSERT INTO no_key VALUES (1, 'start'), (1, 'stop'), (1, 'stop'); \
        ALTER TABLE no_key ADD bytes bytea DEFAULT 'a'; \
        CREATE TABLE included (id int, kind text, status text, PRIMARY KEY (id) INCLUDE (status)); \
        INSERT INTO included VALUES (1, 'a', 'queued'); \
        CREATE TABLE big (id numeric PRIMARY KEY, kind text, r text, r_ bytea); \
        INSERT INTO big SELECT 123456789012345678901234567890 + n, 'big', 'r', 'r' \
          FROM generate_series(1, 3) AS n; \
        CREATE VIEW seen AS SELECT kind, 1 AS n FROM no_key; \
        CREATE TABLE dated (id bigint PRIMARY KEY, type text, day date); \
        INSERT INTO dated VALUES (1, 'x', '2025-01-01'), (2, 'x', '2025-01-01')"])
    .await;
    for (table, rows) in [("no_key", 3), ("included", 1), ("big", 3), ("seen", 3), ("dated", 2)] {
        for (stored, before) in [(rows, 0), (0, rows)] {
            let text = setup.import(table, if table == "dated" { &["--map", "ts=day"] } else { &[] });
            let is_right = counts(&text, "stored now", stored) && counts(&text, "stored before", before);
            assert!(is_right, "{table}: {text}");
            setup.set("bytea_output = escape").await;
            setup.sql("UPDATE included SET status = 'done'").await;
        }
    }

    // An id is used only for an event that is stored.
    let ids =
        "SELECT pg_sequence_last_value('devhub.oasis_events_id_seq') - count(*) FROM devhub.oasis_events";
    assert_eq!(setup.sql.query_one(ids, &[]).await.unwrap().get::<_, i64>(0), 0);

    // A chosen key may fit several rows.
    let (code, text) = setup.run(&["import", "--table", "no_key", "--map", "key=kind"]);
    assert!(code == Some(1) && counts(&text, "stored now", 2) && counts(&text, "do not fit", 1), "{text}");

    // The changed table stands for a table of another database, with the same name and the same keys.
    setup.sql("UPDATE dated SET type = 'y', day = '2025-02-02' WHERE id = 1").await;
    let other = ["import", "--table", "dated", "--map", "ts=day"];
    let (code, text) = setup.run(&other);
    assert!(code == Some(1) && counts(&text, "do not fit", 1), "{text}");
    assert!(text.contains("add --name NAME") && counts(&text, "stored before", 1), "{text}");
    let (code, text) = setup.run(&[&other[..], &["--name", "other"]].concat());
    assert!(code == Some(0) && counts(&text, "stored now", 2), "{text}");
}

#[tokio::test]
async fn a_row_that_the_database_cannot_output_does_not_stop_the_import() {
    let setup = Setup::new(&[]).await;
    setup
        .sql("CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
        .await;
    let mut url = url::Url::parse(&setup.db.url).unwrap();
    url.set_path("bytes");
    let (bytes, connection) = tokio_postgres::connect(url.as_str(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let table = "CREATE TABLE log (id int PRIMARY KEY, kind text, message text); \
                 INSERT INTO log SELECT n, 'step', CASE n WHEN 300 THEN E'\\377' ELSE 'fine' END \
                 FROM generate_series(1, 700) AS n";
    bytes.batch_execute(table).await.unwrap();
    let mut command = setup.command(&["import", "--table", "log"]);
    let output = command.env("FROM_DATABASE_URL", url.as_str()).output().unwrap();
    drop(bytes);
    setup.sql("DROP DATABASE bytes WITH (FORCE)").await;
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(counts(&text, "stored now", 699) && counts(&text, "do not fit", 1), "{text}");
    assert!(text.contains("the database cannot output it"), "{text}");
}

#[tokio::test]
async fn the_order_is_the_order_of_the_times_and_a_closed_output_changes_nothing() {
    let setup = Setup::new(&["\
        CREATE TABLE log (id int PRIMARY KEY, kind text, ts timestamptz, created_at text); \
        INSERT INTO log VALUES (1, 'third', '2025-01-05', NULL), (2, 'first', NULL, '2025-01-01 10:00'), \
          (3, 'second', '2025-01-03', '2025-01-09 10:00')"])
    .await;
    let mut command = setup.command(&["import", "--table", "log"]);
    let mut import = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(import.stdout.take());
    assert_eq!(import.wait().unwrap().code(), Some(0));
    let events = setup.events().await;
    let starts: Vec<&str> = events.iter().map(|event| &event[0].as_str().unwrap()[..16]).collect();
    assert_eq!(starts, ["2025-01-01 10:00", "2025-01-03 00:00", "2025-01-05 00:00"]);

    // The table of OASIS DevHub is recognised in another time zone too.
    setup.set("timezone = \"Europe/Berlin\"").await;
    let (code, text) = setup.run(&["import", "--table", "devhub.oasis_events", "--dry-run"]);
    assert!(code == Some(2) && text.contains("OASIS DevHub itself"), "{text}");
}
