//! Tests the `oasis` binary as a user runs it, against small fake services.

#![allow(clippy::unwrap_used)]

mod agents;
mod demo;
mod doctor;
mod emit;
mod fake;
mod gateway;
mod history;
mod manual;
mod process;
mod replay;
mod tail;
mod token;
mod watch;

use process::oasis;

#[test]
fn wrong_usage_ends_with_exit_code_2() {
    for arguments in [
        &["tail", "--url", "ftp://localhost:8080"][..],
        &["tail", "--since", "yesterday"],
        &["agents", "--url", "http://u:p@localhost:8080"],
        &["events", "--limit", "0"],
        &["task"],
        &["watch", "no task"],
        &["emit", "--kind", "k"],
        &["replay", "x.json"],
        &["replay", "--secret", "s"],
        &["demo"],
        &["token"],
        &["token", "mint", "--sub", "alice", "--for", "0s"],
        &["nothing"],
        &[],
    ] {
        let done = oasis(arguments).finish();
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{arguments:?}: {}", done.stderr);
        assert!(!done.stderr.is_empty());
    }
}

#[test]
fn pruning_everything_needs_a_flag() {
    let prune = |flags: &[&str]| {
        let url = "postgres://u@127.0.0.1:1/d";
        oasis(&[&["prune", "--database-url", url, "--keep"], flags].concat()).finish()
    };
    for keep in ["0s", "0d", "59m 59s"] {
        let done = prune(&[keep]);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{}", done.stderr);
        assert!(done.stderr.contains("add --everything if you mean it"), "{}", done.stderr);
    }
    // These flags pass the check, so the command fails only because there is no database.
    for flags in [&["1h"][..], &["0s", "--everything"]] {
        let done = prune(flags);
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.stderr.contains("no connection to the database"), "{}", done.stderr);
    }
}

#[tokio::test]
async fn pruning_an_empty_table_says_that_there_is_nothing_to_prune() {
    let db = gateway::database().await;
    let done = oasis(&["prune", "--keep", "90d", "--database-url", &db.url]).finish();
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    assert_eq!(done.stdout, "nothing to prune: the ticker has no event that is older than --keep\n");
}

#[test]
fn help_has_examples_and_hides_secrets() {
    for command in ["tail", "events", "task", "watch", "agents", "emit", "replay", "demo"] {
        let done = oasis(&[command, "--help"])
            .env("READ_TOKEN", "hush")
            .env("INGEST_TOKEN", "hush")
            .env("GITHUB_WEBHOOK_SECRET", "hush")
            .finish();
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("Examples:") && !done.stdout.contains("hush"), "{}", done.stdout);
    }
}
