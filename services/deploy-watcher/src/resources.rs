//! The resource events of deploys: what a deploy means for the workloads of its service (`RESOURCES`).

use oasis_core::bridge::{Change, Mapping, Report};
use oasis_core::resource::WorkloadStatus;
use oasis_core::{NewEvent, Status};
use ring::digest;

/// Returns the event of a deploy, and after it the resource events of the workloads of its service. All of
/// them are stored in one statement.
pub(crate) fn with_resources(deploy: NewEvent, mapping: &Mapping) -> Vec<NewEvent> {
    // Without a mapping, `meta` need not be parsed.
    let resources = if mapping.is_empty() { None } else { resources(&deploy, mapping) };
    std::iter::once(deploy).chain(resources.into_iter().flatten()).collect()
}

fn resources(deploy: &NewEvent, mapping: &Mapping) -> Option<Vec<NewEvent>> {
    let meta = deploy.meta.as_map();
    let text = |name: &str| meta.get(name).and_then(|value| value.as_str());
    let service = text("service")?;
    let workloads = mapping.of_service(text("project")?, text("region")?, service);
    let (status, message) = match deploy.event.status {
        Status::InProgress => (WorkloadStatus::Deploying, format!("A deploy of {service} has started.")),
        Status::Success => {
            let message = match text("revision") {
                Some(revision) => format!("The revision {revision} is ready."),
                None => format!("The service {service} is ready."),
            };
            (WorkloadStatus::Running, message)
        }
        Status::Failure => {
            let message = text("message").or_else(|| text("reason"));
            let failed = || format!("A deploy of {service} failed.");
            (WorkloadStatus::Failed, message.map_or_else(failed, str::to_owned))
        }
        // No deploy has these states.
        Status::Queued | Status::Cancelled | Status::Info => return None,
    };
    let detail = Some(("service", service.to_owned()));
    let report = Report { change: Change::Status(status), message, detail };
    Some(report.events(deploy, &workloads, |text| digest::digest(&digest::SHA256, text)))
}
