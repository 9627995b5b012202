//! [`Labels`]: the labels in an entry that name the task, the layer and the module of a deploy.

use oasis_core::{Layer, Module, Task};
use oasis_store::Attribution;

use crate::fields::{at, text};
use crate::logs::Entry;

/// The object that labels were read from, in the order of increasing authority. The labels of a request are
/// what the caller wants. The labels of a service are those of the last request. The labels of a revision can
/// be older: they come from the template, and many tools label only the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LabelSource {
    /// The entry has no object with labels.
    Nothing,
    Revision,
    Service,
    Request,
}

/// The labels of one object, as text.
#[derive(Debug, Clone)]
pub(crate) struct Labels {
    pub(crate) source: LabelSource,
    vtid: Option<String>,
    layer: Option<String>,
    module: Option<String>,
}

/// The paths of a label, in the order of the lookup. The request comes before the response, and the service
/// comes before its template. Each place has two paths, because v1 and v2 of the API differ.
const PATHS: [&[&str]; 8] = [
    &["request", "service", "metadata", "labels"],
    &["request", "service", "labels"],
    &["request", "service", "spec", "template", "metadata", "labels"],
    &["request", "service", "template", "labels"],
    &["response", "metadata", "labels"],
    &["response", "labels"],
    &["response", "spec", "template", "metadata", "labels"],
    &["response", "template", "labels"],
];

impl Labels {
    /// Reads the labels of `entry`. The first path in [`PATHS`] that has a label wins.
    pub(crate) fn of(entry: &Entry, source: LabelSource) -> Self {
        let label = |name: &str| {
            PATHS.iter().find_map(|path| {
                let (side, path) = path.split_first()?;
                let side = if *side == "request" { &entry.request } else { &entry.response };
                text(at(side, path), &[name]).map(str::to_owned)
            })
        };
        Self { source, vtid: label("vtid"), layer: label("vt_layer"), module: label("vt_module") }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.vtid.is_none() && self.layer.is_none() && self.module.is_none()
    }

    /// Takes the labels that `self` lacks from `weaker`.
    pub(crate) fn or(self, weaker: &Self) -> Self {
        Self {
            source: self.source,
            vtid: self.vtid.or_else(|| weaker.vtid.clone()),
            layer: self.layer.or_else(|| weaker.layer.clone()),
            module: self.module.or_else(|| weaker.module.clone()),
        }
    }

    /// The task, the layer and the module that the labels name. Without a label for the module, the module is
    /// `service`.
    pub(crate) fn attribution(&self, service: &str) -> Attribution {
        let stated = self.vtid.as_deref().map(task);
        let (task, vtid_given) = match stated {
            Some(Ok(task)) => (task, None),
            Some(Err(given)) => (Task::Unset, Some(given.to_owned())),
            None => (Task::Unset, None),
        };
        let layer = self.layer.as_deref().and_then(|layer| Layer::parse(&layer.to_ascii_uppercase()).ok());
        Attribution {
            task,
            layer: layer.unwrap_or_else(Layer::unset),
            module: Module::from_name(self.module.as_deref().unwrap_or(service)),
            vtid_given,
        }
    }
}

/// The task that the label `vtid` names. If the label is not a VTID, returns its text, cut to 200 bytes.
fn task(label: &str) -> Result<Task, &str> {
    Task::parse_label(label).map_err(|_| &label[..label.floor_char_boundary(200)])
}
