//! [`Keys::mint`]: makes tokens.

use jsonwebtoken::{Algorithm, Header, errors};
use oasis_core::Ts;
use serde_json::{Map, Value};

use crate::claims::ADMIN;
use crate::keys::Keys;
use crate::rejection::Rejection;

/// The claims of a token to mint.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// The user's id.
    pub sub: String,
    /// The token's id.
    pub jti: String,
    /// The current time. It becomes the claim `iat`, in whole seconds.
    pub now: Ts,
    /// When the token expires. It becomes the claim `exp`, in whole seconds.
    pub exp: Ts,
    /// Whether the user is an administrator.
    pub is_admin: bool,
    /// All other claims.
    pub claims: Map<String, Value>,
}

/// Why a token cannot be minted.
#[derive(Debug, thiserror::Error)]
pub enum CannotMint {
    /// There is no secret.
    #[error("there is no secret to sign the token with: set JWT_SECRET")]
    NoSecret,
    /// [`NewToken::claims`] has a claim that another field of [`NewToken`] sets.
    #[error("the claim {0} is given twice")]
    Twice(String),
    /// A gateway with these keys would refuse the token.
    #[error("a gateway would refuse this token")]
    Refused(#[from] Rejection),
    /// The library failed.
    #[error("the token cannot be signed")]
    Library(#[from] errors::Error),
}

impl Keys {
    /// Mints a token with HS256 and the first secret.
    ///
    /// # Errors
    /// There is no secret, or [`Keys::verify`] would refuse the token.
    pub fn mint(&self, token: &NewToken) -> Result<String, CannotMint> {
        let signing = self.signing.as_ref().ok_or(CannotMint::NoSecret)?;
        let mut own = vec![
            ("sub", Value::from(token.sub.as_str())),
            ("jti", Value::from(token.jti.as_str())),
            ("iat", Value::from(token.now.instant().as_second())),
            ("exp", Value::from(token.exp.instant().as_second())),
        ];
        own.extend(token.is_admin.then_some((ADMIN, Value::Bool(true))));
        let mut claims = token.claims.clone();
        for (name, value) in own {
            if claims.insert(name.to_owned(), value).is_some() {
                return Err(CannotMint::Twice(name.to_owned()));
            }
        }
        let minted = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, signing)?;
        self.verify(&minted, token.now)?;
        Ok(minted)
    }
}
