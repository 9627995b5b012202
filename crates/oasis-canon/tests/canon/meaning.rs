//! The meaning of a YAML text, independent of the tree that the canon uses: JSON with all aliases expanded.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

/// The documents of a text. Mappings keep the order of their keys as lists of pairs.
pub(crate) fn meaning(text: &str) -> Result<Vec<Value>, String> {
    let mut anchors: BTreeMap<usize, Value> = BTreeMap::new();
    let mut open: Vec<(usize, bool, Vec<Value>)> = Vec::new();
    let mut documents = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| error.to_string())?;
        let (anchor, value) = match event {
            Event::Scalar(text, _, anchor, tag) => {
                let tag = tag.map(|tag| format!("{}{} ", tag.handle, tag.suffix)).unwrap_or_default();
                (anchor, Value::String(format!("{tag}{text}")))
            }
            Event::Alias(anchor) => (0, anchors.get(&anchor).cloned().unwrap_or(Value::Null)),
            Event::SequenceStart(anchor, _) => {
                open.push((anchor, false, Vec::new()));
                continue;
            }
            Event::MappingStart(anchor, _) => {
                open.push((anchor, true, Vec::new()));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (anchor, is_mapping, items) = open.pop().unwrap();
                let value = if is_mapping {
                    Value::Array(items.chunks(2).map(|pair| Value::Array(pair.to_vec())).collect())
                } else {
                    let mut sequence = Map::new();
                    sequence.insert("sequence".to_owned(), Value::Array(items));
                    Value::Object(sequence)
                };
                (anchor, value)
            }
            _ => continue,
        };
        if anchor != 0 {
            anchors.insert(anchor, value.clone());
        }
        match open.last_mut() {
            Some((_, _, items)) => items.push(value),
            None => documents.push(value),
        }
    }
    Ok(documents)
}

/// The meaning without the name and the run-name at the top, and with each old name replaced.
pub(crate) fn meaning_but_names(text: &str, renamed: &[(String, String)]) -> Result<Vec<Value>, String> {
    let mut documents = meaning(text)?;
    if let Some(Value::Array(entries)) = documents.first_mut() {
        entries.retain(|entry| entry[0] != "name" && entry[0] != "run-name");
    }
    for document in &mut documents {
        replace(document, renamed);
    }
    Ok(documents)
}

fn replace(value: &mut Value, renamed: &[(String, String)]) {
    match value {
        Value::String(text) => {
            for (old, new) in renamed {
                *text = text.replace(old.as_str(), new);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, renamed)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, renamed)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
