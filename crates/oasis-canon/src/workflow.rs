//! A workflow of GitHub Actions, as far as the canon needs it.

use std::collections::HashSet;

use crate::yaml::{Ref, Yaml};

/// The folder in which GitHub looks for workflows.
pub(crate) const FOLDER: &str = ".github/workflows/";

/// The name of a workflow file, if `path` is one. GitHub does not look into folders below.
pub(crate) fn file_name(path: &str) -> Option<&str> {
    let name = path.strip_prefix(FOLDER)?;
    (!name.contains('/') && stem(name).is_some()).then_some(name)
}

/// The name of a YAML file without its extension.
pub(crate) fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml"))
}

/// The top level of a workflow or of an action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workflow<'y> {
    pub(crate) top: Ref<'y>,
}

impl<'y> Workflow<'y> {
    /// The first document of a file. `None` if it is not a mapping.
    pub(crate) fn of(yaml: &'y Yaml<'y>) -> Option<Self> {
        yaml.roots().next().filter(|top| top.is_mapping()).map(|top| Self { top })
    }

    /// The value of `name:`.
    pub(crate) fn name(self) -> Option<Ref<'y>> {
        self.top.get("name")
    }

    /// The value of `run-name:`.
    pub(crate) fn run_name(self) -> Option<Ref<'y>> {
        self.top.get("run-name")
    }

    /// The names of the events that start the workflow.
    pub(crate) fn triggers(self) -> Vec<&'y str> {
        let Some(on) = self.top.get("on") else { return Vec::new() };
        let keys = on.entries().map(|(key, _)| key);
        std::iter::once(on).chain(on.items()).chain(keys).filter_map(Ref::text).collect()
    }

    /// Whether only other workflows can start the workflow. GitHub then ignores its `run-name:`.
    pub(crate) fn is_only_called(self) -> bool {
        let triggers = self.triggers();
        !triggers.is_empty() && triggers.iter().all(|trigger| *trigger == "workflow_call")
    }

    /// All steps: those of the jobs and, in an action, those below `runs`. A step that several jobs share by
    /// an alias is returned once.
    pub(crate) fn steps(self) -> Vec<Ref<'y>> {
        let (mut seen_lists, mut seen) = (HashSet::new(), HashSet::new());
        let jobs = self.top.get("jobs").into_iter().flat_map(Ref::entries).map(|(_, job)| job);
        let lists = jobs.chain(self.top.get("runs")).filter_map(|job| job.get("steps")).map(Ref::target);
        let lists = lists.filter(|list| seen_lists.insert(list.id()));
        lists.flat_map(Ref::items).map(Ref::target).filter(|step| seen.insert(step.id())).collect()
    }

    /// Where a `name:` or a `run-name:` can be added at the start of a line. `None` if the top level is in
    /// braces.
    pub(crate) fn first_key(self) -> Option<Ref<'y>> {
        if self.top.is_flow() {
            return None;
        }
        self.top.entries().next().map(|(key, _)| key)
    }
}
