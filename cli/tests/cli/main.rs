//! Tests the `oasis` binary as a user runs it, against small fake services.

#![allow(clippy::unwrap_used)]

mod agents;
mod audit;
mod demo;
mod doctor;
mod emit;
mod fake;
mod gateway;
mod history;
mod keys;
mod logs;
mod manual;
mod process;
mod replay;
mod rooms;
mod tail;
mod token;
mod up_credentials;
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
        &["emit", "--kind", "k", "--status", "done"],
        &["emit", "--kind", "k", "--status", "info", "--project", "shop"],
        &["emit", "--resource", "pod:api", "--status", "Running"],
        &["replay", "x.json"],
        &["replay", "--secret", "s"],
        &["demo"],
        &["token"],
        &["token", "mint", "--sub", "alice", "--for", "0s"],
        &["token", "revoke", "--database-url", "postgres://u@127.0.0.1:1/d"],
        &["token", "revoke", "--sub", "a", "--jti", "b", "--database-url", "postgres://u@127.0.0.1:1/d"],
        &["keys"],
        &["keys", "create", "--user", "", "--database-url", "postgres://u@127.0.0.1:1/d"],
        &["keys", "list"],
        &["check"],
        &["logs"],
        &["logs", "a/b"],
        &["logs", "r", "-n", "10001"],
        &["logs", "r", "--level", "loud"],
        &["emit-log", "r", "x", "--agent", "A"],
        &["rooms", "create"],
        &["rooms", "--as", "ann", "--token", "t"],
        &["logs", "r", "--as", "ann", "--url", "127.0.0.1:1"],
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

/// Without `--channel`, a prune does not touch rooms.
#[tokio::test]
async fn each_family_of_channels_is_pruned_separately() {
    let db = gateway::database().await;
    let insert = "INSERT INTO oasis_events \
            (ts, vtid, layer, module, source, kind, status, title, ref, channel, recorded_at) \
        SELECT now(), 'UNSET', 'UNSET', 'CORE', 'oasis.events', 'log', 'info', 'UNSET-CORE-LOG', \
            'vt/UNSET-log', channel, now() - interval '8 days' \
        FROM unnest(ARRAY['devhub', 'room:a', 'room:a']) AS channel";
    gateway::execute(&db.url, insert).await;
    let prune = |flags: &[&str]| {
        let done = oasis(&[&["prune", "--keep", "7d", "--database-url", &db.url], flags].concat()).finish();
        assert_eq!((done.code, done.stderr.as_str()), (0, ""));
        done.stdout
    };
    assert_eq!(prune(&[]), "deleted 1 events; the ticker is pruned up to id 1\n");
    assert_eq!(prune(&["--channel", "room"]), "deleted 2 rows; room is pruned up to id 3\n");
    let nothing = "nothing to prune: no row of room is older than --keep and may be deleted\n";
    assert_eq!(prune(&["--channel", "room"]), nothing);
    let bad = oasis(&["prune", "--keep", "7d", "--channel", "room:a", "--database-url", &db.url]).finish();
    assert_eq!(bad.code, 2);
    assert!(bad.stderr.contains("not a family of channels"), "{}", bad.stderr);
}

#[test]
fn help_has_examples_and_hides_secrets() {
    for command in
        ["tail", "events", "task", "watch", "agents", "emit", "logs", "emit-log", "rooms", "replay", "demo"]
    {
        let done = oasis(&[command, "--help"])
            .env("READ_TOKEN", "hush")
            .env("INGEST_TOKEN", "hush")
            .env("GITHUB_WEBHOOK_SECRET", "hush")
            .finish();
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("Examples:") && !done.stdout.contains("hush"), "{}", done.stdout);
    }
}
