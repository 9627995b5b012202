//! Describes an event in words: the name of what it reports on, the title of the change, the repository and
//! the branch.

use oasis_core::Status;

use super::model::Event;
use super::nature::Nature;

/// The description of an event. A text that is unknown is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Description {
    /// The name of the run, job, pull request or deploy, such as `CI: test` or `PR #100 merged`. Never empty.
    pub(crate) name: String,
    /// The title of the change, or the message that says what happened.
    pub(crate) title: String,
    /// The repository, or the module if the event has no repository.
    pub(crate) repository: String,
    pub(crate) branch: String,
}

impl Description {
    /// Describes an event. If the event has no `meta`, the description comes from the strict fields.
    pub(crate) fn of(event: &Event) -> Self {
        let place = [event.repository(), event.module.clone()];
        let repository = place.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        if event.meta.is_none() {
            let name = if event.title.is_empty() { "-".to_owned() } else { event.title.clone() };
            return Self { name, repository, ..Self::default() };
        }
        let title = match Nature::of(event) {
            Nature::Deploy => event.first_meta(&["message", "reason", "title", "revision"]),
            Nature::Agent => String::new(),
            Nature::Push
            | Nature::Reference
            | Nature::Pull
            | Nature::Run
            | Nature::Job
            | Nature::Suite
            | Nature::Deployment
            | Nature::Release
            | Nature::Other => event.first_meta(&["title", "message", "notes", "summary"]),
        };
        Self {
            name: name(event),
            title: without_task(&title, &event.vtid),
            repository,
            branch: event.meta("branch"),
        }
    }
}

/// The title without the task at its start, because each line has a column for the task.
fn without_task(title: &str, vtid: &str) -> String {
    let rest = title.strip_prefix(&format!("[{vtid}]")).or_else(|| title.strip_prefix(&format!("{vtid}:")));
    let rest = rest.map(str::trim_start).filter(|rest| !rest.is_empty());
    rest.unwrap_or(title).to_owned()
}

fn name(event: &Event) -> String {
    let own = event.meta("name");
    let name = match Nature::of(event) {
        Nature::Push => match (event.meta("tag"), event.meta("sha")) {
            (tag, _) if !tag.is_empty() => format!("push tag {tag}"),
            (_, sha) => format!("push {}", sha.chars().take(7).collect::<String>()),
        },
        Nature::Reference => match event.meta("tag") {
            tag if tag.is_empty() => format!("{} branch", event.kind),
            tag => format!("{} tag {tag}", event.kind),
        },
        Nature::Pull => pull(event),
        Nature::Run => match event.attempt() {
            0 | 1 => own,
            attempt => format!("{own}, attempt {attempt}"),
        },
        Nature::Job => match event.meta("workflow") {
            workflow if workflow.is_empty() => own,
            workflow => format!("{workflow}: {own}"),
        },
        Nature::Suite => format!("checks of {own}"),
        Nature::Deployment => match event.meta("environment") {
            environment if environment.is_empty() => own,
            environment => format!("deploy to {environment}"),
        },
        Nature::Deploy => match event.meta("service") {
            service if service.is_empty() => format!("deploy {}", event.module.to_lowercase()),
            service => format!("deploy {service}"),
        },
        Nature::Release => format!("release {}", event.first_meta(&["tag", "title"])),
        Nature::Agent => agent(event),
        Nature::Other => own,
    };
    let name = name.trim();
    let name = if name.is_empty() { event.kind.replace('_', " ") } else { name.to_owned() };
    match conclusion(event) {
        Some(conclusion) => format!("{name} ({conclusion})"),
        None => name,
    }
}

fn pull(event: &Event) -> String {
    let number = event.meta("number");
    let what = match event.state() {
        Some(Status::Success) => "merged".to_owned(),
        Some(Status::Cancelled) => "closed".to_owned(),
        Some(Status::Queued | Status::InProgress | Status::Failure | Status::Info) | None => {
            event.meta("action").replace('_', " ")
        }
    };
    if number.is_empty() { format!("PR {what}") } else { format!("PR #{number} {what}") }
}

