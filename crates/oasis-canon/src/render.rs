//! The findings for machines: JSON, annotations of GitHub Actions, and SARIF.

use serde_json::{Value, json};

use crate::check::Report;
use crate::finding::Finding;
use crate::rule::{Level, Rule};

/// One object with all findings and counts.
pub fn json(report: &Report) -> Value {
    json!({
        "findings": report.findings,
        "errors": report.count(Level::Error),
        "warnings": report.count(Level::Warning),
        "in_baseline": report.in_baseline,
        "excepted": report.excepted,
        "workflows": report.workflows,
    })
}

/// One workflow command per finding. GitHub shows them in the files of the pull request.
pub fn github(report: &Report) -> String {
    let line = |finding: &Finding| {
        let level = if finding.level == Level::Error { "error" } else { "warning" };
        let place =
            finding.place.map_or(String::new(), |place| format!(",line={},col={}", place.line, place.column));
        format!(
            "::{level} file={}{place},title={}::{}\n",
            property(&finding.path),
            finding.rule,
            data(&format!("{}. To fix: {}", finding.message, finding.help))
        )
    };
    report.findings.iter().map(line).collect()
}

/// Escapes the text of a workflow command, as @actions/core does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// A log in the format SARIF 2.1.0, for code scanning. It has the findings in files only, because GitHub
/// refuses a result without a file.
pub fn sarif(report: &Report, version: &str) -> Value {
    let level = |level: Level| match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Off => "none",
    };
    let rule = |rule: &Rule| {
        json!({
            "id": rule.name(),
            "shortDescription": {"text": rule.summary()},
            "fullDescription": {"text": rule.explanation()},
            "defaultConfiguration": {"level": level(rule.default_level())},
        })
    };
    let result = |finding: &Finding| {
        let region = finding.place.map_or(
            json!({"startLine": 1}),
            |place| json!({"startLine": place.line, "startColumn": place.column}),
        );
        json!({
            "ruleId": finding.rule.name(),
            "level": level(finding.level),
            "message": {"text": format!("{}. To fix: {}", finding.message, finding.help)},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": uri(&finding.path), "uriBaseId": "%SRCROOT%"},
                "region": region,
            }}],
        })
    };
    let in_files = report.findings.iter().filter(|finding| !finding.rule.is_about_change());
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "oasis canon",
                "version": version,
                "rules": Rule::ALL.iter().map(rule).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": in_files.map(result).collect::<Vec<_>>(),
        }],
    })
}

/// A path as a relative URI.
fn uri(path: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    path.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Place;

    fn report() -> Report {
        let finding = Finding::new(Rule::RunName, "a b,c:é.yml", "100%\nwrong", "mend it");
        let finding = Finding { place: Some(Place { line: 3, column: 5 }), ..finding };
        Report { findings: vec![finding], in_baseline: 1, excepted: 2, workflows: 3 }
    }

    #[test]
    fn a_finding_is_an_annotation() {
        assert_eq!(
            github(&report()),
            "::error file=a b%2Cc%3Aé.yml,line=3,col=5,title=run-name::100%25%0Awrong. To fix: mend it\n"
        );
    }

    #[test]
    fn json_has_the_findings_and_the_counts() {
        let shown = json(&report());
        assert_eq!(
            shown["findings"][0],
            json!({"rule": "run-name", "level": "error", "path": "a b,c:é.yml", "line": 3, "column": 5,
                   "message": "100%\nwrong", "help": "mend it"})
        );
        assert_eq!((&shown["errors"], &shown["in_baseline"]), (&json!(1), &json!(1)));
    }

    #[test]
    fn sarif_names_the_rule_and_the_place() {
        let shown = sarif(&report(), "1");
        let run = &shown["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), Rule::ALL.len());
        let place = &run["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "a%20b%2Cc%3A%C3%A9.yml");
        assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 5}));
    }
}
