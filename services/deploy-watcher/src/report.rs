//! [`Report`]: what one entry reports about an operation.

use jiff::Timestamp;
use oasis_core::{DedupKey, Layer, NewEvent};
use oasis_store::Attribution;

use crate::labels::Labels;

/// One change of a service: a deploy, or a move of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Operation {
    /// The project, the region and the service, joined by colons.
    pub(crate) place: String,
    /// The id of the operation. If the entry names no operation, the name of the revision, the generation of
    /// the service, or the id of the entry.
    pub(crate) name: String,
}

/// The step of an operation that an event reports. The table has at most one event for each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// The operation was requested.
    Requested,
    /// Cloud Run refused the request before it became an operation.
    Refused,
    Failed,
    Ready,
}

impl Step {
    /// All steps, in the order in which they usually happen. A refused request has only the step `Refused`.
    pub(crate) const ALL: [Self; 4] = [Self::Requested, Self::Refused, Self::Failed, Self::Ready];

    fn name(self) -> &'static str {
        match self {
            Self::Requested => "asked",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Ready => "ready",
        }
    }
}

impl Operation {
    /// The dedup key of the event that reports `step`.
    pub(crate) fn key(&self, step: Step) -> Option<DedupKey> {
        let key = format!("{}{}", self.prefix(step), self.name);
        // A dedup key must be short and printable. Google's names are short and printable, but an entry could
        // contain other names. If the key is not valid, use its hash.
        let digest = || ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        DedupKey::new(PRODUCER, &key).or_else(|_| DedupKey::of_digest(PRODUCER, "", digest().as_ref())).ok()
    }

    /// The start of the dedup keys of all events that report `step` of an operation on the same service.
    pub(crate) fn key_prefix(&self, step: Step) -> String {
        format!("{PRODUCER}:{}", self.prefix(step))
    }

    fn prefix(&self, step: Step) -> String {
        format!("{}:{}:", self.place, step.name())
    }
}

/// The producer in the dedup keys of deploys.
const PRODUCER: &str = "gcp";

/// What one entry reports about an operation.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) operation: Operation,
    /// Whether the entry contains the id of the operation.
    pub(crate) has_operation_id: bool,
    pub(crate) at: Timestamp,
    pub(crate) labels: Labels,
    /// Whether the report is a request that leaves the labels of the service as they are.
    pub(crate) keeps_labels: bool,
    /// The name of the service.
    pub(crate) service: String,
    /// The step, and its event with a preliminary task, layer and module. `None` if the event is stored
    /// already, or if the entry only repeats that an operation succeeded. The entries of the revision and the
    /// service report this success in more detail.
    pub(crate) step: Option<(Step, NewEvent)>,
}

impl Report {
    /// Whether the report is a request, and its event is not stored yet.
    pub(crate) fn is_request(&self) -> bool {
        matches!(&self.step, Some((Step::Requested, _)))
    }
}

/// Gives `new` the task, the layer and the module of `attribution`.
pub(crate) fn attributed(mut new: NewEvent, attribution: Attribution) -> NewEvent {
    let Attribution { task, layer, module, vtid_given } = attribution;
    new.event.task = task;
    new.event.layer_hint = Some(layer).filter(|layer| *layer != Layer::unset());
    new.event.module = module;
    new.meta = new.meta.with("vtid_given", vtid_given);
    new
}
