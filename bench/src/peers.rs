//! The programs that this project is compared with.

pub(crate) mod express;
pub(crate) mod floor;
pub(crate) mod nchan;
pub(crate) mod nest;
mod node;
