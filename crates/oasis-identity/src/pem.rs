//! Reads a public key from a PEM file.
//!
//! `jsonwebtoken` can read PEM files too. But it also accepts private keys, certificates and keys that no
//! token can use. Such a mistake would show only when the first token is refused. This module reports the
//! mistake at the start, with a hint.

use jsonwebtoken::DecodingKey;
use rustls_pki_types::pem::{PemObject, SectionKind};
use spki::der::asn1::UintRef;
use spki::der::{Decode, Reader, SliceReader};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};

use crate::algorithm::Algorithm;

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
    /// The RSA key is too short or too long.
    #[error("has an RSA key of {0} bits: expected 2048 to 8192 bits")]
    RsaBits(usize),
    /// The Ed25519 key is a point of small order.
    #[error("has a key for which anyone can make signatures: make a new pair of keys")]
    Weak,
    /// The section is damaged, or ring cannot use its key.
    #[error("is damaged: the key cannot be decoded")]
    Damaged,
}

/// Reads the public key of a PEM file. The kind of the key decides the algorithm.
pub(crate) fn public_key(pem: &[u8]) -> Result<(Algorithm, DecodingKey), BadPem> {
    let sections: Result<Vec<(SectionKind, Vec<u8>)>, _> = PemObject::pem_slice_iter(pem).collect();
    let mut sections = sections.map_err(|_| BadPem::Damaged)?;
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

fn of_der(der: &[u8]) -> Result<(Algorithm, DecodingKey), BadPem> {
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| BadPem::Damaged)?;
    let bytes = info.subject_public_key.as_bytes().ok_or(BadPem::Damaged)?;
    let curve = info.algorithm.parameters.and_then(|parameters| parameters.decode_as().ok());
    match info.algorithm.oid {
        RSA => rsa(bytes),
        EC if curve == Some(P256) => match bytes {
            // An uncompressed point: the byte 4, and two coordinates of 32 bytes.
            [4, coordinates @ ..] if coordinates.len() == 64 => {
                Ok((Algorithm::Es256, DecodingKey::from_ec_der(bytes)))
            }
            [2 | 3, ..] => Err(BadPem::Compressed),
            _ => Err(BadPem::Damaged),
        },
        ED25519 if is_of_small_order(bytes) => Err(BadPem::Weak),
        ED25519 if bytes.len() == 32 => Ok((Algorithm::EdDsa, DecodingKey::from_ed_der(bytes))),
        ED25519 => Err(BadPem::Damaged),
        _ => Err(BadPem::Kind),
    }
}

/// Whether an Ed25519 key is one of the points of small order, for which anyone can make signatures. ring
/// accepts them. The list is that of libsodium (`ge25519_has_small_order`). The highest bit is the sign of a
/// coordinate, and does not matter.
fn is_of_small_order(key: &[u8]) -> bool {
    const ENDS: [(u8, u8); 5] = [(0, 0), (1, 0), (0xec, 0x7f), (0xed, 0x7f), (0xee, 0x7f)];
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
            0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
            0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let [first, middle @ .., last] = key else { return false };
    let last = last & 0x7f;
    // Except for the ends, all bytes of these points are the same.
    let filler = if last == 0 { 0 } else { 0xff };
    let is_plain = ENDS.contains(&(*first, last)) && middle.iter().all(|byte| *byte == filler);
    is_plain || ORDER_8.iter().any(|point| point[..31] == key[..key.len() - 1] && point[31] == last)
}

fn rsa(der: &[u8]) -> Result<(Algorithm, DecodingKey), BadPem> {
    let (n, e) = rsa_components(der).map_err(|_| BadPem::Damaged)?;
    let (n, e) = (n.as_bytes(), e.as_bytes());
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2_048..=8_192).contains(&bits) {
        return Err(BadPem::RsaBits(bits));
    }
    // ring accepts odd exponents that are at least 3 and have at most 33 bits.
    let exponent = e.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    let is_usable = |e: u64| e % 2 == 1 && (3..1 << 33).contains(&e);
    if !exponent.is_some_and(is_usable) || n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(BadPem::Damaged);
    }
    Ok((Algorithm::Rs256, DecodingKey::from_rsa_raw_components(n, e)))
}

fn rsa_components(der: &[u8]) -> spki::der::Result<(UintRef<'_>, UintRef<'_>)> {
    let mut reader = SliceReader::new(der)?;
    let components = reader.sequence(|reader| Ok((UintRef::decode(reader)?, UintRef::decode(reader)?)))?;
    reader.finish(components)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(public_key(pem.as_bytes()).unwrap().0, Algorithm::EdDsa);
    }

    #[test]
    fn a_file_without_a_public_key_is_refused_with_a_hint() {
        for (section, expected, hint) in [
            ("PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("RSA PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("EC PRIVATE KEY", BadPem::Private, "openssl pkey"),
            ("CERTIFICATE", BadPem::NotAKey, "openssl x509"),
            ("RSA PUBLIC KEY", BadPem::NoKey, "openssl rsa"),
            ("PUBLIC KEY", BadPem::Damaged, "cannot be decoded"),
        ] {
            let refused = refused_as(section, "AAAA");
            assert_eq!(refused, expected, "{section}");
            assert!(refused.to_string().contains(hint), "{refused}");
        }
        let one = format!("-----BEGIN PUBLIC KEY-----\n{ED25519}\n-----END PUBLIC KEY-----\n");
        assert_eq!(public_key(one.repeat(2).as_bytes()).unwrap_err(), BadPem::Several);
        let cut = one.replace("-----END PUBLIC KEY-----", "");
        for (text, expected) in [("", BadPem::NoKey), ("hunter2", BadPem::NoKey), (&cut, BadPem::Damaged)] {
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
        let none = "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        assert_eq!(refused(none), BadPem::Weak);
        let rsa_1024 = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDWW6uSef4XFaBAJYNZvJ3IY4+LRoyd0+eeKQmgq5Ttz5\
                        ZWpSK4ddJKI/TBBHjxXP8Aihbie2QGz8g77VAugvE1NfXzry4Cx+BlSweoe9hNQE76jj18kz55m+NHJl6mj\
                        qPYF7OLsRKaSbkK350S7GMooZbWR2AIPZbw4RtpcKkLrwIDAQAB";
        assert_eq!(refused(rsa_1024), BadPem::RsaBits(1_024));
    }
}
