//! Finds `gcloud run deploy` in scripts. gcloud puts its labels on the service and on the revision.

use super::labelled::{Deploy, Given, parse_pairs};
use crate::finding::Finding;
use crate::labels::KEYS;
use crate::shell::{Command, Word, commands};
use crate::yaml::Ref;

const HELP: &str =
    "add \"$(deploy/ensure-vtid.sh SERVICE VTID LAYER MODULE)\", which prints the flag --labels=…";
/// The maximum number of findings in one script.
const MOST: usize = 100;
const FLAGS: [&str; 2] = ["--labels", "--update-labels"];

/// Checks a file that is a script.
pub(crate) fn check_script(path: &str, script: &str) -> Vec<Finding> {
    let judged = deploys(script).map(|command| judge(path, script, command.words[0].at, &command, script));
    judged.filter(|findings| !findings.is_empty()).take(MOST).flatten().collect()
}

/// Checks the `run:` of a step. `script` is the text of the scalar.
pub(super) fn check_run(path: &str, text: &str, run: Ref<'_>, script: &str) -> Vec<Finding> {
    let place = |command: &Command| {
        // The lines of a block are the lines of the file. Other scalars mostly have only one line.
        let line = if run.is_block() { script[..command.words[0].at].matches('\n').count() } else { 0 };
        let start = run.start();
        let lines = text[start..].match_indices('\n').map(|(at, _)| start + at + 1);
        std::iter::once(start).chain(lines).nth(line).unwrap_or(start)
    };
    let judged = deploys(script).map(|command| judge(path, text, place(&command), &command, script));
    judged.filter(|findings| !findings.is_empty()).take(MOST).flatten().collect()
}

/// The commands of a script that deploy to Cloud Run.
fn deploys(script: &str) -> impl Iterator<Item = Command> {
    // Most scripts do not deploy.
    let may_deploy = script.contains("gcloud") && script.contains("deploy");
    let all = if may_deploy { commands(script) } else { Vec::new() };
    all.into_iter().filter(is_deploy)
}

/// Whether a command is `gcloud run deploy`, possibly after other words such as `sudo` or `retry 3`.
fn is_deploy(command: &Command) -> bool {
    let first = command.words.first().map(|word| word.text.as_str());
    let is_help = command.words.iter().any(|word| matches!(word.text.as_str(), "--help" | "-h"));
    if matches!(first, Some("echo" | "printf")) || is_help {
        return false;
    }
    let mut words = command.words.iter().map(|word| word.text.as_str());
    // In a Makefile, a command can begin with `@` or `-`.
    let bare = |word: &str| word.trim_start_matches(['@', '-', '+']).to_owned();
    if !words.any(|word| bare(word) == "gcloud" || word.ends_with("/gcloud")) {
        return false;
    }
    let mut named = words.filter(|word| !word.starts_with('-') && !matches!(*word, "alpha" | "beta"));
    // The value of a flag may stand before `run`, as in `gcloud --project acme run deploy`.
    named.any(|word| word == "run") && named.next() == Some("deploy")
}

fn judge(path: &str, text: &str, at: usize, command: &Command, script: &str) -> Vec<Finding> {
    let deploy = Deploy { path, text, at, what: "the deploy", help: HELP };
    deploy.judge(&given(&command.words, script))
}

/// The labels that a command sets.
fn given(words: &[Word], script: &str) -> Given {
    let mut labels = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let flag = FLAGS.iter().find(|flag| word.text.starts_with(**flag));
        let value = match flag.map(|flag| &word.text[flag.len()..]) {
            Some("") => rest.next().map(|next| next.text.as_str()),
            Some(value) => value.strip_prefix('='),
            None if may_set_labels(word, script) => return Given::Computed,
            None => None,
        };
        let Some(value) = value else { continue };
        match parse_value(value) {
            Given::Labels(more) => labels.extend(more),
            Given::Computed => return Given::Computed,
        }
    }
    Given::Labels(labels)
}

/// Parses the value of a flag. `^;^a=b;c=d` chooses another delimiter.
fn parse_value(value: &str) -> Given {
    let chosen = value.strip_prefix('^').and_then(|rest| rest.split_once('^'));
    match chosen.and_then(|(delimiter, rest)| Some((delimiter.chars().next()?, rest))) {
        Some((delimiter, rest)) => parse_pairs(rest, |c| c == delimiter),
        None => parse_pairs(value, |c| c == ','),
    }
}

