//! Sessions that the npm package next-auth has made, and changed ones.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oasis_core::Ts;
use serde::Deserialize;

use super::samples::NOW;
use crate::rejection::Rejection;
use crate::secrets::Secrets;
use crate::sessions::{BadCookieName, CookieName, Session, Sessions};

#[derive(Deserialize)]
struct Sample {
    name: String,
    secret: String,
    /// Each as `name=value`.
    cookies: Vec<String>,
}

fn samples() -> Vec<Sample> {
    serde_json::from_str(include_str!("../../tests/data/sessions.json")).unwrap()
}

fn sample(name: &str) -> Sample {
    samples().into_iter().find(|sample| sample.name.ends_with(name)).unwrap()
}

fn at(seconds: i64) -> Ts {
    Ts::from_unix_seconds(NOW + seconds).unwrap()
}

fn sessions(secrets: &str, name: Option<&str>) -> Sessions {
    let name: Option<CookieName> = name.map(|name| name.parse().unwrap());
    Sessions::new(&secrets.parse::<Secrets>().unwrap(), name.as_ref())
}

fn find(sessions: &Sessions, cookies: &[String]) -> Option<Session> {
    let cookies: Vec<_> = cookies.iter().map(|cookie| cookie.split_once('=').unwrap()).collect();
    sessions.find(&cookies)
}

#[test]
fn sessions_of_next_auth_are_opened() {
    for Sample { name, secret, mut cookies } in samples() {
        let own_name = name.ends_with("own name").then_some("team.session");
        let sessions = sessions(&format!("{},{secret}", "another-secret-".repeat(4)), own_name);
        // The order of chunks has no effect.
        cookies.reverse();
        cookies.push("theme=dark".into());
        let session = find(&sessions, &cookies).unwrap_or_else(|| panic!("{name}: no session"));
        let viewer = sessions.identify(&session, at(0));
        if name.ends_with("without sub") {
            assert_eq!(viewer.unwrap_err(), Rejection::MissingClaim("sub"));
            continue;
        }
        let viewer = viewer.unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!((viewer.sub.as_str(), viewer.is_admin), ("alice", own_name.is_some()), "{name}");
        if name.ends_with("hundred years") {
            continue;
        }
        assert_eq!((viewer.iat, viewer.exp), (Some(at(0)), at(3_600)), "{name}");
        assert_eq!(sessions.identify(&session, at(3_600 + 30)).unwrap_err(), Rejection::Expired, "{name}");
    }
}

#[test]
fn a_session_needs_the_secret_and_the_name_of_its_cookie() {
    let Sample { secret, cookies, .. } = sample("plain");
    let other = sessions(&"another-secret-".repeat(4), None);
    let session = find(&other, &cookies).unwrap();
    assert_eq!(other.identify(&session, at(0)).unwrap_err(), Rejection::NoKey);
    // The name is the salt of the key.
    let named = sessions(&secret, Some("team.session"));
    let moved = [cookies[0].replace("authjs.session-token", "team.session")];
    let session = find(&named, &moved).unwrap();
    assert_eq!(named.identify(&session, at(0)).unwrap_err(), Rejection::NoKey);
    assert!(find(&named, &cookies).is_none());
    assert!(find(&Sessions::default(), &cookies).is_none());
}

#[test]
fn a_changed_session_is_refused() {
    let Sample { secret, cookies, .. } = sample("plain");
    let sessions = sessions(&secret, None);
    let (name, value) = cookies[0].split_once('=').unwrap();
    let identify = |value: &str| {
        let session = sessions.find(&[(name, value)]).unwrap();
        sessions.identify(&session, at(0)).map(|viewer| viewer.sub)
    };
    assert_eq!(identify(value).unwrap(), "alice");
    let parts: Vec<&str> = value.split('.').collect();
    for nth in [2, 3, 4] {
        let bytes = URL_SAFE_NO_PAD.decode(parts[nth]).unwrap();
        for (at, bit) in (0..bytes.len()).flat_map(|at| [(at, 0), (at, 7)]) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            let mut parts = parts.clone();
            parts[nth] = &changed;
            assert_eq!(identify(&parts.join(".")), Err(Rejection::Signature), "part {nth}, byte {at}");
        }
        let mut parts = parts.clone();
        parts[nth] = "";
        assert_eq!(identify(&parts.join(".")), Err(Rejection::Signature), "without part {nth}");
    }
    let header = |json: &str| {
        let header = URL_SAFE_NO_PAD.encode(json);
        identify(&[&header, parts[1], parts[2], parts[3], parts[4]].join("."))
    };
    for (json, why) in [
        (r#"{"alg":"dir","enc":"A256CBC-HS512"}"#, Rejection::Signature),
        (r#"{"alg":"dir","enc":"A256GCM"}"#, Rejection::NotASession),
        (r#"{"alg":"A256KW","enc":"A256CBC-HS512"}"#, Rejection::NotASession),
        (r#"{"alg":"dir","enc":"A256CBC-HS512","zip":"DEF"}"#, Rejection::NotASession),
        (r#"{"alg":"dir","enc":"A256CBC-HS512","crit":["x"]}"#, Rejection::Critical),
        (r#"{"alg":"dir","alg":"dir","enc":"A256CBC-HS512"}"#, Rejection::DuplicateMember),
        (r#"{"alg":"dir","enc":"A256CBC-HS512","kid":7}"#, Rejection::HeaderMember("kid")),
        ("[]", Rejection::Header),
    ] {
        assert_eq!(header(json), Err(why), "{json}");
    }
    let with_key = [parts[0], "AAAA", parts[2], parts[3], parts[4]].join(".");
    for (bad, why) in [
        (with_key.as_str(), Rejection::NotASession),
        ("0a1b2c3d-a-database-session", Rejection::NotASession),
        (&format!("{value}.x"), Rejection::NotASession),
        (&format!("{value}="), Rejection::Base64),
        (&"x".repeat(16_385), Rejection::TooLong),
    ] {
        assert_eq!(identify(bad), Err(why), "{bad:.60}");
    }
    let chunk = format!("{name}.0");
    assert!(sessions.find(&[(name, ""), (&chunk, "")]).is_none(), "an empty cookie is no session");
    let found = sessions.find(&[(name, ""), (&chunk, value)]).unwrap();
    assert!(sessions.identify(&found, at(0)).is_ok(), "an empty cookie hides no session");
}

#[test]
fn the_name_of_a_cookie_is_a_token() {
    assert!("__Host-team.session".parse::<CookieName>().is_ok());
    for bad in ["", "a b", "a;b", "a=b", "ä", &"x".repeat(129)] {
        assert_eq!(bad.parse::<CookieName>(), Err(BadCookieName), "{bad}");
    }
}
