//! Reads YAML as JSON.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value};

/// Reads a description. `.ci/openapi/check` has checked that the descriptions are valid.
pub(crate) fn read(text: &str) -> Value {
    let documents = Yaml::load_from_str(text).unwrap_or_else(|error| panic!("{error}"));
    documents.into_iter().next().map(convert).unwrap_or_default()
}

fn convert(node: Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => value.into(),
        Yaml::Value(Scalar::Integer(value)) => value.into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(value)) => value.into_owned().into(),
        Yaml::Sequence(items) => items.into_iter().map(convert).collect(),
        Yaml::Mapping(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| match convert(key) {
                    Value::String(key) => (key, convert(value)),
                    key => panic!("the key {key} is not a text"),
                })
                .collect::<Map<_, _>>(),
        ),
        other => panic!("{other:?} is not JSON"),
    }
}
