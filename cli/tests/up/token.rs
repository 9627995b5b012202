//! Tests that `oasis token mint` makes tokens for the running `oasis up`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use rustix::process::Signal;

use crate::process::{ENDS_WITHIN, Home, LIMIT, Up};

/// Runs a shell command in a folder. In the command, `oasis` is the tested program.
fn shell(home: &Home, folder: &str, command: &str, variables: &[(&str, &str)]) -> Output {
    let oasis = env!("CARGO_BIN_EXE_oasis");
    let mut shell = home.command("/bin/sh");
    shell.args(["-c", &format!("oasis() {{ '{oasis}' \"$@\"; }}; {command}")]);
    shell.current_dir(home.path(folder)).envs(variables.iter().copied()).output().unwrap()
}

fn minted(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap().trim()
}

/// The status of a request with this token.
fn status(home: &Home, token: &str) -> String {
    let url = format!("http://127.0.0.1:{}/api/v1/oasis/events?token={token}", home.port);
    let curl = ["-s", "-o", "/dev/null", "-w", "%{http_code}", &url];
    String::from_utf8(home.command("curl").args(curl).output().unwrap().stdout).unwrap()
}

const MINT: &str = "oasis token mint --sub alice --for 1h";

#[test]
fn the_printed_command_makes_a_token_that_the_gateway_accepts() {
    let home = Home::new();
    fs::create_dir_all(home.path("a/b")).unwrap();
    let mut command = home.up_command(&[]);
    command.env("READ_TOKENS", "s3cret");
    let up = Up::start(command);
    let line = up.banner.lines().find(|line| line.starts_with("  tokens ")).unwrap();
    let printed = line.strip_prefix("  tokens     ").unwrap();
    assert_eq!(printed, MINT);
    let file = home.path(".oasis/jwt-secret");
    let secret = fs::read_to_string(&file).unwrap();
    assert_eq!(secret.trim().len(), 43);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!up.banner.contains(secret.trim()), "{}", up.banner);
    for folder in ["", "a/b"] {
        assert_eq!(status(&home, minted(&shell(&home, folder, printed, &[]))), "200");
    }
    assert_eq!(status(&home, "nonsense"), "401");
    let other = [("JWT_SECRET", "only-for-tests-only-for-tests-only-for-tests")];
    assert_eq!(status(&home, minted(&shell(&home, "", MINT, &other))), "401");
    up.interrupt();
    // The secret is kept, so a token can be made before the next start, and older tokens stay valid.
    let early = shell(&home, "a", MINT, &[]);
    let mut command = home.up_command(&[]);
    command.env("READ_TOKENS", "s3cret");
    let up = Up::start(command);
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    assert_eq!(status(&home, minted(&early)), "200");
    up.interrupt();
}

#[test]
fn a_given_secret_is_used_and_not_stored() {
    let home = Home::new();
    let given = [("JWT_SECRET", "only-for-tests-only-for-tests-only-for-tests")];
    let mut command = home.up_command(&["--data", ".oasis"]);
    command.envs(given).env("READ_TOKENS", "s3cret");
    let mut up = Up::start(command);
    assert!(!home.path(".oasis/jwt-secret").exists());
    assert!(up.banner.contains(&format!("  tokens     {MINT}\n")), "{}", up.banner);
    assert_eq!(status(&home, minted(&shell(&home, "", MINT, &given))), "200");
    let without = shell(&home, "", MINT, &[]);
    assert_eq!(without.status.code(), Some(2));
    let error = String::from_utf8(without.stderr).unwrap();
    assert!(error.contains("got its secret from JWT_SECRET: set JWT_SECRET here"), "{error}");
    up.signal(Signal::TERM);
    up.finish(ENDS_WITHIN);
}

#[test]
fn another_folder_has_its_own_secret_and_bad_secrets_are_reported_at_once() {
    let home = Home::new();
    // This path resolves to `.oasis`, so the usual cleanup removes the folder.
    fs::create_dir_all(home.path(".oasis/it's odd")).unwrap();
    let up = Up::start({
        let mut command = home.up_command(&["--data", ".oasis/it's odd/.."]);
        command.env("READ_TOKENS", "s3cret");
        command
    });
    let line = up.banner.lines().find(|line| line.starts_with("  tokens ")).unwrap();
    let printed = line.strip_prefix("  tokens     ").unwrap();
    assert_eq!(status(&home, minted(&shell(&home, "", printed, &[]))), "200");
    up.interrupt();
    // A bad secret is reported before PostgreSQL is started.
    for (variable, code, part) in
        [("JWT_SECRET", 2, "openssl rand"), ("JWT_PUBLIC_KEYS", 1, "cannot be read")]
    {
        let home = Home::new();
        let mut command = home.up_command(&[]);
        command.env(variable, "hunter2");
        let (ended, stderr) = Up::spawn(command).finish(LIMIT);
        assert_eq!(ended, Some(code), "{stderr}");
        assert!(stderr.contains(part) && stderr.contains(variable), "{stderr}");
        assert!(!home.path(".oasis/postgres").exists());
    }
    let home = Home::new();
    fs::create_dir(home.path(".oasis")).unwrap();
    let file = home.path(".oasis/jwt-secret");
    fs::write(&file, "short\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let (ended, stderr) = Up::spawn(home.up_command(&[])).finish(LIMIT);
    assert_eq!(ended, Some(1), "{stderr}");
    assert!(stderr.contains("delete .oasis/jwt-secret") && stderr.contains("5 bytes"), "{stderr}");
}
