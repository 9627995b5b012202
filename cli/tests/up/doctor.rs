//! Tests `oasis doctor` in the folder of `oasis up`.

use serde_json::Value;

use crate::client::push;
use crate::process::{Home, LIMIT, wait_until};

/// Runs `oasis doctor` in the folder, and returns its exit code and its report.
fn doctor(home: &Home) -> (Option<i32>, Value) {
    let mut command = home.command(env!("CARGO_BIN_EXE_oasis"));
    command.args(["doctor", "--json"]);
    let output = command.output().unwrap();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_folder_of_up_gives_the_database_and_the_secret() {
    let home = Home::new();
    let up = home.up(&[]);
    let mut report = Value::Null;
    wait_until(LIMIT, "the stack did not get ready", || {
        report = doctor(&home).1;
        report["ok"] == true
    });
    let verdicts = |report: &Value| -> Vec<(String, String)> {
        let checks = report["checks"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        checks.map(|one| (text(&one["check"]), text(&one["verdict"]))).collect()
    };
    let expected = |github: &str| -> Vec<(String, String)> {
        let checks = ["database", "listen", "gateway-feed", "webhook-ingest", "deploy-watcher"];
        let rest = ["webhook-secret", "ingest", "github", "agents", "clocks"];
        let verdict = |check: &str| if check == "github" { github } else { "ok" }.to_owned();
        checks.iter().chain(&rest).map(|check| ((*check).to_owned(), verdict(check))).collect()
    };
    assert_eq!(verdicts(&report), expected("warning"), "{report}");

    let secret = home.secret();
    assert_eq!(push(home.port + 1, &secret, &"a".repeat(40)).await.0, 200);
    let (code, report) = doctor(&home);
    assert_eq!((code, verdicts(&report)), (Some(0), expected("ok")), "{report}");
    assert!(!report.to_string().contains(&secret), "{report}");

    std::fs::write(home.path(".oasis/webhook-secret"), "").unwrap();
    let (code, report) = doctor(&home);
    assert_eq!(code, Some(1));
    assert!(report.to_string().contains("webhook-secret is empty"), "{report}");
    std::fs::write(home.path(".oasis/webhook-secret"), secret).unwrap();

    up.interrupt();
    let (code, report) = doctor(&home);
    assert_eq!(code, Some(1));
    let hint = report["checks"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("`oasis up`") && hint.contains(".oasis/database-url"), "{hint}");
}
