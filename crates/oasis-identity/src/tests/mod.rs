//! Tests of verifying and minting tokens.

mod claims;
mod confusion;
mod files;
mod minting;
mod mutations;
mod samples;
mod structure;
