//! [`Claims`]: reads the claims of a token whose signature is valid. [`Rules`]: checks the claims.

use jiff::{SignedDuration, Timestamp};
use oasis_core::{Ts, is_name};

use crate::members::{BadObject, Members, has_only_different_names, number, text, texts};
use crate::rejection::Rejection;
use crate::viewer::Viewer;

/// How far the clock of an issuer may differ from the clock of this machine.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// The claims of OASIS DevHub begin with this prefix.
const OWN_PREFIX: &str = "oasis.";
pub(crate) const ADMIN: &str = "oasis.admin";
const RESOURCES: &str = "oasis.resources";

/// The accepted issuers and audiences. Every token also needs `sub` and `exp`.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The accepted issuers. If the list is empty, `iss` has no effect.
    pub issuers: Vec<String>,
    /// The accepted audiences. A token must have one of them. If the list is empty, `aud` has no effect.
    pub audiences: Vec<String>,
}

/// The claims that are used after a token has been verified.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    viewer: Viewer,
    nbf: Option<Ts>,
}

impl Claims {
    /// Checks the times, and returns the viewer. `now` is the current time.
    pub(crate) fn at(self, now: Ts) -> Result<Viewer, Rejection> {
        if now.instant() >= later(self.viewer.exp, LEEWAY) {
            return Err(Rejection::Expired);
        }
        let is_later = |time: Option<Ts>| time.is_some_and(|time| later(now, LEEWAY) < time.instant());
        if is_later(self.nbf) {
            return Err(Rejection::NotYetValid);
        }
        if is_later(self.viewer.iat) {
            return Err(Rejection::IssuedLater);
        }
        Ok(self.viewer)
    }

    fn read(claims: &Members<'_>) -> Result<Self, Rejection> {
        let mut own = claims.iter().filter(|(name, _)| name.starts_with(OWN_PREFIX));
        if !own.all(|(_, value)| has_only_different_names(value)) {
            return Err(Rejection::DuplicateMember);
        }
        let viewer = Viewer {
            exp: time(claims, "exp")?.ok_or(Rejection::MissingClaim("exp"))?,
            iat: time(claims, "iat")?,
            sub: id(claims, "sub")?.ok_or(Rejection::MissingClaim("sub"))?,
            jti: id(claims, "jti")?,
            is_admin: is_admin(claims)?,
            resources: claims.get(RESOURCES).map(ToOwned::to_owned),
        };
        Ok(Self { viewer, nbf: time(claims, "nbf")? })
    }

    #[cfg(test)]
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        Rules::default().check(payload)
    }
}

impl Rules {
    /// Reads the claims of a token whose signature is valid, and checks all claims except the times.
    pub(crate) fn check(&self, payload: &[u8]) -> Result<Claims, Rejection> {
        let members = Members::parse(payload).map_err(|bad| match bad {
            BadObject::NotAnObject => Rejection::Claims,
            BadObject::Duplicate => Rejection::DuplicateMember,
        })?;
        let claims = Claims::read(&members)?;
        self.check_issuer(&members)?;
        self.check_audience(&members)?;
        Ok(claims)
    }

    fn check_issuer(&self, claims: &Members<'_>) -> Result<(), Rejection> {
        if self.issuers.is_empty() {
            return Ok(());
        }
        let issuer = claims.get("iss").ok_or(Rejection::MissingClaim("iss"))?;
        let issuer = text(issuer).ok_or(Rejection::BadClaim("iss"))?;
        if self.issuers.iter().any(|accepted| *accepted == issuer) { Ok(()) } else { Err(Rejection::Issuer) }
    }

    fn check_audience(&self, claims: &Members<'_>) -> Result<(), Rejection> {
        if self.audiences.is_empty() {
            return Ok(());
        }
        let audience = claims.get("aud").ok_or(Rejection::MissingClaim("aud"))?;
        let accepts = |audience: &str| self.audiences.iter().any(|accepted| accepted == audience);
        let is_accepted = match text(audience) {
            Some(audience) => accepts(&audience),
            None => texts(audience).ok_or(Rejection::BadClaim("aud"))?.iter().any(|one| accepts(one)),
        };
        if is_accepted { Ok(()) } else { Err(Rejection::Audience) }
    }
}

/// The instant that is `leeway` after `instant`. The last instant of jiff is 22 hours after the last instant
/// of [`Ts`], so the sum does not overflow.
fn later(instant: Ts, leeway: SignedDuration) -> Timestamp {
    instant.instant().saturating_add(leeway).unwrap_or(Timestamp::MAX)
}

/// Reads a claim that is a time: a number of seconds since 1970, which may have a fraction.
fn time(claims: &Members<'_>, name: &'static str) -> Result<Option<Ts>, Rejection> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    if let Ok(seconds) = value.get().parse() {
        // Nearly all issuers use whole seconds. A JSON string never parses as an integer.
        return Ts::from_unix_seconds(seconds).map(Some).map_err(|_| Rejection::BadClaim(name));
    }
    let seconds = number(value).ok_or(Rejection::BadClaim(name))?;
    // The conversion to an integer saturates. A saturated number of milliseconds is out of range.
    let milliseconds = (seconds * 1_000.0).floor() as i64;
    let instant = Timestamp::from_millisecond(milliseconds).map_err(|_| Rejection::BadClaim(name))?;
    Ts::new(instant).map(Some).map_err(|_| Rejection::BadClaim(name))
}

/// Reads a claim that is an id: a short string without control characters, which is safe to store and to log.
fn id(claims: &Members<'_>, name: &'static str) -> Result<Option<String>, Rejection> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let id = text(value).filter(|id| is_name(id)).ok_or(Rejection::BadClaim(name))?;
    Ok(Some(id.into_owned()))
}

fn is_admin(claims: &Members<'_>) -> Result<bool, Rejection> {
    match claims.get(ADMIN).map(|value| value.get()) {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(Rejection::BadClaim(ADMIN)),
    }
}
