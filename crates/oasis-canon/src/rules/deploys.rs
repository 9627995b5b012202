//! The rules `deploy-labels` and `label-value`: deploys to Cloud Run name their task.
//!
//! Each file below finds the deploys in one kind of file: `gcloud` in scripts, the action
//! `deploy-cloudrun`, Knative's `service.yaml`, and Terraform.

mod action;
mod gcloud;
mod labelled;
mod service_yaml;
mod terraform;

use crate::finding::Finding;
use crate::workflow::Workflow;
use crate::yaml::Yaml;

pub(crate) use gcloud::check_script;
pub(crate) use terraform::check as check_terraform;

/// Checks the steps of a workflow or an action.
pub(crate) fn check_steps(path: &str, text: &str, workflow: Workflow<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for step in workflow.steps() {
        findings.extend(action::check(path, text, step));
        if let Some(run) = step.get("run") {
            let script = run.text().unwrap_or_default();
            findings.extend(gcloud::check_run(path, text, run, script));
        }
    }
    findings
}

/// Checks the services of Knative in a YAML file that is not a workflow.
pub(crate) fn check_manifests(path: &str, text: &str, yaml: &Yaml<'_>) -> Vec<Finding> {
    yaml.roots().flat_map(|root| service_yaml::check(path, text, root)).collect()
}
