//! [`Viewer`]: the user who presents a valid token.

use oasis_core::Ts;
use serde_json::value::RawValue;

/// The user that a valid token describes.
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
    /// The claim `oasis.resources`, as JSON. No object in it has two members with the same name. The claim
    /// has not been checked in any other way. Parse it into a type with fields, and never into a
    /// `serde_json::Value`, which reads some private names of serde_json as something else.
    pub resources: Option<Box<RawValue>>,
}
