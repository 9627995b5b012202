//! Decides which agents are alive. The tail passes the events that it reads to a [`registry`]. If the
//! registry finds that an agent is missing, the gateway appends an event. `GET /api/v1/oasis/agents` shows
//! the agents.
//!
//! A clock alone never makes an agent lost. A gateway must first have read everything that the table holds.
//! So a process that was held up, or a tail that is behind, does not report an agent that pinged. Also, only
//! time in which the table answered counts (see [`probe`]). So an agent that cannot ping while the table
//! hangs is not reported.

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
