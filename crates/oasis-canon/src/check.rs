//! Checks a repository: runs all rules, then applies the settings and the baseline.

use std::borrow::Cow;
use std::num::NonZero;
use std::thread;

use crate::baseline::{self, Baseline};
use crate::config::{self, Config};
use crate::finding::Finding;
use crate::rule::{Level, Rule};
use crate::rules::{catalogue, change, deploys, names, run_name};
use crate::text::{Place, is_at_or_in};
use crate::tree::{ReadError, Tree};
use crate::workflow::{self, Workflow};
use crate::yaml::Yaml;

pub use crate::rules::change::Change;

/// The result of a check.
#[derive(Debug)]
pub struct Report {
    /// The findings, by path and place.
    pub findings: Vec<Finding>,
    /// How many findings are in the baseline.
    pub in_baseline: usize,
    /// How many findings `canon.toml` excepts.
    pub excepted: usize,
    /// How many workflows were checked.
    pub workflows: usize,
}

impl Report {
    /// How many findings have this level.
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

/// Checks a repository. Only findings at or below the path `below` are reported; an empty path is the whole
/// repository.
pub fn check(tree: &Tree, config: &Config, baseline: Baseline, change: &Change, below: &str) -> Report {
    let paths: Vec<&str> = tree.paths().collect();
    let mut findings = check_files(tree, config, &paths);
    findings.extend(catalogue::check(tree));
    findings.extend(catalogue::check_names(tree, &config.kebab_case));
    findings.extend(catalogue::check_manifests(tree));
    findings.extend(change::check(change, &config.prefixes));
    findings.retain_mut(|finding| {
        finding.level = config.level(finding.rule);
        finding.level != Level::Off
    });

    let mut is_used = vec![false; config.exceptions.len()];
    let before = findings.len();
    findings.retain(|finding| {
        let applies = |nth: &usize| config.exceptions[*nth].applies(finding.rule, &finding.path);
        let found: Vec<usize> = (0..config.exceptions.len()).filter(applies).collect();
        for &nth in &found {
            is_used[nth] = true;
        }
        found.is_empty()
    });
    let excepted = before - findings.len();
    let (in_baseline, rest) = baseline.remove_from(&mut findings);
    findings.extend(unused(config, &is_used, &rest));
    // A pull request is checked whatever the path.
    findings.retain(|finding| {
        finding.rule.is_about_change() || below.is_empty() || is_at_or_in(&finding.path, below)
    });
    findings.sort_by(|a, b| (&a.path, a.place, a.rule).cmp(&(&b.path, b.place, b.rule)));
    let workflows = paths.iter().filter(|path| workflow::file_name(path).is_some()).count();
    Report { findings, in_baseline, excepted, workflows }
}

/// The exceptions and the entries of the baseline that apply to nothing.
fn unused(config: &Config, is_used: &[bool], rest: &Baseline) -> Vec<Finding> {
    let level = config.level(Rule::UnusedException);
    if level == Level::Off {
        return Vec::new();
    }
    // Whether the rules about a pull request find something differs from run to run.
    let exceptions = config.exceptions.iter().zip(is_used);
    let exceptions = exceptions.filter(|(exception, used)| !**used && !exception.rule.is_about_change());
    let mut findings: Vec<Finding> = exceptions
        .map(|(exception, _)| {
            let message =
                format!("the exception for {} at {} matches no finding", exception.rule, exception.path);
            let finding = Finding::new(Rule::UnusedException, config::FILE, message, "remove it");
            Finding { place: Some(Place { line: exception.line, column: 1 }), level, ..finding }
        })
        .collect();
    if !rest.is_empty() {
        let message = format!("findings of the baseline that no longer occur: {}", rest.len());
        let help = "run `oasis canon check --write-baseline`";
        findings
            .push(Finding { level, ..Finding::new(Rule::UnusedException, baseline::FILE, message, help) });
    }
    findings
}

/// Checks the files on all processors.
fn check_files(tree: &Tree, config: &Config, paths: &[&str]) -> Vec<Finding> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let size = paths.len().div_ceil(threads).max(1);
    let check = |part: &[&str]| -> Vec<Finding> {
        part.iter().flat_map(|path| check_file(tree, config, path)).collect()
    };
    thread::scope(|scope| {
        let running: Vec<_> = paths.chunks(size).map(|part| scope.spawn(move || check(part))).collect();
        // A thread ends with a panic only if the check itself panics.
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn check_file(tree: &Tree, config: &Config, path: &str) -> Vec<Finding> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some(name) = workflow::file_name(path) {
        return check_workflow(tree, config, path, name);
    }
    let read = |contains: &str| tree.read(path).ok().filter(|text| text.contains(contains));
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match (name, extension) {
        ("Makefile" | "makefile" | "GNUmakefile" | "justfile" | "Justfile", _)
        | (_, "sh" | "bash" | "zsh" | "ksh" | "mk") => {
            read("gcloud").map_or(Vec::new(), |text| deploys::check_script(path, &text))
        }
        // A script may have no extension.
        (_, "") => read("gcloud")
            .filter(|text| text.starts_with("#!"))
            .map_or(Vec::new(), |text| deploys::check_script(path, &text)),
        ("action.yml" | "action.yaml", _) => with_yaml(read("runs"), |text, yaml| {
            Workflow::of(yaml).map_or(Vec::new(), |action| deploys::check_steps(path, text, action))
        }),
        (_, "yml" | "yaml") => {
            with_yaml(read("serving.knative.dev/"), |text, yaml| deploys::check_manifests(path, text, yaml))
        }
        (_, "tf") => {
            read("google_cloud_run").map_or(Vec::new(), |text| deploys::check_terraform(path, &text))
        }
        _ => Vec::new(),
    }
}

/// Checks a YAML file that is not a workflow. It may be a template, so it need not be YAML.
fn with_yaml(text: Option<Cow<'_, str>>, check: impl Fn(&str, &Yaml<'_>) -> Vec<Finding>) -> Vec<Finding> {
    let Some(text) = text else { return Vec::new() };
    Yaml::parse(&text).map_or(Vec::new(), |yaml| check(&text, &yaml))
}

fn check_workflow(tree: &Tree, config: &Config, path: &str, name: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = names::check_file(path, name).into_iter().collect();
    let unreadable = |message: String| {
        let help = "fix the file; until then, GitHub may not run the workflow";
        Finding::new(Rule::WorkflowReadable, path, message, help)
    };
    let text = match tree.read(path) {
        Ok(text) => text,
        Err(ReadError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            findings.push(unreadable(error.to_string()));
            return findings;
        }
    };
    let yaml = match Yaml::parse(&text) {
        Ok(yaml) => yaml,
        Err(error) => {
            let place = Some(Place { line: error.line.max(1), column: 1 });
            findings.push(Finding { place, ..unreadable(format!("the file is not YAML: {error}")) });
            return findings;
        }
    };
    let Some(workflow) = Workflow::of(&yaml) else {
        findings.push(unreadable("the file is not a workflow: its top level is not a mapping".to_owned()));
        return findings;
    };
    findings.extend(names::check_name(path, &text, workflow));
    findings.extend(run_name::check(path, &text, workflow, &config.prefixes));
    findings.extend(deploys::check_steps(path, &text, workflow));
    findings
}
