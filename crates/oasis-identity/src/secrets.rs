//! [`Secrets`]: the secrets of JWT_SECRET.

use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oasis_service::{NoRandomness, Secret, auth};
use ring::rand::{SecureRandom, SystemRandom};

/// The minimum length of a secret, in bytes. RFC 7518 (section 3.2) requires it for HS256. With one token, an
/// attacker can check guesses of a shorter secret.
const FEWEST_BYTES: usize = 32;

/// The secrets of JWT_SECRET, a comma-separated list. The first secret signs new tokens. Each secret verifies
/// tokens, so a secret can be replaced while old tokens are still in use.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<Secret>);

/// Why a secret cannot be used. The message shows no part of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// The secret is too short.
    #[error(
        "secret {number} has {bytes} bytes, but a secret needs at least {FEWEST_BYTES}: make one with \
         `openssl rand -base64 48`"
    )]
    Short {
        /// The position of the secret in the list. The first secret has the number 1.
        number: usize,
        /// The length of the secret, in bytes.
        bytes: usize,
    },
    /// The secret is a PEM key. If it is a public key, everyone who knows it could mint tokens.
    #[error(
        "secret {number} is a PEM key: put the path of the file with the public key into JWT_PUBLIC_KEYS"
    )]
    Pem {
        /// The position of the secret in the list.
        number: usize,
    },
}

impl Secrets {
    /// Makes a random secret, as text.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub fn generate() -> Result<Secret, NoRandomness> {
        let mut bytes = [0; FEWEST_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Secret::from(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The secrets, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }

    /// Whether there are no secrets.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Secrets {
    type Err = BadSecret;

    fn from_str(list: &str) -> Result<Self, BadSecret> {
        let secret = |(place, item): (usize, &str)| {
            let number = place + 1;
            if item.contains("-----BEGIN ") {
                return Err(BadSecret::Pem { number });
            }
            if item.len() < FEWEST_BYTES {
                return Err(BadSecret::Short { number, bytes: item.len() });
            }
            Ok(Secret::from(item.to_owned()))
        };
        auth::items(list).enumerate().map(secret).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_secrets_of_at_least_32_bytes() {
        let long = "x".repeat(32);
        let secrets: Secrets = format!(" {long} ,, {long}y ").parse().unwrap();
        let lengths: Vec<usize> = secrets.iter().map(|secret| secret.expose().len()).collect();
        assert_eq!(lengths, [32, 33]);
        assert_eq!(format!("{secrets:?}"), "Secrets([[redacted], [redacted]])");
        assert!(" , ".parse::<Secrets>().unwrap().is_empty());
        let error = format!("{long},{}", "hunter2".repeat(4)).parse::<Secrets>().unwrap_err();
        assert_eq!(error, BadSecret::Short { number: 2, bytes: 28 });
        let text = error.to_string();
        assert!(text.contains("openssl rand -base64 48") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_pem_key_is_not_taken_for_a_secret() {
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n";
        assert_eq!(pem.parse::<Secrets>().unwrap_err(), BadSecret::Pem { number: 1 });
    }

    #[test]
    fn a_generated_secret_is_long_enough_and_random() {
        let [one, two] = [(), ()].map(|()| Secrets::generate().unwrap());
        assert!(one != two && one.expose().len() == 43);
        assert!(!one.expose().parse::<Secrets>().unwrap().is_empty());
    }
}
