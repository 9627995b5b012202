//! Tests `oasis rooms`, `oasis emit-log` and `oasis logs` against a real gateway.

use std::time::Duration;

use crate::gateway::Gateway;
use crate::process::{Done, Oasis, oasis};

const SECRET: &str = "only-for-tests-only-for-tests-only-for-tests";

/// A gateway that accepts the tokens of users and the token of a service.
struct Rooms {
    gateway: Gateway,
    ann: String,
}

impl Rooms {
    async fn start() -> Self {
        let gateway = Gateway::start_with(&["--ingest-tokens", "s3cret", "--jwt-secret", SECRET]).await;
        let rooms = Self { gateway, ann: token("ann") };
        // Just after its start, the gateway has not read yet which tokens have been revoked.
        while rooms.run(&["rooms"]).stderr.contains("database_unavailable") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        rooms
    }

    fn oasis(&self, arguments: &[&str]) -> Oasis {
        let command = oasis(arguments).env("OASIS_URL", &self.gateway.url).env("INGEST_TOKEN", "s3cret");
        command.env("READ_TOKEN", &self.ann)
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.oasis(arguments).finish()
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        done.stdout
    }
}

fn token(user: &str) -> String {
    let done = oasis(&["token", "mint", "--sub", user, "--for", "1h"]).env("JWT_SECRET", SECRET).finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    done.stdout.trim().to_owned()
}

