//! The loop of a heartbeat: waits until a beat is due, delivers it, and carries out the orders of the handle.

use jiff::Timestamp;
use oasis_core::Ts;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::beats::{AgentState, Beats};
use crate::destination::{DeliveryError, FailureKind, Transport};

/// The orders from the handle to the loop.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    pub(crate) state: AgentState,
    /// While this is true, the loop sends no beats.
    pub(crate) suspended: bool,
}

/// A period in which no beat is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The time of the first failed beat after the last delivered beat.
    pub since: Ts,
    /// The text of the last error.
    pub why: String,
}

/// Sends beats until the final beat is delivered or given up. If several orders arrive during a delivery,
/// only the last order takes effect. `chance` returns random numbers from 0 to 1.
pub(crate) async fn run(
    mut beats: Beats,
    mut transport: impl Transport,
    mut orders: watch::Receiver<Orders>,
    outage: watch::Sender<Option<Outage>>,
    chance: fn() -> f64,
) {
    // Whether the last beat was refused because of its content.
    let mut refused = false;
    loop {
        let Orders { state, suspended } = orders.borrow_and_update().clone();
        beats.set_state(state, Instant::now());
        let Some(due) = beats.due() else { return };
        tokio::select! {
            // `changed` fails once the sender is dropped. The last order was the end, so no order is missed.
            Ok(()) = orders.changed() => continue,
            () = sleep_until(due), if !suspended => {}
            else => return,
        }
        let event = beats.beat(Instant::now(), Ts::clamped(Timestamp::now()));
        match transport.deliver(&event).await {
            Ok(()) => {
                if beats.failures() > 0 {
                    tracing::info!("beats are delivered again");
                }
                beats.delivered(Instant::now(), chance());
                refused = false;
                outage.send_if_modified(|outage| outage.take().is_some());
            }
            Err(error) => {
                let kind = error.kind();
                // If the failure is not transient, a retry would fail as well. In this case, the loop gives
                // up the final beat, because the caller of `stop` waits for the loop.
                let gives_up = beats.ended() && kind != FailureKind::Transient;
                log_failure(&error, beats.failures(), refused, gives_up);
                refused = kind == FailureKind::Refused;
                let since = outage.borrow().as_ref().map_or(event.event.ts, |outage| outage.since);
                outage.send_replace(Some(Outage { since, why: error.to_string() }));
                if gives_up {
                    return;
                }
                match kind {
                    FailureKind::Transient | FailureKind::Denied => beats.failed(Instant::now(), chance()),
                    FailureKind::Refused => beats.refused(Instant::now()),
                }
            }
        }
    }
}

/// Logs the first failure of a series as a warning, and the later failures at the level `debug`. `refused`
/// says whether the previous beat was refused because of its content.
fn log_failure(error: &DeliveryError, failures: u32, refused: bool, gives_up: bool) {
    match error.kind() {
        _ if gives_up => tracing::warn!(%error, "the final beat could not be delivered"),
        FailureKind::Refused if !refused => {
            tracing::warn!(%error, "a beat was refused and is not sent again");
        }
        FailureKind::Refused => tracing::debug!(%error, failures, "another beat was refused"),
        FailureKind::Transient | FailureKind::Denied if failures == 0 => {
            tracing::warn!(%error, "a beat could not be delivered; trying again");
        }
        FailureKind::Transient | FailureKind::Denied => {
            tracing::debug!(%error, failures, "a beat could not be delivered");
        }
    }
}
