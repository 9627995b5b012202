//! Running the wrapped command: its input and output are ours, signals are passed on, and its end is waited
//! for.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process, wait};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;

use crate::beats::Ending;

/// Signals that are passed on. Those that a terminal alone sends, to the whole group, are not.
const PASSED_ON: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::ALARM];
/// Where a wrapped command finds the socket of its agent.
pub(crate) const SOCKET: &str = "HEARTBEAT_SOCKET";
/// What it finds there when its agent has none.
pub(crate) const NO_SOCKET: &str = "none";

/// A command that runs.
pub(crate) struct Wrapped {
    pid: Pid,
    ended: Signals,
    signals: mpsc::Receiver<Signal>,
    /// Signals that were passed on.
    passed: HashSet<i32>,
}

/// Starts a command with the given name and arguments.
///
/// # Errors
/// What kept it from starting, as of `execvp`.
pub(crate) fn start(command: &[OsString], socket: Option<&Path>) -> io::Result<Wrapped> {
    let [program, args @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
    // Before the command is there, so that neither its end nor a signal is missed.
    let ended = signal(SignalKind::child())?;
    let signals = passed_on()?;
    // What the command leaves behind becomes ours, as it does in a container, and is reaped here.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut command = Command::new(program);
    command.args(args);
    // Not that of an agent around this one, nor whichever else runs here.
    command.env(SOCKET, socket.unwrap_or(Path::new(NO_SOCKET)));
    let child = command.spawn()?;
    // A pid of the system fits, and is not 0. `child` is not asked again: whoever it is, all that end are
    // waited for.
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(Wrapped { pid, ended, signals, passed: HashSet::new() })
}

/// Where the signals come in. Those that are ignored at the start, as under nohup, stay so, and in the
/// command too.
fn passed_on() -> io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(PASSED_ON.len());
    for passed in PASSED_ON.into_iter().filter(|signal| !is_ignored(*signal)) {
        let mut signals = signal(SignalKind::from_raw(passed.as_raw()))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(()) = signals.recv().await {
                if sender.send(passed).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

/// Whether this process was told to ignore a signal, as nohup does. Where the system does not say, it was
/// not.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal.as_raw() - 1)) != 0
}

impl Wrapped {
    /// Waits for its end, passing signals on meanwhile and waiting for whatever else ends.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.reap() {
                return status;
            }
            tokio::select! {
                _ = self.ended.recv() => {}
                Some(signal) = self.signals.recv() => self.pass(signal),
            }
        }
    }

    fn reap(&self) -> Option<ExitStatus> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    return Some(ExitStatus::from_raw(status.as_raw()));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn pass(&mut self, signal: Signal) {
        if !(matches!(signal, Signal::INT | Signal::QUIT) && is_typed()) {
            // It may have ended a moment ago.
            let _ = kill_process(self.pid, signal);
        }
        self.passed.insert(signal.as_raw());
    }

    /// What an end with `status` was: well, too, if it was a signal that was passed on that ended it.
    pub(crate) fn ending(&self, status: ExitStatus) -> Ending {
        let asked = |number| self.passed.contains(&number);
        let code = exit_code(status);
        let well = status.success()
            || status.signal().is_some_and(asked)
            // A shell says so by its code.
            || status.code().is_some_and(|code| code > 128 && asked(code - 128));
        Ending { well, exit_code: Some(code), signal: status.signal() }
    }
}

/// Whether an interrupt was most likely typed at the terminal, which sends it to the whole group, the command
/// included: passed on as well it would be once too often.
fn is_typed() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|foreground| foreground == getpgrp()))
}

/// The code that a shell gives a command which ended like this.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// The code that a shell gives a command which could not be started.
pub(crate) fn not_started(error: &io::Error) -> i32 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
