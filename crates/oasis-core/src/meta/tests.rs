//! Tests of [`Meta`]: its limits, what is cut, and equality.

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn large_objects_and_nul_characters_are_refused() {
    let of = |value: Value| Meta::new(value.as_object().unwrap().clone());
    assert!(of(json!({"a": "x".repeat(16_000)})).is_ok());
    assert!(of(json!({"a": "x".repeat(16_384)})).is_err());
    assert!(of(json!({"a": vec![1e300; 100]})).is_err());
    assert!(of(json!({"a": ["\0"]})).is_err());
    assert!(of(json!({"\0": 1})).is_err());
}

#[test]
fn an_error_shows_only_the_beginning_of_a_long_key() {
    let map = [("k".repeat(10_000), serde_json::from_str("1e400000").unwrap())].into_iter().collect();
    let error = Meta::new(map).unwrap_err().to_string();
    assert!(error.starts_with("the number `kkk") && error.len() < 300, "{error}");
}

#[test]
fn an_object_that_is_too_large_is_cut_and_marked() {
    let cut = |value: Value| Meta::cut(value.as_object().unwrap().clone()).as_map().clone();
    let long = cut(json!({"message": "x".repeat(20_000), "n": 1}));
    assert_eq!(long["message"].as_str().unwrap().len(), Meta::MAX_TEXT);
    assert_eq!((&long["n"], &long["truncated"]), (&json!(1), &json!(true)));
    // Each of these entries is smaller than the mark.
    let small_entries = || (0..1_400).map(|n| (format!("k{n:04}"), json!(1))).collect::<Map<String, Value>>();
    assert_eq!(Meta::cut(small_entries()).as_map()["truncated"], true);
    let many = cut(json!({"list": vec!["x"; 9_000], "n": 1}));
    assert_eq!(many, *json!({"n": 1, "truncated": true}).as_object().unwrap());
    assert_eq!(
        cut(json!({"a\0": ["\0", {"\0": "b\0"}]})),
        cut(json!({"a\u{fffd}": ["\u{fffd}", {"\u{fffd}": "b\u{fffd}"}]}))
    );
    // A client cannot choose entries so that `instance` is left out, which is larger than all of them.
    let mut map = small_entries();
    map.insert("instance".into(), "ci/build-7:42:1767323045".into());
    map.insert("via".into(), "ci".into());
    let kept = Meta::cut(map);
    assert_eq!((&kept.as_map()["via"], &kept.as_map()["truncated"]), (&json!("ci"), &json!(true)));
    assert_eq!(kept.as_map()["instance"], "ci/build-7:42:1767323045");
    let full = Meta::new(json!({"a": "x".repeat(16_370)}).as_object().unwrap().clone()).unwrap();
    assert_eq!(full.adding("b", 1).as_map()["truncated"], true);
    assert_eq!(Meta::default().adding("b", 1).to_json(), r#"{"b":1}"#);
}

#[test]
fn empty_values_are_left_out_and_long_strings_are_cut() {
    let meta = Meta::default()
        .with("none", None::<&str>)
        .with("empty", Some(""))
        .with("long", Some("é".repeat(600)))
        .with("run_id", Some(7));
    assert_eq!(meta.as_map().keys().collect::<Vec<_>>(), ["long", "run_id"]);
    assert_eq!(meta.as_map()["long"].as_str().unwrap().len(), 1_024);
}

/// Services add at most this many texts.
#[test]
fn fifteen_texts_fit_however_many_escapes_they_need() {
    for text in ["\u{1}", "\"", "\n", "é\\", "\u{10ffff}", "\u{7f}", "x\u{8}\""] {
        let keys = (0..15).map(|nth| format!("a_long_key_{nth}"));
        let meta = keys.fold(Meta::default(), |meta, key| meta.with(&key, Some(text.repeat(2_000))));
        assert!(meta.to_json().len() > 15 * 1_000, "{text:?}");
        assert!(Meta::new(meta.as_map().clone()).is_ok(), "{text:?}");
    }
}

#[test]
fn metas_with_equal_objects_are_equal() {
    assert_eq!(Meta::default().to_json(), "{}");
    assert_eq!(Meta::new(Map::new()), Ok(Meta::default()));
    let built = Meta::default().with("b", Some("\"\n")).with("a", Some(true));
    assert_eq!(built.to_json(), r#"{"b":"\"\n","a":true}"#);
    let taken = Meta::new(built.as_map().clone()).unwrap();
    assert_eq!(taken, built);
    assert_eq!(taken.to_json(), r#"{"a":true,"b":"\"\n"}"#);
    assert_ne!(taken.with("c", Some(1)), built);
}

proptest! {
    #[test]
    fn a_cut_object_is_small_enough(
        texts in proptest::collection::btree_map(".{0,9}", ".{0,3000}", 0..30),
        numbers in proptest::collection::vec(any::<f64>(), 0..3_000),
    ) {
        let texts = texts.into_iter().map(|(key, text)| (key, text.into()));
        let mut map: Map<String, Value> = texts.collect();
        map.insert("numbers".into(), numbers.into());
        prop_assert!(Meta::new(Meta::cut(map).as_map().clone()).is_ok());
    }
}
