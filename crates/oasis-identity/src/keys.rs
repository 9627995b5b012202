//! [`Keys`]: the keys that verify and mint tokens, and the rules for claims.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jsonwebtoken::{DecodingKey, EncodingKey};

use crate::algorithm::Algorithm;
use crate::claims::Rules;
use crate::pem::{self, BadPem};
use crate::provider::{self, BadProvider};
use crate::secrets::Secrets;

/// The keys that verify and mint tokens, and the rules for claims.
#[derive(Debug)]
pub struct Keys {
    pub(crate) keys: Vec<Key>,
    /// The first secret. It signs the tokens that are minted.
    pub(crate) signing: Option<EncodingKey>,
    pub(crate) rules: Rules,
}

/// A key that verifies tokens. The debug output of [`DecodingKey`] does not show the bytes of the key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    /// If the header of a token has the `kid` of a key, only keys with this `kid` are tried.
    pub(crate) kid: Option<String>,
    pub(crate) verifying: DecodingKey,
}

impl Key {
    /// Whether the `kid` of a token names this key.
    pub(crate) fn is_named(&self, kid: Option<&str>) -> bool {
        self.kid.is_some() && self.kid.as_deref() == kid
    }

    pub(crate) fn secret(secret: &[u8]) -> Self {
        Self { algorithm: Algorithm::Hs256, kid: None, verifying: DecodingKey::from_secret(secret) }
    }
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Secrets that the gateway shares with the issuers of tokens.
    Secrets(Secrets),
    /// PEM files, each with one public key. The `kid` of a key is the file's name without its extension.
    Files(Vec<PathBuf>),
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// Tokens cannot be signed or verified in this process.
    #[error(transparent)]
    Provider(#[from] BadProvider),
    /// A file cannot be read.
    #[error("JWT_PUBLIC_KEYS: {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why the file cannot be read.
        source: io::Error,
    },
    /// A file has no usable public key.
    #[error("JWT_PUBLIC_KEYS: {} {why}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        why: BadPem,
    },
}

impl Keys {
    /// Reads all keys. Also installs and tests the cryptography that `jsonwebtoken` needs.
    ///
    /// # Errors
    /// See [`BadKeys`].
    pub fn new(sources: &[KeySource], rules: Rules) -> Result<Self, BadKeys> {
        provider::install()?;
        let (mut keys, mut signing) = (Vec::new(), None);
        for source in sources {
            match source {
                KeySource::Secrets(secrets) => {
                    for secret in secrets.iter().map(|secret| secret.expose().as_bytes()) {
                        keys.push(Key::secret(secret));
                        signing.get_or_insert_with(|| EncodingKey::from_secret(secret));
                    }
                }
                KeySource::Files(paths) => {
                    for path in paths {
                        keys.push(of_file(path)?);
                    }
                }
            }
        }
        Ok(Self { keys, signing, rules })
    }

    /// Whether there are no keys. Without keys, no token is valid.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn of_file(path: &Path) -> Result<Key, BadKeys> {
    let text = fs::read(path).map_err(|source| BadKeys::Unreadable { path: path.to_owned(), source })?;
    let parsed = pem::public_key(&text).map_err(|why| BadKeys::Pem { path: path.to_owned(), why });
    let (algorithm, verifying) = parsed?;
    let kid = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    Ok(Key { algorithm, kid, verifying })
}
