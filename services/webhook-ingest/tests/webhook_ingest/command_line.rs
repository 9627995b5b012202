//! Tests of the flags and environment variables, and of the errors for invalid values.

use crate::github::{Client, Push};
use crate::process::{Receiver, binary, database, finished};
use crate::server::SECRET;

#[test]
fn help_lists_every_variable_but_shows_no_value() {
    let mut command =
        binary(&[("GITHUB_WEBHOOK_SECRET", "hunter2"), ("DATABASE_URL", "postgres://u:hunter2@h/d")]);
    command.arg("--help");
    let (code, text) = finished(command);
    assert_eq!(code, Some(0), "{text}");
    // The help text breaks long entries into two lines.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for variable in [
        "HOST",
        "PORT",
        "RUST_LOG",
        "DATABASE_URL",
        "LISTEN_DATABASE_URL",
        "DATABASE_POOL_SIZE",
        "OASIS_SCHEMA",
        "GITHUB_WEBHOOK_SECRET",
        "GITHUB_WEBHOOK_SECRET_PREVIOUS",
        "VTID_PREFIXES",
        "GITHUB_MODULES",
        "RESOURCES",
    ] {
        assert!(words.contains(&format!("[env: {variable}]")), "{variable}: {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_missing_variable_is_named() {
    let url = ("DATABASE_URL", "postgres://u:hunter2@127.0.0.1/d");
    for variables in [&[url][..], &[url, ("GITHUB_WEBHOOK_SECRET", "")]] {
        let (code, text) = finished(binary(variables));
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains("GITHUB_WEBHOOK_SECRET") && !text.contains("hunter2"), "{text}");
    }
    let (code, text) = finished(binary(&[("GITHUB_WEBHOOK_SECRET", "hunter2"), ("DATABASE_URL", "")]));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("DATABASE_URL") && !text.contains("hunter2"), "{text}");
}

#[test]
fn an_invalid_variable_is_named_and_its_secret_is_hidden() {
    for url in [
        "u:hunter2@h",
        "mysql://u:hunter2@h/d",
        "postgres://u:hunter2@[::1/d",
        "postgres://u:hunter2@h/d?sslmode=maybe",
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@h/d?nonsense=1",
    ] {
        for variable in ["DATABASE_URL", "LISTEN_DATABASE_URL"] {
            let variables =
                [("GITHUB_WEBHOOK_SECRET", "s"), ("DATABASE_URL", "postgres://h/d"), (variable, url)];
            let (code, text) = finished(binary(&variables));
            assert_eq!(code, Some(2), "{url}: {text}");
            assert!(text.contains(&format!("[env: {variable}]")) && !text.contains("hunter2"), "{text}");
        }
    }
    let variables = [("GITHUB_WEBHOOK_SECRET", "s"), ("DATABASE_URL", "postgres://h/d"), ("PORT", "http")];
    let (code, text) = finished(binary(&variables));
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("'http'") && text.contains("[env: PORT]"), "{text}");
}

#[tokio::test]
async fn empty_variables_count_as_unset() {
    let database = database().await;
    let receiver = Receiver::start_with(&[
        ("DATABASE_URL", &database.url),
        ("GITHUB_WEBHOOK_SECRET", SECRET),
        ("HOST", "127.0.0.1"),
        ("PORT", "0"),
        ("RUST_LOG", ""),
        ("LISTEN_DATABASE_URL", ""),
        ("DATABASE_POOL_SIZE", ""),
        ("OASIS_SCHEMA", ""),
        ("GITHUB_WEBHOOK_SECRET_PREVIOUS", ""),
        ("VTID_PREFIXES", ""),
        ("GITHUB_MODULES", ""),
        ("RESOURCES", ""),
    ])
    .await;
    let mut client = Client::new(receiver.address);
    let answer = client.deliver(&Push::new(0, 0)).await.unwrap();
    assert_eq!((answer.status.as_u16(), &answer.body["ok"]), (200, &true.into()), "{}", answer.body);
    assert_eq!(client.get("/ready").await.unwrap().status, 200);
}
