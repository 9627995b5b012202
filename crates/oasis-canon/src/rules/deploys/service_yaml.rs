//! Checks Knative's description of a Cloud Run service. The service and the template of its revisions have
//! labels of their own.

use super::labelled::{Deploy, Given};
use crate::finding::Finding;
use crate::yaml::Ref;

/// Where the labels stand, and what they label.
const PLACES: [(&[&str], &str, &str); 2] = [
    (&["metadata", "labels"], "the service", "add the three labels to metadata.labels"),
    (
        &["spec", "template", "metadata", "labels"],
        "the template of the revisions",
        "add the three labels to spec.template.metadata.labels",
    ),
];

/// Checks a document.
pub(super) fn check(path: &str, text: &str, root: Ref<'_>) -> Vec<Finding> {
    let field = |name: &str| root.get(name).and_then(Ref::text).unwrap_or_default();
    if !field("apiVersion").starts_with("serving.knative.dev/") || field("kind") != "Service" {
        return Vec::new();
    }
    let judge = |(keys, what, help): (&[&str], &str, &str)| {
        let labels = root.at(keys);
        let pairs = labels.into_iter().flat_map(Ref::entries);
        let pairs = pairs.filter_map(|(key, value)| Some((key.text()?.to_owned(), value.text()?.to_owned())));
        let given = Given::Labels(pairs.collect());
        Deploy { path, text, at: labels.unwrap_or(root).start(), what, help }.judge(&given)
    };
    PLACES.into_iter().flat_map(judge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Yaml;

    fn messages(text: &str) -> Vec<String> {
        let yaml = Yaml::parse(text).unwrap();
        let root = yaml.roots().next().unwrap();
        check("service.yaml", text, root).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_service_and_the_revision_have_the_labels() {
        let head = "apiVersion: serving.knative.dev/v1\nkind: Service\n";
        let labels = "{vtid: dev-cicdl-0031, vt_layer: cicdl, vt_module: gateway}";
        let service = format!("metadata:\n  labels: {labels}\n");
        let template = format!("spec:\n  template:\n    metadata:\n      labels: {labels}\n");
        assert!(messages(&format!("{head}{service}{template}")).is_empty());
        assert_eq!(
            messages(&format!("{head}{service}")),
            ["the template of the revisions does not set the labels vtid, vt_layer, vt_module"]
        );
        assert_eq!(messages(&format!("{head}{template}")).len(), 1);
        // An anchor serves both places.
        let anchor = format!(
            "{head}metadata:\n  labels: &l {labels}\nspec: {{template: {{metadata: {{labels: *l}}}}}}\n"
        );
        assert!(messages(&anchor).is_empty());
        assert!(messages("apiVersion: v1\nkind: Service\n").is_empty());
    }
}
