//! `oasis canon check`: reports findings, for people and for machines.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use oasis_canon::{
    BASELINE_FILE, Baseline, Change, Config, Finding, Level, Report, Rule, Tree, check, github, json, sarif,
};
use serde_json::Value;

use super::repository::open;
use crate::output::{Paint, Usage, line, notice, printable};

const EXAMPLES: &str = "\
Examples:
  oasis canon check
  oasis canon check services/gateway
  oasis canon check --format github --deny-warnings
  oasis canon check --branch vt/DEV-CICDL-0031-feed --title 'feat: the feed'
  oasis canon check --write-baseline

In GitHub Actions, the branch and the title come from the event. Exit code 0: no
error. Exit code 1: errors, or warnings with --deny-warnings. Exit code 2: the
repository could not be checked.";

/// Flags of `oasis canon check`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A repository, or a folder or file in one [default: the current folder]
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// How to print the findings
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Fail if there are warnings
    #[arg(long)]
    deny_warnings: bool,
    /// Print a rule, its level and its reason; `all` prints all rules
    #[arg(long, value_name = "RULE", value_parser = parse_rule)]
    explain: Option<Explained>,
    /// Accept all present findings: write them to canon-baseline.json
    #[arg(long, conflicts_with = "without_baseline")]
    write_baseline: bool,
    /// Report the findings in canon-baseline.json too
    #[arg(long)]
    without_baseline: bool,
    /// The branch to check
    #[arg(long, value_name = "NAME")]
    branch: Option<String>,
    /// The title of the pull request to check
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    /// The file with the event of the workflow run
    #[arg(long, value_name = "FILE", env = "GITHUB_EVENT_PATH", hide_env_values = true)]
    event_path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}

/// The rules to explain.
#[derive(Debug, Clone)]
struct Explained(Vec<Rule>);

fn parse_rule(name: &str) -> Result<Explained, oasis_canon::UnknownRule> {
    if name == "all" { Ok(Explained(Rule::ALL.to_vec())) } else { Ok(Explained(vec![name.parse()?])) }
}

pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(Explained(rules)) = &args.explain {
        line(rules.iter().map(|rule| explained(*rule)).collect::<Vec<_>>().join("\n\n\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let change = change(&args)?;
    let (tree, below) = open(args.path.as_ref())?;
    let config = Config::read(&tree).map_err(|error| Usage(error.to_string()))?;
    let baseline = if args.write_baseline || args.without_baseline {
        Baseline::default()
    } else {
        Baseline::read(&tree).map_err(|error| Usage(error.to_string()))?
    };
    if args.write_baseline {
        return write_baseline(&tree, &check(&tree, &config, baseline, &Change::default(), ""));
    }
    let report = check(&tree, &config, baseline, &change, &below);
    match args.format {
        Format::Text => print_text(&report)?,
        Format::Json => line(serde_json::to_string_pretty(&json(&report))?)?,
        Format::Github => {
            // Without a finding, the log of the step would be empty.
            line(format!("{}{}", github(&report), summary(&report)))?;
        }
        Format::Sarif => line(serde_json::to_string_pretty(&sarif(&report, env!("CARGO_PKG_VERSION")))?)?,
    }
    let fails = report.count(Level::Error) > 0 || (args.deny_warnings && report.count(Level::Warning) > 0);
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The branch and the title: the flags, else the event of the workflow run.
fn change(args: &Args) -> anyhow::Result<Change> {
    let event = match &args.event_path {
        Some(path) if args.branch.is_none() || args.title.is_none() => {
            let refused =
                |why: String| Usage(format!("the event in {} cannot be read: {why}", path.display()));
            let text = fs::read(path).map_err(|error| refused(error.to_string()))?;
            serde_json::from_slice(&text).map_err(|error| refused(error.to_string()))?
        }
        _ => Value::Null,
    };
    let event = Change::of_event(&event);
    Ok(Change { branch: args.branch.clone().or(event.branch), title: args.title.clone().or(event.title) })
}

fn write_baseline(tree: &Tree, report: &Report) -> anyhow::Result<ExitCode> {
    let baseline = Baseline::of(&report.findings);
    let path = tree.root().map(|root| root.join(BASELINE_FILE)).unwrap_or_default();
    let failed = |error| anyhow::Error::new(error).context(format!("{} cannot be written", path.display()));
    fs::write(&path, baseline.render()?).map_err(failed)?;
    notice(format!("findings in {BASELINE_FILE}: {}; commit the file", baseline.len()));
    Ok(ExitCode::SUCCESS)
}

fn print_text(report: &Report) -> anyhow::Result<()> {
    let paint = Paint::for_stream(&io::stdout());
    for finding in &report.findings {
        line(shown(finding, paint))?;
    }
    line(summary(report))?;
    if !report.findings.is_empty() {
        notice("`oasis canon check --explain RULE` says why a rule exists");
    }
    Ok(())
}

fn shown(finding: &Finding, paint: Paint) -> String {
    let place = finding.place.map_or(String::new(), |place| format!(":{}:{}", place.line, place.column));
    let level = match finding.level {
        Level::Error => paint.red("error"),
        Level::Warning | Level::Off => paint.with(33, "warning"),
    };
    let path = match finding.rule {
        Rule::BranchVtid => "pull request, branch".to_owned(),
        Rule::TitleVtid => "pull request, title".to_owned(),
        _ => printable(&finding.path),
    };
    let (message, help) = (printable(&finding.message), printable(&finding.help));
    format!("{path}{place}: {level}[{}]: {message}\n  to fix: {help}", finding.rule)
}

fn summary(report: &Report) -> String {
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let mut text = format!(
        "{}, {} in a repository with {}",
        plural(report.count(Level::Error), "error"),
        plural(report.count(Level::Warning), "warning"),
        plural(report.workflows, "workflow")
    );
    let hidden = [("in the baseline", report.in_baseline), ("excepted in canon.toml", report.excepted)];
    for (why, count) in hidden.into_iter().filter(|(_, count)| *count > 0) {
        text += &format!("; {count} {why}");
    }
    text
}

fn explained(rule: Rule) -> String {
    format!("{rule} ({})\n\n{}\n\n{}", rule.default_level().as_str(), rule.summary(), rule.explanation())
}
