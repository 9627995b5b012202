//! [`Keys`]: the keys that verify and mint tokens, and the rules for claims.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jsonwebtoken::EncodingKey;

use crate::claims::Rules;
use crate::jwks::{Jwks, JwksUrl};
use crate::key::{Key, Name};
use crate::pem::{self, BadPem};
use crate::provider::{self, BadProvider};
use crate::secrets::Secrets;
use crate::seen::Seen;

/// The maximum number of files with public keys.
const MOST_FILES: usize = 64;

/// The keys that verify and mint tokens, and the rules for claims.
#[derive(Debug)]
pub struct Keys {
    /// The secrets and the keys of files.
    pub(crate) keys: Vec<Key>,
    /// The keys of JWKS_URL.
    pub(crate) jwks: Option<Jwks>,
    /// The first secret, which signs minted tokens.
    pub(crate) signing: Option<EncodingKey>,
    pub(crate) rules: Rules,
    /// The tokens that these keys have verified before.
    pub(crate) seen: Seen,
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Secrets that the gateway shares with the issuers of tokens.
    Secrets(Secrets),
    /// PEM files, each with one public key. The `kid` of a key is the file's name without its extension.
    Files(Vec<PathBuf>),
    /// The address of a JWK set. A task of the tokio runtime reads the set, so [`Keys::new`] needs a runtime.
    Jwks(JwksUrl),
}

/// Why the keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// Tokens cannot be signed or verified in this process.
    #[error(transparent)]
    Provider(#[from] BadProvider),
    /// There is a JWK set, but no accepted issuer or no accepted audience. A service such as Auth0 signs the
    /// tokens of many applications with the same key.
    #[error(
        "JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE: the issuer may sign the tokens of other applications \
         with the same keys"
    )]
    Unbound,
    /// There is more than one JWK set.
    #[error("there is more than one JWK set")]
    Sets,
    /// There are too many files. A token without `kid` is tried with each of them.
    #[error("JWT_PUBLIC_KEYS: the list has {0} files: expected at most {MOST_FILES}")]
    TooMany(usize),
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
        let (mut keys, mut signing, mut url) = (Vec::new(), None, None);
        for source in sources {
            match source {
                KeySource::Secrets(secrets) => {
                    for secret in secrets.iter().map(|secret| secret.expose().as_bytes()) {
                        keys.push(Key::secret(secret));
                        signing.get_or_insert_with(|| EncodingKey::from_secret(secret));
                    }
                }
                KeySource::Files(paths) if paths.len() > MOST_FILES => {
                    return Err(BadKeys::TooMany(paths.len()));
                }
                KeySource::Files(paths) => {
                    for path in paths {
                        keys.push(of_file(path)?);
                    }
                }
                KeySource::Jwks(_) if rules.issuers.is_empty() || rules.audiences.is_empty() => {
                    return Err(BadKeys::Unbound);
                }
                KeySource::Jwks(_) if url.is_some() => return Err(BadKeys::Sets),
                KeySource::Jwks(set) => url = Some(set.clone()),
            }
        }
        Ok(Self { keys, jwks: url.map(Jwks::start), signing, rules, seen: Seen::default() })
    }

    /// Whether there are no keys and no JWK set. If so, no token is valid.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.jwks.is_none()
    }
}

fn of_file(path: &Path) -> Result<Key, BadKeys> {
    let text = fs::read(path).map_err(|source| BadKeys::Unreadable { path: path.to_owned(), source })?;
    let parsed = pem::public_key(&text).map_err(|why| BadKeys::Pem { path: path.to_owned(), why });
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Key { name: Name::File(name), verifier: parsed? })
}
