//! Tests of the watcher as a process: flags, environment variables, answers, credentials and signals.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Status;

use crate::Setup;
use crate::entries::{Deploy, PROJECT, at};
use crate::server::{Metadata, Process, binary, output_of, until};

impl Setup {
    /// The environment variables of a watcher that runs without credentials.
    fn anonymous(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.variables();
        variables.push(("LOGGING_ANONYMOUS", "true".into()));
        variables
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", self.db.url.clone()),
            ("GCP_PROJECT", PROJECT.into()),
            ("LOGGING_ENDPOINT", self.logs.endpoint()),
        ]
    }

    fn fail(&self, failure: &Status, times: usize) {
        self.logs.with(|log| log.failures.extend(std::iter::repeat_n(failure.clone(), times)));
    }
}

fn borrowed<'v>(variables: &'v [(&'v str, String)]) -> Vec<(&'v str, &'v str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn deploy(nth: u32) -> Value {
    Deploy::new("gateway", nth).revision(at(i64::from(nth)), &format!("s{nth}"), "True")
}

#[tokio::test]
async fn poll_and_ready_report_the_outcome_of_a_poll() {
    let setup = Setup::new().await;
    setup.add([deploy(1)]);
    let mut process = Process::start(&borrowed(&setup.anonymous()), &[]).await;
    let (status, refusal) = process.json("GET", "/poll").await;
    assert_eq!((status, &refusal["error"]["code"]), (405, &json!("method_not_allowed")));
    assert!(setup.logs.with(|log| log.calls.is_empty()));
    let (status, ready) = process.json("GET", "/ready").await;
    assert_eq!((status, &ready["last_good_poll"]), (200, &Value::Null), "{ready}");

    let (status, body) = process.send("POST", "/poll").await;
    assert_eq!(status, 200, "{body}");
    let cursor = format!("{:.3}", at(1));
    let expected =
        format!(r#"{{"ok":true,"seen":1,"published":1,"unread":0,"cursor":"{cursor}","more":false}}"#);
    assert_eq!(body, expected);
    let (_, ready) = process.json("GET", "/ready").await;
    assert!(ready["last_good_poll"].as_str().unwrap().ends_with('Z'), "{ready}");
    assert_eq!((&ready["last_failure"], &ready["ok"]), (&Value::Null, &json!(true)));

    let port = process.port().to_string();
    let healthcheck = || binary(&borrowed(&setup.anonymous()), &["--healthcheck", "--port", &port]);
    assert_eq!(output_of(healthcheck()).await.0, Some(0));
    assert_eq!(process.terminate().await.code(), Some(0));
    let (code, _, stderr) = output_of(healthcheck()).await;
    assert_eq!((code, stderr.contains("not ready")), (Some(1), true), "{stderr}");
}

#[tokio::test]
async fn googles_errors_are_reported_with_a_hint() {
    let setup = Setup::new().await;
    let process = Process::start(&borrowed(&setup.anonymous()), &[]).await;
    let cases = [
        (
            Status::permission_denied("no logging.logEntries.list"),
            1,
            502,
            "permission_denied",
            "roles/logging.viewer",
        ),
        (Status::unauthenticated("bad token"), 1, 502, "no_credentials", "GOOGLE_APPLICATION_CREDENTIALS"),
        (Status::not_found("no such project"), 1, 502, "no_such_project", "GCP_PROJECT"),
        (Status::invalid_argument("filter"), 1, 502, "logging_refused", ""),
        (
            Status::resource_exhausted("read requests per minute"),
            4,
            503,
            "quota_exhausted",
            "60 list calls a minute",
        ),
    ];
    for (failure, times, status, code, hint) in cases {
        setup.fail(&failure, times);
        let (answered, body) = process.json("POST", "/poll").await;
        let error = &body["error"];
        assert_eq!((answered, &error["code"]), (status, &json!(code)), "{body}");
        let (message, hinted) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
        assert!(message.contains(failure.message()) && message.contains(PROJECT), "{body}");
        assert!(hinted.contains(hint), "{body}");
    }
    let (status, ready) = process.json("GET", "/ready").await;
    assert_eq!(ready["last_failure"], "quota_exhausted", "{ready}");
    // The watcher stays ready, because a restart would not fix an error on Google's side.
    assert_eq!((status, &ready["last_good_poll"]), (200, &Value::Null));
    assert_eq!(process.json("POST", "/poll").await.0, 200);
}

#[tokio::test]
async fn once_prints_the_report_and_exits() {
    let setup = Setup::new().await;
    setup.add([deploy(1)]);
    let mut variables = setup.anonymous();
    variables.push(("EVERY", "60s".into()));
    let once = || output_of(binary(&borrowed(&variables), &["--once"]));
    let (code, printed, logged) = once().await;
    assert_eq!(code, Some(0), "{logged}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&printed["seen"], &printed["published"]), (&json!(1), &json!(1)));
    setup.fail(&Status::permission_denied("no logging.logEntries.list"), 1);
    let (code, printed, logged) = once().await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(
        logged.contains("roles/logging.viewer") && logged.contains("no logging.logEntries.list"),
        "{logged}"
    );
}

#[tokio::test]
async fn the_flag_every_makes_the_watcher_poll_on_a_timer() {
    let setup = Setup::new().await;
    let mut process = Process::start(&borrowed(&setup.anonymous()), &["--every", "1s"]).await;
    for nth in 1..=2 {
        setup.add([deploy(nth)]);
        until("the deploy is stored", async || setup.events().await.len() == nth as usize).await;
    }
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn invalid_settings_are_refused_at_the_start() {
    let base = [("DATABASE_URL", "postgres://127.0.0.1:1/x")];
    let many = (0..31).map(|nth| format!("acme-{nth}")).collect::<Vec<_>>().join(",");
    for (projects, flags, code, expected) in [
        ("acme", &["--every", "0s"][..], 2, "above zero"),
        ("acme", &["--lookback", "401d"], 2, "at most 400d"),
        ("acme,Not A Project", &[], 2, "expected a project's id"),
        ("", &[], 2, "GCP_PROJECT"),
        (&many, &["--once"], 1, "more than 30 projects"),
    ] {
        let variables = [base[0], ("GCP_PROJECT", projects)];
        let (exit, _, logged) = output_of(binary(&variables, flags)).await;
        assert_eq!(exit, Some(code), "{logged}");
        assert!(logged.contains(expected), "{logged}");
    }
}

/// The process finds neither a file with credentials nor a metadata server.
#[tokio::test]
async fn missing_credentials_are_reported_in_time() {
    let setup = Setup::new().await;
    let mut variables = setup.variables();
    variables.push(("GCE_METADATA_HOST", "127.0.0.1:1".into()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    let asked = Instant::now();
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["error"]["code"]), (502, &json!("no_credentials")), "{body}");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

/// On Cloud Run, the metadata server issues the token. If the server has no token at the first poll, the
/// watcher asks again at the next poll.
#[tokio::test]
async fn the_token_of_the_metadata_server_is_sent() {
    let setup = Setup::new().await;
    setup.add([deploy(1)]);
    let metadata = Metadata::start(false, 3_600).await;
    let mut variables = setup.variables();
    variables.push(("GCE_METADATA_HOST", metadata.host.clone()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["error"]["code"]), (502, &json!("no_credentials")), "{body}");
    *metadata.has_token.lock().unwrap() = true;
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["published"]), (200, &json!(1)), "{body}");
    let sent = setup.logs.with(|log| log.authorization.clone());
    assert_eq!(sent.as_deref(), Some("Bearer fake-token"));
}

/// A request for a token can fail, and a later request can succeed. Google's library gives up after a
/// failure, but the watcher does not.
#[tokio::test]
async fn failed_credentials_are_looked_up_again() {
    let setup = Setup::new().await;
    let metadata = Metadata::start(true, 1).await;
    let mut variables = setup.variables();
    variables.push(("GCE_METADATA_HOST", metadata.host.clone()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    for (has_token, status) in [(true, 200), (false, 502), (true, 200)] {
        *metadata.has_token.lock().unwrap() = has_token;
        until("/poll returns the status", async || process.send("POST", "/poll").await.0 == status).await;
    }
}

/// Without certificates, Google's library panics. After the panic, the process still answers and still polls.
#[tokio::test]
async fn a_panic_of_the_client_library_becomes_an_error() {
    let setup = Setup::new().await;
    let metadata = Metadata::start(true, 3_600).await;
    let mut variables = setup.variables();
    variables.push(("GCE_METADATA_HOST", metadata.host.clone()));
    for place in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        variables.push((place, "/nowhere".into()));
    }
    let mut process = Process::start(&borrowed(&variables), &[]).await;
    for _ in 0..2 {
        let (status, body) = process.json("POST", "/poll").await;
        assert_eq!((status, &body["error"]["code"]), (502, &json!("no_credentials")), "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains("certificates"), "{body}");
    }
    assert_eq!(process.json("GET", "/health").await.0, 200);
    assert_eq!(process.terminate().await.code(), Some(0));
}
