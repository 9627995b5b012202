//! Withholds e-mail addresses in JSON. Without read tokens, everyone may read, so `meta` must not show the
//! addresses of people.

use serde_json::Value;

use crate::json::parse_json;

/// Replaces the e-mail addresses in the keys and values of `json` with `[withheld]`. If `json` contains no
/// `@`, it is returned unchanged. If it contains an `@` but is not valid JSON, the result is `null`.
pub fn withhold_emails(json: &str) -> String {
    if !json.contains('@') {
        return json.to_owned();
    }
    let mut value = parse_json(json.as_bytes()).unwrap_or_default();
    withhold(&mut value);
    value.to_string()
}

fn withhold(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => withhold_text(text),
        Value::Array(items) => items.iter_mut().for_each(withhold),
        Value::Object(map) => {
            let keys_may_have_addresses = map.keys().any(|key| key.contains('@'));
            if keys_may_have_addresses {
                *map = std::mem::take(map)
                    .into_iter()
                    .map(|(mut key, value)| {
                        withhold_text(&mut key);
                        (key, value)
                    })
                    .collect();
            }
            map.values_mut().for_each(withhold);
        }
    }
}

fn withhold_text(text: &mut String) {
    let local = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let domain = |c: char| c.is_alphanumeric() || "-.".contains(c);
    let mut rest = text.as_str();
    let mut out = String::new();
    while let Some(at) = rest.find('@') {
        let start =
            rest[..at].char_indices().rev().take_while(|(_, c)| local(*c)).last().map_or(at, |(i, _)| i);
        let end = at + 1 + rest[at + 1..].find(|c| !domain(c)).unwrap_or(rest.len() - at - 1);
        let is_address = start < at && rest[at + 1..end].trim_matches('.').contains('.');
        if is_address {
            out.push_str(&rest[..start]);
            out.push_str("[withheld]");
            rest = &rest[end..];
        } else {
            // The text between this `@` and the next `@` may be the local part of an address.
            out.push_str(&rest[..=at]);
            rest = &rest[at + 1..];
        }
    }
    out.push_str(rest);
    *text = out;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_withheld_in_keys_and_values() {
        for (given, shown) in [
            (json!({"a": "Ann <ann.b@example.co.uk>, ok"}), json!({"a": "Ann <[withheld]>, ok"})),
            (
                json!({"ann@example.com": [1, {"x": "b@c.de"}]}),
                json!({"[withheld]": [1, {"x": "[withheld]"}]}),
            ),
            (
                json!({"a": "actions/checkout@v4", "b": "@team", "c": "a@b"}),
                json!({"a": "actions/checkout@v4", "b": "@team", "c": "a@b"}),
            ),
        ] {
            assert_eq!(serde_json::from_str::<Value>(&withhold_emails(&given.to_string())).unwrap(), shown);
        }
        assert_eq!(withhold_emails(r#"{"b":1}"#), r#"{"b":1}"#);
    }

    proptest! {
        #[test]
        fn an_address_in_any_text_is_withheld(before in ".*", after in "[^\\p{Alphabetic}\\p{N}.-].*") {
            let mut text = format!("{before}ann@example.com{after}");
            withhold_text(&mut text);
            prop_assert!(!text.contains("ann@example.com"), "{text}");
        }
    }
}
