//! Decides who a viewer is: verifies and mints JSON Web Tokens (JWT).
//!
//! [`Keys::verify`] takes a token and the present time, and returns a [`Viewer`] or a [`Rejection`]. The
//! library `jsonwebtoken` verifies the signature, with the cryptography of ring ([`provider`]). The rules
//! for the header and the claims are in this crate, because the library's rules are laxer: it accepts `crit`
//! and members with the same name, ignores `nbf`, and reads the clock of the system.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests may panic"))]

mod algorithm;
mod args;
mod claims;
mod header;
mod keys;
mod members;
mod mint;
mod pem;
mod provider;
mod rejection;
mod secrets;
mod verify;
mod viewer;

#[cfg(test)]
mod tests;

pub use args::{IdentityArgs, List, NoItems};
pub use claims::{LEEWAY, Rules};
pub use keys::{BadKeys, KeySource, Keys};
pub use mint::{CannotMint, NewToken};
pub use pem::BadPem;
pub use provider::BadProvider;
pub use rejection::Rejection;
pub use secrets::{BadSecret, Secrets};
pub use viewer::Viewer;
