//! Tests what columns become, and the dedup keys of rows.

use super::*;

fn column(name: &str, type_name: &str, is_key: bool) -> SourceColumn {
    SourceColumn { name: name.into(), type_name: type_name.into(), is_key }
}

fn mapping(columns: &[SourceColumn], choices: &[&str]) -> Result<Mapping, String> {
    let choices: Vec<Choice> = choices.iter().map(|choice| choice.parse().unwrap()).collect();
    let table = ["app", "events"].map(str::to_owned).into();
    Mapping::of(table, columns, &choices).map_err(|usage| usage.to_string())
}

fn imported(mapping: &Mapping, row: &Value) -> Imported {
    let row = SourceRow { json: row.to_string(), copy: 1 };
    mapping.event(&row, "2026-01-02T03:04:05Z".parse().unwrap()).unwrap()
}

fn event(mapping: &Mapping, row: &Value) -> NewEvent {
    imported(mapping, row).event
}

fn key(mapping: &Mapping, row: &Value) -> String {
    event(mapping, row).dedup_key.unwrap().as_str().to_owned()
}

#[test]
fn choices_override_the_inferred_mapping() {
    let columns = [
        column("id", "uuid", true),
        column("type", "text", false),
        column("what", "text", false),
        column("created_at", "timestamp without time zone", false),
        column("day", "date", false),
        column("source", "text", false),
    ];
    let row = json!({
        "id": "u1", "type": "t", "what": "Was done", "created_at": "2025-01-02T03:04:05.6789",
        "day": "2025-03-04", "source": "cron"
    });
    let inferred = event(&mapping(&columns, &[]).unwrap(), &row);
    assert_eq!(inferred.event.kind.as_str(), "t");
    assert_eq!(inferred.event.ts.to_string(), "2025-01-02T03:04:05.678Z");
    assert_eq!(inferred.meta.as_map()["what"], "Was done");
    assert_eq!(inferred.meta.as_map()["source_given"], "cron");

    let chosen = mapping(&columns, &["kind=what", "ts=day", "meta=source"]).unwrap();
    let shown = chosen.to_string();
    let lines: Vec<&str> = shown.lines().skip(1).map(|line| line.split("  ").last().unwrap()).collect();
    let expected = [" ts", "kind", "meta.source", "meta.id, key of the row", "meta.type", "meta.created_at"];
    assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>(), expected.map(str::trim));
    let chosen = event(&chosen, &row);
    assert_eq!(chosen.event.kind.as_str(), "was_done");
    assert_eq!(chosen.event.ts.to_string(), "2025-03-04T00:00:00.000Z");
    assert_eq!(chosen.meta.as_map()["source"], "cron");
    assert_eq!(chosen.meta.as_map()["type"], "t");

    let twice = mapping(&columns, &["kind=what", "vtid=what"]).unwrap_err();
    assert!(twice.contains("two fields for the column what"), "{twice}");
}

#[test]
fn a_row_without_a_kind_or_a_time_is_marked() {
    let columns = [column("id", "uuid", true), column("event", "text", false), column("ts", "text", false)];
    let empty = imported(&mapping(&columns, &[]).unwrap(), &json!({"id": "u", "event": null, "ts": null}));
    assert_eq!(empty.event.event.kind.as_str(), "event");
    assert_eq!(empty.event.event.ts.to_string(), "2026-01-02T03:04:05.000Z");
    let meta = Value::from(empty.event.meta.as_map().clone());
    assert_eq!(meta, json!({"id": "u", "kind_given": "", "ts_given": ""}));
    assert_eq!(empty.marks.iter().map(|mark| mark.name).collect::<Vec<_>>(), ["kind_given", "ts_given"]);
}

#[test]
fn an_entry_of_the_row_with_the_name_of_a_mark_is_no_mark() {
    let columns = [
        column("id", "uuid", true),
        column("kind", "text", false),
        column("truncated", "boolean", false),
        column("vtid_given", "text", false),
    ];
    let row = json!({"id": "u", "kind": "k", "truncated": false, "vtid_given": "x"});
    assert_eq!(imported(&mapping(&columns, &[]).unwrap(), &row).marks, []);
}

