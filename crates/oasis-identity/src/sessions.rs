//! [`Sessions`]: the session cookies of Auth.js (next-auth 5).
//!
//! A session is a JSON Web Encryption (RFC 7516) with `alg: dir` and `enc: A256CBC-HS512` (RFC 7518, section
//! 5.2). Its MAC is HMAC-SHA-512, cut to 32 bytes, over the encoded header, the IV and the ciphertext. Its
//! cipher is AES-256 in CBC mode. The key follows from the secret and the name of the cookie, with
//! HKDF-SHA-256. Nothing is decrypted before the MAC has been compared.

use std::fmt;
use std::str::FromStr;

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use oasis_core::Ts;
use ring::{digest, hkdf, hmac};
use subtle::ConstantTimeEq;

use crate::claims::Rules;
use crate::members::{BadObject, Members, text};
use crate::rejection::Rejection;
use crate::secrets::Secrets;
use crate::viewer::Viewer;

/// The cookies that Auth.js sets on http and on https.
const DEFAULT_NAMES: [&str; 2] = ["__Secure-authjs.session-token", "authjs.session-token"];
/// The maximum length of a session, in bytes.
const MOST_BYTES: usize = 16 << 10;
/// The length of each half of a key: one for the MAC, one for AES.
const HALF: usize = 32;
const IV: usize = 16;
/// The length of the MAC in a session, which is the first half of HMAC-SHA-512.
const TAG: usize = 32;

/// The name of the cookie that holds sessions, as in the configuration of Auth.js.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

/// The text is not the name of a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a cookie, such as authjs.session-token")]
pub struct BadCookieName;

impl FromStr for CookieName {
    type Err = BadCookieName;

    fn from_str(name: &str) -> Result<Self, BadCookieName> {
        let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let fits = (1..=128).contains(&name.len()) && name.bytes().all(is_token);
        if fits { Ok(Self(name.to_owned())) } else { Err(BadCookieName) }
    }
}

/// The keys that open the sessions of Auth.js.
#[derive(Debug, Default)]
pub struct Sessions {
    cookies: Vec<Cookie>,
}

/// A cookie that may hold a session.
#[derive(Debug)]
struct Cookie {
    name: String,
    /// One key for each secret.
    keys: Vec<SessionKey>,
}

/// A session in the cookies of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The place of the cookie's name.
    nth: usize,
    value: String,
}

struct SessionKey {
    mac: hmac::Key,
    aes: [u8; HALF],
    /// The `kid` of the key: its SHA-512 thumbprint (RFC 7638).
    kid: String,
}

impl Sessions {
    /// Sessions that are encrypted with one of `secrets`. Without a `name`, the cookies have the names that
    /// Auth.js gives them.
    pub fn new(secrets: &Secrets, name: Option<&CookieName>) -> Self {
        if secrets.is_empty() {
            return Self::default();
        }
        let names = name.map_or(DEFAULT_NAMES.to_vec(), |name| vec![name.0.as_str()]);
        let cookie = |name: &str| Cookie {
            name: name.to_owned(),
            keys: secrets.iter().map(|secret| SessionKey::derive(secret.expose().as_bytes(), name)).collect(),
        };
        Self { cookies: names.into_iter().map(cookie).collect() }
    }

    /// Whether sessions are not configured.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// The session among the cookies of a request, each with its name and its value. Auth.js splits a long
    /// session into several cookies, whose names end with `.0`, `.1`, and so on.
    pub fn find(&self, cookies: &[(&str, &str)]) -> Option<Session> {
        self.cookies.iter().enumerate().find_map(|(nth, Cookie { name, .. })| {
            // Auth.js ignores empty cookies, too.
            let filled = |found: &str, value: &str| found == name && !value.is_empty();
            if let Some((_, value)) = cookies.iter().find(|(found, value)| filled(found, value)) {
                return Some(Session { nth, value: (*value).to_owned() });
            }
            let number = |found: &str| found.strip_prefix(name.as_str())?.strip_prefix('.')?.parse().ok();
            let mut chunks: Vec<(u8, &str)> =
                cookies.iter().filter_map(|(found, value)| Some((number(found)?, *value))).collect();
            chunks.sort_by_key(|(number, _)| *number);
            let value: String = chunks.iter().map(|(_, value)| *value).collect();
            (!value.is_empty()).then_some(Session { nth, value })
        })
    }

