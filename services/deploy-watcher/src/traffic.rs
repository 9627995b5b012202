//! Determines which revisions of a Service get traffic.

use serde_json::Value;

/// How a service distributes its traffic.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic<'a> {
    /// The revision with the largest share.
    pub(crate) largest: Option<&'a str>,
    /// All revisions with their shares, for example `gateway-00041-xyz 90%, gateway-00042-abc 10%`. `None` if
    /// at most one revision gets traffic.
    pub(crate) split: Option<String>,
}

/// Reads a Service in Knative's format (v1). If `status` has no traffic, reads the requested traffic from
/// `spec`.
pub(crate) fn of(service: &Value) -> Traffic<'_> {
    let targets = [&service["status"]["traffic"], &service["spec"]["traffic"]];
    let targets = targets.into_iter().find_map(|traffic| traffic.as_array().filter(|list| !list.is_empty()));
    let latest = service["status"]["latestCreatedRevisionName"].as_str();
    let mut shares: Vec<(&str, f64)> = Vec::new();
    for target in targets.into_iter().flatten() {
        let percent = target["percent"].as_f64().filter(|percent| *percent > 0.0);
        if let (Some(revision), Some(percent)) = (target["revisionName"].as_str().or(latest), percent) {
            // A revision can have several targets, for example one for each tag.
            match shares.iter_mut().find(|(known, _)| *known == revision) {
                Some((_, share)) => *share += percent,
                None => shares.push((revision, percent)),
            }
        }
    }
    shares.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(other.0)));
    let split = (shares.len() > 1).then(|| {
        let each: Vec<String> =
            shares.iter().map(|(revision, percent)| format!("{revision} {percent}%")).collect();
        each.join(", ")
    });
    Traffic { largest: shares.first().map(|(revision, _)| *revision), split }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_come_from_the_status_or_else_from_the_spec() {
        let service = |status: Value, spec: Value| {
            json!({
                "spec": { "traffic": spec },
                "status": { "traffic": status, "latestCreatedRevisionName": "g-2" },
            })
        };
        let latest = json!([{ "percent": 100, "latestRevision": true }]);
        let cases = [
            (service(Value::Null, latest.clone()), Some("g-2"), None),
            (service(json!([{ "percent": 100, "revisionName": "g-1" }]), latest.clone()), Some("g-1"), None),
            (service(json!([]), json!([{ "percent": 0, "revisionName": "g-1" }])), None, None),
            (service(Value::Null, Value::Null), None, None),
            (
                service(
                    json!([
                        { "percent": 10, "latestRevision": true, "revisionName": "g-2" },
                        { "percent": 40, "revisionName": "g-1" },
                        { "revisionName": "g-0", "tag": "old" },
                        { "percent": 50, "revisionName": "g-1", "tag": "stable" },
                    ]),
                    latest,
                ),
                Some("g-1"),
                Some("g-1 90%, g-2 10%"),
            ),
        ];
        for (service, largest, split) in cases {
            assert_eq!(of(&service), Traffic { largest, split: split.map(str::to_owned) }, "{service}");
        }
    }
}
