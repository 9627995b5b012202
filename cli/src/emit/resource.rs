//! The flags of `oasis emit --resource`, and the resource event that they describe.

use std::str::FromStr;

use jiff::Timestamp;
use oasis_core::resource::{Place, ResourceEvent, ResourceEventType, ResourceId, ResourceType};
use oasis_core::{Link, Task, Ts};
use serde_json::{Map, Value};

use crate::fields::parse_field;

/// The flags that only resource events have.
// clap does not check `requires` if `--resource` conflicts with a given flag. So these flags also conflict
// with `--kind`.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Resource events")]
pub(super) struct ResourceFlags {
    /// Send a resource event about workload:ID, addon:ID, project:ID or cluster:ID
    #[arg(long, value_name = "TYPE:ID", conflicts_with_all = ["kind", "layer", "module", "source", "meta"])]
    pub(super) resource: Option<Resource>,
    #[arg(long = "type", value_name = "TYPE", requires = "resource", conflicts_with = "kind",
          help = format!("Type of the resource event, one of {}; by default, the status update of the \
                          resource", ResourceEventType::list()))]
    event_type: Option<ResourceEventType>,
    /// Project of the resource
    #[arg(long, value_name = "ID", requires = "resource", conflicts_with = "kind")]
    #[arg(value_parser = ResourceId::parse)]
    project: Option<ResourceId>,
    /// Cluster of the resource
    #[arg(long, value_name = "ID", requires = "resource", conflicts_with = "kind")]
    #[arg(value_parser = ResourceId::parse)]
    cluster: Option<ResourceId>,
    /// Id of a build of the workload
    #[arg(long, value_name = "ID", requires = "resource", conflicts_with = "kind")]
    #[arg(value_parser = ResourceId::parse)]
    build: Option<ResourceId>,
    /// What happened, in a short sentence
    #[arg(long, value_name = "TEXT", requires = "resource", conflicts_with = "kind")]
    message: Option<String>,
    /// Why the build failed
    #[arg(long, value_name = "TEXT", requires = "resource", conflicts_with = "kind")]
    error: Option<String>,
    /// Another field: key=text, key=NUMBER, key:=JSON or a JSON object; may be repeated
    #[arg(long, value_name = "FIELD", requires = "resource", conflicts_with = "kind")]
    #[arg(value_parser = parse_field)]
    set: Vec<Map<String, Value>>,
}

/// The flags that resource events have in common with other events.
pub(super) struct Shared<'a> {
    pub(super) status: Option<&'a str>,
    pub(super) vtid: Option<&'a Task>,
    pub(super) link: Option<&'a Link>,
    pub(super) ts: Option<Ts>,
}

/// The type of a resource, without builds: a build is an event of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Workload,
    Addon,
    Project,
    Cluster,
}

/// The resource that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    of_type: Type,
    id: ResourceId,
}

impl FromStr for Resource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected workload:ID, addon:ID, project:ID or cluster:ID";
        let (of_type, id) = text.split_once(':').ok_or(expected)?;
        let of_type = match of_type {
            "workload" => Type::Workload,
            "addon" => Type::Addon,
            "project" => Type::Project,
            "cluster" => Type::Cluster,
            "build" => return Err("a build belongs to a workload: use workload:ID with --build".to_owned()),
            _ => return Err(expected.to_owned()),
        };
        Ok(Self { of_type, id: ResourceId::parse(id).map_err(|why| why.to_string())? })
    }
}

impl Type {
    /// The name of the field with the id of such a resource.
    const fn field(self) -> &'static str {
        match self {
            Self::Workload => Place::Workload.as_str(),
            Self::Addon => "addon_id",
            Self::Project => Place::Project.as_str(),
            Self::Cluster => Place::Cluster.as_str(),
        }
    }

    const fn resource_type(self) -> ResourceType {
        match self {
            Self::Workload => ResourceType::Workload,
            Self::Addon => ResourceType::Addon,
            Self::Project => ResourceType::Project,
            Self::Cluster => ResourceType::Cluster,
        }
    }

    const fn status_update(self) -> ResourceEventType {
        match self {
            Self::Workload => ResourceEventType::WorkloadStatusUpdate,
            Self::Addon => ResourceEventType::AddonStatusUpdate,
            Self::Project => ResourceEventType::ProjectStatusUpdate,
            Self::Cluster => ResourceEventType::ClusterStatusUpdate,
        }
    }
}

