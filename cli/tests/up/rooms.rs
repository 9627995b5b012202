//! Tests that rooms need no settings with a running `oasis up`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::process::{Home, Up};

/// `oasis` as the user `user` runs it, in a folder below the folder of `oasis up`.
fn oasis(home: &Home, user: &str, arguments: &[&str]) -> Command {
    let mut command = home.command(env!("CARGO_BIN_EXE_oasis"));
    command.args(arguments).current_dir(home.path("a/b")).env("USER", user);
    command
}

fn succeed(home: &Home, user: &str, arguments: &[&str]) -> String {
    succeeded(&oasis(home, user, arguments).output().unwrap())
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn fail(home: &Home, user: &str, arguments: &[&str]) -> String {
    let output = oasis(home, user, arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// Runs a shell command in the folder of `oasis up`. In the command, `oasis` is the tested program.
fn shell(home: &Home, command: &str) -> String {
    let oasis = env!("CARGO_BIN_EXE_oasis");
    let mut shell = home.command("/bin/sh");
    shell.args(["-c", &format!("oasis() {{ '{oasis}' \"$@\"; }}; {command}")]);
    succeeded(&shell.output().unwrap())
}

/// The command in the banner that writes to a room.
fn printed(up: &Up) -> &str {
    let line = up.banner.lines().find_map(|line| line.strip_prefix("  rooms      ")).unwrap();
    line.split_once("   (token in ").unwrap().0
}

#[test]
fn rooms_are_opened_written_listed_read_and_closed() {
    let home = Home::new();
    fs::create_dir_all(home.path("a/b")).unwrap();
    let mut command = home.up_command(&[]);
    command.env("INGEST_TOKENS", "mine=s3cret:rooms");
    let up = Up::start(command);

    let opened = succeed(&home, "ann", &["rooms", "create", "build-1", "--title", "Build 1"]);
    assert!(opened.contains("Build 1"), "{opened}");
    succeed(&home, "ann", &["emit-log", "build-1", "Compiling"]);
    assert!(succeed(&home, "bob", &["logs", "build-1"]).contains("Compiling"));
    assert!(succeed(&home, "bob", &["rooms"]).contains("build-1"));

    // Each user reads with their own name.
    succeed(&home, "ann", &["rooms", "create", "hers", "--owner", "ann", "--readers", "owner"]);
    succeed(&home, "ann", &["emit-log", "hers", "secret"]);
    assert!(succeed(&home, "ann", &["logs", "hers"]).contains("secret"));
    assert!(fail(&home, "bob", &["logs", "hers"]).contains("only the owner"));
    assert!(!succeed(&home, "bob", &["rooms"]).contains("hers"));
    assert!(succeed(&home, "bob", &["logs", "hers", "--as", "ann"]).contains("secret"));
    assert!(succeed(&home, "bob", &["rooms", "--as", "ann"]).contains("hers"));
    let mut nameless = oasis(&home, "", &["logs", "hers"]);
    assert!(succeeded(&nameless.env("LOGNAME", "ann").output().unwrap()).contains("secret"));

    // The tokens of the user work too.
    succeed(&home, "ann", &["emit-log", "build-1", "mine", "--token", "s3cret"]);
    assert!(fail(&home, "ann", &["emit-log", "build-1", "x", "--token", "wrong"]).contains("(401"));

    let follow = oasis(&home, "bob", &["logs", "build-1", "-f"]).stdout(Stdio::piped()).spawn().unwrap();
    assert!(succeed(&home, "ann", &["rooms", "close", "build-1"]).contains("closed"));
    let followed = succeeded(&follow.wait_with_output().unwrap());
    assert!(followed.contains("Compiling") && followed.contains("mine"), "{followed}");
    up.interrupt();
}

#[test]
fn the_service_token_is_private_and_stays_the_same() {
    let home = Home::new();
    let up = home.up(&[]);
    let file = home.path(".oasis/service-token");
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(token.trim().len(), 64);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!up.banner.contains(token.trim()), "{}", up.banner);
    let running = fs::read_to_string(home.path(".oasis/running.json")).unwrap();
    assert!(!running.contains(token.trim()), "{running}");
    let running: Value = serde_json::from_str(&running).unwrap();
    assert_eq!(running["service_token"], "service-token");
    let url = format!("http://localhost:{}/api/v1/rooms/r", home.port);
    let open = format!("curl -sf -X PUT {url} -H \"Authorization: Bearer $(cat .oasis/service-token)\"");
    let open = format!("{open} -H 'Content-Type: application/json' -d '{{}}'");
    assert!(shell(&home, &open).contains(r#""id":"r""#));
    up.interrupt();
    let up = home.up(&[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), token);
    up.interrupt();
}

#[test]
fn the_printed_command_writes_to_a_room() {
    let home = Home::new();
    // This path resolves to `.oasis`, so the usual cleanup removes the folder.
    fs::create_dir_all(home.path(".oasis/it's odd")).unwrap();
    for flags in [&[][..], &["--data", ".oasis/it's odd/.."]] {
        let up = home.up(flags);
        let printed = printed(&up);
        assert_eq!(printed.starts_with("oasis "), flags.is_empty(), "{printed}");
        shell(&home, printed);
        assert!(shell(&home, "oasis logs build-1").contains("hello"));
        up.interrupt();
    }
}
