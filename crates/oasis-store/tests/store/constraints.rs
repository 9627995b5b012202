//! Tests that the CHECK constraints accept the same values as the types of oasis-core.

use std::collections::BTreeMap;

use oasis_core::{Channel, DedupKey, Kind, Layer, Link, Meta, Module, NewEvent, Task, Vtid};
use oasis_postgres::testing;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::{client, database, new, store};

const GOOD: [(&str, &str); 13] = [
    ("ts", "2026-01-02 03:04:05.678+00"),
    ("vtid", "DEV-TEST-0001"),
    ("layer", "TEST"),
    ("module", "CORE"),
    ("source", "oasis.events"),
    ("kind", "task.init"),
    ("status", "info"),
    ("title", "TEST-CORE-TASK-INIT"),
    ("ref", "vt/DEV-TEST-0001-task-init"),
    ("link", "https://example.com/x?y#z"),
    ("channel", "devhub"),
    ("meta", "{}"),
    ("dedup_key", "test:1"),
];

/// Inserts the row `GOOD` with some fields replaced, and rolls the insert back.
async fn insert(client: &Client, changes: &[(&str, &str)]) -> Result<(), tokio_postgres::Error> {
    let row =
        GOOD.map(|(name, good)| changes.iter().find(|(n, _)| *n == name).map_or(good, |(_, value)| value));
    let names = GOOD.map(|(name, _)| name).join(", ");
    let values = row.map(|value| format!("'{}'", value.replace('\'', "''"))).join(", ");
    let inserted =
        client.batch_execute(&format!("BEGIN; INSERT INTO oasis_events ({names}) VALUES ({values})")).await;
    client.batch_execute("ROLLBACK").await.unwrap();
    inserted
}

#[tokio::test]
async fn the_table_refuses_rows_with_invalid_values() {
    let db = database().await;
    let client = client(&db.url).await;
    insert(&client, &[]).await.unwrap();
    insert(&client, &[("vtid", "IDLE"), ("ref", "vt/IDLE-task-init")]).await.unwrap();
    insert(&client, &[("vtid", "VTID-0001"), ("ref", "vt/VTID-0001-task-init")]).await.unwrap();
    let long = "x".repeat(20_000);
    let long_link = format!("https://h/{long}");
    let long_meta = format!("{{\"a\":\"{long}\"}}");
    for (field, bad) in [
        ("ts", "infinity"),
        ("ts", "10000-01-01 00:00:00+00"),
        ("ts", "0001-01-01 00:00:00+00 BC"),
        ("vtid", "dev-test-0001"),
        ("vtid", "DEV-TEST-001"),
        ("vtid", "ABC-0001"),
        ("vtid", ""),
        ("layer", "OTHER"),
        ("layer", ""),
        ("module", "core"),
        ("module", "A--B"),
        ("source", "github"),
        ("kind", "Task"),
        ("kind", "a..b"),
        ("status", "done"),
        ("title", "MY-TITLE"),
        ("ref", "vt/other"),
        ("link", "javascript:alert(1)"),
        ("link", "/relative"),
        ("link", "https://a@b/"),
        ("link", "https://h/\n"),
        ("link", &long_link),
        ("channel", "DevHub"),
        ("channel", "room:"),
        ("meta", "[]"),
        ("meta", "null"),
        ("meta", &long_meta),
        ("dedup_key", ""),
        ("dedup_key", &long),
    ] {
        assert!(insert(&client, &[(field, bad)]).await.is_err(), "{field} = {bad:.40}");
    }
    let nulls = client.batch_execute("INSERT INTO oasis_events (ts) VALUES (now())").await;
    assert!(nulls.is_err(), "a row with only `ts` was accepted, although its required columns are null");
}

