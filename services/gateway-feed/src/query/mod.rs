//! The query API, and the parameters that it shares with the feed and the list of agents.

mod begin;
mod bounds;
mod events;
pub(crate) mod params;

pub(crate) use begin::{CAST, FEED, RESOURCES, ROOM, begin};
pub(crate) use events::EventQueries;
