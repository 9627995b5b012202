//! Decides which item of a journey an event belongs to.

use oasis_core::Status;

use crate::event::{Event, Nature};

/// The part of a journey that an item belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Pushes, branches, tags and releases.
    Code,
    Pull,
    /// Workflow runs and checks.
    Run,
    Deploy,
    Agent,
    /// Events of other kinds.
    Other,
}

impl Lane {
    /// Whether an item with this status is at its end.
    pub(super) fn is_at_end(self, status: Option<Status>) -> bool {
        match self {
            Self::Code => true,
            // A pull request is open until it is merged or closed.
            Self::Pull => status.is_some_and(Status::is_final),
            // A skipped run has the status `info`.
            Self::Run | Self::Deploy | Self::Agent | Self::Other => {
                !matches!(status, Some(Status::Queued | Status::InProgress) | None)
            }
        }
    }

    /// Whether an event after the end of an item begins another item.
    pub(super) const fn repeats(self) -> bool {
        match self {
            Self::Run | Self::Deploy | Self::Other => true,
            Self::Code | Self::Pull | Self::Agent => false,
        }
    }
}

/// The place of an event in a journey.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) lane: Lane,
    /// Events with the same key report on the same item.
    pub(super) key: String,
    /// Of the items in one group, only the last item counts.
    pub(super) group: String,
    /// For an attempt of a workflow run: the id of the run, and the number of the attempt.
    pub(super) run: Option<(String, u64)>,
}

impl Slot {
    /// The place of an event. `None` for an event that only repeats what the workflow runs report. `has_runs`
    /// says whether the journey has workflow runs.
    pub(super) fn of(event: &Event, has_runs: bool) -> Option<Self> {
        let repository = event.repository();
        let name = event.meta("name");
        let named = |lane: Lane, group: String| Self { lane, key: group.clone(), group, run: None };
        let slot = match Nature::of(event) {
            Nature::Push | Nature::Reference | Nature::Release => {
                named(Lane::Code, format!("{}|{:?}|{}", event.kind, event.id, event.ts))
            }
            Nature::Pull => {
                let number = event.meta("number");
                let number = if number.is_empty() { event.link.clone() } else { number };
                named(Lane::Pull, format!("pull|{repository}|{number}"))
            }
            Nature::Run => {
                let id = event.run_id().unwrap_or_else(|| event.link.clone());
                let attempt = event.attempt().max(1);
                let workflow = if name.is_empty() { id.clone() } else { name };
                Self {
                    lane: Lane::Run,
                    key: format!("run|{id}|{attempt}"),
                    group: format!("run|{repository}|{workflow}"),
                    run: Some((id, attempt)),
                }
            }
            // GitHub Actions also reports each run as a suite.
            Nature::Suite if has_runs && name == "GitHub Actions" => return None,
            Nature::Suite => {
                let group = format!("suite|{repository}|{name}");
                Self { lane: Lane::Run, key: format!("{group}|{}", event.meta("sha")), group, run: None }
            }
            Nature::Job => Self::job(event),
            Nature::Deployment => {
                named(Lane::Deploy, format!("deployment|{repository}|{}", event.meta("environment")))
            }
            Nature::Deploy => {
                let place = ["project", "region", "service"].map(|name| event.meta(name)).join("|");
                let group = format!("deploy|{place}|{}", event.module);
                let key = format!("{group}|{}", event.meta("operation"));
                Self { lane: Lane::Deploy, key, group, run: None }
            }
            Nature::Agent => {
                let instance = event.first_meta(&["instance", "agent"]);
                let agent = if instance.is_empty() { &event.module } else { &instance };
                named(Lane::Agent, format!("agent|{agent}"))
            }
            Nature::Other => {
                named(Lane::Other, format!("other|{}|{}|{}", event.source, event.module, event.kind))
            }
        };
        Some(slot)
    }

    /// The place of a job whose run is not known, or of a check that does not belong to a run.
    pub(super) fn job(event: &Event) -> Self {
        let group = format!("job|{}|{}", event.repository(), event.meta("name"));
        let key =
            if event.link.is_empty() { format!("{group}|{}", event.meta("sha")) } else { event.link.clone() };
        Self { lane: Lane::Run, key: format!("job|{key}"), group, run: None }
    }
}
