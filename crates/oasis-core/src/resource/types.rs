//! The names in resource events: the types of events and resources, the places, and the ids.

use crate::channel::is_id;
use crate::invalid::{Invalid, shown};
use crate::sets::closed_set;

/// The channel of all resource events.
pub const RESOURCES: &str = "resources";
/// The name of the field with the type of an event. In JSON it is a member of the object. In the table it is
/// the kind of the row.
pub const EVENT_TYPE: &str = "event_type";
/// The name of the field with the time of an event, in Unix seconds. In the table it is the time of the row.
pub const TIMESTAMP: &str = "timestamp";
/// The name of the field with the type of the resource.
pub const RESOURCE_TYPE: &str = "resource_type";

closed_set! {
    /// What happened. It is the kind of the row, and the name of the event in the stream.
    ResourceEventType, "type of event" {
        /// A workload has a new status.
        WorkloadStatusUpdate = "workload_status_update",
        /// An add-on has a new status.
        AddonStatusUpdate = "addon_status_update",
        /// A project has a new status.
        ProjectStatusUpdate = "project_status_update",
        /// A cluster has a new status.
        ClusterStatusUpdate = "cluster_status_update",
        /// A build succeeded.
        BuildComplete = "build_complete",
        /// A build failed.
        BuildFailed = "build_failed",
        /// Something else went wrong.
        ErrorReport = "error_report",
    }
}

closed_set! {
    /// The type of the resource that an event is about.
    ResourceType, "type of resource" {
        /// A cluster, which contains projects.
        Cluster = "cluster",
        /// A project, which contains workloads.
        Project = "project",
        /// A workload, such as a service.
        Workload = "workload",
        /// A build of a workload.
        Build = "build",
        /// An add-on, such as a database.
        Addon = "addon",
    }
}

closed_set! {
    /// The resources by whose ids clients select events. Claims name projects and clusters only. The order
    /// is from the narrowest to the widest.
    Place, "place" {
        /// A workload.
        Workload = "workload_id",
        /// A project.
        Project = "project_id",
        /// A cluster.
        Cluster = "cluster_id",
    }
}

closed_set! {
    /// The status of a workload or an add-on.
    WorkloadStatus, "status" {
        /// The workload waits to start.
        Pending = "Pending",
        /// The workload is being built.
        Building = "Building",
        /// A new version is being started.
        Deploying = "Deploying",
        /// The workload runs.
        Running = "Running",
        /// The workload runs, but not as it should.
        Degraded = "Degraded",
        /// The workload, or its deployment, has failed.
        Failed = "Failed",
    }
}

closed_set! {
    /// The status of a project.
    ProjectStatus, "status" {
        /// The project waits to start.
        Pending = "Pending",
        /// The project is being made.
        Creating = "Creating",
        /// The project can be used.
        Ready = "Ready",
        /// The project is being deleted.
        Deleting = "Deleting",
        /// Something is wrong with the project.
        Error = "Error",
    }
}

closed_set! {
    /// The status of a cluster.
    ClusterStatus, "status" {
        /// The cluster works.
        Healthy = "healthy",
        /// The cluster does not work.
        Unhealthy = "unhealthy",
    }
}

/// The id of a resource: 1 to 128 characters of A-Z, a-z, 0-9, dot, `_` and `-`, but not `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId(Box<str>);

impl ResourceId {
    /// Parses an id.
    ///
    /// # Errors
    /// When `text` does not fit the grammar.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if is_id(text) && !matches!(text, "." | "..") {
            Ok(Self(text.into()))
        } else {
            Err(Invalid::new(format!(
                "{} is not the id of a resource: expected 1 to 128 characters of A-Z, a-z, 0-9, dot, _ and \
                 -, but not . or ..",
                shown(text)
            )))
        }
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ResourceEventType {
    /// The type of the resource. `None` for an error report, which may name the type itself.
    pub const fn resource_type(self) -> Option<ResourceType> {
        match self {
            Self::WorkloadStatusUpdate => Some(ResourceType::Workload),
            Self::AddonStatusUpdate => Some(ResourceType::Addon),
            Self::ProjectStatusUpdate => Some(ResourceType::Project),
            Self::ClusterStatusUpdate => Some(ResourceType::Cluster),
            Self::BuildComplete | Self::BuildFailed => Some(ResourceType::Build),
            Self::ErrorReport => None,
        }
    }
}
