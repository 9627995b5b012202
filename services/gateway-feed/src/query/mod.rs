//! The query API, and the parameters that it shares with the feed and the list of agents.

mod answer_budget;
mod begin;
mod bounds;
mod events;
pub(crate) mod params;

pub(crate) use answer_budget::AnswerBudget;
pub(crate) use begin::{CAST, FEED, RESOURCES, ROOM, begin};
pub(crate) use events::EventQueries;
