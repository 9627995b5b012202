//! Maps the states in GitHub's webhooks to [`Status`], with one pure function for each group of events.
//!
//! The names of the states come from GitHub's webhook documentation. Most published schemas of the webhooks
//! do not contain the conclusion `startup_failure`, but GitHub sends this conclusion.

use crate::sets::Status;

/// A status, and whether this version knows the state that GitHub sent. An unknown state becomes `info`, and
/// callers count the unknown states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Normalised {
    /// The status to store.
    pub status: Status,
    /// False for a state that this version does not know, and for a completed run without a conclusion.
    pub known: bool,
}

impl Normalised {
    const fn known(status: Status) -> Self {
        Self { status, known: true }
    }

    const UNKNOWN: Self = Self { status: Status::Info, known: false };
}

/// The GitHub events that contain a status and a conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// `workflow_run`
    Workflow,
    /// `workflow_job`
    Job,
    /// `check_run` and `check_suite`
    Check,
}

/// The status to store for a run. It depends on the conclusion if the run is completed, and on GitHub's
/// status otherwise. The action matters only if a check was requested again, because such a check still has
/// the conclusion of its previous run.
pub fn run(run: Run, action: &str, status: Option<&str>, conclusion: Option<&str>) -> Normalised {
    if run == Run::Check && action == "rerequested" {
        return Normalised::known(Status::Queued);
    }
    match status {
        None | Some("queued" | "requested" | "waiting" | "pending") => Normalised::known(Status::Queued),
        Some("in_progress") => Normalised::known(Status::InProgress),
        Some("completed") => conclude(run, conclusion),
        Some(_) => Normalised::UNKNOWN,
    }
}

fn conclude(run: Run, conclusion: Option<&str>) -> Normalised {
    Normalised::known(match conclusion {
        Some("success") => Status::Success,
        Some("failure" | "timed_out" | "startup_failure") => Status::Failure,
        Some("cancelled" | "stale") => Status::Cancelled,
        Some("neutral" | "skipped") => Status::Info,
        // A workflow run with this conclusion waits for an approval. A job or a check with this conclusion
        // has failed, and a person must act.
        Some("action_required") => match run {
            Run::Workflow => Status::Queued,
            Run::Job | Run::Check => Status::Failure,
        },
        Some(_) | None => return Normalised::UNKNOWN,
    })
}

/// The status to store for a `pull_request` event.
pub fn pull_request(action: &str, merged: bool) -> Status {
    match (action, merged) {
        ("closed", true) => Status::Success,
        ("closed", false) => Status::Cancelled,
        _ => Status::Info,
    }
}

/// The status to store for a `deployment_status` event.
pub fn deployment(state: &str) -> Normalised {
    Normalised::known(match state {
        "queued" | "pending" | "waiting" => Status::Queued,
        "in_progress" => Status::InProgress,
        "success" => Status::Success,
        "failure" | "error" => Status::Failure,
        "inactive" => Status::Info,
        _ => return Normalised::UNKNOWN,
    })
}

/// The status to store for a `release` event.
pub fn release(action: &str) -> Status {
    match action {
        "published" | "released" => Status::Success,
        _ => Status::Info,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn states_map_to_the_documented_statuses() {
        use Status::{Cancelled, Failure, InProgress, Info, Queued, Success};
        for status in ["queued", "requested", "waiting", "pending"] {
            assert_eq!(run(Run::Workflow, "x", Some(status), Some("success")), Normalised::known(Queued));
        }
        assert_eq!(run(Run::Check, "created", None, None), Normalised::known(Queued));
        assert_eq!(run(Run::Job, "x", Some("in_progress"), None), Normalised::known(InProgress));
        for (conclusion, workflow, check) in [
            ("success", Success, Success),
            ("failure", Failure, Failure),
            ("timed_out", Failure, Failure),
            ("startup_failure", Failure, Failure),
            ("cancelled", Cancelled, Cancelled),
            ("stale", Cancelled, Cancelled),
            ("neutral", Info, Info),
            ("skipped", Info, Info),
            ("action_required", Queued, Failure),
        ] {
            let completed = |kind| run(kind, "requested", Some("completed"), Some(conclusion));
            assert_eq!(completed(Run::Workflow), Normalised::known(workflow), "{conclusion}");
            assert_eq!(completed(Run::Check), Normalised::known(check), "{conclusion}");
            assert_eq!(completed(Run::Job), Normalised::known(check), "{conclusion}");
        }
        assert_eq!(
            run(Run::Check, "rerequested", Some("completed"), Some("failure")),
            Normalised::known(Queued)
        );
        assert_eq!(
            run(Run::Workflow, "rerequested", Some("completed"), Some("failure")),
            Normalised::known(Failure)
        );
        assert_eq!(run(Run::Workflow, "completed", Some("completed"), None), Normalised::UNKNOWN);
        assert_eq!(pull_request("closed", true), Success);
        assert_eq!(pull_request("closed", false), Cancelled);
        assert_eq!(pull_request("opened", false), Info);
        assert_eq!(deployment("error"), Normalised::known(Failure));
        assert_eq!(deployment("inactive"), Normalised::known(Info));
        assert_eq!(release("published"), Success);
        assert_eq!(release("edited"), Info);
    }

    proptest! {
        #[test]
        fn an_unknown_state_becomes_info_and_is_marked_as_unknown(word in "[a-z_]{12,20}") {
            prop_assert_eq!(run(Run::Workflow, &word, Some("completed"), Some(&word)), Normalised::UNKNOWN);
            prop_assert_eq!(run(Run::Check, &word, Some(&word), None), Normalised::UNKNOWN);
            prop_assert_eq!(deployment(&word), Normalised::UNKNOWN);
        }
    }
}
