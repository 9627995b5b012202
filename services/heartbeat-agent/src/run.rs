//! The loop of an agent: waits until a beat is due, tells it, and follows what the agent is said to do.

use jiff::Timestamp;
use oasis_core::Ts;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::beats::{Beats, Doing};
use crate::way::{Outlet, Untold};

/// What an agent is said to do.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) doing: Doing,
    /// It says nothing meanwhile.
    pub(crate) suspended: bool,
}

/// Why nothing can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The first beat that could not be told since one was.
    pub since: Ts,
    /// The last error.
    pub why: String,
}

/// Beats until the end has been told. While a beat is being told, of what is said meanwhile the last counts.
pub(crate) async fn run(
    mut beats: Beats,
    mut outlet: impl Outlet,
    mut orders: watch::Receiver<Orders>,
    trouble: watch::Sender<Option<Trouble>>,
    chance: fn() -> f64,
) {
    loop {
        let Orders { doing, suspended } = orders.borrow_and_update().clone();
        beats.set(doing, Instant::now());
        let Some(due) = beats.due() else { return };
        tokio::select! {
            // Without its sender nothing changes any more: it said so before.
            Ok(()) = orders.changed() => continue,
            () = sleep_until(due), if !suspended => {}
            else => return,
        }
        let event = beats.beat(Instant::now(), Ts::clamped(Timestamp::now()));
        match outlet.tell(&event).await {
            Ok(()) => {
                if beats.failures() > 0 {
                    tracing::info!("beats are told again");
                }
                beats.arrived(Instant::now(), chance());
                trouble.send_if_modified(|trouble| trouble.take().is_some());
            }
            Err(error) => {
                // Whoever waits for the end to be told would wait in vain.
                let gives_up = beats.ended() && error.is_final();
                complain(&error, beats.failures(), gives_up);
                let since = trouble.borrow().as_ref().map_or(event.event.ts, |trouble| trouble.since);
                trouble.send_replace(Some(Trouble { since, why: error.to_string() }));
                if gives_up {
                    return;
                }
                beats.failed(Instant::now(), chance());
            }
        }
    }
}

/// The first of a series is told to whoever reads the log, the others to who looks closer.
fn complain(error: &Untold, failures: u32, gives_up: bool) {
    match failures {
        _ if gives_up => tracing::warn!(%error, "the end could not be told"),
        0 => tracing::warn!(%error, "a beat could not be told; it is tried again"),
        _ => tracing::debug!(%error, failures, "a beat could not be told"),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
