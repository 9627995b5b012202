//! [`Seen`]: the tokens that have been verified before.
//!
//! A client presents the same token whenever it connects, and with every request. Verifying its signature
//! takes up to 60 µs, and finding the token here takes less than 1 µs. Only valid tokens are kept. A lookup
//! compares the whole token, so a token with any change is verified as a new one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::claims::Claims;
use crate::key::Key;

/// The maximum number of tokens in each generation.
const MOST: usize = 2_048;
/// Longer tokens are not kept, so that all tokens and their claims together need less than 20 MB.
const MOST_BYTES: usize = 2_048;

/// The keys of a JWK set, as they were at one moment.
pub(crate) type KeySet = Arc<[Key]>;

/// The tokens that have been verified before, with their claims. See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Tokens>);

/// Two generations of tokens. When the young generation is full, it replaces the old one. A token that is
/// found in the old generation moves to the young one. So tokens that are still in use stay, and the order of
/// their uses need not be stored.
#[derive(Default)]
struct Tokens {
    /// The keys of the JWK set when the tokens were verified. After the set has been read again, all tokens
    /// are forgotten, because the set may no longer contain their keys. `None` if there is no JWK set.
    set: Option<KeySet>,
    young: HashMap<Box<str>, Claims>,
    old: HashMap<Box<str>, Claims>,
}

impl Seen {
    /// The claims of a token that was verified with the same keys. The caller must check the times in the
    /// claims.
    pub(crate) fn get(&self, token: &str, set: Option<&KeySet>) -> Option<Claims> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tokens.are_of(set) {
            return None;
        }
        if let Some(claims) = tokens.young.get(token) {
            return Some(claims.clone());
        }
        let (token, claims) = tokens.old.remove_entry(token)?;
        tokens.add(token, claims.clone());
        Some(claims)
    }

    /// Remembers a token that has been verified with these keys and is valid now.
    pub(crate) fn insert(&self, token: &str, set: Option<&KeySet>, claims: &Claims) {
        if token.len() > MOST_BYTES {
            return;
        }
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !tokens.are_of(set) {
            *tokens = Tokens { set: set.cloned(), ..Tokens::default() };
        }
        tokens.add(token.into(), claims.clone());
    }
}

impl Tokens {
    fn are_of(&self, set: Option<&KeySet>) -> bool {
        match (&self.set, set) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (before, now) => before.is_none() && now.is_none(),
        }
    }

    fn add(&mut self, token: Box<str>, claims: Claims) {
        if self.young.len() >= MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, claims);
    }
}

/// Shows only how many tokens there are, because a token is a secret.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.young.len() + self.old.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims() -> Claims {
        Claims::parse(br#"{"sub":"alice","exp":1750000000}"#).unwrap()
    }

    fn has(seen: &Seen, token: &str, set: Option<&KeySet>) -> bool {
        seen.get(token, set).is_some()
    }

    #[test]
    fn only_the_same_token_is_found() {
        let seen = Seen::default();
        seen.insert("a.b.c", None, &claims());
        assert!(has(&seen, "a.b.c", None));
        for other in ["a.b.C", "a.b.c ", "a.b", ""] {
            assert!(!has(&seen, other, None), "{other}");
        }
        assert_eq!(format!("{seen:?}"), "Seen(Mutex { data: 1 tokens, poisoned: false, .. })");
    }

    #[test]
    fn a_new_set_of_keys_forgets_all_tokens() {
        let seen = Seen::default();
        let (before, after): (KeySet, KeySet) =
            (Arc::new([Key::secret(b"1")]), Arc::new([Key::secret(b"2")]));
        seen.insert("1", Some(&before), &claims());
        assert!(has(&seen, "1", Some(&before)) && !has(&seen, "1", Some(&after)));
        seen.insert("2", Some(&after), &claims());
        assert!(has(&seen, "2", Some(&after)) && !has(&seen, "1", Some(&before)));
        // A verification that began with the old keys may end after the new keys are in use.
        seen.insert("1", Some(&before), &claims());
        assert!(!has(&seen, "1", Some(&after)) && !has(&seen, "2", Some(&after)));
    }

    #[test]
    fn tokens_in_use_stay_and_the_number_of_tokens_is_limited() {
        let seen = Seen::default();
        seen.insert("used", None, &claims());
        for nth in 0..5 * MOST {
            seen.insert(&nth.to_string(), None, &claims());
            assert!(has(&seen, "used", None), "after {nth} other tokens");
        }
        let tokens = seen.0.lock().unwrap();
        assert!(tokens.young.len() <= MOST && tokens.old.len() <= MOST);
        assert!(!tokens.young.contains_key("0") && !tokens.old.contains_key("0"));
        drop(tokens);
        let long = "x".repeat(MOST_BYTES + 1);
        seen.insert(&long, None, &claims());
        assert!(!has(&seen, &long, None));
    }
}