#[test]
fn the_first_column_with_a_value_counts() {
    let columns = [column("id", "uuid", true), column("topic", "text", false), column("kind", "text", false)];
    let mapping = mapping(&columns, &[]).unwrap();
    for (row, kind, topic) in [
        (json!({"id": "u", "kind": "k", "topic": "t"}), "k", Some("t")),
        (json!({"id": "u", "kind": " ", "topic": "t"}), "t", None),
        (json!({"id": "u", "kind": null, "topic": "t"}), "t", None),
    ] {
        let event = event(&mapping, &row);
        assert_eq!(event.event.kind.as_str(), kind);
        assert_eq!(event.meta.as_map().get("topic").and_then(Value::as_str), topic);
    }
    assert!(mapping.to_string().contains("kind, if kind has no value; otherwise meta.topic"), "{mapping}");
}

#[test]
fn different_rows_have_different_keys_and_a_row_always_has_the_same() {
    let kind = || column("kind", "text", false);
    let text = mapping(&[column("id", "text", true), kind()], &[]).unwrap();
    assert_eq!(key(&text, &json!({"id": "a b", "kind": "k"})), r#"import:[["app","events"],["a b"]]"#);
    assert_eq!(key(&text, &json!({"id": "a b", "kind": "l"})), r#"import:[["app","events"],["a b"]]"#);
    let columns = [column("id", "bigint", true), column("part", "numeric", true), kind()];
    let pair = mapping(&columns, &[]).unwrap();
    let row = parse_json(br#"{"id": 7, "part": 123456789012345678901234567890.10, "kind": "k"}"#).unwrap();
    let expected = r#"import:[["app","events"],["7","123456789012345678901234567890.10"]]"#;
    assert_eq!(key(&pair, &row), expected);
    // A key column can also become another field. The key stays the same.
    assert_eq!(key(&mapping(&columns, &["module=id"]).unwrap(), &row), expected);
    assert_eq!(key(&mapping(&columns, &["key=kind"]).unwrap(), &row), r#"import:[["app","events"],["k"]]"#);

    let none = mapping(&[kind()], &[]).unwrap();
    let of_row = |json: &str, copy| {
        let row = SourceRow { json: json.into(), copy };
        let event = none.event(&row, "2026-01-02T03:04:05Z".parse().unwrap()).unwrap().event;
        event.dedup_key.unwrap().as_str().to_owned()
    };
    let digest = of_row(r#"{"kind":"k"}"#, 1);
    assert!(digest.starts_with("import:row:") && digest.len() == 11 + 64, "{digest}");
    assert_eq!(digest, of_row(r#"{"kind":"k"}"#, 1));
    assert_ne!(digest, of_row(r#"{"kind":"k"}"#, 2));
    assert_ne!(digest, of_row(r#"{"kind":"l"}"#, 1));
    let faults = [(json!({"id": "a", "kind": "k"}), 2, "the same key"), (json!({"id": null}), 1, "is null")];
    for (row, copy, why) in faults {
        let row = SourceRow { json: row.to_string(), copy };
        let error = text.event(&row, "2026-01-02T03:04:05Z".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    let long = |length| key(&text, &json!({"id": "x".repeat(length), "kind": "k"}));
    assert_ne!(long(600), long(601));
}

#[test]
fn only_objects_of_known_columns_are_merged_into_meta() {
    let columns = [
        column("id", "uuid", true),
        column("kind", "text", false),
        column("metadata", "jsonb", false),
        column("context", "jsonb", false),
    ];
    let row = json!({"id": "u", "kind": "k", "metadata": {"a": 1, "id": "x"}, "context": {"b": 2}});
    let meta = event(&mapping(&columns, &[]).unwrap(), &row).meta;
    let expected = json!({"id": "u", "a": 1, "payload.id": "x", "context": {"b": 2}});
    assert_eq!(Value::from(meta.as_map().clone()), expected);
}
