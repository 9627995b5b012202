//! Withholds e-mail addresses. Without read tokens, everyone may read, so answers must not show the addresses
//! of people. `emails/address.rs` has the rule for what an address is.

mod address;

use std::borrow::Cow;

use serde_json::Value;

use crate::escapes::repair_escapes;
use crate::link::Link;

/// What is shown instead of an address.
const WITHHELD: &str = "[withheld]";
/// How `[withheld]` and `[withheld 2]` begin.
const WITHHELD_BEGIN: &str = "[withheld";
/// The same in a URL, in which brackets must be percent-encoded.
const WITHHELD_IN_LINK: &str = "%5Bwithheld%5D";

/// Replaces the e-mail addresses in a text.
pub fn withhold_in_text(text: &str) -> Cow<'_, str> {
    address::replace(text, WITHHELD)
}

/// Replaces the e-mail addresses in a link. `None` if the result is not a link, because an address is in its
/// host.
pub fn withhold_in_link(link: &str) -> Option<Cow<'_, str>> {
    match address::replace(link, WITHHELD_IN_LINK) {
        Cow::Borrowed(link) => Some(Cow::Borrowed(link)),
        Cow::Owned(link) => Link::parse(&link).ok().map(|link| Cow::Owned(link.as_str().to_owned())),
    }
}

/// Replaces the e-mail addresses in the keys and strings of `json`, which must be valid JSON.
///
/// Only the strings with an address are written again. The rest of the text is copied: numbers keep their
/// digits, objects keep the order of their keys, and values may nest as deep as they like. If several keys
/// have addresses, they are numbered, as in `[withheld 2]`, because equal keys would hide each other. For the
/// same reason, keys that already contain such a text get a number, too.
pub fn withhold_in_json(json: &str) -> Cow<'_, str> {
    if !address::may_be_in(json) {
        return Cow::Borrowed(json);
    }
    let mut out = String::new();
    let (mut copied, mut at, mut keys) = (0, 0, 0);
    while let Some(offset) = json[at..].find('"') {
        let start = at + offset;
        let token = Token::read(&json[start..]);
        at = start + token.text.len();
        if !token.may_have_address && !token.text.contains(WITHHELD_BEGIN) {
            continue;
        }
        let is_key = json[at..].trim_start().starts_with(':');
        let marker = match keys {
            1.. if is_key => Cow::Owned(format!("[withheld {}]", keys + 1)),
            _ => Cow::Borrowed(WITHHELD),
        };
        let Some(shown) = token.withhold(&marker, is_key) else { continue };
        keys += usize::from(is_key);
        out.push_str(&json[copied..start]);
        out.push_str(&shown);
        copied = at;
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// A string of a JSON text, with its quotes.
struct Token<'a> {
    text: &'a str,
    has_escapes: bool,
    may_have_address: bool,
}

impl<'a> Token<'a> {
    /// Reads the string at the beginning of `json`.
    fn read(json: &'a str) -> Self {
        let bytes = json.as_bytes();
        let (mut has_escapes, mut may_have_address, mut end) = (false, false, 1);
        while let Some(byte) = bytes.get(end) {
            end += 1;
            match byte {
                b'"' => break,
                b'\\' => {
                    has_escapes = true;
                    // The escape of an at sign, or of a backslash that begins such an escape.
                    may_have_address |= matches!(bytes.get(end), Some(b'u' | b'\\'));
                    end += 1;
                }
                _ => may_have_address |= address::may_begin_sign(*byte),
            }
        }
        Self { text: &json[..json.floor_char_boundary(end)], has_escapes, may_have_address }
    }

    /// The string without addresses, as JSON. `None` if it does not change.
    fn withhold(&self, marker: &str, is_key: bool) -> Option<String> {
        let quoted = self.text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let text = match quoted {
            Some(text) if !self.has_escapes => Cow::Borrowed(text),
            _ => match serde_json::from_slice(&repair_escapes(self.text.as_bytes())) {
                Ok(text) => Cow::Owned(text),
                // A string that cannot be read is not shown.
                Err(_) => return Some(Value::from(marker).to_string()),
            },
        };
        let shown = address::replace(&text, marker);
        let numbered = if is_key { numbered(&shown, marker) } else { None };
        match (numbered, shown) {
            (Some(shown), _) | (None, Cow::Owned(shown)) => Some(Value::from(shown).to_string()),
            (None, Cow::Borrowed(_)) => None,
        }
    }
}

