//! The loop of an agent: waits until a beat is due, tells it, and follows what the agent is said to do.

use jiff::Timestamp;
use oasis_core::Ts;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::beats::{Beats, Doing};
use crate::destination::{Outlet, Prospect, Untold};

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
    // Whether the last beat was refused for what it said.
    let mut refused = false;
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
                refused = false;
                trouble.send_if_modified(|trouble| trouble.take().is_some());
            }
            Err(error) => {
                let prospect = error.prospect();
                // Whoever waits for the end to be told would wait in vain.
                let gives_up = beats.ended() && prospect != Prospect::Passing;
                complain(&error, beats.failures(), refused, gives_up);
                refused = prospect == Prospect::Refused;
                let since = trouble.borrow().as_ref().map_or(event.event.ts, |trouble| trouble.since);
                trouble.send_replace(Some(Trouble { since, why: error.to_string() }));
                if gives_up {
                    return;
                }
                match prospect {
                    Prospect::Passing | Prospect::Denied => beats.failed(Instant::now(), chance()),
                    Prospect::Refused => beats.refused(Instant::now()),
                }
            }
        }
    }
}

/// The first of a series is told to whoever reads the log, the others to who looks closer. `refused`: whether
/// the beat before was refused for what it said.
fn complain(error: &Untold, failures: u32, refused: bool, gives_up: bool) {
    match error.prospect() {
        _ if gives_up => tracing::warn!(%error, "the end could not be told"),
        Prospect::Refused if !refused => tracing::warn!(%error, "a beat was refused and is not sent again"),
        Prospect::Refused => tracing::debug!(%error, failures, "the next beat is refused, too"),
        Prospect::Passing | Prospect::Denied if failures == 0 => {
            tracing::warn!(%error, "a beat could not be told; it is tried again");
        }
        Prospect::Passing | Prospect::Denied => {
            tracing::debug!(%error, failures, "a beat could not be told");
        }
    }
}
