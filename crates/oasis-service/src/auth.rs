//! Secrets from the configuration, and the bearer tokens of requests.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use ring::hmac;
use ring::rand::SystemRandom;

/// A secret that prints as `[redacted]`. However, clap's `--help` shows the values of environment variables.
/// To hide them, declare `hide_env_values = true` or parse the command with [`crate::args::parse`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself. It must not be logged.
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

/// The accepted tokens, parsed from a comma-separated list. Several tokens allow rotation.
///
/// Only keyed hashes of the tokens are stored. The hashes are compared in constant time, so the comparison
/// reveals neither the bytes nor the length of a token.
#[derive(Clone)]
pub struct Tokens {
    key: hmac::Key,
    tags: Vec<hmac::Tag>,
}

/// The system did not provide random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source failed")]
pub struct NoRandomness;

impl Tokens {
    /// Whether the list has no tokens. The caller decides whether an empty list allows every request or none.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Whether `presented` is an accepted token.
    pub fn accept(&self, presented: &str) -> bool {
        self.find(presented).is_some()
    }

    /// The place of `presented` in the list of accepted tokens.
    pub fn find(&self, presented: &str) -> Option<usize> {
        // All tokens are compared, so that the duration does not reveal which token matched.
        self.tags.iter().enumerate().fold(None, |found, (place, tag)| {
            let matches = hmac::verify(&self.key, presented.as_bytes(), tag.as_ref()).is_ok();
            if matches { Some(place) } else { found }
        })
    }

    /// Accepts these tokens.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Result<Self, NoRandomness> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).map_err(|_| NoRandomness)?;
        let tags = tokens.into_iter().map(|token| hmac::sign(&key, token.as_bytes())).collect();
        Ok(Self { key, tags })
    }

    /// Accepts one more token. Its place is the last one.
    pub fn push(&mut self, token: &str) {
        self.tags.push(hmac::sign(&self.key, token.as_bytes()));
    }
}

/// The items of a comma-separated list, without the blanks around them. Empty items are left out.
pub fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The length of 16 bytes in base64, without the padding.
const LEAST_BASE64: usize = 22;

/// Why a list of tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadList {
    /// The list is not empty, but has no token. Somebody meant to set tokens, so the list must not count as
    /// empty.
    #[error("the list has no token: give it one, or leave it empty")]
    NoToken,
    /// A token is not safe. The message shows no part of it.
    #[error("token {number} {why}")]
    Token {
        /// The place of the token in the list. The first token has the number 1.
        number: usize,
        /// What is wrong with the token.
        why: &'static str,
    },
    /// See [`NoRandomness`].
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The items of a list of tokens. See [`items`]. The caller checks each token with [`check_end`].
///
/// # Errors
/// [`BadList::NoToken`].
pub fn token_items(list: &str) -> Result<impl Iterator<Item = &str>, BadList> {
    if !list.is_empty() && items(list).next().is_none() {
        return Err(BadList::NoToken);
    }
    Ok(items(list))
}

/// Checks that a token does not end with `=`, unless it looks like base64 with padding. If the variable in
/// `ci=$TOKEN` is empty, only `ci=` is left, and anyone could guess such a token.
///
/// # Errors
/// What is wrong with the token.
pub fn check_end(token: &str) -> Result<(), &'static str> {
    let text = token.trim_end_matches('=');
    let has = |of_kind: fn(&u8) -> bool| text.as_bytes().iter().any(of_kind);
    let is_base64 = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte))
        && (1..=2).contains(&(token.len() - text.len()))
        && token.len().is_multiple_of(4)
        && text.len() >= LEAST_BASE64
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit);
    if token.len() == text.len() || is_base64 {
        return Ok(());
    }
    Err("ends with `=`, but is not a token in base64 of at least 16 bytes, with letters of both cases and \
         digits: is a variable empty? If not, choose another token")
}

impl FromStr for Tokens {
    type Err = BadList;

