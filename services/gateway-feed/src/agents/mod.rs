//! Decides which agents are alive. The tail, which reads each new row of the table, passes every event to a
//! [`registry`]. If the registry finds that an agent is missing or is back, the gateway appends an event
//! that reports this. `GET /api/v1/oasis/agents` lists the agents.
//!
//! An agent never counts as lost because of a clock alone. Before a gateway reports a loss, its tail must
//! have read every row of the table. So a gateway that was suspended, or whose tail is behind, does not
//! wrongly report an agent as lost. Also, the silence of an agent counts only while the table answers (see
//! [`probe`]). So an agent that cannot ping because the table hangs is not reported as lost.

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
