//! Gives `jsonwebtoken` the cryptography of ring, for minting tokens with HS256.
//!
//! A process can install one provider, before it first uses the library. After a first use without a
//! provider, no provider can be installed, and each use panics. So [`crate::Keys::new`] calls [`install`].

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{self, Signer};
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey, Header};
use ring::hmac;

use crate::verifier::Verifier;

/// Why tokens cannot be signed or verified in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProvider {
    /// Another part of the program installed a provider first, or used the library first.
    #[error(
        "another part of this program has set up the cryptography of jsonwebtoken: make the keys before \
         anything else uses this library"
    )]
    Another,
    /// The provider cannot sign a token, or the signature of a token that it signed is not valid.
    #[error("the cryptography for JSON Web Tokens does not work on this machine")]
    Broken,
}

/// Installs our provider and tests it, once in the process.
pub(crate) fn install() -> Result<(), BadProvider> {
    static INSTALLED: OnceLock<Result<(), BadProvider>> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        PROVIDER.install_default().map_err(|_| BadProvider::Another)?;
        if works().unwrap_or(false) { Ok(()) } else { Err(BadProvider::Broken) }
    })
}

/// Whether a token that the library signed has a valid signature, and becomes invalid after a change.
fn works() -> Result<bool, Error> {
    let secret = [1; 32];
    let header = Header::new(Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &["test"], &EncodingKey::from_secret(&secret))?;
    let Some((message, signature)) = token.rsplit_once('.') else { return Ok(false) };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return Ok(false) };
    let key = Verifier::secret(&secret);
    let changed = format!("{message}x");
    Ok(key.verifies(message.as_bytes(), &signature) && !key.verifies(changed.as_bytes(), &signature))
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(RingSigner::new(*algorithm, key)?)),
    // `Verifier` verifies signatures. Threads cannot share a verifier of the library, so each token would
    // need a new verifier.
    verifier_factory: |_, _| Err(unsupported()),
    // The library needs these functions only for its own JWKs. `jwks/` reads JWK sets without the library.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(unsupported()),
        rsa_pub_components_from_public_key: |_| Err(unsupported()),
        ec_pub_components_from_private_key: |_, _| Err(unsupported()),
        ed_pub_components_from_private_key: |_, _| Err(unsupported()),
        compute_digest: |_, _| Err(unsupported()),
    },
};

fn unsupported() -> Error {
    new_error(ErrorKind::UnsupportedAlgorithm)
}

/// Signs with HS256, the only algorithm that tokens are minted with.
struct RingSigner(hmac::Key);

impl RingSigner {
    fn new(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, Error> {
        match (algorithm, key.family()) {
            (Algorithm::HS256, AlgorithmFamily::Hmac) => {
                Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))
            }
            _ => Err(unsupported()),
        }
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
