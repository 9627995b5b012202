//! GitHub's example payloads, and variants of them for cases that no example covers.

use oasis_core::Status::{self, Cancelled, Failure, InProgress, Info, Queued, Success};
use serde_json::Value;

macro_rules! payloads {
    ($($name:literal => $status:expr),+ $(,)?) => {
        /// The name and the text of every payload. A name begins with the event.
        pub(crate) const ALL: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../payloads/", $name, ".json")))),+];
        /// The name of every payload, and the status of its event. `None` if the event is ignored.
        pub(crate) const STATUSES: &[(&str, Option<Status>)] = &[$(($name, $status)),+];
    };
}

payloads![
    "check_run.completed" => Some(Failure),
    "check_run.rerequested" => Some(Queued),
    "check_suite.completed" => Some(Success),
    "create.tag" => Some(Info),
    "deployment.pages" => Some(Queued),
    "deployment_status.pages" => Some(InProgress),
    "ping.organization" => Some(Info),
    "pull_request.closed" => Some(Cancelled),
    "push.branch" => Some(Info),
    "push.deleted_tag" => Some(Info),
    "release.published" => Some(Success),
    "star.created" => None,
    "workflow_job.failed" => Some(Failure),
    "workflow_job.waiting" => Some(Queued),
    // This run waits for an approval.
    "workflow_run.action_required" => Some(Queued),
    "workflow_run.completed" => Some(Success),
    // This run has the action `completed`, but has not begun.
    "workflow_run.dispatched" => Some(Queued),
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