    fn from_str(list: &str) -> Result<Self, BadList> {
        for (place, token) in token_items(list)?.enumerate() {
            check_end(token).map_err(|why| BadList::Token { number: place + 1, why })?;
        }
        Ok(Self::new(items(list))?)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A token that a request presents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented<T> {
    /// The token.
    Token(T),
    /// There is a token, but it cannot be read.
    Malformed,
    /// There is no token.
    Nothing,
}

/// The token in `Authorization: Bearer …`. A header with another scheme counts as no token. A header that is
/// sent twice is malformed, if one of the two has this scheme.
pub fn bearer(headers: &HeaderMap) -> Presented<&str> {
    let scheme = b"bearer";
    let is_bearer = |value: &HeaderValue| {
        let value = value.as_bytes();
        value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
            && value.get(scheme.len()).is_none_or(u8::is_ascii_whitespace)
    };
    if !headers.get_all(AUTHORIZATION).iter().any(is_bearer) {
        return Presented::Nothing;
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Presented::Malformed };
    let token = value.to_str().ok().and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim());
    let token = token.filter(|token| !token.is_empty() && !token.contains(' '));
    token.map_or(Presented::Malformed, Presented::Token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tokens_of_a_list_are_accepted_and_no_others() {
        let tokens: Tokens = " alpha,,beta , ".parse().unwrap();
        assert_eq!(tokens.tags.len(), 2);
        assert!(tokens.accept("alpha") && tokens.accept("beta"));
        assert_eq!([tokens.find("alpha"), tokens.find("beta"), tokens.find("a")], [Some(0), Some(1), None]);
        for wrong in ["", "alph", "alphaa", " alpha", "alpha,beta", "ALPHA"] {
            assert!(!tokens.accept(wrong), "{wrong}");
        }
        let none: Tokens = "".parse().unwrap();
        assert!(none.is_empty() && !none.accept(""));
        for blank in [" ", ",", " , "] {
            assert!(matches!(blank.parse::<Tokens>(), Err(BadList::NoToken)), "{blank:?}");
        }
        assert_eq!(format!("{tokens:?}"), "[redacted]");
    }

    /// If the variable in `ci=$TOKEN` is empty, the item is `ci=`, and anyone could guess it.
    #[test]
    fn a_token_may_end_with_an_equals_sign_only_if_it_looks_like_base64() {
        for guessable in [
            "ok,=",
            "ok,==",
            "ok,ci=",
            "ok,github-actions-runner=",
            "ok,GithubActions.Runner-01==",
            "ok,MDEyMzQ1Njc4OWFiY2RlZg=",
            "ok,MDEyMzQ1Njc4OWFiY2RlZg====",
            "ok,MDEyMzQ1Njc4OWFiY2RlZmc===",
            "ok,mdeymzq1njc4owfiy2rlzg==",
            "ok,MDEYMZQ1NJC4OWFIY2RLZG==",
            "ok,MDEyMzQIN=jcFOWFiYFRlZg==",
        ] {
            let error = guessable.parse::<Tokens>().unwrap_err().to_string();
            assert!(error.starts_with("token 2 ends with `=`"), "{guessable}: {error}");
        }
        for good in ["MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZmc=", "MDEyMzQ1Njc4OWFiY2Rl_-+/NQ=="] {
            assert!(good.parse::<Tokens>().unwrap().accept(good), "{good}");
        }
    }

    #[test]
    fn a_secret_prints_as_redacted() {
        let secret: Secret = "hunter2".parse().unwrap();
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_bearer_token_is_read_from_exactly_one_well_formed_header() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            match bearer(&headers) {
                Presented::Token(token) => Presented::Token(token.to_owned()),
                Presented::Malformed => Presented::Malformed,
                Presented::Nothing => Presented::Nothing,
            }
        };
        assert_eq!(of(&["Bearer abc"]), Presented::Token("abc".to_owned()));
        assert_eq!(of(&["bEARER  abc "]), Presented::Token("abc".to_owned()));
        for nothing in [&[] as &[_], &["Basic abc"], &["Bearerabc"]] {
            assert_eq!(of(nothing), Presented::Nothing, "{nothing:?}");
        }
        for wrong in [
            &["Bearer"] as &[_],
            &["Bearer "],
            &["Bearer a b"],
            &["Bearer a", "Bearer a"],
            &["Basic a", "Bearer a"],
        ] {
            assert_eq!(of(wrong), Presented::Malformed, "{wrong:?}");
        }
    }
}