/// Whether a word without a known flag can set the labels: a file of flags, the output of a guard, or a
/// variable in a script that names all labels.
fn may_set_labels(word: &Word, script: &str) -> bool {
    let text = word.text.as_str();
    if text.starts_with("--flags-file") {
        return true;
    }
    let text = text.to_ascii_lowercase();
    let is_whole = word.is_computed() && !text.starts_with('-');
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    // An array or a variable of flags may hold the labels that the script names elsewhere.
    let is_list = has(&["[@]", "[*]", "flag", "arg", "opt"]);
    is_whole && (has(&["label", "ensure-vtid"]) || (is_list && KEYS.iter().all(|key| script.contains(key))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Rule;

    fn rules(script: &str) -> Vec<Rule> {
        check_script("deploy.sh", script).iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_deploy_sets_the_three_labels() {
        for script in [
            "gcloud run deploy x --labels=vtid=dev-cicdl-0031,vt_layer=cicdl,vt_module=x",
            "gcloud run deploy x \\\n  --image y \\\n  --update-labels vtid=$V,vt_layer=$L,vt_module=x",
            "gcloud run deploy x --labels \"^;^vtid=$V;vt_layer=cicdl;vt_module=x\"",
            "gcloud --project acme beta run deploy x \"$(deploy/ensure-vtid.sh x V L M)\"",
            "sudo gcloud run deploy x \"$labels\"",
            "gcloud run deploy x --labels=\"$LABELS\"",
            "flags=(--labels=vtid=$v,vt_layer=l,vt_module=m)\ngcloud run deploy x \"${flags[@]}\"",
            "gcloud run deploy x --labels=vtid=$V,vt_layer=l --update-labels=vt_module=m",
            "gcloud run services list\ngcloud functions deploy x",
            "# gcloud run deploy x",
            "echo gcloud run deploy x",
            "cat <<EOF\ngcloud run deploy x\nEOF",
            "gcloud run deploy --help",
            "gcloud run deploy x --quiet \"$(deploy/ensure-vtid.sh x V L M)\"",
            "gcloud run deploy x 2>&1 --labels=vtid=$V,vt_layer=l,vt_module=m",
        ] {
            assert_eq!(rules(script), [], "{script}");
        }
    }

    #[test]
    fn a_deploy_without_valid_labels_is_found() {
        for (script, expected) in [
            ("gcloud run deploy x", vec![Rule::DeployLabels]),
            ("/usr/bin/gcloud alpha run deploy x --image \"$IMAGE\"", vec![Rule::DeployLabels]),
            ("url=$(gcloud run deploy x --format json)", vec![Rule::DeployLabels]),
            ("if ! gcloud run deploy x; then exit 1; fi", vec![Rule::DeployLabels]),
            ("gcloud run deploy x --labels=vtid=$V", vec![Rule::DeployLabels]),
            (
                "gcloud run deploy x --labels=vtid=DEV-CICDL-0031,vt_layer=cicdl,vt_module=x",
                vec![Rule::LabelValue],
            ),
            ("gcloud run deploy x \"${flags[@]}\"", vec![Rule::DeployLabels]),
            ("deploy:\n\t@gcloud run deploy x", vec![Rule::DeployLabels]),
            ("read -r a <<< \"$V\"\ngcloud run deploy x", vec![Rule::DeployLabels]),
            (
                "gcloud run deploy a --labels=vtid=$V,vt_layer=l,vt_module=m\ngcloud run deploy b --image $I",
                vec![Rule::DeployLabels],
            ),
        ] {
            assert_eq!(rules(script), expected, "{script}");
        }
    }

    #[test]
    fn a_finding_names_the_line_and_the_missing_labels() {
        let findings = check_script("deploy.sh", "set -e\n\ngcloud run deploy x --labels vt_layer=l\n");
        assert_eq!(findings[0].place.unwrap().line, 3);
        assert!(findings[0].message.contains("labels vtid, vt_module"), "{}", findings[0].message);
    }
}
