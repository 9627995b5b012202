//! The programs that this project is compared with.

pub(crate) mod express;
pub(crate) mod floor;
pub(crate) mod nats;
pub(crate) mod nchan;
mod node;
pub(crate) mod pubsub;
pub(crate) mod redis;
