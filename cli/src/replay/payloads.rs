//! Reads payloads from files. A file has one payload or a collection of examples.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::output::{Usage, notice};

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
pub(super) fn load(paths: &[PathBuf], event: Option<&str>) -> anyhow::Result<Vec<Payload>> {
    let mut payloads = Vec::new();
    for path in paths {
        let message = |what| format!("{}: {what}", path.display());
        if !path.metadata().with_context(|| message("cannot be read"))?.is_dir() {
            file(path, event, &mut payloads)?;
            continue;
        }
        let mut files = Vec::new();
        walk(path, &mut files)?;
        files.sort();
        let before = files.len();
        // A directory may also have other JSON files, which are skipped. A file that is named on the command
        // line must be a payload.
        files.retain(|path| event.is_some() || event_of(path).is_some() || is_collection_name(path));
        if files.len() < before {
            let skipped = before - files.len();
            notice(message(&format!("skipped {skipped} JSON files whose names contain no event")));
        }
        files.iter().try_for_each(|path| file(path, event, &mut payloads))?;
    }
    Ok(payloads)
}

/// Collects the JSON files below `directory`. Links to directories are not followed, because they may form a
/// cycle.
fn walk(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("{}: cannot be read", directory.display());
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        if entry.file_type().with_context(unreadable)?.is_dir() {
            walk(&path, files)?;
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
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn file_and_directory_names_give_the_event() {
        for (path, event) in [
            ("push.json", Some("push")),
            ("a/push.with-new-branch.payload.json", Some("push")),
            ("workflow_run/completed.payload.json", Some("workflow_run")),
            ("pull_request/opened.json", Some("pull_request")),
            ("0017-check_run-2.json", Some("check_run")),
            ("check_runs.json", None),
            ("opened.json", None),
            ("x/y.json", None),
            ("17.json", None),
        ] {
            assert_eq!(event_of(Path::new(path)).as_deref(), event, "{path}");
        }
        assert!(parse_event("a_new_event").is_ok());
        assert!(parse_event("Push").is_err() && parse_event("").is_err());
    }

    #[test]
    fn compacting_changes_no_value() {
        let text = "{ \"b\" : [1 , 2.50e3 ],\n \"a\\\\\" : \"x \\\" y\" , \"\\\\\":\" \" }";
        let compacted = compact(text);
        assert_eq!(compacted, r#"{"b":[1,2.50e3],"a\\":"x \" y","\\":" "}"#);
        let values = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(values(&compacted), values(text));
    }

    #[test]
    fn payloads_come_from_directories_files_and_collections() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("push/b.json", "{\n}");
        write("push/a.payload.json", "{}");
        write("settings.json", "{}");
        write("README.md", "no JSON");
        write(
            "index.json",
            &json!([{"name": "star", "description": "", "examples": [{"a": 1}, {}]}]).to_string(),
        );
        let found = load(&[root.path().to_owned()], None).unwrap();
        let found: Vec<_> = found.iter().map(|p| (p.event.as_str(), &p.body[..])).collect();
        assert_eq!(found, [("star", &b"{\"a\":1}"[..]), ("star", b"{}"), ("push", b"{}"), ("push", b"{\n}")]);

        let one = |path: &str, event| load(&[root.path().join(path)], event);
        assert_eq!(one("settings.json", Some("watch")).unwrap()[0].event, "watch");
        assert!(one("settings.json", None).unwrap_err().is::<Usage>());
        assert!(one("README.md", Some("push")).unwrap_err().to_string().contains("not JSON"));
        assert!(one("absent.json", None).unwrap_err().to_string().contains("cannot be read"));
        write("push.json", "[1]");
        assert!(one("push.json", None).unwrap_err().to_string().contains("{name, examples}"));
        write("push.json", "3");
        assert!(one("push.json", None).unwrap_err().to_string().contains("a JSON object"));
    }
}