/// The messages of JSON lines.
fn messages(stdout: &str) -> Vec<String> {
    let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].clone();
    stdout.lines().map(|line| message(line).as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_written_read_and_followed_until_the_room_is_closed() {
    let rooms = Rooms::start().await;
    let opened = rooms.succeed(&["rooms", "create", "build", "--title", "Build 7", "--owner", "ann"]);
    assert!(opened.contains("build  open   signed_in  ann"), "{opened}");
    let empty = rooms.run(&["logs", "build"]);
    assert_eq!((empty.code, empty.stdout.as_str()), (0, ""), "{}", empty.stderr);
    assert!(empty.stderr.contains("the log is empty"), "{}", empty.stderr);
    let one = ["emit-log", "build", "one", "--level", "success", "--agent", "deploy", "--metadata", "n:=1"];
    assert_eq!(rooms.succeed(&[&one[..], &["--vtid", "DEV-CICDL-0031"]].concat()), "");
    let input = b"two\n{\"level\":\"error\",\"msg\":\"three\"}\n\xff four";
    let done = rooms.oasis(&["emit-log", "build"]).finish_with(input);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));

    let shown = rooms.succeed(&["logs", "build"]);
    let shown: Vec<&str> = shown.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(
        shown,
        [
            r#"success  deploy        one  {"n":1}"#,
            "info     cli           two",
            "error    cli           three",
            "info     cli           \u{fffd} four"
        ]
    );
    let json = |flags: &[&str]| messages(&rooms.succeed(&[&["logs", "build", "--json"], flags].concat()));
    assert_eq!(json(&["--level", "error,success"]), ["one", "three"]);
    assert_eq!(json(&["--agent", "deploy"]), ["one"]);
    assert_eq!(json(&["-n", "2"]), ["three", "\u{fffd} four"]);
    assert_eq!(json(&["-n", "0"]), [""; 0]);
    assert_eq!(json(&["--since", "1h"]).len(), 4);
    assert_eq!(json(&["--since", "2999-01-01T00:00:00Z"]), [""; 0]);

    let (mut following, mut lines) = rooms.oasis(&["logs", "build", "-f", "-n", "1", "--json"]).start();
    let mut next = || messages(&lines.next().unwrap().unwrap()).remove(0);
    assert_eq!(next(), "\u{fffd} four");
    let (mut errors, mut error_lines) =
        rooms.oasis(&["logs", "build", "-f", "--json", "--level", "error"]).start();
    assert!(error_lines.next().unwrap().unwrap().contains("three"));
    for message in ["five", "six"] {
        rooms.succeed(&["emit-log", "build", message]);
        assert_eq!(next(), message);
    }
    rooms.succeed(&["emit-log", "build", "seven", "--level", "error"]);
    assert_eq!(next(), "seven");
    assert!(error_lines.next().unwrap().unwrap().contains("seven"));

    let listed = rooms.succeed(&["rooms", "--vtid", "DEV-CICDL-0031"]);
    assert!(listed.contains("Build 7"), "{listed}");
    assert!(rooms.succeed(&["rooms", "--json"]).contains(r#""id":"build""#));
    assert!(rooms.succeed(&["rooms", "close", "build"]).contains("closed"));
    for running in [&mut following, &mut errors] {
        let (code, stderr) = running.finish();
        assert_eq!((code, stderr.trim()), (0, "the room is closed"));
    }
    let done = rooms.run(&["logs", "build", "-f", "-n", "1"]);
    assert_eq!((done.code, done.stderr.trim()), (0, "the room is closed"));
    assert!(done.stdout.contains("seven"), "{}", done.stdout);
    let done = rooms.run(&["emit-log", "build", "late"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("room build: the room build is closed (409 room_closed)"),
        "{}",
        done.stderr
    );
    rooms.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_lines_are_written_in_order_and_read_in_pages() {
    let rooms = Rooms::start().await;
    let input: String = (0..2_500).map(|n| format!("line {n}\n")).collect();
    let done = rooms.oasis(&["emit-log", "many", "--create"]).finish_with(input.as_bytes());
    assert_eq!((done.code, done.stderr.as_str()), (0, ""));
    let expected: Vec<String> = (0..2_500).map(|n| format!("line {n}")).collect();
    let all = messages(&rooms.succeed(&["logs", "many", "--json", "-n", "10000"]));
    assert_eq!(all, expected);
    assert_eq!(messages(&rooms.succeed(&["logs", "many", "--json", "--since", "1h"])), expected);
    assert_eq!(messages(&rooms.succeed(&["logs", "many", "--json"])), expected[2_400..]);
    rooms.gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_room_and_says_what_to_do() {
    let rooms = Rooms::start().await;
    let failed = |command: Oasis, parts: &[&str]| {
        let done = command.finish();
        assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{}", done.stderr);
        for part in parts {
            assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
        }
    };
    failed(rooms.oasis(&["logs", "none"]), &["room none: the room none does not exist (404"]);
    failed(rooms.oasis(&["emit-log", "none", "x"]), &["room none: ", "oasis rooms create none"]);
    failed(
        rooms.oasis(&["emit-log", "none", "x"]).env("INGEST_TOKEN", "no"),
        &["room none: ", "set INGEST_TOKEN"],
    );
    rooms.succeed(&["rooms", "create", "hers", "--owner", "ann", "--readers", "owner"]);
    rooms.succeed(&["emit-log", "hers", "secret"]);
    let bob = token("bob");
    failed(rooms.oasis(&["logs", "hers"]).env("READ_TOKEN", &bob), &["room hers: only the owner", "(403"]);
    failed(rooms.oasis(&["logs", "hers"]).env("READ_TOKEN", "no"), &["room hers: ", "(401"]);
    failed(rooms.oasis(&["rooms", "close", "hers", "--token", &bob]), &["room hers: only the owner"]);
    let done = rooms.oasis(&["rooms"]).env("READ_TOKEN", &bob).finish();
    assert_eq!((done.code, done.stdout.as_str()), (0, ""));
    assert_eq!(done.stderr, "no rooms that this user may read\n");
    // The owner may write and close.
    rooms.succeed(&["emit-log", "hers", "mine", "--token", &rooms.ann]);
    rooms.succeed(&["rooms", "close", "hers", "--token", &rooms.ann]);
    rooms.gateway.stop().await;
}
