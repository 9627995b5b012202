//! Tests `oasis token mint`.

use oasis_core::Ts;
use oasis_identity::{KeySource, Keys, Rules};

use crate::process::{Done, oasis};

const SECRET: &str = "only-for-tests-only-for-tests-only-for-tests";

fn mint(flags: &[&str]) -> Done {
    let arguments = [&["token", "mint", "--sub", "alice", "--for", "1h"], flags].concat();
    oasis(&arguments).env("JWT_SECRET", &format!("{SECRET},{}", "x".repeat(32))).finish()
}

fn keys() -> Keys {
    Keys::new(&[KeySource::Secrets(SECRET.parse().unwrap())], Rules::default()).unwrap()
}

#[test]
fn only_the_token_is_printed_and_it_has_the_claims() {
    let now = Ts::clamped(jiff::Timestamp::now());
    let plain = mint(&[]);
    assert_eq!((plain.code, plain.stderr.as_str(), plain.stdout.lines().count()), (0, "", 1));
    let viewer = keys().verify(plain.stdout.trim(), now).unwrap();
    assert_eq!((viewer.sub.as_str(), viewer.is_admin), ("alice", false));
    let valid_for = viewer.exp.instant().duration_since(viewer.iat.unwrap().instant());
    assert_eq!(valid_for.as_secs(), 3_600);
    assert!(viewer.jti.is_some() && viewer.jti != keys().verify(mint(&[]).stdout.trim(), now).unwrap().jti);
    let more = mint(&["--admin", "--claim", r#"oasis.resources={"project_id":["p1"]}"#, "--claim", "n=1"]);
    let viewer = keys().verify(more.stdout.trim(), now).unwrap();
    assert!(viewer.is_admin);
    assert_eq!(viewer.resources.unwrap().get(), r#"{"project_id":["p1"]}"#);
}

#[test]
fn a_token_that_a_gateway_would_refuse_is_not_printed() {
    for (flags, code, part) in [
        (&["--claim", "nbf=\"later\""][..], 1, "the claim nbf is malformed"),
        (&["--claim", "role=admin"], 2, "quotation marks"),
        (&["--claim", "sub=\"bob\""], 2, "use --sub"),
        (&["--claim", "a=1", "--claim", "a=2"], 2, "the claim a is given twice"),
        (&["--jwt-secret", "hunter2"], 2, "openssl rand -base64 48"),
    ] {
        let done = mint(flags);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{flags:?}: {}", done.stderr);
        assert!(done.stderr.contains(part) && !done.stderr.contains("hunter2"), "{flags:?}: {}", done.stderr);
        // The reason is given once.
        assert_eq!(done.stderr.matches(part).count(), 1, "{}", done.stderr);
    }
    let without = oasis(&["token", "mint", "--sub", "alice", "--for", "1h"]).finish();
    assert_eq!((without.code, without.stdout.as_str()), (2, ""));
    assert!(without.stderr.contains("set JWT_SECRET, or run `oasis up`"), "{}", without.stderr);
}
