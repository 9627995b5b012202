//! What this project is measured beside.

pub(crate) mod express;
pub(crate) mod floor;
pub(crate) mod nchan;
