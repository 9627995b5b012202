//! [`Viewer`]: who presents a valid token.

use oasis_core::Ts;
use serde_json::value::RawValue;

/// A user, as a valid token describes the user.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// The user's id: 1 to 256 bytes, without control characters.
    pub sub: String,
    /// The token's id.
    pub jti: Option<String>,
    /// When the token was issued.
    pub iat: Option<Ts>,
    /// When the token expires. The token is accepted for [`crate::LEEWAY`] longer.
    pub exp: Ts,
    /// Whether the claim `oasis.admin` is true.
    pub is_admin: bool,
    /// The claim `oasis.resources`, as JSON. No object in it has two members with the same name. Nothing
    /// else has been checked. Parse it into a type with fields, and never into a `serde_json::Value`, which
    /// reads some private names of serde_json as something else.
    pub resources: Option<Box<RawValue>>,
}
