//! [`Keys::identify`] and [`Keys::verify`]: verify a token, and return the viewer to whom it belongs.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oasis_core::Ts;

use crate::algorithm::Algorithm;
use crate::header::Header;
use crate::jwks::Jwks;
use crate::key::Fit;
use crate::keys::Keys;
use crate::rejection::Rejection;
use crate::seen::KeySet;
use crate::viewer::Viewer;

/// The maximum length of a token, in bytes.
const MOST_BYTES: usize = 8 << 10;

impl Keys {
    /// Returns the viewer to whom the token belongs. `now` is the current time. If no key has the `kid` of
    /// the token, the JWK set is read again first, at most once in 30 s for all callers. This read takes up
    /// to 5 s.
    ///
    /// # Errors
    /// The token is malformed, is not signed with one of the keys, is not valid now, or has the wrong
    /// issuer or audience.
    pub async fn identify(&self, token: &str, now: Ts) -> Result<Viewer, Rejection> {
        match (self.verify(token, now), &self.jwks) {
            (Err(Rejection::UnknownKid), Some(jwks)) => {
                jwks.refresh().await;
                self.verify(token, now)
            }
            (outcome, _) => outcome,
        }
    }

    /// Like [`Keys::identify`], but only with the keys that are known now.
    ///
    /// # Errors
    /// As for [`Keys::identify`].
    pub fn verify(&self, token: &str, now: Ts) -> Result<Viewer, Rejection> {
        let set = self.jwks.as_ref().map(Jwks::keys);
        if let Some(claims) = self.seen.get(token, set.as_ref()) {
            return claims.at(now);
        }
        let claims = self.rules.check(&self.authenticate(token, set.as_ref())?)?;
        let viewer = claims.clone().at(now)?;
        self.seen.insert(token, set.as_ref(), &claims);
        Ok(viewer)
    }

    /// Verifies the signature, and returns the decoded payload.
    pub(crate) fn authenticate(&self, token: &str, set: Option<&KeySet>) -> Result<Vec<u8>, Rejection> {
        if token.len() > MOST_BYTES {
            return Err(Rejection::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(Rejection::Parts)?;
        let (header, payload) = message.split_once('.').ok_or(Rejection::Parts)?;
        if payload.contains('.') {
            return Err(Rejection::Parts);
        }
        // One buffer for all parts: first for the header and the signature, and then for the payload.
        let mut buffer = vec![0; token.len()];
        let (of_header, of_signature) = buffer.split_at_mut(header.len());
        let header = Header::parse(decoded(header, of_header)?)?;
        let (algorithm, kid) = (header.algorithm, header.kid.as_deref());
        let signature = decoded(signature, of_signature)?;
        let mut best = Fit::Other;
        let is_signed = self.keys.iter().chain(set.into_iter().flat_map(|keys| keys.iter())).any(|key| {
            let fit = key.fit(algorithm, kid);
            best = best.max(fit);
            fit == Fit::Whole && key.verifier.verifies(message.as_bytes(), signature)
        });
        if !is_signed {
            return Err(match best {
                Fit::Whole => Rejection::Signature,
                Fit::OnlyName => Rejection::NoKey,
                Fit::Other if kid.is_some() && algorithm != Algorithm::Hs256 => Rejection::UnknownKid,
                Fit::Other => Rejection::NoKey,
            });
        }
        let length = decoded(payload, &mut buffer)?.len();
        buffer.truncate(length);
        Ok(buffer)
    }
}

/// Decodes base64url into a buffer that is at least as long as the text. Padding is refused. The unused
/// bits of the last character must be zero. So two different texts never decode to the same bytes.
fn decoded<'a>(part: &str, buffer: &'a mut [u8]) -> Result<&'a [u8], Rejection> {
    let length = URL_SAFE_NO_PAD.decode_slice(part, buffer).map_err(|_| Rejection::Base64)?;
    Ok(&buffer[..length])
}
