//! GitHub's example payloads, and variants of them for cases that no example covers.

use serde_json::Value;

macro_rules! payloads {
    ($($name:literal),+ $(,)?) => {
        /// The name and the text of every payload. A name begins with the event.
        pub(crate) const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../payloads/", $name, ".json")))),+];
    };
}

payloads![
    "check_run.completed",
    "check_run.rerequested",
    "check_suite.completed",
    "create.tag",
    "deployment.pages",
    "deployment_status.pages",
    "ping.organization",
    "pull_request.closed",
    "push.branch",
    "push.deleted_tag",
    "release.published",
    "star.created",
    "workflow_job.failed",
    "workflow_job.waiting",
    "workflow_run.action_required",
    "workflow_run.completed",
    "workflow_run.dispatched",
];

/// The event in the name of a payload.
pub(crate) fn event_of(name: &str) -> &str {
    name.split('.').next().unwrap()
}

/// The payload called `name`, as GitHub sends it.
pub(crate) fn text(name: &str) -> &'static str {
    ALL.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("there is no payload {name}")).1
}

/// The payload called `name`, with some values replaced. Each change is a JSON pointer and the new value. If
/// the last member of a pointer does not exist, it is added.
pub(crate) fn variant(name: &str, changes: &[(&str, Value)]) -> Vec<u8> {
    let mut payload: Value = serde_json::from_str(text(name)).unwrap();
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = payload.pointer_mut(parent).unwrap_or_else(|| panic!("{name} has no {pointer}"));
        parent[member] = value.clone();
    }
    serde_json::to_vec(&payload).unwrap()
}
