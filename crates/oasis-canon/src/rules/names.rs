//! The names of workflows: `workflow-file-name`, `workflow-name` and `workflow-name-parts`.

use crate::finding::Finding;
use crate::rule::Rule;
use crate::words::{canonical, has_layer_module_action, is_canonical};
use crate::workflow::{Workflow, stem};

/// Checks the name of a workflow file.
pub(crate) fn check_file(path: &str, name: &str) -> Option<Finding> {
    let stem = stem(name).filter(|stem| !is_canonical(stem))?;
    let help = match canonical(stem) {
        Some(better) => {
            format!("run `oasis canon fix`, which renames the file to {better}{}", &name[stem.len()..])
        }
        None => "choose a name such as CICDL-GATEWAY-DEPLOY.yml, and run `oasis canon fix --rename OLD=NEW`"
            .into(),
    };
    let message = format!("the name of the file is not in capital words with hyphens: {name}");
    Some(Finding::new(Rule::WorkflowFileName, path, message, help))
}

/// Checks the `name:` of a workflow.
pub(crate) fn check_name(path: &str, text: &str, workflow: Workflow<'_>) -> Option<Finding> {
    let Some(node) = workflow.name() else {
        let help = "run `oasis canon fix`, which adds the name of the file, or add name: LAYER-MODULE-ACTION";
        let start = workflow.top.start();
        return Some(
            Finding::new(Rule::WorkflowName, path, "the workflow has no name:", help).at(text, start),
        );
    };
    let name = node.text().unwrap_or_default();
    if !is_canonical(name) {
        let help = match canonical(name) {
            Some(better) => format!("run `oasis canon fix`, which changes the name to {better}"),
            None => "choose a name such as CICDL-GATEWAY-DEPLOY, and run `oasis canon fix --rename OLD=NEW`"
                .into(),
        };
        let message = format!("the name of the workflow is not in capital words with hyphens: {name:?}");
        return Some(Finding::new(Rule::WorkflowName, path, message, help).at(text, node.start()));
    }
    if !has_layer_module_action(name) {
        let message = format!("the name of the workflow is not LAYER-MODULE-ACTION: {name}");
        let help = "begin the name with a layer and a module, as in CICDL-GATEWAY-DEPLOY";
        return Some(Finding::new(Rule::WorkflowNameParts, path, message, help).at(text, node.start()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Yaml;

    fn rule(text: &str) -> Option<Rule> {
        let yaml = Yaml::parse(text).unwrap();
        check_name("w.yml", text, Workflow::of(&yaml).unwrap()).map(|finding| finding.rule)
    }

    #[test]
    fn names_are_capital_words() {
        assert_eq!(rule("name: CICDL-GATEWAY-DEPLOY\non: push\n"), None);
        assert_eq!(rule("name: CICDL-DEPLOY\non: push\n"), Some(Rule::WorkflowNameParts));
        for text in ["on: push\n", "name: Deploy\non: push\n", "name:\non: push\n", "name: [A-B]\n"] {
            assert_eq!(rule(text), Some(Rule::WorkflowName), "{text}");
        }
        assert!(check_file("x", "CICDL-GATEWAY.yaml").is_none());
        assert!(check_file("x", "ci.yml").unwrap().help.contains("--rename"));
        assert!(check_file("x", "deploy-gateway.yml").unwrap().help.contains("DEPLOY-GATEWAY.yml"));
    }
}
