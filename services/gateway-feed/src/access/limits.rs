//! [`Limits`]: the claim `oasis.resources` of a token, which limits the resource events that a user may read.

use std::collections::BTreeSet;

use oasis_core::resource::ResourceId;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A set of ids.
pub(crate) type Ids = BTreeSet<ResourceId>;

/// The clusters and projects whose events a user may read. An event must match both lists. `None` accepts
/// every event. A list does not accept an event without such an id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    #[serde(default, rename = "cluster_id", deserialize_with = "ids")]
    pub(crate) clusters: Option<Ids>,
    #[serde(default, rename = "project_id", deserialize_with = "ids")]
    pub(crate) projects: Option<Ids>,
}

impl Limits {
    /// Parses the claim. `None` if the claim is malformed, or has a member that this version does not know.
    /// The caller must then refuse the token: to ignore an unknown limit would show too much.
    pub(crate) fn parse(claim: &RawValue) -> Option<Self> {
        // serde would also read a struct from a list of its fields.
        let is_object = claim.get().starts_with('{');
        serde_json::from_str(claim.get()).ok().filter(|_| is_object)
    }
}

/// Reads a list of ids. Null is not a list.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ids>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let ids = texts.iter().map(|text| ResourceId::parse(text).map_err(D::Error::custom));
    ids.collect::<Result<Ids, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Option<Limits> {
        Limits::parse(&RawValue::from_string(json.to_owned()).unwrap())
    }

    #[test]
    fn a_list_limits_and_an_absent_list_does_not() {
        let ids = |texts: &[&str]| Some(texts.iter().map(|text| ResourceId::parse(text).unwrap()).collect());
        assert_eq!(parse("{}"), Some(Limits::default()));
        let limits = parse(r#"{"cluster_id": ["eu", "us", "eu"], "project_id": []}"#).unwrap();
        assert_eq!(limits, Limits { clusters: ids(&["eu", "us"]), projects: ids(&[]) });
    }

    #[test]
    fn a_malformed_claim_is_no_claim_without_limits() {
        for bad in [
            "null",
            "[]",
            "true",
            "\"eu\"",
            r#"{"cluster_id": null}"#,
            r#"{"cluster_id": "eu"}"#,
            r#"{"cluster_id": [1]}"#,
            r#"{"cluster_id": ["a b"]}"#,
            r#"{"workload_id": ["api"]}"#,
            r#"{"Cluster_id": ["eu"]}"#,
            r#"{"$serde_json::private::RawValue": "{}"}"#,
            r#"{"$serde_json::private::Number": "1"}"#,
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
