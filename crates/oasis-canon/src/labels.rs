//! The labels that name the task of a deploy: `vtid`, `vt_layer` and `vt_module`.
//!
//! `deploy/ensure-vtid.sh` has the same rules for machines without `oasis`. Its patterns are [`PATTERNS`]; a
//! test compares the two files, and another one compares their results.

use oasis_core::{Layer, Module, Vtid};

/// The keys of the labels, in the order in which they are printed.
pub(crate) const KEYS: [&str; 3] = ["vtid", "vt_layer", "vt_module"];

/// The longest value that Cloud Run accepts.
const MAX_VALUE: usize = 63;
/// The longest name of a service that Cloud Run accepts.
const MAX_SERVICE: usize = 49;

/// The patterns of `deploy/ensure-vtid.sh`, as POSIX extended regular expressions.
pub const PATTERNS: &str = "\
service_pattern='^[a-z]([-a-z0-9]{0,47}[a-z0-9])?$'
vtid_pattern='^[A-Z][A-Z0-9]{1,15}(-[A-Z0-9]{1,32}){1,5}(\\.[A-Z0-9]{1,8})?$'
vtid_layer_pattern='^[A-Z][A-Z0-9]{1,15}-([A-Z][A-Z0-9]{0,15})-'
layer_pattern='^[A-Z][A-Z0-9]{0,15}$'
module_pattern='^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$'
longest_label=63
";

/// An argument that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidLabel(String);

/// The labels of a deploy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    vtid: Vtid,
    layer: Layer,
    module: Module,
}

impl Labels {
    /// Checks the four arguments of `deploy/ensure-vtid.sh`. All but the service may be in any case.
    ///
    /// # Errors
    /// An argument is not valid, a label would be longer than 63 characters, or the VTID has another layer.
    pub fn new(service: &str, vtid: &str, layer: &str, module: &str) -> Result<Self, InvalidLabel> {
        let invalid = |message: String| InvalidLabel(message);
        if !is_service(service) {
            return Err(invalid(format!(
                "{service:?} is not a Cloud Run service: expected lowercase letters, digits and dashes, at \
                 most {MAX_SERVICE}"
            )));
        }
        let vtid = Vtid::parse(vtid).map_err(|error| invalid(error.to_string()))?;
        let layer = Layer::parse(&layer.to_ascii_uppercase()).map_err(|error| invalid(error.to_string()))?;
        let module =
            Module::parse(&module.to_ascii_uppercase()).map_err(|error| invalid(error.to_string()))?;
        if let Some(own) = vtid.layer().filter(|own| *own != layer.as_str()) {
            return Err(invalid(format!("the layer is {layer}, but {vtid} has the layer {own}")));
        }
        for (what, text) in [("VTID", vtid.as_str()), ("module", module.as_str())] {
            if text.len() > MAX_VALUE {
                return Err(invalid(format!(
                    "the {what} {text} is too long: a label has at most {MAX_VALUE} characters"
                )));
            }
        }
        Ok(Self { vtid, layer, module })
    }

    /// The flag for `gcloud run deploy`. A label cannot contain a dot, so `_` stands for the dot of a
    /// subtask.
    pub fn flag(&self) -> String {
        let values = [self.vtid.as_str(), self.layer.as_str(), self.module.as_str()];
        let values = values.map(|value| value.to_ascii_lowercase().replace('.', "_"));
        let labels: Vec<_> = KEYS.iter().zip(values).map(|(key, value)| format!("{key}={value}")).collect();
        format!("--labels={}", labels.join(","))
    }
}

/// Whether Cloud Run accepts `name` for a service.
fn is_service(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=MAX_SERVICE).contains(&bytes.len())
        && bytes[0].is_ascii_lowercase()
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        && !name.ends_with('-')
}

