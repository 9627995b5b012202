//! The query API, and the parameters that it shares with the feed and the list of agents.

mod begin;
mod bounds;
mod events;
pub(crate) mod params;
mod request;

pub(crate) use begin::{CAST, RESOURCES, ROOM, begin};
pub(crate) use events::EventQueries;
pub use request::{EventsRequest, FeedRequest};
