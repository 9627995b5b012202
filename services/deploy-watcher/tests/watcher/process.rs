//! The watcher as a process of its own: flags and variables, answers, credentials, signals.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tonic::Status;

use crate::Stand;
use crate::entries::{Deploy, PROJECT, at};
use crate::server::{Metadata, Process, binary, finished, until};

impl Stand {
    /// What the watcher needs to know, with no credentials.
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
async fn it_polls_when_asked_and_says_so_on_ready() {
    let stand = Stand::new().await;
    stand.add([deploy(1)]);
    let mut process = Process::start(&borrowed(&stand.anonymous()), &[]).await;
    let (status, refused) = process.json("GET", "/poll").await;
    assert_eq!((status, &refused["error"]["code"]), (405, &json!("method_not_allowed")));
    assert!(stand.logs.with(|log| log.calls.is_empty()));
    let (status, ready) = process.json("GET", "/ready").await;
    assert_eq!((status, &ready["last_good_poll"]), (200, &Value::Null), "{ready}");

    let (status, body) = process.ask("POST", "/poll").await;
    assert_eq!(status, 200, "{body}");
    let cursor = format!("{:.3}", at(1));
    let expected =
        format!(r#"{{"ok":true,"seen":1,"published":1,"unread":0,"cursor":"{cursor}","more":false}}"#);
    assert_eq!(body, expected);
    let (_, ready) = process.json("GET", "/ready").await;
    assert!(ready["last_good_poll"].as_str().unwrap().ends_with('Z'), "{ready}");
    assert_eq!((&ready["last_failure"], &ready["ok"]), (&Value::Null, &json!(true)));

    let port = process.port().to_string();
    let healthcheck = || binary(&borrowed(&stand.anonymous()), &["--healthcheck", "--port", &port]);
    assert_eq!(finished(healthcheck()).await.0, Some(0));
    assert_eq!(process.terminate().await.code(), Some(0));
    let (code, _, said) = finished(healthcheck()).await;
    assert_eq!((code, said.contains("not ready")), (Some(1), true), "{said}");
}

#[tokio::test]
async fn googles_errors_say_what_to_do() {
    let stand = Stand::new().await;
    let process = Process::start(&borrowed(&stand.anonymous()), &[]).await;
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
        stand.fail(&failure, times);
        let (answered, body) = process.json("POST", "/poll").await;
        let error = &body["error"];
        assert_eq!((answered, &error["code"]), (status, &json!(code)), "{body}");
        let (message, hinted) = (error["message"].as_str().unwrap(), error["hint"].as_str().unwrap());
        assert!(message.contains(failure.message()) && message.contains(PROJECT), "{body}");
        assert!(hinted.contains(hint), "{body}");
    }
    let (status, ready) = process.json("GET", "/ready").await;
    assert_eq!(ready["last_failure"], "quota_exhausted", "{ready}");
    // It can still do its job; what Google lacks, a restart would not mend.
    assert_eq!((status, &ready["last_good_poll"]), (200, &Value::Null));
    assert_eq!(process.json("POST", "/poll").await.0, 200);
}

#[tokio::test]
async fn once_prints_and_ends() {
    let stand = Stand::new().await;
    stand.add([deploy(1)]);
    let mut variables = stand.anonymous();
    variables.push(("EVERY", "60s".into()));
    let once = || finished(binary(&borrowed(&variables), &["--once"]));
    let (code, printed, logged) = once().await;
    assert_eq!(code, Some(0), "{logged}");
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&printed["seen"], &printed["published"]), (&json!(1), &json!(1)));
    stand.fail(&Status::permission_denied("no logging.logEntries.list"), 1);
    let (code, printed, logged) = once().await;
    assert_eq!((code, printed.as_str()), (Some(1), ""));
    assert!(
        logged.contains("roles/logging.viewer") && logged.contains("no logging.logEntries.list"),
        "{logged}"
    );
}

#[tokio::test]
async fn it_polls_by_itself() {
    let stand = Stand::new().await;
    let mut process = Process::start(&borrowed(&stand.anonymous()), &["--every", "1s"]).await;
    for nth in 1..=2 {
        stand.add([deploy(nth)]);
        until("a deploy is found", async || stand.events().await.len() == nth as usize).await;
    }
    assert_eq!(process.terminate().await.code(), Some(0));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_at_the_start() {
    let base = [("DATABASE_URL", "postgres://127.0.0.1:1/x")];
    let many = (0..31).map(|nth| format!("acme-{nth}")).collect::<Vec<_>>().join(",");
    for (projects, flags, code, said) in [
        ("acme", &["--every", "0s"][..], 2, "above zero"),
        ("acme", &["--lookback", "401d"], 2, "at most 400d"),
        ("acme,Not A Project", &[], 2, "expected a project's id"),
        ("", &[], 2, "GCP_PROJECT"),
        (&many, &["--once"], 1, "more than 30 projects"),
    ] {
        let variables = [base[0], ("GCP_PROJECT", projects)];
        let (exit, _, logged) = finished(binary(&variables, flags)).await;
        assert_eq!(exit, Some(code), "{logged}");
        assert!(logged.contains(said), "{logged}");
    }
}

/// Neither a file nor a metadata server.
#[tokio::test]
async fn no_credentials_are_told_in_time() {
    let stand = Stand::new().await;
    let mut variables = stand.variables();
    variables.push(("GCE_METADATA_HOST", "127.0.0.1:1".into()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    let asked = Instant::now();
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["error"]["code"]), (502, &json!("no_credentials")), "{body}");
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

/// On Cloud Run the metadata server has the token. One that has none at first is asked again.
#[tokio::test]
async fn the_token_of_the_metadata_server_is_sent() {
    let stand = Stand::new().await;
    stand.add([deploy(1)]);
    let metadata = Metadata::start(false, 3_600).await;
    let mut variables = stand.variables();
    variables.push(("GCE_METADATA_HOST", metadata.host.clone()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["error"]["code"]), (502, &json!("no_credentials")), "{body}");
    *metadata.has_token.lock().unwrap() = true;
    let (status, body) = process.json("POST", "/poll").await;
    assert_eq!((status, &body["published"]), (200, &json!(1)), "{body}");
    let sent = stand.logs.with(|log| log.authorization.clone());
    assert_eq!(sent.as_deref(), Some("Bearer fake-token"));
}

/// An account may lose its token, and get it back: Google's library gives up for good, the watcher does not.
#[tokio::test]
async fn credentials_that_gave_up_are_looked_for_anew() {
    let stand = Stand::new().await;
    let metadata = Metadata::start(true, 1).await;
    let mut variables = stand.variables();
    variables.push(("GCE_METADATA_HOST", metadata.host.clone()));
    let process = Process::start(&borrowed(&variables), &[]).await;
    for (has_token, status) in [(true, 200), (false, 502), (true, 200)] {
        *metadata.has_token.lock().unwrap() = has_token;
        until("the poll sees it", async || process.ask("POST", "/poll").await.0 == status).await;
    }
}

/// Without certificates Google's library panics, which ends neither the process nor its polling.
#[tokio::test]
async fn a_panic_of_the_library_is_an_error_like_others() {
    let stand = Stand::new().await;
    let metadata = Metadata::start(true, 3_600).await;
    let mut variables = stand.variables();
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
