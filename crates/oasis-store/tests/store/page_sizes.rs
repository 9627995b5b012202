//! Tests pages with a limit in bytes. A page that exceeds the limit ends early and reports that more rows
//! follow. The next page continues after the last row of this page.

use oasis_core::Channel;
use oasis_store::{Columns, Filter, Order, Page, PageQuery, StoredEvent, Update};
use tokio_postgres::Client;

use crate::{client, database, follow, next, store, until_up};

/// The limit of a page, in bytes.
const MOST: usize = PageQuery::MOST_BYTES as usize;
/// The size of the `meta` of one row, in bytes.
const META: usize = 16 << 10;

/// Inserts rows with a `meta` of 16 KiB, which compresses to almost nothing.
async fn fill(client: &Client, rows: i64, channel: &str) {
    let sql = format!(
        "INSERT INTO oasis_events (ts, vtid, layer, module, source, kind, status, title, ref, channel, meta) \
         SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', \
         'vt/UNSET-log', \
                '{channel}', jsonb_build_object('m', repeat('x', {META} - 9)) FROM generate_series(1, {rows})"
    );
    client.batch_execute(&sql).await.unwrap();
    let size = "SELECT max(octet_length(meta::text)) FROM oasis_events";
    assert_eq!(client.query_one(size, &[]).await.unwrap().get::<_, i32>(0) as usize, META);
}

fn size(events: &[StoredEvent]) -> usize {
    events.iter().filter_map(|event| event.meta.as_ref()).map(|meta| meta.as_json().len()).sum()
}

#[tokio::test]
async fn a_page_ends_with_the_row_that_exceeds_the_limit() {
    const ROWS: i64 = 600;
    let db = database().await;
    fill(&client(&db.url).await, ROWS, "room:1").await;
    let store = store(&db.url);
    let filter = Filter::all(Channel::parse("room:1").unwrap());
    for newest in [false, true] {
        let mut ids = Vec::new();
        let mut pages = 0;
        loop {
            let last: Option<i64> = ids.last().copied();
            let order = match newest {
                true => Order::NewestFirst { before: last },
                false => Order::OldestFirst { after: last.unwrap_or(0), upto: i64::MAX },
            };
            let open = PageQuery::ticker(Some(&filter), order, 500);
            let bounded =
                PageQuery { columns: Columns::WithMeta, most_bytes: Some(PageQuery::MOST_BYTES), ..open };
            let Page { events, more, newest: head, .. } = store.page(&bounded).await.unwrap();
            let (all, all_but_last) = (size(&events), size(&events[..events.len() - 1]));
            assert!(all_but_last <= MOST, "the page has {all_but_last} bytes before its last row");
            assert_eq!(more, all > MOST, "the page has {all} bytes in {} rows", events.len());
            assert_eq!(head, ROWS);
            ids.extend(events.iter().map(|event| event.id));
            pages += 1;
            if !more {
                break;
            }
        }
        let mut all: Vec<i64> = (1..=ROWS).collect();
        if newest {
            all.reverse();
        }
        assert_eq!(ids, all);
        assert_eq!(pages, 3, "257 rows exceed 4 MiB, so 600 rows need three pages");
    }

    // Without the limit in bytes, or without `meta`, only the number of rows limits a page.
    let order = Order::NewestFirst { before: None };
    for columns in [Columns::WithMeta, Columns::Ticker] {
        let open = PageQuery { columns, ..PageQuery::ticker(Some(&filter), order, 500) };
        let most_bytes = (columns == Columns::Ticker).then_some(PageQuery::MOST_BYTES);
        let page = store.page(&PageQuery { most_bytes, ..open }).await.unwrap();
        assert_eq!((page.events.len(), page.more), (500, true));
    }
    // If a page has all rows, no more rows follow. A page has at least one row, however large the row is.
    let exact = PageQuery { columns: Columns::WithMeta, ..PageQuery::ticker(Some(&filter), order, ROWS) };
    let page = store.page(&exact).await.unwrap();
    assert_eq!((page.events.len() as i64, page.more), (ROWS, false));
    let page = store.page(&PageQuery { most_bytes: Some(0), ..exact }).await.unwrap();
    assert_eq!((page.events.len(), page.more), (1, true));
    // The limit in bytes does not apply to rows that an offset skips.
    let offset = PageQuery { offset: ROWS - 3, limit: 3, most_bytes: Some(PageQuery::MOST_BYTES), ..exact };
    let page = store.page(&offset).await.unwrap();
    assert_eq!((page.events.len(), page.more), (3, false));
    let nothing = PageQuery { offset: ROWS, ..offset };
    let page = store.page(&nothing).await.unwrap();
    assert_eq!((page.events.len(), page.more, page.newest), (0, false, ROWS));
}

/// The tail reads the `meta` of rooms, so the limit in bytes applies to its pages.
#[tokio::test]
async fn a_tail_reads_large_rows_in_small_pages() {
    let db = database().await;
    let client = client(&db.url).await;
    let mut updates = follow(store(&db.url).tail());
    until_up(&mut updates).await;
    fill(&client, 600, "room:1").await;
    let mut ids = Vec::new();
    while ids.len() < 600 {
        if let Update::Events(events) = next(&mut updates).await {
            assert!(size(&events) <= MOST + META, "a page of {} rows is too large", events.len());
            ids.extend(events.iter().map(|event| event.id));
        }
    }
    assert_eq!(ids, (1..=600).collect::<Vec<i64>>());
}