    /// Returns the viewer to whom the session belongs. `now` is the current time. JWT_ISSUER and JWT_AUDIENCE
    /// have no effect, because Auth.js sets neither.
    ///
    /// # Errors
    /// The session is malformed, is not encrypted with one of the keys, or is not valid now.
    pub fn identify(&self, session: &Session, now: Ts) -> Result<Viewer, Rejection> {
        let keys = self.cookies.get(session.nth).map_or(&[][..], |cookie| &cookie.keys);
        Rules::default().check(&open(&session.value, keys)?)?.at(now)
    }
}

/// Decrypts a session.
fn open(session: &str, keys: &[SessionKey]) -> Result<Vec<u8>, Rejection> {
    if session.len() > MOST_BYTES {
        return Err(Rejection::TooLong);
    }
    let mut parts = session.split('.');
    let (Some(header), Some(""), Some(iv), Some(ciphertext), Some(tag), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Rejection::NotASession);
    };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejection::Base64);
    let kid = kid(&decoded(header)?)?;
    let key = match &kid {
        Some(kid) => keys.iter().find(|key| key.kid == *kid),
        None => keys.first(),
    };
    let key = key.ok_or(Rejection::NoKey)?;
    let (iv, tag) = (decoded(iv)?, decoded(tag)?);
    let iv: [u8; IV] = iv.try_into().map_err(|_| Rejection::Signature)?;
    let tag: [u8; TAG] = tag.try_into().map_err(|_| Rejection::Signature)?;
    let mut ciphertext = decoded(ciphertext)?;
    let mut mac = hmac::Context::with_key(&key.mac);
    mac.update(header.as_bytes());
    mac.update(&iv);
    mac.update(&ciphertext);
    mac.update(&(header.len() as u64 * 8).to_be_bytes());
    if !bool::from(mac.sign().as_ref()[..TAG].ct_eq(&tag)) {
        return Err(Rejection::Signature);
    }
    let decryptor = Decryptor::<Aes256>::new(&key.aes.into(), &iv.into());
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut ciphertext).map_err(|_| Rejection::Signature)?.len();
    ciphertext.truncate(length);
    Ok(ciphertext)
}

/// Checks the header of a session, and returns its `kid`.
fn kid(header: &[u8]) -> Result<Option<String>, Rejection> {
    let members = Members::parse(header).map_err(|bad| match bad {
        BadObject::NotAnObject => Rejection::Header,
        BadObject::Duplicate => Rejection::DuplicateMember,
    })?;
    let is = |name: &str, expected: &str| members.get(name).and_then(text).as_deref() == Some(expected);
    if members.get("crit").is_some() {
        return Err(Rejection::Critical);
    }
    if !is("alg", "dir") || !is("enc", "A256CBC-HS512") || members.get("zip").is_some() {
        return Err(Rejection::NotASession);
    }
    match members.get("kid") {
        Some(kid) => Ok(Some(text(kid).ok_or(Rejection::HeaderMember("kid"))?.into_owned())),
        None => Ok(None),
    }
}

/// The length of a key, for HKDF.
struct Both;

impl hkdf::KeyType for Both {
    fn len(&self) -> usize {
        2 * HALF
    }
}

impl SessionKey {
    /// Derives the key as Auth.js does.
    fn derive(secret: &[u8], cookie: &str) -> Self {
        let info = format!("Auth.js Generated Encryption Key ({cookie})");
        let mut key = [0; 2 * HALF];
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, cookie.as_bytes());
        // HKDF can fail only for keys that are longer than 255 hashes.
        let filled = salt
            .extract(secret)
            .expand(&[info.as_bytes()], Both)
            .and_then(|material| material.fill(&mut key));
        debug_assert!(filled.is_ok(), "64 bytes are two hashes");
        let thumbprint = format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key));
        let mut aes = [0; HALF];
        aes.copy_from_slice(&key[HALF..]);
        Self {
            mac: hmac::Key::new(hmac::HMAC_SHA512, &key[..HALF]),
            aes,
            kid: URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA512, thumbprint.as_bytes())),
        }
    }
}

/// Shows no part of the key.
impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
