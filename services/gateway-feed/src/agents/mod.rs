//! Which agents are alive: what the tail reads becomes a [`registry`], and what that finds missing becomes an
//! event. `GET /api/v1/oasis/agents` shows it.
//!
//! A clock alone never makes an agent lost. All that the table holds must have been read first, so that a
//! process that was held up, or a tail that is behind, misses no agent that pinged. And only time in which
//! the table answered counts (see [`probe`]), so that a table that hung is no reason to miss agents that
//! could not ping.

mod agent;
mod hourly;
mod list;
mod loss;
mod notice;
mod notifier;
mod observation;
mod pace;
mod probe;
mod registry;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use observation::is_repeat;
pub(crate) use shared::Agents;
