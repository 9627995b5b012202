//! Gives `jsonwebtoken` the cryptography of ring: HS256, RS256, ES256 and EdDSA.
//!
//! A process can install one provider, before it first uses the library. After a first use without a
//! provider, no provider can be installed, and each use panics. So [`crate::Keys::new`] calls [`install`].

use std::sync::OnceLock;

use jsonwebtoken::crypto::{self, CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind, new_error};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind, EncodingKey, Header};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

/// Why tokens cannot be signed or verified in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProvider {
    /// Another part of the program installed a provider first, or used the library first.
    #[error(
        "another part of this program has set up the cryptography of jsonwebtoken: make the keys before \
         anything else uses this library"
    )]
    Another,
    /// The provider cannot sign a token, or verifies signatures wrongly.
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

/// Whether the library verifies a token that it signed, and refuses the same token after a change.
fn works() -> Result<bool, Error> {
    let secret = [1; 32];
    let header = Header::new(Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &["test"], &EncodingKey::from_secret(&secret))?;
    let Some((message, signature)) = token.rsplit_once('.') else { return Ok(false) };
    let key = DecodingKey::from_secret(&secret);
    let changed = format!("{message}x");
    Ok(crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256)?
        && !crypto::verify(signature, changed.as_bytes(), &key, Algorithm::HS256)?)
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(RingSigner::new(*algorithm, key)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(RingVerifier::new(*algorithm, key)?)),
    // Only JWKs need these functions, and this program does not use JWKs.
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

/// A secret or a public key, with its algorithm.
enum RingVerifier {
    Hs256(hmac::Key),
    Rs256(RsaPublicKeyComponents<Vec<u8>>),
    Es256(UnparsedPublicKey<Vec<u8>>),
    EdDsa(UnparsedPublicKey<Vec<u8>>),
}

impl RingVerifier {
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        match (algorithm, key.family(), key.kind()) {
            (Algorithm::HS256, AlgorithmFamily::Hmac, DecodingKeyKind::SecretOrDer(secret)) => {
                Ok(Self::Hs256(hmac::Key::new(hmac::HMAC_SHA256, secret)))
            }
            (Algorithm::RS256, AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
                Ok(Self::Rs256(RsaPublicKeyComponents { n: n.clone(), e: e.clone() }))
            }
            (Algorithm::ES256, AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => {
                Ok(Self::Es256(UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point.clone())))
            }
            (Algorithm::EdDSA, AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(point)) => {
                Ok(Self::EdDsa(UnparsedPublicKey::new(&ED25519, point.clone())))
            }
            _ => Err(unsupported()),
        }
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match self {
            Self::Hs256(key) => hmac::verify(key, message, signature),
            Self::Rs256(key) => key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature),
            Self::Es256(key) | Self::EdDsa(key) => key.verify(message, signature),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        match self {
            Self::Hs256(_) => Algorithm::HS256,
            Self::Rs256(_) => Algorithm::RS256,
            Self::Es256(_) => Algorithm::ES256,
            Self::EdDsa(_) => Algorithm::EdDSA,
        }
    }
}
