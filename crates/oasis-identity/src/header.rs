//! [`Header`]: parses the header of a token.

use std::borrow::Cow;

use crate::algorithm::Algorithm;
use crate::members::{BadObject, Members, text};
use crate::rejection::Rejection;

/// The members of a token's header that the verification uses. A header with `crit` is refused. All other
/// members have no effect, not even `jku` and `jwk`: a token must not choose its own key.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    /// Parses a decoded header.
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, Rejection> {
        let members = Members::parse(json).map_err(|bad| match bad {
            BadObject::NotAnObject => Rejection::Header,
            BadObject::Duplicate => Rejection::DuplicateMember,
        })?;
        if members.get("crit").is_some() {
            return Err(Rejection::Critical);
        }
        let algorithm = members.get("alg").and_then(text).ok_or(Rejection::HeaderMember("alg"))?;
        let kid = match members.get("kid") {
            Some(kid) => Some(text(kid).ok_or(Rejection::HeaderMember("kid"))?),
            None => None,
        };
        Ok(Self { algorithm: Algorithm::parse(&algorithm)?, kid })
    }
}
