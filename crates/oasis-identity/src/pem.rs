//! Reads a public key from a PEM file.
//!
//! `jsonwebtoken` can read PEM files too, but it also accepts private keys, certificates and keys that no
//! token can use. An operator would notice such a mistake only when the first token is refused. This module
//! reports the mistake at the start, with a hint.

use rustls_pki_types::pem::{PemObject, SectionKind};
use spki::der::asn1::UintRef;
use spki::der::{Decode, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::public_key::{self, BadKey};
use crate::verifier::Verifier;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// What is wrong with a file. The message follows the file's path, as in `key.pem has several sections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPem {
    /// The file has no section of a known kind.
    #[error(
        "has no section BEGIN PUBLIC KEY: if it begins with BEGIN RSA PUBLIC KEY, convert it with \
         `openssl rsa -RSAPublicKey_in -in FILE -pubout`"
    )]
    NoKey,
    /// The file has several sections.
    #[error("has several sections: make one file for each public key")]
    Several,
    /// The file has a private key.
    #[error(
        "has a private key, but only the public key is needed: get it with `openssl pkey -in FILE -pubout`"
    )]
    Private,
    /// The file has a certificate, or another section that is not a key.
    #[error("has no public key: get it from a certificate with `openssl x509 -in FILE -pubkey -noout`")]
    NotAKey,
    /// The key is of a kind that is not supported.
    #[error("has a key of another kind: expected RSA, ECDSA on P-256, or Ed25519")]
    Kind,
    /// The point of the ECDSA key is compressed. ring does not support this form.
    #[error(
        "has a compressed point: convert it with `openssl ec -pubin -in FILE -pubout -conv_form uncompressed`"
    )]
    Compressed,
    /// The key cannot be used, or the section is damaged.
    #[error(transparent)]
    Key(#[from] BadKey),
}

/// Reads the public key of a PEM file. The kind of the key decides the algorithm.
pub(crate) fn public_key(pem: &[u8]) -> Result<Verifier, BadPem> {
    let sections: Result<Vec<(SectionKind, Vec<u8>)>, _> = PemObject::pem_slice_iter(pem).collect();
    let mut sections = sections.map_err(|_| BadKey::Damaged)?;
    let (kind, der) = sections.pop().ok_or(BadPem::NoKey)?;
    if !sections.is_empty() {
        return Err(BadPem::Several);
    }
    match kind {
        SectionKind::PublicKey => of_der(&der),
        SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey => {
            Err(BadPem::Private)
        }
        // Certificates, revocation lists, and kinds that the library may add.
        _ => Err(BadPem::NotAKey),
    }
}

fn of_der(der: &[u8]) -> Result<Verifier, BadPem> {
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| BadKey::Damaged)?;
    let bytes = info.subject_public_key.as_bytes().ok_or(BadKey::Damaged)?;
    let curve = info.algorithm.parameters.and_then(|parameters| parameters.decode_as().ok());
    match info.algorithm.oid {
        RSA => rsa(bytes),
        EC if curve == Some(P256) => match bytes {
            [2 | 3, ..] => Err(BadPem::Compressed),
            _ => Ok(public_key::p256(bytes)?),
        },
        ED25519 => Ok(public_key::ed25519(bytes)?),
        _ => Err(BadPem::Kind),
    }
}

fn rsa(der: &[u8]) -> Result<Verifier, BadPem> {
    let (n, e) = rsa_components(der).map_err(|_| BadKey::Damaged)?;
    Ok(public_key::rsa(n.as_bytes(), e.as_bytes())?)
}

