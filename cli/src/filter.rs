//! The flags that select events. The feed and the query API have the same filters.

use oasis_core::{Source, Status};

/// Which events to show; each flag takes a comma-separated list.
#[derive(clap::Args, Debug, Clone, Default)]
pub(crate) struct Filter {
    /// Show only events of these tasks, such as DEV-CICDL-0031
    #[arg(long, value_name = "LIST")]
    vtid: Option<String>,
    /// Show only events of these layers, such as CICDL
    #[arg(long, value_name = "LIST")]
    layer: Option<String>,
    /// Show only events of these modules, such as CORE
    #[arg(long, value_name = "LIST")]
    module: Option<String>,
    #[arg(long, help = format!("Show only events from these sources: {}", Source::list()),
          value_name = "LIST")]
    source: Option<String>,
    /// Show only events of these kinds, such as workflow_run
    #[arg(long, value_name = "LIST")]
    kind: Option<String>,
    #[arg(long, help = format!("Show only events with these statuses: {}", Status::list()),
          value_name = "LIST")]
    status: Option<String>,
}

impl Filter {
    /// Accepts the events of one task.
    pub(crate) fn task(vtid: &str) -> Self {
        Self { vtid: Some(vtid.to_owned()), ..Self::default() }
    }

    /// The same filter with other sources.
    pub(crate) fn with_sources(&self, sources: &str) -> Self {
        Self { source: Some(sources.to_owned()), ..self.clone() }
    }

    /// The parameters of a request with this filter.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &str)> {
        let all = [
            ("vtid", &self.vtid),
            ("layer", &self.layer),
            ("module", &self.module),
            ("source", &self.source),
            ("kind", &self.kind),
            ("status", &self.status),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}