/// Each column accepts every text that the Rust type for this column accepts. Except for links, the column
/// accepts no other text.
#[tokio::test]
async fn types_and_constraints_accept_the_same_texts() {
    let db = database().await;
    let client = client(&db.url).await;
    let mut runner = TestRunner::deterministic();
    let mut sample = |strategy: BoxedStrategy<String>| strategy.new_tree(&mut runner).unwrap().current();
    for _ in 0..300 {
        let text = sample(
            prop_oneof![
                "[A-Z]{1,9}-[A-Z0-9]{1,17}-[0-9]{3,7}",
                "(VTID|DEV|UNSET|IDLE)(-[0-9]{3,7})?",
                "[A-Z][A-Z0-9]{0,16}(-[A-Z0-9]{1,34}){0,6}([.][A-Z0-9]{1,9})?",
                "[A-Z][A-Z0-9]{1,3}(-[A-Z0-9]{1,5}){1,6}([.][A-Z0-9]{0,2}){0,2}",
                "[A-Z0-9-]{0,66}",
                "[a-z0-9_.]{0,66}",
                "[a-z]{1,3}:[A-Za-z0-9._ -]{0,10}",
                "https?://[a-z@:/?#.\\[\\]]{1,10}[ -~]{0,10}",
                "[ -~é\n]{0,12}",
            ]
            .boxed(),
        );
        let kind_dashed = text.replace(['_', '.'], "-");
        let reference = format!("vt/{text}-task-init");
        let derived = |field: &str| -> Vec<(&'static str, String)> {
            match field {
                "vtid" => {
                    let vtid = Vtid::parse(&text).ok();
                    let layer = vtid.as_ref().and_then(Vtid::layer).unwrap_or("TEST").to_owned();
                    vec![
                        ("ref", reference.clone()),
                        ("layer", layer.clone()),
                        ("title", format!("{layer}-CORE-TASK-INIT")),
                    ]
                }
                "layer" => vec![
                    ("vtid", "UNSET".into()),
                    ("ref", "vt/UNSET-task-init".into()),
                    ("title", format!("{text}-CORE-TASK-INIT")),
                ],
                "module" => vec![("title", format!("TEST-{text}-TASK-INIT"))],
                "kind" => vec![
                    ("title", format!("TEST-CORE-{}", kind_dashed.to_uppercase())),
                    ("ref", format!("vt/DEV-TEST-0001-{kind_dashed}")),
                ],
                _ => vec![],
            }
        };
        // Parsing converts a VTID to upper case, but the table does not. So a text counts as accepted by the
        // type only if parsing does not change the text.
        let vtid = text.parse::<Task>().is_ok_and(|task| task.as_str() == text);
        for (field, accepted) in [
            ("vtid", vtid),
            ("layer", Layer::parse(&text).is_ok()),
            ("module", Module::parse(&text).is_ok()),
            ("kind", Kind::parse(&text).is_ok()),
            ("channel", Channel::parse(&text).is_ok()),
            ("link", Link::parse(&text).is_ok_and(|link| link.as_str() == text)),
        ] {
            let others = derived(field);
            let mut changes = vec![(field, text.as_str())];
            changes.extend(others.iter().map(|(name, value)| (*name, value.as_str())));
            let stored = insert(&client, &changes).await;
            // The table may accept more links than the type, but the table must accept every link that the
            // type accepts.
            let agrees =
                if field == "link" { stored.is_ok() || !accepted } else { stored.is_ok() == accepted };
            assert!(agrees, "{field} {text:?}: accepted by the type: {accepted}, inserted: {stored:?}");
        }
    }
}

/// The table accepts the largest `meta` that the type `Meta` accepts, also in an event with the longest dedup
/// key.
#[tokio::test]
async fn the_table_accepts_the_largest_events_that_the_rust_types_allow() {
    let db = database().await;
    let appender = store(&db.url).appender().unwrap();
    let mut runner = TestRunner::deterministic();
    let values = prop::collection::vec(
        prop_oneof![
            any::<String>().prop_map(|text| serde_json::json!(text.replace('\0', ""))),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| serde_json::json!(f)),
            any::<i64>().prop_map(|i| serde_json::json!([i, {"k": [true, null]}])),
            "-?(0|[1-9][0-9]{0,40})([.][0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
                .prop_map(|number| serde_json::from_str(&number).unwrap()),
            "[\u{1}-\u{1f}\"\\\\]{0,300}".prop_map(|text| serde_json::json!({ text.clone(): text })),
        ],
        0..60,
    );
    let mut fullest = 0;
    for nth in 0..100 {
        let values = values.new_tree(&mut runner).unwrap().current();
        let mut map = serde_json::Map::new();
        for (key, value) in values.into_iter().cycle().take(2_000).enumerate() {
            map.insert(format!("k{key}"), value);
            if Meta::new(map.clone()).is_err() {
                map.remove(&format!("k{key}"));
                break;
            }
        }
        fullest = fullest.max(serde_json::to_string(&map).unwrap().len());
        let event = NewEvent {
            meta: Meta::new(map).unwrap(),
            dedup_key: Some(DedupKey::new("test", &format!("{nth:0507}")).unwrap()),
            ..new("UNSET", None)
        };
        appender.append(vec![event], Instant::now()).await.unwrap();
    }
    assert!(fullest > 12_000, "{fullest}");
}

