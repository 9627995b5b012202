//! [`Rejection`]: why a token is not accepted.

/// Why a token is not accepted. The message contains no part of the token. A gateway only logs the message.
/// The client gets [`Rejection::PUBLIC`], so the answer does not help to forge a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The token is longer than 8 KiB, or the session is longer than 16 KiB.
    #[error("the token is too long")]
    TooLong,
    /// The token does not consist of three parts.
    #[error("the token does not have exactly three parts")]
    Parts,
    /// The cookie is not a session that Auth.js has encrypted. A session that Auth.js keeps in a database is
    /// only an id.
    #[error("the cookie is not an encrypted session")]
    NotASession,
    /// A part is not canonical base64url without padding.
    #[error("a part is not canonical base64url without padding")]
    Base64,
    /// The header is not a JSON object.
    #[error("the header is not a JSON object")]
    Header,
    /// The header has no `alg`, or its `alg` or `kid` is not a string.
    #[error("the header's {0} is missing or not a string")]
    HeaderMember(&'static str),
    /// Two members of an object have the same name, or a claim of OASIS DevHub is nested too deeply.
    #[error("two members of an object have the same name")]
    DuplicateMember,
    /// The token is not signed (`alg` is `none`).
    #[error("the token is not signed")]
    Unsigned,
    /// The algorithm is not one of HS256, RS256, ES256 and EdDSA.
    #[error("the algorithm is not one of HS256, RS256, ES256 and EdDSA")]
    UnknownAlgorithm,
    /// The header has `crit`. No extension is supported, so none can be critical.
    #[error("the header has the member crit")]
    Critical,
    /// No key has the token's algorithm, or the key that `kid` names has another algorithm.
    #[error("no key matches the alg and the kid of the token")]
    NoKey,
    /// No key has the `kid` of the token.
    #[error("no key has the kid of the token")]
    UnknownKid,
    /// No key verifies the signature, or the MAC of a session.
    #[error("no key verifies the signature")]
    Signature,
    /// The claims are not a JSON object.
    #[error("the claims are not a JSON object")]
    Claims,
    /// A required claim is missing.
    #[error("the claim {0} is missing")]
    MissingClaim(&'static str),
    /// A claim has a wrong type or is out of range.
    #[error("the claim {0} is malformed")]
    BadClaim(&'static str),
    /// The token has expired, even with the leeway.
    #[error("the token has expired")]
    Expired,
    /// The token is not valid yet, even with the leeway.
    #[error("the token is not valid yet (nbf)")]
    NotYetValid,
    /// The token was issued in the future, even with the leeway. A revocation of all earlier tokens of the
    /// user would not cover such a token.
    #[error("the token was issued in the future (iat)")]
    IssuedLater,
    /// The issuer is not one of JWT_ISSUER.
    #[error("the issuer is not one of JWT_ISSUER")]
    Issuer,
    /// No audience of the token is one of JWT_AUDIENCE.
    #[error("no audience of the token is one of JWT_AUDIENCE")]
    Audience,
}

impl Rejection {
    /// The text for the client. It is the same for each reason.
    pub const PUBLIC: &'static str = "this token is not accepted";
}
