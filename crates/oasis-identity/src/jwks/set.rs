//! [`Set`]: parses a JWK set.

use serde_json::value::RawValue;

use super::jwk::{Skipped, of_jwk};
use crate::key::Key;
use crate::members::{BadObject, Members, has_only_different_names, text};

/// The maximum size of a set, in bytes.
pub(super) const MOST_BYTES: usize = 256 << 10;
/// The maximum number of keys in a set. The keys that are left out count too.
const MOST_KEYS: usize = 64;

/// The keys of a set.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) keys: Vec<Key>,
    /// The keys that were left out, each with its `kid`.
    pub(super) skipped: Vec<(String, Skipped)>,
}

/// Why a document is not accepted as a JWK set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadSet {
    #[error("the document has more than 256 KiB")]
    TooLarge,
    #[error("the document is not a JSON object")]
    NotAnObject,
    #[error("two members of an object have the same name")]
    Duplicate,
    #[error(
        "the document has no list `keys`, so it is not a JWK set: the issuer's openid-configuration has the \
         address of its JWK set, as `jwks_uri`"
    )]
    NoKeys,
    #[error("the set has {0} keys: expected at most {MOST_KEYS}")]
    TooMany(usize),
}

impl Set {
    pub(super) fn parse(document: &[u8]) -> Result<Self, BadSet> {
        if document.len() > MOST_BYTES {
            return Err(BadSet::TooLarge);
        }
        let whole: &RawValue = serde_json::from_slice(document).map_err(|_| BadSet::NotAnObject)?;
        let members = Members::parse(document).map_err(|bad| match bad {
            BadObject::NotAnObject => BadSet::NotAnObject,
            BadObject::Duplicate => BadSet::Duplicate,
        })?;
        if !has_only_different_names(whole) {
            return Err(BadSet::Duplicate);
        }
        let keys = members.get("keys").ok_or(BadSet::NoKeys)?;
        let keys: Vec<&RawValue> = serde_json::from_str(keys.get()).map_err(|_| BadSet::NoKeys)?;
        if keys.len() > MOST_KEYS {
            return Err(BadSet::TooMany(keys.len()));
        }
        let mut set = Self::default();
        for key in keys {
            let jwk = Members::parse(key.get().as_bytes()).map_err(|_| BadSet::NoKeys)?;
            match of_jwk(&jwk) {
                Ok(key) => set.keys.push(key),
                Err(why) => {
                    let kid = jwk.get("kid").and_then(text).unwrap_or_default();
                    set.skipped.push((kid.into_owned(), why));
                }
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::key::Name;
    use crate::public_key::BadKey;

    const ED: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ed25519() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": ED})
    }

    fn p256() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y})
    }

    /// An RSA key whose modulus has this number of bytes.
    fn rsa(bytes: usize) -> Value {
        json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![0xff; bytes]), "e": "AQAB"})
    }

    fn with(mut key: Value, members: &Value) -> Value {
        for (name, value) in members.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    /// The algorithm of the only key, or why it is left out.
    fn one(key: &Value) -> Result<Algorithm, Skipped> {
        let set = Set::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap();
        match (set.keys.as_slice(), set.skipped.as_slice()) {
            ([key], []) => Ok(key.verifier.algorithm()),
            ([], [(_, why)]) => Err(why.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_kind_of_a_key_decides_its_algorithm() {
        assert_eq!(one(&ed25519()), Ok(Algorithm::EdDsa));
        assert_eq!(one(&p256()), Ok(Algorithm::Es256));
        for bytes in [256, 512, 1_024] {
            assert_eq!(one(&rsa(bytes)), Ok(Algorithm::Rs256), "{bytes}");
        }
        // The list of certificates and unknown members have no effect.
        let more = json!({"x5c": ["AA"], "x5u": "https://evil.example/", "ext": true, "kid": "a"});
        assert_eq!(one(&with(p256(), &more)), Ok(Algorithm::Es256));
    }

    #[test]
    fn a_key_for_another_use_is_left_out() {
        for (members, member) in [
            (json!({"use": "enc"}), "use"),
            (json!({"use": ""}), "use"),
            (json!({"use": "SIG"}), "use"),
            (json!({"key_ops": []}), "key_ops"),
            (json!({"key_ops": ["sign"]}), "key_ops"),
            (json!({"use": "sig", "key_ops": ["encrypt"]}), "key_ops"),
            (json!({"alg": "ES384"}), "alg"),
            (json!({"alg": "RSA-OAEP"}), "alg"),
            (json!({"alg": "HS256"}), "alg"),
            (json!({"alg": "none"}), "alg"),
            (json!({"crv": "P-384"}), "crv"),
            (json!({"crv": "secp256k1"}), "crv"),
            (json!({"kty": "OKP", "crv": "X25519"}), "crv"),
            (json!({"kty": "OKP", "crv": "Ed448"}), "crv"),
            (json!({"kty": "AKP"}), "kty"),
            (json!({"kty": "ec"}), "kty"),
        ] {
            assert_eq!(one(&with(p256(), &members)), Err(Skipped::OtherUse(member)), "{members}");
        }
        for members in [
            json!({"use": "sig"}),
            json!({"key_ops": ["verify"]}),
            json!({"key_ops": ["sign", "verify"]}),
            json!({"alg": "ES256"}),
        ] {
            assert_eq!(one(&with(p256(), &members)), Ok(Algorithm::Es256), "{members}");
        }
    }

    #[test]
    fn a_secret_or_a_private_key_is_left_out() {
        let oct = json!({"kty": "oct", "alg": "HS256", "k": "A".repeat(43)});
        for key in [
            oct.clone(),
            with(oct, &json!({"alg": "RS256", "kty": "RSA"})),
            json!({"kty": "oct"}),
            with(ed25519(), &json!({"d": ED})),
            with(p256(), &json!({"d": X})),
            with(rsa(256), &json!({"d": "AQAB"})),
        ] {
            assert_eq!(one(&key), Err(Skipped::Secret), "{key}");
        }
    }

    #[test]
    fn a_malformed_key_is_left_out() {
        for (key, why) in [
            (json!({}), Skipped::Member("kty")),
            (json!({"kty": 1}), Skipped::Member("kty")),
            (json!({"kty": "RSA", "e": "AQAB"}), Skipped::Member("n")),
            (json!({"kty": "EC"}), Skipped::Member("crv")),
            (with(ed25519(), &json!({"kid": 1})), Skipped::Member("kid")),
            (with(ed25519(), &json!({"kid": null})), Skipped::Member("kid")),
            (with(ed25519(), &json!({"use": ["sig"]})), Skipped::Member("use")),
            (with(ed25519(), &json!({"key_ops": "verify"})), Skipped::Member("key_ops")),
            // The algorithm does not fit the key.
            (with(ed25519(), &json!({"alg": "ES256"})), Skipped::Member("alg")),
            (with(p256(), &json!({"alg": "RS256"})), Skipped::Member("alg")),
            (with(rsa(256), &json!({"alg": "EdDSA"})), Skipped::Member("alg")),
            (with(ed25519(), &json!({"x": format!("{ED}=")})), Skipped::Member("x")),
            (with(p256(), &json!({"y": 7})), Skipped::Member("y")),
            (with(ed25519(), &json!({"x": "AA"})), BadKey::Damaged.into()),
            (with(ed25519(), &json!({"x": "A".repeat(43)})), BadKey::Weak.into()),
            (with(p256(), &json!({"y": X})), BadKey::NotOnCurve.into()),
            (with(p256(), &json!({"y": "AA"})), BadKey::Damaged.into()),
            // The lengths of both coordinates are wrong, but their sum is right.
            (with(p256(), &json!({"x": &X[..40], "y": format!("AAAA{Y}")})), BadKey::Damaged.into()),
            (rsa(128), BadKey::RsaBits(1_024).into()),
            (rsa(1_025), BadKey::RsaBits(8_200).into()),
            (with(rsa(256), &json!({"e": "AQ"})), BadKey::Damaged.into()),
            (with(rsa(256), &json!({"e": ""})), BadKey::Damaged.into()),
            (with(rsa(256), &json!({"n": ""})), BadKey::RsaBits(0).into()),
        ] {
            assert_eq!(one(&key), Err(why), "{key}");
        }
    }

    #[test]
    fn a_zero_in_front_of_a_modulus_does_not_matter() {
        for zeros in 1..4 {
            let modulus = [vec![0; zeros], vec![0xff; 256]].concat();
            let key = with(rsa(256), &json!({"n": URL_SAFE_NO_PAD.encode(modulus)}));
            assert_eq!(one(&key), Ok(Algorithm::Rs256), "{zeros}");
        }
    }

    #[test]
    fn the_other_keys_of_a_set_with_a_bad_key_still_work() {
        let keys = json!({"keys": [{}, with(ed25519(), &json!({"kid": "a"})), rsa(1), p256()]});
        let set = Set::parse(keys.to_string().as_bytes()).unwrap();
        let names: Vec<&Name> = set.keys.iter().map(|key| &key.name).collect();
        assert_eq!(names, [&Name::Set(Some("a".to_owned())), &Name::Set(None)]);
        assert_eq!(set.skipped.len(), 2);
    }

    #[test]
    fn a_document_is_an_object_with_at_most_64_keys_and_no_two_members_of_one_name() {
        let parse = |text: &str| Set::parse(text.as_bytes()).map(|set| set.keys.len());
        let key = ed25519().to_string();
        assert_eq!(parse(r#"{"keys":[]}"#), Ok(0));
        assert_eq!(parse(&format!(r#"{{"keys":[{}]}}"#, vec![key.as_str(); 64].join(","))), Ok(64));
        assert_eq!(
            parse(&format!(r#"{{"keys":[{}]}}"#, vec![key.as_str(); 65].join(","))),
            Err(BadSet::TooMany(65))
        );
        for (text, expected) in [
            ("", BadSet::NotAnObject),
            ("[]", BadSet::NotAnObject),
            ("null", BadSet::NotAnObject),
            ("<html></html>", BadSet::NotAnObject),
            ("{\"keys\":[]}x", BadSet::NotAnObject),
            ("{}", BadSet::NoKeys),
            (r#"{"keys":null}"#, BadSet::NoKeys),
            (r#"{"keys":[[]]}"#, BadSet::NoKeys),
            (r#"{"jwks_uri":"https://issuer.example/certs"}"#, BadSet::NoKeys),
            (r#"{"keys":[],"keys":[]}"#, BadSet::Duplicate),
            (r#"{"keys":[{"kid":"a","\u006bid":"b"}]}"#, BadSet::Duplicate),
            (r#"{"keys":[{"x":{"a":1,"a":1}}]}"#, BadSet::Duplicate),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        let long = |bytes: usize| format!("{}{}", r#"{"keys":[]}"#, " ".repeat(bytes - 11));
        assert_eq!((parse(&long(256 << 10)), parse(&long((256 << 10) + 1))), (Ok(0), Err(BadSet::TooLarge)));
    }
}
