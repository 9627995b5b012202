//! Reads payloads from files. A file has one payload or a collection of examples.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::output::Usage;

/// The payload of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payload {
    /// The event name.
    pub(super) event: String,
    /// The JSON to sign and send.
    pub(super) body: Bytes,
    /// The file that contains the payload, for messages.
    pub(super) origin: String,
}

/// The payloads of the files, and what was skipped.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) payloads: Vec<Payload>,
    pub(super) skipped: Skipped,
}

/// The numbers of JSON files without a payload that were found in directories.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Skipped {
    /// The names of these files contain no event.
    nameless: usize,
    /// These files have no delivery of GitHub.
    foreign: usize,
}

impl Skipped {
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nameless, foreign } = self;
        write!(f, "{} JSON files: ", nameless + foreign)?;
        match (nameless, foreign) {
            (nameless, 0) => write!(f, "{nameless} without an event in the name"),
            (0, foreign) => write!(f, "{foreign} without a delivery"),
            (nameless, foreign) => {
                write!(f, "{nameless} without an event in the name, {foreign} without a delivery")
            }
        }
    }
}

/// The webhook events in GitHub's documentation. The name of a file or directory gives the event only if the
/// event is in this list.
const EVENTS: &str = " \
    branch_protection_configuration branch_protection_rule check_run check_suite code_scanning_alert \
    commit_comment create custom_property custom_property_values delete dependabot_alert deploy_key \
    deployment deployment_protection_rule deployment_review deployment_status discussion discussion_comment \
    fork github_app_authorization gollum installation installation_repositories installation_target \
    issue_comment issue_dependencies issues label marketplace_purchase member membership merge_group meta \
    milestone org_block organization package page_build personal_access_token_request ping project \
    project_card project_column projects_v2 projects_v2_item projects_v2_status_update public pull_request \
    pull_request_review pull_request_review_comment pull_request_review_thread push registry_package \
    release repository repository_advisory repository_dispatch repository_import repository_ruleset \
    repository_vulnerability_alert secret_scanning_alert secret_scanning_alert_location \
    secret_scanning_scan security_advisory security_and_analysis sponsorship star status sub_issues team \
    team_add watch workflow_dispatch workflow_job workflow_run ";

/// Parses an event name. Any name that has the form of GitHub's event names is accepted.
///
/// # Errors
/// The text does not have this form.
pub(super) fn parse_event(text: &str) -> Result<String, String> {
    let fits =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    fits.then(|| text.to_owned()).ok_or_else(|| "expected a name such as push or workflow_run".to_owned())
}

/// Reads all payloads of `paths`, in the order of `paths`. The files of a directory are sorted by path.
///
/// # Errors
/// A file cannot be read, is not JSON, or its event is unknown.
pub(super) fn load(paths: &[PathBuf], event: Option<&str>) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    for path in paths {
        let unreadable = || format!("{}: cannot be read", path.display());
        if !path.metadata().with_context(unreadable)?.is_dir() {
            file(path, event, &mut loaded.payloads)?;
            continue;
        }
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        // A directory may also have other JSON files, which are skipped. A file that is named on the command
        // line must be a payload.
        for path in files {
            if event.is_none() && event_of(&path).is_none() && !is_collection_name(&path) {
                loaded.skipped.nameless += 1;
            } else if has_deliveries(&path)? {
                file(&path, event, &mut loaded.payloads)?;
            } else {
                loaded.skipped.foreign += 1;
            }
        }
    }
    Ok(loaded)
}

/// Whether a file is a collection, or its JSON looks like a delivery. The name is not enough: `package`,
/// `label` and `project` are events of GitHub, but files with these names usually have other contents.
fn has_deliveries(path: &Path) -> anyhow::Result<bool> {
    let bytes = fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Ok(serde_json::from_slice::<Vec<Entry<'_>>>(&bytes).is_ok_and(|entries| !entries.is_empty()));
    }
    Ok(serde_json::from_slice(&bytes).is_ok_and(|value| is_delivery(&value)))
}

/// Whether `value` has one of the objects that GitHub adds to its deliveries.
fn is_delivery(value: &Value) -> bool {
    let identified =
        |name: &str, field: &str| value.get(name).is_some_and(|object| object.get(field).is_some());
    identified("sender", "login")
        || identified("repository", "full_name")
        || identified("organization", "login")
        || identified("enterprise", "slug")
        || identified("installation", "id")
        || identified("security_advisory", "ghsa_id")
        || value.get("hook_id").is_some_and(Value::is_number)
}

/// Collects the JSON files below `directory`. Skips `node_modules` and directories whose names begin with a
/// dot. Links to directories are not followed, because they may form a cycle.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("{}: cannot be read", directory.display());
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        if entry.file_type().with_context(unreadable)?.is_dir() {
            let name = entry.file_name();
            if name != "node_modules" && !name.as_encoded_bytes().starts_with(b".") {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            files.push(path);
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Entry<'a> {
    name: String,
    #[serde(borrow)]
    examples: Vec<&'a RawValue>,
}

fn file(path: &Path, event: Option<&str>, payloads: &mut Vec<Payload>) -> anyhow::Result<()> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{shown}: cannot be read"))?;
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{shown}: the file is not UTF-8"))?;
    if text.trim_start().starts_with('[') {
        let entries: Vec<Entry<'_>> = serde_json::from_str(text)
            .with_context(|| format!("{shown}: neither a payload nor an array of {{name, examples}}"))?;
        for entry in entries {
            let name = parse_event(&entry.name)
                .map_err(|why| anyhow::anyhow!("{shown}: {:?}: {why}", entry.name))?;
            for (index, example) in entry.examples.iter().enumerate() {
                payloads.push(Payload {
                    event: event.unwrap_or(&name).to_owned(),
                    body: compact(example.get()).into(),
                    origin: format!("{shown}, {name} {index}"),
                });
            }
        }
        return Ok(());
    }
    let json =
        serde_json::from_str::<&RawValue>(text).with_context(|| format!("{shown}: the file is not JSON"))?;
    if !json.get().starts_with('{') {
        bail!("{shown}: a payload must be a JSON object");
    }
    let Some(event) = event.map(str::to_owned).or_else(|| event_of(path)) else {
        let message = format!("{shown}: the event is unknown: pass --event, or name the file like push.json");
        return Err(Usage(message).into());
    };
    // The bytes stay unchanged, so that a recorded delivery keeps its dedup key.
    payloads.push(Payload { event, body: bytes.into(), origin: shown.to_string() });
    Ok(())
}

/// The event name at the start of the file name, or else at the start of the directory's name. A number may
/// precede the event name.
fn event_of(path: &Path) -> Option<String> {
    let known = |name: &str| {
        let name = name.trim_start_matches(|c: char| c.is_ascii_digit() || "-_. ".contains(c));
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let name = &name[..end];
        (!name.is_empty() && EVENTS.contains(&format!(" {name} "))).then(|| name.to_owned())
    };
    known(path.file_name()?.to_str()?).or_else(|| known(path.parent()?.file_name()?.to_str()?))
}

fn is_collection_name(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "index.json")
}

/// Removes the whitespace between the tokens of `json`. Keeps everything else, including the order of the
/// keys.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted || !matches!(c, ' ' | '\t' | '\r' | '\n') {
            out.push(c);
        }
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests;
