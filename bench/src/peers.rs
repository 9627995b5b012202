//! What this project is measured beside.

pub(crate) mod floor;
mod process;
