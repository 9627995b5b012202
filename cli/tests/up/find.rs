//! Tests that other commands find a running `oasis up`.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::process::{Home, Up};

fn run(home: &Home, folder: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = home.command(env!("CARGO_BIN_EXE_oasis"));
    command.args(arguments).current_dir(home.path(folder)).envs(variables.iter().copied());
    command.output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

const EMIT: [&str; 5] = ["emit", "--kind", "task.init", "--status", "info"];

#[test]
fn commands_find_the_addresses_and_the_secret_of_a_running_up() {
    let home = Home::new();
    fs::create_dir_all(home.path("a/b")).unwrap();
    fs::write(home.path("a/b/ping.json"), r#"{"hook_id":1,"zen":"x","sender":{"login":"octocat"}}"#).unwrap();
    let up = home.up(&[]);
    let file = fs::read_to_string(home.path(".oasis/running.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(file["gateway"], format!("http://localhost:{}", home.port));
    assert_eq!(file["webhook_secret"], "webhook-secret");
    for folder in ["", "a/b"] {
        stdout(&run(&home, folder, &EMIT, &[]));
        let demo = run(&home, folder, &["demo", "--count", "2", "--speed", "1000"], &[]);
        assert_eq!(stdout(&demo).lines().count(), 2);
    }
    assert!(stdout(&run(&home, "a/b", &["replay", "."], &[])).starts_with("stored     1\n"));
    assert_eq!(stdout(&run(&home, "a/b", &["events", "--json"], &[])).lines().count(), 7);
    assert_eq!(stdout(&run(&home, "a/b", &["tail", "-n", "3"], &[])).lines().count(), 3);
    stdout(&run(&home, "a/b", &["agents"], &[]));

    // The variable comes before the running `oasis up`, and needs no scheme.
    let address = format!("localhost:{}", home.port);
    stdout(&run(&home, "a/b", &EMIT, &[("OASIS_URL", &address)]));
    let demo = ["demo", "--count", "1"];
    stdout(&run(&home, "a/b", &demo, &[("OASIS_URL", &address)]));
    let far = run(&home, "a/b", &demo, &[("OASIS_URL", "https://oasis.example")]);
    assert_eq!(far.status.code(), Some(2), "{far:?}");
    let wrong = run(&home, "a/b", &EMIT, &[("OASIS_URL", "127.0.0.1:1")]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");

    up.interrupt();
    assert!(!home.path(".oasis/running.json").exists());
}

#[test]
fn a_killed_up_is_not_mistaken_for_a_running_one() {
    let home = Home::new();
    home.up(&[]).kill();
    assert!(home.path(".oasis/running.json").exists());
    let demo = run(&home, "", &["demo", "--count", "1"], &[]);
    assert_eq!(demo.status.code(), Some(2), "{demo:?}");
    let stderr = String::from_utf8_lossy(&demo.stderr).into_owned();
    assert!(stderr.contains("no webhook secret for http://localhost:8081"), "{stderr}");
    let emit = [&EMIT[..], &["--url", "127.0.0.1:1"]].concat();
    assert_eq!(run(&home, "", &emit, &[]).status.code(), Some(1));
}

#[test]
fn a_secret_that_was_given_is_not_written_down() {
    let home = Home::new();
    let mut command = home.up_command(&[]);
    command.env("GITHUB_WEBHOOK_SECRET", "hunter2");
    let up = Up::start(command);
    let file = fs::read_to_string(home.path(".oasis/running.json")).unwrap();
    assert!(!file.contains("hunter2"), "{file}");
    let demo = ["demo", "--count", "1"];
    let without = run(&home, "", &demo, &[]);
    assert_eq!(without.status.code(), Some(2), "{without:?}");
    assert!(
        String::from_utf8_lossy(&without.stderr).contains("set GITHUB_WEBHOOK_SECRET to the same secret")
    );
    stdout(&run(&home, "", &demo, &[("GITHUB_WEBHOOK_SECRET", "hunter2")]));
    up.interrupt();
}

#[test]
fn the_folder_of_up_keeps_its_files_out_of_git() {
    let home = Home::new();
    let up = home.up(&[]);
    up.interrupt();
    assert_eq!(fs::read_to_string(home.path(".oasis/.gitignore")).unwrap(), "*\n");
}