impl ResourceFlags {
    /// The event about `resource`, as the gateway expects it. It is checked as the gateway checks it.
    ///
    /// # Errors
    /// A field is missing, or has a wrong value. The message names the field.
    pub(super) fn event(
        &self,
        resource: &Resource,
        shared: &Shared<'_>,
    ) -> Result<Map<String, Value>, String> {
        let Resource { of_type, id } = resource;
        let event_type = self.event_type.unwrap_or(of_type.status_update());
        let mut fields: Map<String, Value> = Map::new();
        if event_type == ResourceEventType::ErrorReport {
            fields.insert("resource_type".to_owned(), of_type.resource_type().as_str().into());
            fields.insert("resource_id".to_owned(), id.as_str().into());
        }
        let id_of = |id: &Option<ResourceId>| id.as_ref().map(|id| Value::from(id.as_str()));
        let given = [
            ("event_type", Some(event_type.as_str().into())),
            ("status", shared.status.map(Into::into)),
            ("project_id", id_of(&self.project)),
            ("cluster_id", id_of(&self.cluster)),
            ("build_id", id_of(&self.build)),
            ("message", self.message.as_deref().map(Into::into)),
            ("error", self.error.as_deref().map(Into::into)),
            ("vtid", shared.vtid.map(|task| task.as_str().into())),
            ("link", shared.link.map(|link| link.as_str().into())),
            ("timestamp", shared.ts.map(unix_seconds)),
            (of_type.field(), Some(id.as_str().into())),
        ];
        fields.extend(given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        fields.extend(self.set.iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        let read = ResourceEvent::read(fields.clone(), Ts::clamped(Timestamp::now()));
        read.and_then(|event| event.into_event(None)).map_err(|why| why.to_string())?;
        Ok(fields)
    }
}

/// The time in Unix seconds, with a fraction only if it needs one.
fn unix_seconds(ts: Ts) -> Value {
    let millis = ts.instant().as_millisecond();
    if millis % 1_000 == 0 { (millis / 1_000).into() } else { (millis as f64 / 1_000.0).into() }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[arg(long)]
        kind: Option<String>,
        #[arg(long)]
        layer: Option<String>,
        #[arg(long)]
        module: Option<String>,
        #[arg(long)]
        source: Option<String>,
        #[arg(long)]
        meta: Option<String>,
        #[command(flatten)]
        flags: ResourceFlags,
    }

    fn event(flags: &[&str], status: Option<&str>) -> Result<Value, String> {
        let argv = std::iter::once("emit").chain(flags.iter().copied());
        let cli = Cli::try_parse_from(argv).map_err(|error| error.to_string())?;
        let shared = Shared { status, vtid: None, link: None, ts: None };
        let resource = cli.flags.resource.as_ref().unwrap();
        cli.flags.event(resource, &shared).map(Value::from)
    }

    #[test]
    fn a_status_update_is_the_default_of_each_resource() {
        for (resource, status, event_type, id) in [
            ("workload:api", "Running", "workload_status_update", "workload_id"),
            ("addon:api", "Degraded", "addon_status_update", "addon_id"),
            ("project:api", "Ready", "project_status_update", "project_id"),
            ("cluster:api", "healthy", "cluster_status_update", "cluster_id"),
        ] {
            let expected = json!({"event_type": event_type, id: "api", "status": status});
            assert_eq!(event(&["--resource", resource], Some(status)), Ok(expected));
        }
        let flags = "--resource workload:api --project shop --cluster eu --set replicas=3 --set x:=true \
                     --set y=1.30";
        let flags: Vec<&str> = flags.split_whitespace().chain(["--message", "3 of 3"]).collect();
        let expected = json!({
            "event_type": "workload_status_update", "workload_id": "api", "status": "Running",
            "project_id": "shop", "cluster_id": "eu", "message": "3 of 3", "replicas": 3, "x": true,
            "y": "1.30",
        });
        assert_eq!(event(&flags, Some("Running")), Ok(expected));
    }

    #[test]
    fn builds_and_error_reports_name_their_workload() {
        let build = "--resource workload:api --type build_failed --build 17 --error oom".split(' ');
        let expected =
            json!({"event_type": "build_failed", "workload_id": "api", "build_id": "17", "error": "oom"});
        assert_eq!(event(&build.collect::<Vec<_>>(), None), Ok(expected));
        let report =
            "--resource addon:db --type error_report --set error_type=disk --message full".split(' ');
        let expected = json!({
            "event_type": "error_report", "resource_type": "addon", "resource_id": "db", "addon_id": "db",
            "error_type": "disk", "message": "full",
        });
        assert_eq!(event(&report.collect::<Vec<_>>(), None), Ok(expected));
    }

    #[test]
    fn the_time_is_in_unix_seconds() {
        let at = |text: &str| unix_seconds(text.parse().unwrap());
        assert_eq!(at("2026-01-02T03:04:05Z"), json!(1_767_323_045));
        assert_eq!(at("2026-01-02T03:04:05.5Z"), json!(1_767_323_045.5));
    }

    #[test]
    fn the_error_says_what_is_wrong_and_what_is_expected() {
        for (flags, status, part) in [
            (&["--resource", "api"][..], None, "expected workload:ID, addon:ID"),
            (&["--resource", "build:17"], None, "use workload:ID with --build"),
            (&["--resource", "workload:a b"], None, "is not the id of a resource"),
            (&["--resource", "workload:a"], None, "`status`: an event of type workload_status_update must"),
            (&["--resource", "workload:a"], Some("running"), "expected one of Pending, Building"),
            (&["--resource", "cluster:a"], Some("Running"), "expected one of healthy, unhealthy"),
            (
                &["--resource", "workload:a", "--set", "tags:=[1]"],
                Some("Running"),
                "`tags`: an event is flat",
            ),
            (&["--resource", "workload:a", "--type", "build_failed"], None, "`build_id`: an event of type"),
            (&["--resource", "workload:a", "--kind", "k"], None, "cannot be used with '--kind"),
            (&["--project", "shop"], None, "--resource <TYPE:ID>"),
            (&["--project", "shop", "--kind", "k"], None, "cannot be used with '--kind"),
        ] {
            let message = event(flags, status).unwrap_err();
            assert!(message.contains(part), "{flags:?}: {message}");
        }
    }
}
