//! The rules about folders: `catalogue`, `kebab-case` and `service-manifest`.

use std::collections::BTreeSet;

use oasis_core::{Layer, Module, Vtid};
use serde_json::Value;

use crate::finding::Finding;
use crate::rule::Rule;
use crate::text::is_at_or_in;
use crate::tree::Tree;
use crate::words::is_kebab;

const SERVICES: &str = "services";
const PACKAGES: &str = "packages";
const SKILLS: &str = "skills";
const OPENAPI: &str = "openapi";
/// The folders whose entries are kebab-case unless `canon.toml` lists others.
pub(crate) const KEBAB: [&str; 4] = [SERVICES, PACKAGES, SKILLS, OPENAPI];

/// Checks where services, packages, skills and OpenAPI files stand.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut reported = BTreeSet::new();
    let mut findings = Vec::new();
    for path in tree.paths() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some((what, home)) = kind_of(tree, path, name) else { continue };
        // The whole repository may be a service, a skill or a package.
        let is_whole = folder.is_empty() && home != OPENAPI;
        let is_home = is_whole || is_at_or_in(folder, home) || (home == PACKAGES && is_package_home(folder));
        let place = if home == OPENAPI { path } else { folder };
        if is_home || !reported.insert((what, place)) {
            continue;
        }
        let message = format!("the {what} does not stand in {home}/: {place}");
        let help = format!("move it to {home}/, or add an exception with a reason to canon.toml");
        findings.push(Finding::new(Rule::Catalogue, place, message, help));
    }
    findings
}

/// What a file shows its folder to be, and the folder for such things.
fn kind_of(tree: &Tree, path: &str, name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "SKILL.md" => Some(("skill", SKILLS)),
        "manifest.json" => is_manifest(tree, path).then_some(("service", SERVICES)),
        "Cargo.toml" => tree.read(path).is_ok_and(|text| has_line(&text, "[package]")).then_some(PACKAGE),
        "package.json" => has_name(tree, path).then_some(PACKAGE),
        "pyproject.toml" => {
            let is_package = |text: &str| has_line(text, "[project]") || has_line(text, "[tool.poetry]");
            tree.read(path).is_ok_and(|text| is_package(&text)).then_some(PACKAGE)
        }
        "go.mod" => Some(PACKAGE),
        name if is_openapi(tree, path, name) => Some(("OpenAPI file", OPENAPI)),
        _ => None,
    }
}

const PACKAGE: (&str, &str) = ("package", PACKAGES);

/// Services and skills may be packages of their own.
fn is_package_home(folder: &str) -> bool {
    is_at_or_in(folder, SERVICES) || is_at_or_in(folder, SKILLS)
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|other| other.trim_end() == line)
}

fn json(tree: &Tree, path: &str) -> Option<Value> {
    serde_json::from_str(&tree.read(path).ok()?).ok()
}

fn has_name(tree: &Tree, path: &str) -> bool {
    json(tree, path).is_some_and(|package| package["name"].is_string())
}

/// Browsers, too, have files with this name. So the file must have a field of the canon.
fn is_manifest(tree: &Tree, path: &str) -> bool {
    json(tree, path).is_some_and(|manifest| {
        ["vtid", "vt_layer", "vt_module"].iter().any(|field| manifest.get(field).is_some())
    })
}

/// Whether a file describes an API: its top level has `openapi` or `swagger`.
fn is_openapi(tree: &Tree, path: &str, name: &str) -> bool {
    if name.ends_with(".json") {
        let stem = name.trim_end_matches(".json");
        let may_be = stem.contains("openapi") || stem.contains("swagger");
        return may_be
            && json(tree, path).is_some_and(|api| api["openapi"].is_string() || api["swagger"].is_string());
    }
    let is_yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    is_yaml
        && tree.read(path).is_ok_and(|text| {
            text.lines().any(|line| {
                let version = line.strip_prefix("openapi:").or(line.strip_prefix("swagger:"));
                let version = version.map(|text| text.trim().trim_start_matches(['"', '\'']));
                version.is_some_and(|text| text.starts_with(char::is_numeric))
            })
        })
}

/// Checks the names of the entries of some folders.
pub(crate) fn check_names(tree: &Tree, folders: &[String]) -> Vec<Finding> {
    let mut entries: BTreeSet<&str> = BTreeSet::new();
    for path in tree.paths() {
        for folder in folders {
            let below = path.strip_prefix(folder.as_str()).and_then(|rest| rest.strip_prefix('/'));
            if let Some(name) = below.and_then(|rest| rest.split('/').next()) {
                entries.insert(&path[..folder.len() + 1 + name.len()]);
            }
        }
    }
    let is_wrong = |entry: &&str| {
        let name = entry.rsplit('/').next().unwrap_or(entry);
        // Tools expect names such as README.md, Makefile and __init__.py.
        let is_usual = |name: &str| {
            let stem = name.split('.').next().unwrap_or(name);
            stem.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
                || ["Makefile", "Dockerfile", "CMakeLists"].contains(&stem)
                || name.starts_with(['.', '_'])
        };
        let is_fine = is_kebab(name.strip_prefix('@').unwrap_or(name)) || (tree.has(entry) && is_usual(name));
        !is_fine
    };
    let finding = |entry| {
        let message = format!("the name is not in lower-case words with hyphens: {entry}");
        Finding::new(Rule::KebabCase, entry, message, "rename it, as in services/deploy-watcher")
    };
    entries.into_iter().filter(is_wrong).map(finding).collect()
}

