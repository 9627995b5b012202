//! Tests verification as a whole.

mod claims;
mod confusion;
mod files;
mod minting;
mod mutations;
mod samples;
mod structure;