fn rsa_components(der: &[u8]) -> spki::der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(der)?;
    let components = reader.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)))?;
    reader.finish(components)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;

    /// Why this key is refused in a section PUBLIC KEY.
    fn refused(base64: &str) -> BadPem {
        refused_as("PUBLIC KEY", base64)
    }

    fn refused_as(section: &str, base64: &str) -> BadPem {
        let pem = format!("-----BEGIN {section}-----\n{base64}\n-----END {section}-----\n");
        public_key(pem.as_bytes()).unwrap_err()
    }

    const ED25519: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn a_public_key_is_found_between_other_text_and_with_other_line_ends() {
        let pem = format!(
            "the key\r\n-----BEGIN PUBLIC KEY-----\r\n{}\r\n{}\r\n-----END PUBLIC KEY-----\r\n",
            &ED25519[..40],
            &ED25519[40..]
        );
        assert_eq!(public_key(pem.as_bytes()).unwrap().algorithm(), Algorithm::EdDsa);
    }

    #[test]
    fn a_file_without_a_public_key_is_refused_with_a_hint() {
        for (section, expected, hint) in [
            ("PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("RSA PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("EC PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("CERTIFICATE", BadPem::NotAKey, "openssl x509"),
            ("RSA PUBLIC KEY", BadPem::NoKey, "openssl rsa"),
            ("PUBLIC KEY", BadPem::Key(BadKey::Damaged), "cannot be decoded"),
        ] {
            let refused = refused_as(section, "AAAA");
            assert_eq!(refused, expected, "{section}");
            assert!(refused.to_string().contains(hint), "{refused}");
        }
        let one = format!("-----BEGIN PUBLIC KEY-----\n{ED25519}\n-----END PUBLIC KEY-----\n");
        assert_eq!(public_key(one.repeat(2).as_bytes()).unwrap_err(), BadPem::Several);
        let cut = one.replace("-----END PUBLIC KEY-----", "");
        for (text, expected) in
            [("", BadPem::NoKey), ("hunter2", BadPem::NoKey), (&cut, BadPem::Key(BadKey::Damaged))]
        {
            assert_eq!(public_key(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_key_that_no_token_can_use_is_refused() {
        let p384 = "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEO3RkJV+LGEeF5axuzliNqfjp3HjjA63lebt4HcdAkdpgGXHary5dzjhO\
                    s4Sd2DuXO713P+0rUelTvFDRRMlGCjXjrklD1I0udXdOFK0OF8qkt/BaGG7kZ3tP3coD2zI3";
        let secp256k1 = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEMN1dXZpTWc9wjieTkRcnZsFWhEmd2FMyBs+Z9yiErb7tw4hSJRi\
                         losL+C2onDReACgeRtbep1eqfwFXsb9cXDg==";
        let ed448 = "MEMwBQYDK2VxAzoAgL+pVg4JPOUc8XFtH0EV+ock+PNtV51QulIy97d1BRdLDB3+J1e+ZgVOjpJ35xhKdXeXKe\
                     Ax8UMA";
        for other in [p384, secp256k1, ed448] {
            assert_eq!(refused(other), BadPem::Kind, "{other}");
        }
        let compressed = "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACDUphmRwUH/ZHsccrFXhb0YqtBZveXNRIBeZS/tt8Byc=";
        assert_eq!(refused(compressed), BadPem::Compressed);
        // The last bit of the second coordinate of a valid key is changed.
        let off_curve = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTN\
                         G72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrA==";
        assert_eq!(refused(off_curve), BadPem::Key(BadKey::NotOnCurve));
        let none = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(refused(none), BadPem::Key(BadKey::Weak));
        let rsa_1024 = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDWW6uSef4XFaBAJYNZvJ3IY4+LRoyd0+eeKQmgq5Ttz5\
                        ZWpSK4ddJKI/TBBHjxXP8Aihbie2QGz8g77VAugvE1NfXzry4Cx+BlSweoe9hNQE76jj18kz55m+NHJl6mj\
                        qPYF7OLsRKaSbkK350S7GMooZbWR2AIPZbw4RtpcKkLrwIDAQAB";
        assert_eq!(refused(rsa_1024), BadPem::Key(BadKey::RsaBits(1_024)));
    }
}