fn agent(event: &Event) -> String {
    let agent = event.meta("agent");
    let agent = if agent.is_empty() { event.module.to_lowercase() } else { agent };
    match event.kind.split_once('.') {
        Some((_, what)) => format!("{agent} {what}"),
        None => agent,
    }
}

/// GitHub's conclusion, if it says more than the status does, such as `timed out`.
fn conclusion(event: &Event) -> Option<String> {
    let conclusion = event.meta("conclusion");
    (!conclusion.is_empty() && conclusion != event.status).then(|| conclusion.replace('_', " "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(value: &Value) -> Description {
        Description::of(&Event::read(value))
    }

    #[test]
    fn the_name_says_what_an_event_reports_on() {
        for (kind, status, meta, name) in [
            ("push", "info", json!({"sha": "1a2b3c4d5e"}), "push 1a2b3c4"),
            ("push", "info", json!({"tag": "v1", "sha": "1a2b3c4d5e"}), "push tag v1"),
            ("delete", "info", json!({"branch": "b"}), "delete branch"),
            (
                "pull_request",
                "info",
                json!({"number": 7, "action": "review_requested"}),
                "PR #7 review requested",
            ),
            ("pull_request", "success", json!({"number": 7, "action": "closed"}), "PR #7 merged"),
            ("pull_request", "cancelled", json!({"number": 7, "action": "closed"}), "PR #7 closed"),
            ("workflow_run", "failure", json!({"name": "CI", "attempt": 1, "conclusion": "failure"}), "CI"),
            (
                "workflow_run",
                "failure",
                json!({"name": "CI", "attempt": 2, "conclusion": "timed_out"}),
                "CI, attempt 2 (timed out)",
            ),
            ("workflow_job", "failure", json!({"name": "test", "workflow": "CI"}), "CI: test"),
            ("check_run", "failure", json!({"name": "test"}), "test"),
            (
                "deployment_status",
                "failure",
                json!({"name": "Deploy", "environment": "prod"}),
                "deploy to prod",
            ),
            ("deploy", "success", json!({"service": "gateway"}), "deploy gateway"),
            ("release", "success", json!({"tag": "v1.2.0"}), "release v1.2.0"),
            ("task.init", "queued", json!({}), "task.init"),
        ] {
            let event = json!({"kind": kind, "status": status, "module": "CORE", "meta": meta});
            assert_eq!(of(&event).name, name);
        }
        let lost = json!({"source": "agent.ping", "kind": "ping.lost", "meta": {"agent": "planner"}});
        assert_eq!(of(&lost).name, "planner lost");
    }

    #[test]
    fn the_title_does_not_repeat_the_task() {
        let titled = |title: &str| {
            of(&json!({"kind": "push", "vtid": "DEV-CICDL-0031", "meta": {"title": title}})).title
        };
        assert_eq!(titled("[DEV-CICDL-0031] Add limits"), "Add limits");
        assert_eq!(titled("DEV-CICDL-0031: Add limits"), "Add limits");
        for kept in ["[DEV-CICDL-0032] Add limits", "[DEV-CICDL-0031]", "Add DEV-CICDL-0031: limits"] {
            assert_eq!(titled(kept), kept);
        }
    }

    #[test]
    fn a_failed_deploy_shows_the_message_of_the_failure() {
        let event = json!({"source": "gcp.deploy", "kind": "deploy", "module": "GATEWAY",
                           "meta": {"service": "gateway", "message": "container failed to start"}});
        let described = of(&event);
        assert_eq!(described.title, "container failed to start");
        assert_eq!(described.repository, "GATEWAY");
    }

    #[test]
    fn without_meta_the_strict_fields_describe_the_event() {
        let event = json!({"title": "CICDL-CORE-WORKFLOW-RUN", "module": "CORE", "kind": "workflow_run",
                           "link": "https://github.com/acme/gateway/actions/runs/1"});
        let expected = Description {
            name: "CICDL-CORE-WORKFLOW-RUN".into(),
            repository: "acme/gateway".into(),
            ..Description::default()
        };
        assert_eq!(of(&event), expected);
        assert_eq!(of(&json!({})).name, "-");
    }
}
