//! Tests the statement that reads rows of many channels.

use oasis_core::{Channel, Kind};
use oasis_store::{ChannelRange, DatabaseArgs, RangeOrder, Store};
use tokio_postgres::Client;

use crate::{client, database, insert_row};

fn range(channel: &str, after: i64, limit: i64) -> ChannelRange {
    let (channel, kinds) = (Channel::stored(channel), Vec::new());
    ChannelRange { channel, place: None, kinds, after, upto: i64::MAX, limit }
}

/// Inserts `count` lines into a room, each with a message of `bytes` bytes.
async fn lines(client: &Client, room: &str, count: usize, bytes: usize) {
    let meta = format!(r#"{{"message": "{}"}}"#, "x".repeat(bytes));
    for _ in 0..count {
        client.batch_execute(&insert_row(room, "log", &meta)).await.unwrap();
    }
}

/// The ids of each page, and whether the range has more rows.
async fn read(store: &Store, ranges: &[ChannelRange], order: RangeOrder) -> Vec<Option<(Vec<i64>, bool)>> {
    let found = store.channel_rows(ranges, order).await.unwrap();
    let ids = |page: oasis_store::ChannelPage| {
        assert!(page.rows.iter().all(|row| row.meta.is_some()));
        (page.rows.iter().map(|row| row.id).collect(), page.more)
    };
    found.pages.into_iter().map(|page| page.map(ids)).collect()
}

#[tokio::test]
async fn each_range_gets_its_own_rows() {
    let db = database().await;
    let store = Store::new(DatabaseArgs::new(crate::parse(&db.url)), "test").unwrap();
    assert_eq!(read(&store, &[], RangeOrder::OldestFirst).await, []);
    let empty = store.channel_rows(&[range("room:a", 0, 9)], RangeOrder::OldestFirst).await.unwrap();
    assert_eq!((empty.pages.len(), empty.newest), (1, 0));
    let client = client(&db.url).await;
    for room in ["room:a", "room:b", "room:a", "devhub", "room:a", "room:b"] {
        lines(&client, room, 1, 5).await;
    }
    client.batch_execute(&insert_row("room:a", "room.closed", "{}")).await.unwrap();
    let log = ChannelRange { kinds: vec![Kind::stored("log")], ..range("room:a", 0, 9) };
    let ranges = [
        range("room:b", 0, 9),
        range("room:a", 1, 2),
        range("room:none", 0, 9),
        ChannelRange { upto: 3, ..range("room:a", 0, 9) },
        log,
        range("room:a", 0, 0),
    ];
    let oldest = read(&store, &ranges, RangeOrder::OldestFirst).await;
    let expected = [
        (vec![2, 6], false),
        (vec![3, 5], true),
        (vec![], false),
        (vec![1, 3], false),
        (vec![1, 3, 5], false),
        (vec![], true),
    ];
    assert_eq!(oldest, expected.map(Some));
    let newest = read(&store, &ranges, RangeOrder::NewestFirst).await;
    let expected = [
        (vec![6, 2], false),
        (vec![7, 5], true),
        (vec![], false),
        (vec![3, 1], false),
        (vec![5, 3, 1], false),
        (vec![], true),
    ];
    assert_eq!(newest, expected.map(Some));
}

#[tokio::test]
async fn a_statement_reads_about_four_megabytes_and_reports_where_it_stopped() {
    let db = database().await;
    let store = Store::new(DatabaseArgs::new(crate::parse(&db.url)), "test").unwrap();
    let client = client(&db.url).await;
    // Each row has 16 KiB, so 256 rows reach the limit.
    lines(&client, "room:a", 200, 16_000).await;
    lines(&client, "room:b", 200, 16_000).await;
    lines(&client, "room:c", 1, 5).await;
    let ranges = [range("room:a", 0, 500), range("room:b", 0, 500), range("room:c", 0, 500)];
    let pages = read(&store, &ranges, RangeOrder::OldestFirst).await;
    let (a, b) = (pages[0].as_ref().unwrap(), pages[1].as_ref().unwrap());
    assert_eq!((a.0.len(), a.1), (200, false));
    assert!(b.0.len() > 50 && b.0.len() < 70 && b.1, "{}", b.0.len());
    assert_eq!(pages[2], None);
}

/// A statement for thousands of ranges must use the index for each of them.
#[tokio::test]
async fn a_statement_for_many_ranges_does_not_scan_the_table() {
    let db = database().await;
    let store = Store::new(DatabaseArgs::new(crate::parse(&db.url)), "test").unwrap();
    let client = client(&db.url).await;
    let sql = "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel) \
               SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', \
                      'vt/UNSET-log', 'room:' || n % 5000 FROM generate_series(1, 100000) AS n";
    client.batch_execute(sql).await.unwrap();
    client.batch_execute("ANALYZE oasis_events").await.unwrap();
    let ranges: Vec<ChannelRange> =
        (0..500).map(|nth| range(&format!("room:{}", nth * 10), 99_000, 500)).collect();
    let read_tuples = async || {
        client.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
        let sql = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'oasis_events'";
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0)
    };
    let before = read_tuples().await;
    let pages = read(&store, &ranges, RangeOrder::OldestFirst).await;
    assert_eq!(pages.iter().flatten().map(|(ids, _)| ids.len()).sum::<usize>(), 100);
    assert_eq!(read_tuples().await, before, "no sequential scan");
}
