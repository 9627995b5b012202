//! Tests the rules for claims.

use super::samples::{HEADER, NOW, SECRET, at, claims, secret_keys, signed, verified};
use crate::claims::Rules;
use crate::keys::Keys;
use crate::rejection::Rejection::{self, *};

fn rejection(claims: &str) -> Option<Rejection> {
    verified(claims).err()
}

#[test]
fn a_token_expires_30_s_after_exp() {
    for (exp, expected) in [
        ((NOW - 31).to_string(), Some(Expired)),
        ((NOW - 30).to_string(), Some(Expired)),
        (format!("{}.001", NOW - 30), None),
        ((NOW - 29).to_string(), None),
        (format!("{}e0", NOW - 29), None),
        ("1.8e9".to_owned(), None),
        ("0".to_owned(), Some(Expired)),
        ("-0".to_owned(), Some(Expired)),
        ("-1e11".to_owned(), Some(BadClaim("exp"))),
        ("253402127999".to_owned(), None),
        ("253402128000".to_owned(), Some(BadClaim("exp"))),
        ("9223372036854775807".to_owned(), Some(BadClaim("exp"))),
        ("18446744073709551616".to_owned(), Some(BadClaim("exp"))),
        ("1e300".to_owned(), Some(BadClaim("exp"))),
        ("1e400".to_owned(), Some(BadClaim("exp"))),
        ("-1e400".to_owned(), Some(BadClaim("exp"))),
        ("9".repeat(400), Some(BadClaim("exp"))),
        (format!("\"{}\"", NOW + 60), Some(BadClaim("exp"))),
        ("null".to_owned(), Some(BadClaim("exp"))),
        ("true".to_owned(), Some(BadClaim("exp"))),
        ("[1750000060]".to_owned(), Some(BadClaim("exp"))),
        (r#"{"$serde_json::private::Number":"1750000060"}"#.to_owned(), Some(BadClaim("exp"))),
        ("01750000060".to_owned(), Some(Claims)),
        ("+1750000060".to_owned(), Some(Claims)),
        ("NaN".to_owned(), Some(Claims)),
        ("Infinity".to_owned(), Some(Claims)),
    ] {
        assert_eq!(rejection(&format!(r#"{{"sub":"alice","exp":{exp}}}"#)), expected, "{exp}");
    }
    assert_eq!(rejection(r#"{"sub":"alice"}"#), Some(MissingClaim("exp")));
}

#[test]
fn a_token_is_valid_from_30_s_before_nbf() {
    for (nbf, expected) in [
        ((NOW + 31).to_string(), Some(NotYetValid)),
        (format!("{}.001", NOW + 30), Some(NotYetValid)),
        ((NOW + 30).to_string(), None),
        ((NOW - 1_000).to_string(), None),
        ("\"0\"".to_owned(), Some(BadClaim("nbf"))),
        ("null".to_owned(), Some(BadClaim("nbf"))),
        ("1e400".to_owned(), Some(BadClaim("nbf"))),
    ] {
        assert_eq!(rejection(&claims(&format!(r#","nbf":{nbf}"#))), expected, "{nbf}");
    }
    let issued = |at: i64| claims(&format!(r#","iat":{at}"#));
    assert_eq!(verified(&issued(NOW + 30)).unwrap().iat, Some(at(NOW + 30)));
    assert_eq!(rejection(&issued(NOW + 31)), Some(IssuedLater));
    assert_eq!(verified(&claims("")).unwrap().iat, None);
    for bad in ["\"1\"", "null", "1e99", "{}"] {
        assert_eq!(rejection(&claims(&format!(r#","iat":{bad}"#))), Some(BadClaim("iat")), "{bad}");
    }
}

#[test]
fn the_whole_range_of_times_is_accepted_as_the_present_time() {
    let keys = secret_keys(SECRET);
    let token = signed(HEADER, &claims(""));
    let times = ["0001-01-01T00:00:00Z", "9999-12-29T23:59:59.999Z"];
    let [first, last] = times.map(|time| time.parse().unwrap());
    assert!(keys.verify(&token, first).is_ok());
    assert_eq!(keys.verify(&token, last).unwrap_err(), Expired);
    let latest = signed(HEADER, r#"{"sub":"alice","exp":253402127999.999}"#);
    assert_eq!(keys.verify(&latest, last).unwrap().exp, last);
}

#[test]
fn a_subject_is_a_short_text_without_control_characters() {
    let of = |sub: &str| rejection(&format!(r#"{{"sub":{sub},"exp":{}}}"#, NOW + 1));
    for good in ["\"alice\"", "\"auth0|5f7c8ec7c33c6c004bbafe82\"", "\"Zo\u{eb}\"", "\"\\u0041\"", "\" \""] {
        assert_eq!(of(good), None, "{good}");
    }
    assert_eq!(of(&format!("\"{}\"", "x".repeat(256))), None);
    let long = format!("\"{}\"", "x".repeat(257));
    let long_in_bytes = format!("\"{}\"", "é".repeat(129));
    for bad in [
        &long,
        &long_in_bytes,
        "\"\"",
        "1",
        "null",
        "[\"alice\"]",
        "\"a\\nb\"",
        "\"a\\u0000\"",
        "\"\\u007f\"",
        "\"\\u0085\"",
        "\"\\ud800\"",
    ] {
        assert_eq!(of(bad), Some(BadClaim("sub")), "{bad}");
    }
    assert_eq!(rejection(&format!(r#"{{"exp":{}}}"#, NOW + 1)), Some(MissingClaim("sub")));
    assert_eq!(rejection(&claims(r#","jti":7"#)), Some(BadClaim("jti")));
}

#[test]
fn two_claims_of_one_name_are_refused() {
    for twice in [
        r#","exp":1750003600"#,
        r#","sub":"alice""#,
        r#","\u0073ub":"root""#,
        r#","unknown":1,"unknown":1"#,
        r#","oasis.admin":false,"oasis.admin":true"#,
        r#","oasis.resources":{"project_id":["a"],"project_id":["b"]}"#,
        r#","oasis.resources":{"x":[{"a":1,"a":2}]}"#,
        r#","oasis.other":{"a":1,"\u0061":1}"#,
    ] {
        assert_eq!(rejection(&claims(twice)), Some(DuplicateMember), "{twice}");
    }
    // Objects in other claims are not checked.
    assert_eq!(rejection(&claims(r#","address":{"a":1,"a":2}"#)), None);
    for bad in ["", "[]", "null", "\"sub\"", "{", "{}{}"] {
        assert_eq!(rejection(bad), Some(Claims), "{bad}");
    }
}

#[test]
fn only_true_makes_an_administrator() {
    let is_admin = |value: &str| verified(&claims(&format!(r#","oasis.admin":{value}"#))).map(|v| v.is_admin);
    assert_eq!((is_admin("true"), is_admin("false"), is_admin(" true ")), (Ok(true), Ok(false), Ok(true)));
    for bad in ["1", "\"true\"", "null", "[true]"] {
        assert_eq!(is_admin(bad), Err(BadClaim("oasis.admin")), "{bad}");
    }
    // The member `admin` of a claim `oasis` is not the claim `oasis.admin`.
    assert!(!verified(&claims(r#","oasis":{"admin":true},"admin":true"#)).unwrap().is_admin);
    let viewer = verified(&claims(r#","oasis.resources": [1, 2]"#)).unwrap();
    assert_eq!(viewer.resources.unwrap().get(), "[1, 2]");
}

#[test]
fn issuer_and_audience_are_checked_if_they_are_configured() {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let rejection = |issuers: &[&str], audiences: &[&str], more: &str| {
        let rules = Rules { issuers: texts(issuers), audiences: texts(audiences) };
        let keys = Keys { rules, ..secret_keys(SECRET) };
        keys.verify(&signed(HEADER, &claims(more)), at(NOW)).err()
    };
    // If nothing is configured, `iss` and `aud` have no effect.
    for more in ["", r#","iss":1,"aud":{}"#, r#","iss":"x","aud":["y"]"#] {
        assert_eq!(rejection(&[], &[], more), None, "{more}");
    }
    for (more, expected) in [
        ("", Some(MissingClaim("iss"))),
        (r#","iss":"a""#, None),
        (r#","iss":"b""#, None),
        (r#","iss":"c""#, Some(Issuer)),
        (r#","iss":"a/""#, Some(Issuer)),
        (r#","iss":["a"]"#, Some(BadClaim("iss"))),
        (r#","iss":null"#, Some(BadClaim("iss"))),
    ] {
        assert_eq!(rejection(&["a", "b"], &[], more), expected, "{more}");
    }
    for (more, expected) in [
        ("", Some(MissingClaim("aud"))),
        (r#","aud":"a""#, None),
        (r#","aud":["x","b"]"#, None),
        (r#","aud":"x""#, Some(Audience)),
        (r#","aud":[]"#, Some(Audience)),
        (r#","aud":["x","A"]"#, Some(Audience)),
        (r#","aud":["a",1]"#, Some(BadClaim("aud"))),
        (r#","aud":{"a":1}"#, Some(BadClaim("aud"))),
        (r#","aud":null"#, Some(BadClaim("aud"))),
    ] {
        assert_eq!(rejection(&[], &["a", "b"], more), expected, "{more}");
    }
}
