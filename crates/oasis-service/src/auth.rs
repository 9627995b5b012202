//! Secrets from the configuration, and the bearer tokens that requests present.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hyper::header::{AUTHORIZATION, HeaderMap};
use ring::hmac;
use ring::rand::SystemRandom;

/// A secret that prints as `[redacted]`. With clap, add `hide_env_values = true` or parse with
/// [`crate::args::parse`], or `--help` shows the variable's value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself; not for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(secret: &str) -> Result<Self, Infallible> {
        Ok(Self(secret.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The tokens that are accepted, from a comma-separated list; several allow rotation.
///
/// Only keyed hashes are kept, and comparing those in constant time tells nothing of a token's bytes
/// or length.
#[derive(Clone)]
pub struct Tokens {
    key: hmac::Key,
    tags: Vec<hmac::Tag>,
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed")]
pub struct NoRandomness;

impl Tokens {
    /// Whether none is set; what that means is for the route to say.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// How many are set.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether `presented` is one of them.
    pub fn accept(&self, presented: &str) -> bool {
        // All are compared, so that the time does not tell which one it was.
        self.tags.iter().fold(false, |found, tag| {
            hmac::verify(&self.key, presented.as_bytes(), tag.as_ref()).is_ok() | found
        })
    }
}

impl FromStr for Tokens {
    type Err = NoRandomness;

    fn from_str(list: &str) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
        let tags = list
            .split(',')
            .map(str::trim)
            .filter(|token| !token.is_empty())
            .map(|token| hmac::sign(&key, token.as_bytes()))
            .collect();
        Ok(Self { key, tags })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The token of `Authorization: Bearer …`; `None` without one, and when the header is given twice.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn tokens_come_from_a_list() {
        let tokens: Tokens = " alpha,,beta , ".parse().unwrap();
        assert_eq!(tokens.len(), 2);
        assert!(tokens.accept("alpha") && tokens.accept("beta"));
        for wrong in ["", "alph", "alphaa", " alpha", "alpha,beta", "ALPHA"] {
            assert!(!tokens.accept(wrong), "{wrong}");
        }
        let none: Tokens = " , ".parse().unwrap();
        assert!(none.is_empty() && !none.accept(""));
        assert_eq!(format!("{tokens:?}"), "[redacted]");
    }

    #[test]
    fn secrets_do_not_print() {
        let secret: Secret = "hunter2".parse().unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn bearer_is_strict() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(of(&["bEARER  abc "]).as_deref(), Some("abc"));
        for wrong in [
            &[] as &[_],
            &["Bearer"],
            &["Bearer "],
            &["Basic abc"],
            &["Bearer a b"],
            &["Bearer a", "Bearer a"],
        ] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
    }
}
