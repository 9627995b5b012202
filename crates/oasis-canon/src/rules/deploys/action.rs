//! Finds steps that deploy with the action `google-github-actions/deploy-cloudrun`. The action puts its
//! labels on the service and on the revision.

use super::labelled::{Deploy, Given, parse_pairs};
use crate::finding::Finding;
use crate::yaml::Ref;

const ACTION: &str = "google-github-actions/deploy-cloudrun@";
const HELP: &str = "add the three labels to `with: labels:` of the step";

/// Checks a step.
pub(super) fn check(path: &str, text: &str, step: Ref<'_>) -> Vec<Finding> {
    let Some(uses) = step.get("uses").filter(|uses| uses.text().is_some_and(|uses| uses.starts_with(ACTION)))
    else {
        return Vec::new();
    };
    let input = |name: &str| step.at(&["with", name]).and_then(Ref::text);
    let Some(given) = given(input) else { return Vec::new() };
    Deploy { path, text, at: uses.start(), what: "the step", help: HELP }.judge(&given)
}

/// The labels that the inputs of the step set. `None` if the step deploys a job, or a file, which is checked
/// on its own.
fn given<'y>(input: impl Fn(&str) -> Option<&'y str>) -> Option<Given> {
    if input("metadata").is_some() || input("job").is_some() {
        return None;
    }
    let flags = input("flags").unwrap_or_default();
    if flags.contains("labels") {
        return Some(Given::Computed);
    }
    Some(parse_pairs(input("labels").unwrap_or_default(), |c| c == ',' || c == '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;
    use crate::yaml::Yaml;

    fn rules(with: &str) -> Vec<Rule> {
        let text = format!("uses: {ACTION}v2\nwith:\n  service: x\n{with}");
        let yaml = Yaml::parse(&text).unwrap();
        let step = yaml.roots().next().unwrap();
        check("w.yml", &text, step).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn the_step_sets_the_three_labels() {
        for with in [
            "  labels: |-\n    vtid=dev-cicdl-0031\n    vt_layer=cicdl\n    vt_module=x\n",
            "  labels: vtid=${{ steps.a.outputs.vtid }},vt_layer=cicdl,vt_module=x\n",
            "  labels: ${{ steps.a.outputs.labels }}\n",
            "  metadata: service.yaml\n",
            "  job: nightly\n",
        ] {
            assert_eq!(rules(with), [], "{with}");
        }
        assert_eq!(rules(""), [Rule::DeployLabels]);
        assert_eq!(rules("  labels: vtid=dev-cicdl-0031\n"), [Rule::DeployLabels]);
        let capitals = "  labels: vtid=${{ inputs.vtid }},vt_layer=cicdl,vt_module=x\n";
        assert_eq!(rules(capitals), [Rule::LabelValue]);
    }
}
