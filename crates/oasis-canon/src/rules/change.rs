//! The rules about a pull request: `branch-vtid` and `title-vtid`.

use oasis_core::Prefixes;
use serde_json::Value;

use crate::finding::Finding;
use crate::rule::Rule;

/// The change that CI checks: a branch and, for a pull request, its title.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The name of the branch.
    pub branch: Option<String>,
    /// The title of the pull request.
    pub title: Option<String>,
}

impl Change {
    /// Reads the event of a workflow run, as GitHub stores it in the file `GITHUB_EVENT_PATH`. A push to the
    /// default branch or of a tag is no change to check.
    pub fn of_event(event: &Value) -> Self {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        if event["pull_request"].is_object() {
            return Self { branch: text("/pull_request/head/ref"), title: text("/pull_request/title") };
        }
        let default = text("/repository/default_branch");
        let pushed = text("/ref").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
        let is_deleted = event["deleted"] == true;
        // GitHub itself pushes the branches of a merge queue.
        let is_own = |branch: &String| !branch.starts_with("gh-readonly-queue/");
        let is_other = |branch: &String| !is_deleted && is_own(branch) && Some(branch) != default.as_ref();
        Self { branch: pushed.filter(is_other), title: None }
    }
}

/// Checks the branch and the title.
pub(crate) fn check(change: &Change, prefixes: &Prefixes) -> Vec<Finding> {
    let lacks_vtid = |text: &&String| prefixes.find(text).is_none();
    let branch = change.branch.as_ref().filter(lacks_vtid).map(|branch| {
        let message = format!("the name of the branch contains no VTID: {branch:?}");
        let help = "rename the branch, as in vt/DEV-CICDL-0031-feed";
        Finding::new(Rule::BranchVtid, branch, message, help)
    });
    let title = change.title.as_ref().filter(lacks_vtid).map(|title| {
        let message = format!("the title of the pull request contains no VTID: {title:?}");
        Finding::new(
            Rule::TitleVtid,
            "title",
            message,
            "add it, as in feat: the feed resumes (DEV-CICDL-0031)",
        )
    });
    branch.into_iter().chain(title).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(event: &Value) -> Vec<Rule> {
        let findings = check(&Change::of_event(event), &Prefixes::default());
        findings.into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_pull_request_needs_a_vtid_in_its_branch_and_title() {
        let event = |branch, title| json!({"pull_request": {"title": title, "head": {"ref": branch}}});
        assert_eq!(rules(&event("vt/dev-cicdl-0031-x", "feat: x (DEV-CICDL-0031)")), []);
        assert_eq!(rules(&event("fix-issue-1234", "feat")), [Rule::BranchVtid, Rule::TitleVtid]);
    }

    #[test]
    fn a_push_is_checked_unless_it_is_to_the_default_branch() {
        let event = |name: &str| json!({"ref": name, "repository": {"default_branch": "main"}});
        assert_eq!(rules(&event("refs/heads/feature")), [Rule::BranchVtid]);
        for name in [
            "refs/heads/main",
            "refs/tags/v1",
            "refs/heads/gh-readonly-queue/main/pr-1",
            "refs/heads/DEV-CICDL-0031",
        ] {
            assert_eq!(rules(&event(name)), [], "{name}");
        }
        let deleted = json!({"ref": "refs/heads/x", "deleted": true, "repository": {}});
        assert_eq!(rules(&deleted), []);
        assert_eq!(rules(&json!({"schedule": "* * * * *"})), []);
    }
}
