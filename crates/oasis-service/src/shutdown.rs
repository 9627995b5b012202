//! The shutdown signal, shared by all services of a process.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A handle to the shutdown. All clones belong to the same shutdown. A triggered shutdown stays triggered.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// Makes a shutdown that only [`Shutdown::trigger`] starts, for tests, and for a process that decides by
    /// itself when to stop.
    pub fn manual() -> Self {
        Self::default()
    }

    /// Makes a shutdown that SIGTERM, SIGINT or SIGHUP starts. nohup makes a process ignore SIGHUP, and then
    /// the signal stays ignored. If a SIGINT arrives after the shutdown has started, the process exits at
    /// once with status 130.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    ///
    /// # Panics
    /// When the caller is not in a Tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::manual();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = if is_ignored(Signal::HUP) { None } else { Some(signal(SignalKind::hangup())?) };
        let trigger = shutdown.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => {}
                    Some(()) = async { hangup.as_mut()?.recv().await }, if hangup.is_some() => {}
                    Some(()) = interrupt.recv() => {
                        if trigger.is_triggered() {
                            std::process::exit(130);
                        }
                    }
                    else => return,
                }
                if !trigger.is_triggered() {
                    tracing::info!("shutting down");
                    trigger.trigger();
                }
            }
        });
        Ok(shutdown)
    }

    /// Begins the shutdown. Later calls do nothing.
    pub fn trigger(&self) {
        self.0.cancel();
    }

    /// Whether the shutdown has begun.
    pub fn is_triggered(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits for the shutdown to begin.
    pub async fn triggered(&self) {
        self.0.cancelled().await;
    }

    /// The underlying token, for code that waits on tokens.
    pub fn token(&self) -> &CancellationToken {
        &self.0
    }
}
/// Whether this process ignores a signal, as under nohup. Always `false` on a system without `/proc`.
pub fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal.as_raw() - 1)) != 0
}
