//! Decides who a viewer is: verifies and mints JSON Web Tokens (JWT), and opens sessions of Auth.js
//! ([`Sessions`]).
//!
//! [`Keys::identify`] takes a token and the current time, and returns a [`Viewer`] or a [`Rejection`]. ring
//! verifies the signature. This crate checks the header and the claims itself. The library `jsonwebtoken`
//! mints tokens, with the cryptography of ring ([`provider`]). It does not verify tokens: it would prepare
//! the secret again for each token, and by default it ignores `crit` and `nbf`, and accepts two members
//! with the same name. It also reads the system's clock, so a caller could not choose the time.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may panic"))]

mod algorithm;
mod api_key;
mod args;
mod claims;
mod header;
mod jwks;
mod key;
mod keys;
mod members;
mod mint;
mod pem;
mod provider;
mod public_key;
mod rejection;
mod secrets;
mod seen;
mod sessions;
mod verifier;
mod verify;
mod viewer;

#[cfg(test)]
mod tests;

pub use api_key::{ApiKeyHash, api_key_hash, generate_api_key};
pub use args::{IdentityArgs, List, NoItems};
pub use claims::{LEEWAY, Rules};
pub use jwks::{BadJwksUrl, JwksUrl};
pub use keys::{BadKeys, KeySource, Keys};
pub use mint::{CannotMint, NewToken};
pub use pem::BadPem;
pub use provider::BadProvider;
pub use public_key::BadKey;
pub use rejection::Rejection;
pub use secrets::{BadSecret, Secrets};
pub use sessions::{BadCookieName, CookieName, Session, Sessions};
pub use viewer::Viewer;