/// Checks that each service has a manifest.
pub(crate) fn check_manifests(tree: &Tree) -> Vec<Finding> {
    let services = tree.paths().filter_map(|path| {
        let (folder, _) = path.strip_prefix("services/")?.split_once('/')?;
        Some(&path[..SERVICES.len() + 1 + folder.len()])
    });
    let services: BTreeSet<&str> = services.collect();
    services.into_iter().filter_map(|service| check_manifest(tree, service)).collect()
}

fn check_manifest(tree: &Tree, service: &str) -> Option<Finding> {
    let path = format!("{service}/manifest.json");
    let help = "add {\"name\": …, \"vt_layer\": …, \"vt_module\": …}, or a vtid instead of the last two";
    if !tree.has(&path) {
        let message = format!("the service has no manifest.json: {service}");
        return Some(Finding::new(Rule::ServiceManifest, service, message, help));
    }
    let problem = match tree.read(&path) {
        Ok(text) => match serde_json::from_str(&text) {
            Ok(manifest) => problem(&manifest)?,
            Err(error) => format!("the manifest is not JSON: {error}"),
        },
        Err(error) => error.to_string(),
    };
    Some(Finding::new(Rule::ServiceManifest, path, problem, help))
}

/// What is wrong with a manifest.
fn problem(manifest: &Value) -> Option<String> {
    let text = |field: &str| manifest.get(field).and_then(Value::as_str);
    let capitals = |field: &str| text(field).map(str::to_ascii_uppercase);
    if text("name").is_none_or(str::is_empty) {
        return Some("the manifest has no name".to_owned());
    }
    if let Some(vtid) = text("vtid") {
        return Vtid::parse(vtid).err().map(|error| error.to_string());
    }
    match (capitals("vt_layer"), capitals("vt_module")) {
        (Some(layer), Some(module)) => {
            let layer = Layer::parse(&layer).map(drop);
            layer.and(Module::parse(&module).map(drop)).err().map(|error| error.to_string())
        }
        _ => Some("the manifest has neither a vtid nor vt_layer and vt_module".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        Tree::of_files(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())))
    }

    fn paths(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn what_stands_elsewhere_is_named() {
        let api = "# An API\nopenapi: 3.1.0\n";
        let tree = tree(&[
            ("Cargo.toml", "[package]\nname = \"x\"\n"),
            ("services/a/package.json", "{\"name\": \"a\"}"),
            ("packages/b/deep/Cargo.toml", "[package]\n"),
            ("crates/c/Cargo.toml", "[package]\n"),
            ("crates/Cargo.toml", "[workspace]\n"),
            ("web/package.json", "{\"name\": \"web\"}"),
            ("web/test/package.json", "{\"type\": \"module\"}"),
            ("tools/SKILL.md", ""),
            ("skills/x/SKILL.md", ""),
            ("api/v1.yml", api),
            ("openapi/v1.yml", api),
            ("api/openapi.json", "{\"openapi\": \"3.1.0\"}"),
            ("public/manifest.json", "{\"name\": \"page\"}"),
            ("apps/d/manifest.json", "{\"name\": \"d\", \"vtid\": \"VTID-0001\"}"),
        ]);
        assert_eq!(
            paths(check(&tree)),
            ["api/openapi.json", "api/v1.yml", "apps/d", "crates/c", "tools", "web"]
        );
    }

    #[test]
    fn entries_are_kebab_case() {
        let tree = tree(&[
            ("services/deploy-watcher/Main.rs", ""),
            ("services/deploy_watcher/main.rs", ""),
            ("services/README.md", ""),
            ("openapi/Gateway.yml", ""),
            ("docs/Guide.md", ""),
        ]);
        let folders = KEBAB.map(str::to_owned);
        assert_eq!(paths(check_names(&tree, &folders)), ["openapi/Gateway.yml", "services/deploy_watcher"]);
        assert_eq!(paths(check_names(&tree, &["docs".to_owned()])), ["docs/Guide.md"]);
    }

    #[test]
    fn each_service_has_a_manifest() {
        let tree = tree(&[
            ("services/a/manifest.json", "{\"name\": \"a\", \"vtid\": \"DEV-CICDL-0031\"}"),
            (
                "services/b/manifest.json",
                "{\"name\": \"b\", \"vt_layer\": \"cicdl\", \"vt_module\": \"B-1\"}",
            ),
            ("services/c/main.rs", ""),
            ("services/d/manifest.json", "{"),
            ("services/e/manifest.json", "{\"name\": \"e\", \"vt_layer\": \"CICDL\"}"),
            ("services/f/manifest.json", "{\"name\": \"f\", \"vtid\": \"UNKNOWN\"}"),
            ("services/g/manifest.json", "{\"vtid\": \"VTID-0001\"}"),
            ("services/README.md", ""),
        ]);
        let expected = ["services/c", "services/d/manifest.json", "services/e/manifest.json"];
        let expected =
            [expected.as_slice(), &["services/f/manifest.json", "services/g/manifest.json"]].concat();
        assert_eq!(paths(check_manifests(&tree)), expected);
    }
}
