//! Reads the types of CDEvents, which are CloudEvents about continuous delivery. Source: the specification of
//! CDEvents 0.5, <https://cdevents.dev>.
//!
//! A type is `dev.cdevents.SUBJECT.PREDICATE.VERSION`. A subject that runs becomes one kind, and its
//! predicate becomes the status. So the start and the end of a run belong together.

use crate::names::Kind;
use crate::sets::Status;

const PREFIX: &str = "dev.cdevents.";

/// The kind and the status of a CDEvent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdEvent {
    /// The kind.
    pub kind: Kind,
    /// The status.
    pub status: Status,
}

impl CdEvent {
    /// Reads a type. `outcome` is the member of the same name in the content of the subject.
    ///
    /// Returns `None` if the type is not one of CDEvents.
    pub fn read(kind: &str, outcome: Option<&str>) -> Option<Self> {
        let mut parts = kind.strip_prefix(PREFIX)?.split('.');
        let (subject, predicate) = (parts.next()?, parts.next()?);
        // The version has at least one number.
        parts.next().filter(|version| version.bytes().all(|byte| byte.is_ascii_digit()))?;
        let (kind, status) = match (subject, predicate) {
            ("pipelinerun" | "taskrun" | "build" | "testcaserun" | "testsuiterun", predicate) => {
                (subject.to_owned(), of_run(predicate, outcome))
            }
            ("service", "deployed" | "upgraded" | "rolledback") => ("deploy".to_owned(), Status::Success),
            ("service", "removed") => ("deploy".to_owned(), Status::Info),
            ("change", "merged") => ("pull_request".to_owned(), Status::Success),
            ("change", "abandoned") => ("pull_request".to_owned(), Status::Cancelled),
            ("change", "created" | "updated" | "reviewed") => ("pull_request".to_owned(), Status::Info),
            ("incident", "detected" | "reported") => ("incident".to_owned(), Status::Failure),
            ("incident", "resolved") => ("incident".to_owned(), Status::Success),
            _ => (format!("{subject}.{predicate}"), Status::Info),
        };
        Some(Self { kind: Kind::from_name(&kind), status })
    }
}

/// The status of something that runs. An end without an outcome, as of a build, is a success.
fn of_run(predicate: &str, outcome: Option<&str>) -> Status {
    match (predicate, outcome) {
        ("queued", _) => Status::Queued,
        ("started", _) => Status::InProgress,
        ("finished", None | Some("success")) => Status::Success,
        ("finished", Some("failure" | "error")) => Status::Failure,
        ("finished", Some("cancel")) => Status::Cancelled,
        _ => Status::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_becomes_a_kind_and_a_status() {
        for (subject, outcome, kind, status) in [
            ("pipelinerun.queued.0.3.0", None, "pipelinerun", Status::Queued),
            ("pipelinerun.started.0.3.0", None, "pipelinerun", Status::InProgress),
            ("pipelinerun.finished.0.3.0", Some("success"), "pipelinerun", Status::Success),
            ("taskrun.finished.0.3.0", Some("error"), "taskrun", Status::Failure),
            ("taskrun.finished.0.3.0", Some("cancel"), "taskrun", Status::Cancelled),
            ("build.finished.0.3.0", None, "build", Status::Success),
            ("testcaserun.skipped.0.1.0", None, "testcaserun", Status::Info),
            ("testsuiterun.finished.0.3.0", Some("strange"), "testsuiterun", Status::Info),
            ("service.deployed.0.3.0", None, "deploy", Status::Success),
            ("service.removed.0.3.0", None, "deploy", Status::Info),
            ("service.published.0.3.0", None, "service.published", Status::Info),
            ("change.merged.0.3.0", None, "pull_request", Status::Success),
            ("change.abandoned.0.3.0", None, "pull_request", Status::Cancelled),
            ("incident.detected.0.3.0", None, "incident", Status::Failure),
            ("artifact.packaged.0.3.0-draft", None, "artifact.packaged", Status::Info),
        ] {
            let read = CdEvent::read(&format!("{PREFIX}{subject}"), outcome).unwrap();
            assert_eq!((read.kind.as_str(), read.status), (kind, status), "{subject}");
        }
        for other in
            ["com.example.build.done", "dev.cdevents.build", "dev.cdevents.build.finished", "", PREFIX]
        {
            assert_eq!(CdEvent::read(other, None), None, "{other}");
        }
    }
}
