//! Tests the pages of the log of a room.

use oasis_core::room::{AgentType, LogLevel, RoomId};
use oasis_store::{LineBound, LinePage, LineQuery, Store};
use tokio_postgres::Client;

use crate::{client, database, insert_row, store};

async fn messages(store: &Store, query: &LineQuery) -> (Vec<String>, LinePage) {
    let page = store.room_lines(query).await.unwrap();
    let message = |line: &oasis_store::StoredEvent| {
        line.meta.as_ref().unwrap().as_map()["message"].as_str().unwrap().to_owned()
    };
    (page.lines.iter().map(message).collect(), page)
}

/// Inserts `count` lines into the room `a`, between lines of another room.
async fn fill(client: &Client, count: usize) {
    client.batch_execute(&insert_row("room:a", "room.opened", "{}")).await.unwrap();
    let line = insert_row("room:x", "log", "{}");
    let line = line.replace("VALUES (", "SELECT ").trim_end_matches(')').replace(
        "'room:x', '{}'",
        "CASE n % 2 WHEN 0 THEN 'room:a' ELSE 'room:b' END, jsonb_build_object('agentType', \
         CASE WHEN n % 3 = 0 THEN 'code' ELSE 'deploy' END, 'level', \
         CASE WHEN n % 5 = 0 THEN 'error' ELSE 'info' END, 'message', 'Line ' || n / 2)",
    );
    client.batch_execute(&format!("{line} FROM generate_series(2, {}) AS n", 2 * count + 1)).await.unwrap();
}

fn query(bound: LineBound, limit: i64) -> LineQuery {
    LineQuery { bound, ..LineQuery::newest(RoomId::parse("a").unwrap(), limit) }
}

#[tokio::test]
async fn lines_are_read_in_both_directions() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    let (none, page) = messages(&store, &query(LineBound::Newest, 3)).await;
    assert!(none.is_empty() && !page.more);
    fill(&client, 7).await;
    let line = |n: i32| format!("Line {n}");

    let (newest, page) = messages(&store, &query(LineBound::Newest, 3)).await;
    assert_eq!(newest, [line(5), line(6), line(7)]);
    assert_eq!((page.cursor, page.more), (page.lines[0].id, true));
    let (older, page) = messages(&store, &query(LineBound::Before(page.cursor), 3)).await;
    assert_eq!(older, [line(2), line(3), line(4)]);
    assert!(page.more);
    let (oldest, page) = messages(&store, &query(LineBound::Before(page.cursor), 3)).await;
    assert_eq!((oldest, page.more), (vec![line(1)], false));

    let (first, page) = messages(&store, &query(LineBound::After(0), 4)).await;
    assert_eq!(first, [1, 2, 3, 4].map(line));
    assert_eq!((page.cursor, page.more), (page.lines[3].id, true));
    let (rest, page) = messages(&store, &query(LineBound::After(page.cursor), 4)).await;
    assert_eq!((rest, page.more), ([5, 6, 7].map(line).to_vec(), false));
    let (none, last) = messages(&store, &query(LineBound::After(page.cursor), 4)).await;
    assert!(none.is_empty());
    assert_eq!((last.cursor, last.more), (page.cursor, false));
}

#[tokio::test]
async fn lines_are_selected_by_level_agent_and_text() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    fill(&client, 30).await;
    let all = query(LineBound::Newest, 100);
    let code = AgentType::parse("code").unwrap();
    let count = async |query: LineQuery| messages(&store, &query).await.0;
    assert_eq!(count(all.clone()).await.len(), 30);
    let errors = LineQuery { levels: vec![LogLevel::Error], ..all.clone() };
    assert_eq!(count(errors.clone()).await, ["5", "10", "15", "20", "25", "30"].map(|n| format!("Line {n}")));
    let both = LineQuery { levels: vec![LogLevel::Error, LogLevel::Info], ..all.clone() };
    assert_eq!(count(both).await.len(), 30);
    assert_eq!(count(LineQuery { agent_types: vec![code.clone()], ..errors }).await, ["Line 15", "Line 30"]);
    assert_eq!(count(LineQuery { agent_types: vec![code], ..all.clone() }).await.len(), 10);
    for (text, found) in [("LINE 7", vec!["Line 7"]), ("e 30", vec!["Line 30"]), ("%", vec![]), ("_", vec![])]
    {
        assert_eq!(count(LineQuery { contains: Some(text.into()), ..all.clone() }).await, found, "{text}");
    }
    // Lines from an SQL client may have any meta. No filter accepts these lines.
    client.batch_execute(&insert_row("room:a", "log", r#"{"message": 7, "level": {}}"#)).await.unwrap();
    assert_eq!(store.room_lines(&all).await.unwrap().lines.len(), 31);
    let errors = LineQuery { levels: LogLevel::ALL.to_vec(), ..all };
    assert_eq!(count(errors).await.len(), 30);
}

/// Even if a filter accepts very few lines, a page does not read the whole room.
#[tokio::test]
async fn a_page_reads_a_bounded_number_of_rows() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    fill(&client, 25_000).await;
    let first = LineQuery { contains: Some("Line 1".into()), ..query(LineBound::After(0), 1_000) };
    let none = LineQuery { contains: Some("nowhere".into()), ..query(LineBound::Newest, 10) };
    for (mut query, found) in [(first, 1 + 10 + 100 + 1_000 + 10_000), (none, 0)] {
        let (mut lines, mut pages) = (0, 0);
        loop {
            let page = store.room_lines(&query).await.unwrap();
            (lines, pages) = (lines + page.lines.len(), pages + 1);
            assert!(pages < 50);
            query.bound = match query.bound {
                LineBound::After(_) => LineBound::After(page.cursor),
                LineBound::Newest | LineBound::Before(_) => LineBound::Before(page.cursor),
            };
            if !page.more {
                break;
            }
        }
        assert_eq!(lines, found);
        assert!(pages >= 3, "{pages}");
    }
}

/// The last row that a page reads may be a line that the page shows. Then the page is not the last one.
#[tokio::test]
async fn a_page_that_ends_with_a_line_is_not_the_last_page() {
    let db = database().await;
    let client = client(&db.url).await;
    let store = store(&db.url);
    client.batch_execute(&insert_row("room:a", "log", r#"{"message": "needle"}"#)).await.unwrap();
    client.batch_execute(&insert_row("room:a", "log", r#"{"message": "needle"}"#)).await.unwrap();
    // One of the rows opens the room, so 9,999 rows follow the two lines.
    fill(&client, 9_998).await;
    let needle = LineQuery { contains: Some("needle".into()), ..query(LineBound::Newest, 10) };
    let page = store.room_lines(&needle).await.unwrap();
    assert_eq!((page.lines.len(), page.more), (1, true));
    let rest = LineQuery { bound: LineBound::Before(page.cursor), ..needle };
    let page = store.room_lines(&rest).await.unwrap();
    assert_eq!((page.lines.len(), page.more), (1, false));
}
