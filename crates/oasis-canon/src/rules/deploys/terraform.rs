//! Checks the Cloud Run services of Terraform. The service and the template of its revisions have labels of
//! their own.

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::Block;

use super::labelled::{Deploy, Given};
use crate::finding::Finding;

/// A type of resource, and the blocks whose attribute `labels` labels the service and its revisions.
type Resource = (&'static str, [&'static [&'static str]; 2]);

const RESOURCES: [Resource; 2] = [
    ("google_cloud_run_v2_service", [&[], &["template"]]),
    ("google_cloud_run_service", [&["metadata"], &["template", "metadata"]]),
];
const WHAT: [(&str, &str); 2] = [
    ("the service", "add the three labels to `labels` of the service"),
    ("the template of the revisions", "add the three labels to `labels` of the template"),
];

/// Checks a file. A file that Terraform could not read either has no findings.
pub(crate) fn check(path: &str, text: &str) -> Vec<Finding> {
    if !text.contains("google_cloud_run") {
        return Vec::new();
    }
    let Ok(body) = hcl_edit::parser::parse_body(text) else { return Vec::new() };
    let blocks = body.blocks().filter(|block| block.ident.as_str() == "resource");
    blocks.flat_map(|block| check_resource(path, text, block)).collect()
}

fn check_resource(path: &str, text: &str, block: &Block) -> Vec<Finding> {
    let kind = block.labels.first().map(|label| label.as_str());
    let Some((_, places)) = RESOURCES.iter().find(|(name, _)| Some(*name) == kind) else { return Vec::new() };
    let start = block.span().map_or(0, |span| span.start);
    let judge = |(place, (what, help)): (&&[&str], (&str, &str))| {
        let body = place
            .iter()
            .try_fold(&block.body, |body, name| body.get_blocks(name).next().map(|block| &block.body));
        let labels = body.and_then(|body| body.get_attribute("labels"));
        let at = labels.and_then(|labels| labels.span()).map_or(start, |span| span.start);
        let given = labels.map_or(Given::Labels(Vec::new()), |labels| given(&labels.value));
        Deploy { path, text, at, what, help }.judge(&given)
    };
    places.iter().zip(WHAT).flat_map(judge).collect()
}

/// The labels in an expression. Only an object in the file itself has known labels.
fn given(expression: &Expression) -> Given {
    let Expression::Object(object) = expression else { return Given::Computed };
    let pair = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
        let key = match key {
            ObjectKey::Ident(ident) => ident.as_str().to_owned(),
            ObjectKey::Expression(Expression::String(text)) => text.as_str().to_owned(),
            ObjectKey::Expression(Expression::Variable(name)) => name.as_str().to_owned(),
            ObjectKey::Expression(_) => return None,
        };
        // Text that Terraform computes is shown as a variable, so that its value counts as unknown.
        let value = match value.expr() {
            Expression::String(text) => text.as_str().to_owned(),
            _ => "$computed".to_owned(),
        };
        Some((key, value))
    };
    Given::Labels(object.iter().filter_map(pair).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        check("main.tf", text).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn the_service_and_the_revision_have_the_labels() {
        let labels =
            "labels = {\n vtid = \"dev-cicdl-0031\"\n \"vt_layer\" = lower(var.layer)\n vt_module : \"x\"\n}";
        let v2 = |service: &str, template: &str| {
            format!(
                "resource \"google_cloud_run_v2_service\" \"x\" {{\n name = \"x\"\n {service}\n \
                 template {{\n {template}\n containers {{}}\n }}\n}}\n"
            )
        };
        assert_eq!(messages(&v2(labels, labels)), [""; 0]);
        assert_eq!(messages(&v2("labels = local.labels", "labels = merge(local.labels, {})")), [""; 0]);
        assert_eq!(
            messages(&v2(labels, "")),
            ["the template of the revisions does not set the labels vtid, vt_layer, vt_module"]
        );
        assert_eq!(messages(&v2("labels = { vtid = \"DEV-CICDL-0031\" }", labels)).len(), 2);
        let v1 = format!(
            "resource \"google_cloud_run_service\" \"x\" {{\n metadata {{\n {labels}\n }}\n template {{\n \
             metadata {{\n {labels}\n }}\n }}\n}}\n"
        );
        assert_eq!(messages(&v1), [""; 0]);
        assert_eq!(messages("resource \"google_cloud_run_service\" \"x\" {}\n").len(), 2);
        assert_eq!(messages("resource \"google_storage_bucket\" \"x\" {}\n"), [""; 0]);
        assert_eq!(messages("resource \"google_cloud_run_service\" {"), [""; 0]);
    }
}