/// Constraints that later migrations rewrote accept the same rows as the first version. Only the present
/// constraint on the VTID accepts more.
#[tokio::test]
async fn rewritten_constraints_accept_the_same_rows() {
    const ROWS: usize = 20_000;
    let db = testing::empty_database().await;
    let client = client(&db.url).await;
    client.batch_execute(include_str!("old_migrations/V1__oasis_events.sql")).await.unwrap();
    let before = checks(&client).await;
    client
        .batch_execute(&format!("BEGIN; {} COMMIT", include_str!("old_migrations/V2__cheaper_checks.sql")))
        .await
        .unwrap();
    let older = checks(&client).await;
    let present = crate::database().await;
    let present = checks(&crate::client(&present.url).await).await;
    for after in [&older, &present] {
        assert!(before.keys().all(|name| after.contains_key(name)));
        assert_ne!(before, *after);
    }
    assert_ne!(older, present);

    let mut runner = TestRunner::deterministic();
    let fields = [
        "[A-Z]{1,9}-[A-Z0-9]{1,17}-[0-9]{3,7}|(VTID|DEV|UNSET|IDLE)(-[0-9]{3,7})?\
         |[A-Z]{2}-(A1|B)(-[0-9]{4})?|[A-Z0-9-]{0,12}",
        "A1|B|[A-Z][A-Z0-9]{0,16}|[A-Z0-9a-]{0,4}",
        "[A-Z]{1,3}(-[A-Z0-9]{0,3}){0,3}|A[A-Z0-9]{62,65}|[A-Z0-9é\n-]{0,5}|CORE[A-Z-]{0,2}",
        "[a-z]{1,3}([._][a-z0-9_]{0,3}){0,3}|a[a-z0-9]{62,65}|[a-z0-9._é\n]{0,5}\
         |(push|cast\\.progress)[a-z.]{0,2}",
        "https?://[a-z:@/?#.\\[\\]]{0,8}[ -~é\n]{0,6}|[ -~]{0,8}|http://h/a{2030,2045}",
        "devhub|[a-z][a-z0-9_]{0,33}(:[A-Za-z0-9._-]{0,130})?|[a-z0-9]{0,3}:[A-Za-z0-9: é\n._-]{0,5}",
    ];
    let values = fields.map(|pattern| {
        let pattern = proptest::string::string_regex(pattern).unwrap();
        (0..ROWS).map(|_| pattern.new_tree(&mut runner).unwrap().current()).collect::<Vec<String>>()
    });
    let [vtid, layer, module, kind, link, channel] = &values;
    client
        .execute(
            "CREATE TEMP TABLE sample AS SELECT vtid, layer, module, kind, link, channel, title, ref \
             FROM oasis_events",
            &[],
        )
        .await
        .unwrap();
    // Half of the rows have the right title and ref. Half of these rows also have the right layer.
    client
        .execute(
            "INSERT INTO sample SELECT v, l, m, k, nullif(u, ''), c, \
                CASE WHEN n % 2 = 0 THEN l || '-' || m || '-' || upper(translate(k, '_.', '--')) ELSE k END, \
                CASE WHEN n % 2 = 0 THEN 'vt/' || v || '-' || translate(k, '_.', '--') ELSE k END \
             FROM (SELECT v, CASE WHEN n % 4 = 0 THEN split_part(v, '-', 2) ELSE l END AS l, m, k, u, c, n \
                   FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) \
                        WITH ORDINALITY AS row (v, l, m, k, u, c, n)) AS row",
            &[vtid, layer, module, kind, link, channel],
        )
        .await
        .unwrap();
    let names = ["vtid", "layer", "module", "kind", "title", "ref", "link", "channel"];
    for (name, after) in names.iter().flat_map(|name| [(name, &older), (name, &present)]) {
        let name = format!("oasis_events_{name}");
        // The constraint on the layer is strict only if the VTID does not contain a layer. Otherwise, the
        // constraint on the VTID also checks the layer. The present constraint on the VTID accepts more than
        // the first one.
        let vtid = &before["oasis_events_vtid"];
        let accepts = |checks: &BTreeMap<String, String>| match name.as_str() {
            "oasis_events_vtid" => format!("coalesce(({}), true)", checks[&name]),
            _ => format!("coalesce(({}), true) AND coalesce(({vtid}), true)", checks[&name]),
        };
        let widened = std::ptr::eq(after, &present) && name == "oasis_events_vtid";
        let differs = if widened { "old AND NOT new" } else { "old <> new" };
        let sql = format!(
            "SELECT count(*) FILTER (WHERE old), count(*) FILTER (WHERE NOT old), \
                    (array_agg(sample::text) FILTER (WHERE {differs}))[1] \
             FROM (SELECT sample, {} AS old, {} AS new FROM sample) AS sample",
            accepts(&before),
            accepts(after)
        );
        let row = client.query_one(&sql, &[]).await.unwrap();
        let (accepted, refused): (i64, i64) = (row.get(0), row.get(1));
        assert!(accepted > 100 && refused > 100, "{name}: {accepted} accepted, {refused} refused");
        assert_eq!(row.get::<_, Option<&str>>(2), None, "{name}");
    }
}

/// The expressions of the table's CHECK constraints, by the name of the constraint.
async fn checks(client: &Client) -> BTreeMap<String, String> {
    let sql = "SELECT conname::text, pg_get_expr(conbin, conrelid) FROM pg_constraint \
               WHERE conrelid = 'oasis_events'::regclass AND contype = 'c'";
    client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), row.get(1))).collect()
}
