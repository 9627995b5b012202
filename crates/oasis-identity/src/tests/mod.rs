//! Tests of verifying and minting tokens.

mod claims;
mod confusion;
mod files;
mod issuer;
mod jwks;
mod minting;
mod mutations;
mod samples;
mod sessions;
mod sets;
mod structure;