/// Replaces each text such as `[withheld 7]` with `marker`. `None` if there is none.
fn numbered(text: &str, marker: &str) -> Option<String> {
    let mut parts = text.split(WITHHELD_BEGIN);
    let mut out = parts.next()?.to_owned();
    let mut is_numbered = false;
    for part in parts {
        let after = part.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit());
        if let Some(after) = after.strip_prefix(']') {
            is_numbered = true;
            out.extend([marker, after]);
        } else {
            out.extend([WITHHELD_BEGIN, part]);
        }
    }
    is_numbered.then_some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_withheld_in_keys_and_strings_and_nothing_else_changes() {
        for (json, shown) in [
            (
                r#"{"z" : "Ann <ann.b@example.co.uk>", "a":[ 1.10,1e-7,123456789012345678901234567890,-0 ]}"#,
                r#"{"z" : "Ann <[withheld]>", "a":[ 1.10,1e-7,123456789012345678901234567890,-0 ]}"#,
            ),
            (
                r#"{"ann@example.com":[{"x":"b@c.de"}],"n":1,"bob@localhost" : 2, "eve@c.de, ok":3}"#,
                r#"{"[withheld]":[{"x":"[withheld]"}],"n":1,"[withheld 2]" : 2, "[withheld 3], ok":3}"#,
            ),
            // Keys of the client that look like ours.
            (
                r#"{"[withheld]":1,"ann@example.com":2,"bob@example.com":3,"[withheld 2]":"[withheld 2]"}"#,
                r#"{"[withheld]":1,"[withheld 2]":2,"[withheld 3]":3,"[withheld 4]":"[withheld 2]"}"#,
            ),
            (
                r#"{"[withheld 2] ok":1,"\u005bwithheld]":2,"eve@c.de [withheld 7]":3,"[withheld":4}"#,
                r#"{"[withheld] ok":1,"[withheld 2]":2,"[withheld 3] [withheld 3]":3,"[withheld":4}"#,
            ),
            (r#"{"[withheld]":1,"[withheld 2]":2}"#, "same"),
            // The at sign, and other letters of an address, as escapes.
            (r#"["\u0061nn\u0040example.com",1]"#, r#"["[withheld]",1]"#),
            (r#"["jos\u00e9%40example.com","\u00e9\/\n"]"#, r#"["[withheld]","\u00e9\/\n"]"#),
            (r#"["\ud83d\ude00 ann@example.com \u0001"]"#, r#"["😀 [withheld] \u0001"]"#),
            // A JSON parser refuses these escapes, but the type `json` of PostgreSQL accepts them.
            (r#"["\ud83d ann@example.com \u0000"]"#, "[\"\u{fffd} [withheld] \u{fffd}\"]"),
            (r#"["\"ann b\"@example.com","\\"]"#, r#"["[withheld]","\\"]"#),
            // JSON in a string of JSON.
            (r#"["{\"by\":\"ann\\u0040example.com\"}"]"#, r#"["{\"by\":\"[withheld]\"}"]"#),
            (r#"{"uses":"actions/checkout@v4","to":"@team","\\":"50%"}"#, "same"),
            (r#"{"b":1}"#, "same"),
            (r#""ann@example.com"#, r#""[withheld]""#),
        ] {
            let shown = if shown == "same" { json } else { shown };
            assert_eq!(withhold_in_json(json), shown);
        }
    }

    /// serde_json reads values that nest up to 128 levels deep. SQL can write deeper values.
    #[test]
    fn values_may_nest_deeper_than_a_parser_reads() {
        let deep = |text: &str| format!("{}\"{text}\"{}", "[".repeat(5_000), "]".repeat(5_000));
        assert_eq!(withhold_in_json(&deep("by ann@example.com")), deep("by [withheld]"));
    }

    #[test]
    fn a_link_without_its_addresses_is_still_a_link() {
        for (link, shown) in [
            ("https://h/u/ann@example.com?n=1#a", Some("https://h/u/%5Bwithheld%5D?n=1#a")),
            (
                "https://h/?by=ann%40localhost&to=b%2540c.de",
                Some("https://h/?by=%5Bwithheld%5D&to=%5Bwithheld%5D"),
            ),
            ("https://h?ann@example.com", Some("https://h?%5Bwithheld%5D")),
            ("https://h/@team/pkg@1.2.3/a%20b", Some("https://h/@team/pkg@1.2.3/a%20b")),
            // The table accepts this link, but it is not a URL.
            ("https://ann%40example.com/", None),
        ] {
            assert_eq!(withhold_in_link(link).as_deref(), shown);
        }
        // The result would be too long.
        let many = format!("https://h/{}", "a@b/".repeat(500));
        assert!(Link::parse(&many).is_ok() && withhold_in_link(&many).is_none());
    }

    /// A string of JSON, and whether it has an address.
    fn string() -> impl Strategy<Value = (String, bool)> {
        let name = r#"([a-z][a-z.+]{0,9}|"[a-z ]{1,9}")"#;
        let sign = "(@|\u{ff20}|%40|%2540|&#64;|&commat;)";
        let address = (name, sign, "[a-z]{1,9}([.][a-z]{2,9}){0,2}");
        let around = || "([^a-zA-Z0-9@%\"\\\\]{0,5} )?";
        let with = (around(), address, "( [^@%&\\\\\u{ff20}\u{fe6b}]{0,9})?", any::<bool>()).prop_map(
            |(before, (name, sign, host), after, plain)| {
                let text = format!("{before}{name}{sign}{host}{after}");
                let escapes = || text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                (
                    if plain { Value::from(text.as_str()).to_string() } else { format!("\"{}\"", escapes()) },
                    true,
                )
            },
        );
        let without = prop_oneof![
            "[^@%&\\\\\u{ff20}\u{fe6b}]*".prop_map(|text| (Value::from(text).to_string(), false)),
            "[a-z]{1,5}/[a-z]{1,5}@v[0-9]{1,2}([.][0-9]{1,2}){0,2}"
                .prop_map(|text| (format!("\"{text}\""), false)),
            "[ (]@[a-z]{1,9}".prop_map(|text| (format!("\"{text}\""), false)),
        ];
        // A text that may be a marker. It may change, but not into an address.
        let marker = "\\[withheld( [0-9])?\\]( ok)?".prop_map(|text| (format!("\"{text}\""), true));
        prop_oneof![2 => with, 2 => without, 1 => marker]
    }

    /// The number of different keys of all objects in a value.
    fn keys(value: &Value) -> usize {
        match value {
            Value::Array(items) => items.iter().map(keys).sum(),
            Value::Object(entries) => entries.len() + entries.values().map(keys).sum::<usize>(),
            _ => 0,
        }
    }

    /// The parts of a JSON text that has any value, and whether each part is a string with an address.
    fn parts() -> impl Strategy<Value = Vec<(String, bool)>> {
        let other = "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,25})?([eE][+-]?[0-9]{1,9})?|true|null| 1 ";
        let leaf = prop_oneof![string(), other.prop_map(|text| (text, false))].prop_map(|part| vec![part]);
        let plain = |text: &str| (text.to_owned(), false);
        let joined = move |open, items: Vec<Vec<(String, bool)>>, close| {
            let mut parts = vec![plain(open)];
            for (nth, item) in items.into_iter().enumerate() {
                parts.extend((nth > 0).then(|| plain(", ")));
                parts.extend(item);
            }
            parts.push(plain(close));
            parts
        };
        leaf.prop_recursive(5, 40, 5, move |inner| {
            let entry = (string(), inner.clone())
                .prop_map(move |(key, value)| [vec![key, plain(" :")], value].concat());
            prop_oneof![
                proptest::collection::vec(inner, 0..5).prop_map(move |items| joined("[", items, "]")),
                proptest::collection::vec(entry, 0..5).prop_map(move |items| joined("{", items, " }")),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_address_remains_in_any_json_and_the_rest_is_unchanged(parts in parts()) {
            let json: String = parts.iter().map(|(text, _)| text.as_str()).collect();
            let shown = withhold_in_json(&json);
            // Each part without an address is still there, in its place.
            let mut rest = &*shown;
            for (part, has_address) in &parts {
                if *has_address {
                    let token = Token::read(rest);
                    let text: String = serde_json::from_str(token.text).unwrap();
                    prop_assert!(text.contains("[withheld"), "{part} became {text}");
                    prop_assert!(matches!(withhold_in_text(&text), Cow::Borrowed(_)), "{part} became {text}");
                    rest = &rest[token.text.len()..];
                } else {
                    let Some(after) = rest.strip_prefix(part.as_str()) else {
                        return Err(TestCaseError::fail(format!("{part} is not in {rest}")));
                    };
                    rest = after;
                }
            }
            prop_assert_eq!(rest, "");
            // No key hides another one. Some numbers are too large for the parser.
            if let Ok(value) = serde_json::from_str(&json) {
                prop_assert!(keys(&serde_json::from_str(&shown)?) >= keys(&value), "{json} became {shown}");
            }
        }
    }
}
