//! Verifies GitHub's signature of a delivery. The signature is an HMAC-SHA-256 over the raw bytes of the
//! body. GitHub sends it in the header `X-Hub-Signature-256`.

use ring::hmac;

/// The secrets with which a delivery may be signed: one secret, or two secrets during a rotation.
#[derive(Debug, Clone)]
pub struct Secrets(Vec<hmac::Key>);

/// Why a signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// The header is missing, or is given more than once.
    #[error("the delivery is not signed: send X-Hub-Signature-256 once")]
    Missing,
    /// The header is not `sha256=` followed by 64 hex digits.
    #[error("X-Hub-Signature-256 must be sha256= followed by 64 hex digits")]
    Malformed,
    /// No secret produces this signature for the body.
    #[error("X-Hub-Signature-256 does not match the body")]
    Mismatch,
}

impl Secrets {
    /// Prepares the secrets. Skips empty secrets, because anyone could sign with an empty secret. If no
    /// secret remains, every delivery is refused.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let given = secrets.into_iter().filter(|secret| !secret.is_empty());
        Self(given.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())).collect())
    }

    /// Checks the value of `X-Hub-Signature-256` against the raw bytes of the body, in constant time.
    ///
    /// # Errors
    /// When the header is missing or malformed, or no secret produces this signature for the body.
    pub fn verify(&self, header: Option<&[u8]>, body: &[u8]) -> Result<(), BadSignature> {
        let tag = tag(header)?;
        let matches = self.0.iter().any(|key| hmac::verify(key, body, &tag).is_ok());
        if matches { Ok(()) } else { Err(BadSignature::Mismatch) }
    }
}

/// Decodes the tag in the header. The receiver calls this function to check the format of the header before
/// it reads the body.
///
/// # Errors
/// When the header is missing or malformed.
pub fn tag(header: Option<&[u8]>) -> Result<[u8; 32], BadSignature> {
    let hex = header.ok_or(BadSignature::Missing)?.strip_prefix(b"sha256=");
    hex.and_then(decode).ok_or(BadSignature::Malformed)
}

/// Decodes 64 hex digits.
fn decode(hex: &[u8]) -> Option<[u8; 32]> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut tag = [0; 32];
    if hex.len() != 2 * tag.len() {
        return None;
    }
    for (byte, pair) in tag.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    /// The example in GitHub's documentation.
    const SIGNATURE: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn verify(header: &str) -> Result<(), BadSignature> {
        Secrets::new([SECRET]).verify(Some(header.as_bytes()), BODY)
    }

    #[test]
    fn the_example_in_githubs_documentation_is_accepted() {
        assert_eq!(verify(SIGNATURE), Ok(()));
        assert_eq!(
            Secrets::new(["new", SECRET]).verify(Some(SIGNATURE.as_bytes()), BODY),
            Ok(()),
            "both secrets are accepted during a rotation"
        );
    }

    #[test]
    fn any_other_signature_is_refused() {
        use BadSignature::{Malformed, Mismatch, Missing};
        let secrets = Secrets::new([SECRET]);
        assert_eq!(secrets.verify(None, BODY), Err(Missing));
        assert_eq!(secrets.verify(Some(SIGNATURE.as_bytes()), b"Hello, World"), Err(Mismatch));
        assert_eq!(verify(&SIGNATURE.replace("17", "18")), Err(Mismatch));
        for malformed in [
            "",
            "sha256=",
            &SIGNATURE[7..],
            &SIGNATURE[..SIGNATURE.len() - 1],
            &format!("{SIGNATURE}0"),
            &format!("{SIGNATURE} "),
            &SIGNATURE.replace("sha256", "sha1"),
            &SIGNATURE.replace("sha256", "SHA256"),
            &SIGNATURE.replace("75", "+5"),
            &SIGNATURE.replace("75", "zz"),
        ] {
            assert_eq!(verify(malformed), Err(Malformed), "{malformed}");
        }
    }

    #[test]
    fn a_signature_with_an_empty_secret_is_refused() {
        let forged = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b""), BODY);
        let hex: String = forged.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let header = format!("sha256={hex}");
        for secrets in [Secrets::new([""]), Secrets::new([]), Secrets::new([SECRET, ""])] {
            assert_eq!(secrets.verify(Some(header.as_bytes()), BODY), Err(BadSignature::Mismatch));
        }
    }

    proptest! {
        #[test]
        fn any_other_header_is_refused(header in any::<Vec<u8>>(), digits in "[0-9a-f]{64}") {
            let secrets = Secrets::new([SECRET]);
            for header in [header, format!("sha256={digits}").into_bytes()] {
                if header != SIGNATURE.as_bytes() {
                    prop_assert!(secrets.verify(Some(&header), BODY).is_err());
                }
            }
        }
    }
}
