//! Tests which gateways get the credentials of the running `oasis up`. Fake gateways show what they get.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::fake::{Answer, Fake, Request, Then, serve};
use crate::process::{Oasis, oasis};

const SERVICE: &str = "5e7a1ce";
const PAGE: &str = r#"{"roomId":"r","lines":[],"cursor":0,"more":false}"#;

/// The commands that write to rooms, or resource events.
const WRITES: [&[&str]; 4] = [
    &["emit-log", "r", "hello"],
    &["rooms", "create", "r"],
    &["rooms", "close", "r"],
    &["emit", "--resource", "workload:api", "--status", "Running"],
];
/// The commands that read rooms.
const READS: [&[&str]; 2] = [&["logs", "r"], &["rooms"]];

/// A folder with the files of an `oasis up`. A fake gateway and the process of this test stand in for it.
struct Up {
    folder: TempDir,
    gateway: Fake,
}

impl Up {
    fn new(gateway: Fake) -> Self {
        let up = Self { folder: tempfile::tempdir().unwrap(), gateway };
        fs::create_dir(up.file("")).unwrap();
        let (pid, url) = (std::process::id(), &up.gateway.url);
        let running = format!(
            r#"{{"pid":{pid},"gateway":"{url}","webhooks":"{url}","webhook_secret":null,
                 "jwt_secret":"jwt-secret","service_token":"service-token"}}"#
        );
        fs::write(up.file("running.json"), running).unwrap();
        up.write("jwt-secret", "only-for-tests-only-for-tests-only-for-tests");
        up.write("service-token", SERVICE);
        up
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(".oasis").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), format!("{text}\n")).unwrap();
        self.set_mode(name, 0o600);
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn oasis(&self, arguments: &[&str]) -> Oasis {
        oasis(arguments).in_folder(self.folder.path())
    }
}

/// A gateway that accepts every request.
fn accepting() -> Fake {
    serve(|_, request| {
        let body = if request.line.contains("GET /api/v1/rooms/") { PAGE } else { r#"{"rooms":[]}"# };
        Answer::json("200 OK", body)
    })
}

/// The token of the only request that has arrived.
fn token(gateway: &Fake) -> Option<String> {
    let requests: Vec<Request> = gateway.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    let header = requests[0].header("authorization")?;
    Some(header.strip_prefix("Bearer ").unwrap().to_owned())
}

#[test]
fn the_running_up_gets_its_service_token_and_tokens_for_its_users() {
    let up = Up::new(accepting());
    let port = up.gateway.url.rsplit_once(':').unwrap().1;
    let same = format!("localhost:{port}");
    for url in [&[][..], &["--url", &same]] {
        for write in WRITES {
            let done = up.oasis(&[write, url].concat()).finish();
            assert_eq!(done.code, 0, "{write:?}: {}", done.stderr);
            assert_eq!(token(&up.gateway).as_deref(), Some(SERVICE), "{write:?}");
        }
        for read in READS {
            let done = up.oasis(&[read, url].concat()).finish();
            assert_eq!(done.code, 0, "{read:?}: {}", done.stderr);
            let token = token(&up.gateway).unwrap();
            assert_eq!(token.split('.').count(), 3, "{read:?}: {token}");
        }
    }
}

#[test]
fn no_other_gateway_gets_a_credential() {
    let (up, other) = (Up::new(accepting()), accepting());
    for command in WRITES.iter().chain(&READS) {
        let done = up.oasis(&[command, &["--url", &other.url][..]].concat()).finish();
        assert_eq!(done.code, 0, "{command:?}: {}", done.stderr);
        assert_eq!(token(&other), None, "{command:?}");
        let done = up.oasis(command).env("OASIS_URL", &other.url).finish();
        assert_eq!(done.code, 0, "{command:?}: {}", done.stderr);
        assert_eq!(token(&other), None, "{command:?}");
    }
    let done = up.oasis(&["logs", "r", "--as", "ann", "--url", &other.url]).finish();
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("--as needs the secret of the running `oasis up`"), "{}", done.stderr);
    assert_eq!(other.requests().len() + up.gateway.requests().len(), 0);
}

#[test]
fn a_given_token_comes_first() {
    let up = Up::new(accepting());
    for (commands, variable) in [(&WRITES[..], "INGEST_TOKEN"), (&READS[..], "READ_TOKEN")] {
        for command in commands {
            let done = up.oasis(command).env(variable, "mine").finish();
            assert_eq!(done.code, 0, "{command:?}: {}", done.stderr);
            assert_eq!(token(&up.gateway).as_deref(), Some("mine"), "{command:?}");
        }
    }
}

/// `oasis up` keeps these files private. So another file is not from `oasis up`.
#[test]
fn a_file_that_others_can_read_or_that_is_a_link_is_not_used() {
    let up = Up::new(accepting());
    let refused = |commands: &[&[&str]], name: &str, variable: &str| {
        for command in commands {
            let done = up.oasis(command).finish();
            assert_eq!(done.code, 1, "{command:?}");
            for part in [name, "can be read by others", &format!("or set {variable}")] {
                assert!(done.stderr.contains(part), "{command:?}: {part}: {}", done.stderr);
            }
        }
        assert_eq!(up.gateway.requests().len(), 0);
    };
    for (commands, name, variable) in
        [(&WRITES[..], "service-token", "INGEST_TOKEN"), (&READS[..], "jwt-secret", "READ_TOKEN")]
    {
        up.set_mode(name, 0o640);
        refused(commands, name, variable);
        up.set_mode(name, 0o600);
        fs::rename(up.file(name), up.file("other")).unwrap();
        std::os::unix::fs::symlink(up.file("other"), up.file(name)).unwrap();
        refused(commands, name, variable);
    }
}

#[test]
fn a_log_that_is_followed_goes_on_with_another_token_when_the_token_has_expired() {
    let gateway = serve(|number, _| {
        let close = |reason: &str| {
            format!("retry: 1\n\nevent: close\ndata: {{\"message\":\"told\",\"reason\":\"{reason}\"}}\n\n")
        };
        match number {
            0 => Answer::json("200 OK", PAGE),
            1 => Answer::feed(&close("token_expired"), Then::Close),
            _ => Answer::feed(&close("closed"), Then::Silence),
        }
    });
    let up = Up::new(gateway);
    let done = up.oasis(&["logs", "r", "-f"]).finish();
    assert_eq!(done.code, 0, "{}", done.stderr);
    let requests = up.gateway.requests();
    let tokens: Vec<_> = requests.iter().map(|request| request.header("authorization").unwrap()).collect();
    assert_eq!(tokens.len(), 3);
    assert_ne!(tokens[1], tokens[2]);
}