/// What is wrong with the value of one of the [`KEYS`]. `None` if the value is valid or cannot be known.
pub(crate) fn problem(key: &str, value: &str) -> Option<String> {
    if value.contains("${{") {
        return (key != "vt_module" && may_have_capitals(value)).then(|| {
            format!("the label {key} may contain capitals: {value}. Cloud Run accepts lower case only")
        });
    }
    if value.contains(['$', '`']) || value.contains("{{") {
        return None;
    }
    let accepted =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if value.len() > MAX_VALUE || !value.bytes().all(accepted) {
        return Some(format!(
            "the label {key}={value} is not valid: Cloud Run accepts lower-case letters, digits, _ and -, at \
             most {MAX_VALUE}"
        ));
    }
    let capitals = value.to_ascii_uppercase();
    let valid = match key {
        "vtid" => Vtid::parse(&capitals.replace('_', ".")).map(drop),
        "vt_layer" => Layer::parse(&capitals).map(drop),
        _ => Module::parse(&capitals).map(drop),
    };
    valid.err().map(|error| format!("the label {key}={value} is not valid: {error}"))
}

/// Whether an expression of GitHub is known to contain text that people wrote. VTIDs and layers are mostly
/// written in capitals, but names of services are not.
fn may_have_capitals(value: &str) -> bool {
    ["inputs.", ".title", "github.ref", "github.head_ref", "client_payload", ".message"]
        .iter()
        .any(|context| value.contains(context))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flag(service: &str, vtid: &str, layer: &str, module: &str) -> Result<String, String> {
        Labels::new(service, vtid, layer, module)
            .map(|labels| labels.flag())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_in_lower_case_and_have_no_dots() {
        for (vtid, layer, module, expected) in [
            ("DEV-CICDL-0031", "CICDL", "GATEWAY", "vtid=dev-cicdl-0031,vt_layer=cicdl,vt_module=gateway"),
            ("dev-commu-0042.g", "commu", "x-1", "vtid=dev-commu-0042_g,vt_layer=commu,vt_module=x-1"),
            ("VTID-2025-4B02", "INFRA", "X", "vtid=vtid-2025-4b02,vt_layer=infra,vt_module=x"),
        ] {
            assert_eq!(flag("gateway", vtid, layer, module), Ok(format!("--labels={expected}")));
        }
    }

    #[test]
    fn arguments_that_are_not_valid_are_refused() {
        let long = "A".repeat(64);
        for (service, vtid, layer, module, message) in [
            ("Gateway", "DEV-CICDL-0031", "CICDL", "G", "is not a Cloud Run service"),
            ("gateway-", "DEV-CICDL-0031", "CICDL", "G", "is not a Cloud Run service"),
            (&"g".repeat(50), "DEV-CICDL-0031", "CICDL", "G", "is not a Cloud Run service"),
            ("g", "UNSET", "CICDL", "G", "is not a VTID"),
            ("g", "DEV-CICDL-0031", "INFRA", "G", "has the layer CICDL"),
            ("g", "VTID-0031", "1NFRA", "G", "is not a layer"),
            ("g", "VTID-0031", "INFRA", "a_b", "is not a module"),
            ("g", "VTID-0031", "INFRA", &long, "is too long"),
        ] {
            let refused = flag(service, vtid, layer, module).unwrap_err();
            assert!(refused.contains(message), "{refused}");
        }
    }

    #[test]
    fn a_value_is_valid_if_cloud_run_and_the_feed_accept_it() {
        for (key, value) in [
            ("vtid", "dev-cicdl-0031"),
            ("vtid", "dev-commu-0042_g"),
            ("vtid", "${VTID,,}"),
            ("vtid", "${{ steps.task.outputs.vtid }}"),
            ("vt_layer", "cicdl"),
            ("vt_module", "gateway-feed"),
        ] {
            assert_eq!(problem(key, value), None, "{key}={value}");
        }
        for (key, value) in [
            ("vtid", "DEV-CICDL-0031"),
            ("vtid", "unset"),
            ("vtid", ""),
            ("vtid", "${{ inputs.vtid }}"),
            ("vt_layer", "ci-cd"),
            ("vt_module", "gateway_feed"),
            ("vt_module", &"a".repeat(64)),
        ] {
            assert!(problem(key, value).is_some(), "{key}={value}");
        }
    }
}
