//! The rule `run-name`: the name of a run leads to its task.

use oasis_core::Prefixes;

use crate::finding::Finding;
use crate::rule::Rule;
use crate::workflow::Workflow;

/// What an expression contains if its value can contain a VTID.
const SOURCES: [&str; 9] = [
    "vtid",
    ".title",
    "display_title",
    "head_branch",
    ".message",
    "github.ref",
    "github.head_ref",
    "github.base_ref",
    "tag_name",
];

/// Checks the `run-name:` of a workflow.
pub(crate) fn check(path: &str, text: &str, workflow: Workflow<'_>, prefixes: &Prefixes) -> Option<Finding> {
    if workflow.is_only_called() {
        return None;
    }
    let Some(node) = workflow.run_name() else {
        let help = format!("run `oasis canon fix`, which adds: run-name: {:?}", default(workflow, "NAME"));
        let place = workflow.name().unwrap_or(workflow.top).start();
        return Some(
            Finding::new(Rule::RunName, path, "the workflow has no run-name:", help).at(text, place),
        );
    };
    let run_name = node.text().unwrap_or_default();
    if prefixes.find(run_name).is_some() || can_contain_vtid(run_name) {
        return None;
    }
    let message = format!("the run-name: cannot contain a VTID: {run_name:?}");
    let help = "add ${{ inputs.vtid }}, ${{ github.ref_name }}, the commit message, or the title of the pull \
                request";
    Some(Finding::new(Rule::RunName, path, message, help).at(text, node.start()))
}

/// Whether an expression in `text` can contain a VTID.
fn can_contain_vtid(text: &str) -> bool {
    let expressions = text.split("${{").skip(1).filter_map(|rest| rest.split("}}").next());
    expressions
        .map(str::to_ascii_lowercase)
        .any(|expression| SOURCES.iter().any(|source| expression.contains(source)))
}

/// The `run-name:` for a workflow that has none.
pub(crate) fn default(workflow: Workflow<'_>, name: &str) -> String {
    let input = ["workflow_dispatch", "workflow_call"]
        .iter()
        .filter_map(|trigger| workflow.top.at(&["on", trigger, "inputs"]))
        .flat_map(|inputs| inputs.entries())
        .filter_map(|(key, _)| key.text())
        .find(|key| key.to_ascii_lowercase().contains("vtid") && is_identifier(key));
    let input = input.map_or(String::new(), |input| format!("inputs.{input} || "));
    format!(
        "{name}: ${{{{ {input}github.event.pull_request.title || github.event.head_commit.message || \
         github.ref_name }}}}"
    )
}

fn is_identifier(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Yaml;

    fn passes(text: &str) -> bool {
        let yaml = Yaml::parse(text).unwrap();
        check("w.yml", text, Workflow::of(&yaml).unwrap(), &Prefixes::default()).is_none()
    }

    #[test]
    fn a_run_name_has_a_vtid_or_an_expression_that_can_contain_one() {
        for run_name in [
            "Deploy DEV-CICDL-0031",
            "${{ inputs.VTID }}",
            "${{ github.event.inputs.vtid || 'none' }}",
            "A: ${{ github.event.pull_request.title }}",
            "${{ github.event.head_commit.message }}",
            "${{ github.ref_name }} by ${{ github.actor }}",
            "${{ github.event.workflow_run.display_title }}",
        ] {
            assert!(passes(&format!("run-name: \"{run_name}\"\non: push\n")), "{run_name}");
        }
        for run_name in ["Deploy", "by ${{ github.actor }}", "vtid ${{ github.run_id }}", "fix-issue-1234"] {
            assert!(!passes(&format!("run-name: \"{run_name}\"\non: push\n")), "{run_name}");
        }
        assert!(!passes("on: push\n"));
        assert!(passes("on: workflow_call\n"));
        assert!(passes("on: [workflow_call]\n"));
        assert!(passes("on: {workflow_call: {}}\n"));
        assert!(!passes("on: [workflow_call, push]\n"));
    }

    #[test]
    fn the_default_prefers_an_input() {
        let text = "on:\n  workflow_dispatch:\n    inputs:\n      env: {}\n      vtid: {}\n";
        let yaml = Yaml::parse(text).unwrap();
        let run_name = default(Workflow::of(&yaml).unwrap(), "A-B");
        assert!(
            run_name.starts_with("A-B: ${{ inputs.vtid || github.event.pull_request.title"),
            "{run_name}"
        );
        assert!(passes(&format!("run-name: {run_name:?}\non: push\n")));
    }
}
