//! Runs the wrapped command with this process's stdin, stdout and stderr, forwards signals, and reaps
//! children. If the output goes to a room, the command's stdout and stderr are pipes instead.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use oasis_service::shutdown::is_ignored;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process, wait};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::beats::Ending;
use crate::room::Output;

/// The signals that are forwarded to the command. Signals that only a terminal sends are not in the list,
/// because a terminal sends them to the whole process group.
const FORWARDED: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::ALARM];
/// The signals that usually end a process.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
/// The time to pass on the last output of a command after a signal asked it to end.
const GRACE: Duration = Duration::from_secs(2);
/// The environment variable in which a wrapped command finds the socket of its agent.
pub(crate) const SOCKET: &str = "HEARTBEAT_SOCKET";
/// The value of [`SOCKET`] if the agent has no socket.
pub(crate) const NO_SOCKET: &str = "none";

/// A running command.
pub(crate) struct Wrapped {
    pid: Pid,
    child_ended: Signals,
    signals: mpsc::Receiver<Signal>,
    /// The numbers of the signals that have been forwarded so far.
    forwarded: HashSet<i32>,
}

/// Starts a command. `command` is the program and its arguments. `socket` is the path of the agent's socket.
/// The command does not inherit the variable `hidden`. The command writes to `output` or, without it, to this
/// process's stdout and stderr.
///
/// # Errors
/// When the command can't be started, for example because there is no such program.
pub(crate) fn start(
    command: &[OsString],
    socket: Option<&Path>,
    hidden: Option<&str>,
    output: Option<Output>,
) -> io::Result<Wrapped> {
    let [program, args @ ..] = command else { return Err(io::ErrorKind::InvalidInput.into()) };
    // Listen before the command starts, so that neither its end nor a signal is missed.
    let child_ended = signal(SignalKind::child())?;
    let signals = forwarded_signals()?;
    // Processes that outlive the command become children of this process, so that this process can reap them.
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let mut command = Command::new(program);
    command.args(args);
    // Always set the variable, even if this agent has no socket. Otherwise the command could reach an outer
    // agent, or another agent of this user.
    command.env(SOCKET, socket.unwrap_or(Path::new(NO_SOCKET)));
    if let Some(variable) = hidden {
        command.env_remove(variable);
    }
    if let Some(Output { stdout, stderr }) = output {
        command.stdout(stdout).stderr(stderr);
    }
    let child = command.spawn()?;
    // A process id fits into an i32 and is not 0. `child` is not needed any more, because `reap` waits for
    // all children.
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
    Ok(Wrapped { pid, child_ended, signals, forwarded: HashSet::new() })
}

/// Listens for the signals to forward. A signal that is ignored at the start, as under nohup, stays ignored
/// in this process and in the command.
fn forwarded_signals() -> io::Result<mpsc::Receiver<Signal>> {
    let (sender, receiver) = mpsc::channel(FORWARDED.len());
    for forwarded in FORWARDED.into_iter().filter(|signal| !is_ignored(*signal)) {
        let mut signals = signal(SignalKind::from_raw(forwarded.as_raw()))?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(()) = signals.recv().await {
                if sender.send(forwarded).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}

impl Wrapped {
    /// Waits for the end of the command. Meanwhile, this function forwards signals and reaps other children.
    pub(crate) async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.reap() {
                return status;
            }
            tokio::select! {
                _ = self.child_ended.recv() => {}
                Some(signal) = self.signals.recv() => self.forward(signal),
            }
        }
    }

    /// Waits until a signal asks this process to end. If such a signal was forwarded before, waits for
    /// [`GRACE`]. Call this after the command has ended.
    pub(crate) async fn must_end(&mut self) {
        if ENDING.iter().any(|signal| self.forwarded.contains(&signal.as_raw())) {
            return sleep(GRACE).await;
        }
        while let Some(signal) = self.signals.recv().await {
            if ENDING.contains(&signal) {
                return;
            }
        }
    }

    /// Reaps all children that have ended. If the command is one of them, returns its exit status.
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

    fn forward(&mut self, signal: Signal) {
        if !(matches!(signal, Signal::INT | Signal::QUIT) && is_in_foreground()) {
            // Errors are ignored, because the command may have just ended.
            let _ = kill_process(self.pid, signal);
        }
        self.forwarded.insert(signal.as_raw());
    }

    /// Converts an exit status to an ending. If a forwarded signal ended the command, the command ended as
    /// intended.
    pub(crate) fn ending(&self, status: ExitStatus) -> Ending {
        let forwarded = |number| self.forwarded.contains(&number);
        let code = exit_code(status);
        let well = status.success()
            || status.signal().is_some_and(forwarded)
            // If a signal ends a command, a shell reports 128 plus the signal as the exit code.
            || status.code().is_some_and(|code| code > 128 && forwarded(code - 128));
        Ending { well, exit_code: Some(code), signal: status.signal() }
    }
}

/// Whether this process is in the foreground of its terminal. If so, SIGINT and SIGQUIT most likely come from
/// the keyboard. The terminal sends these signals to the whole process group, so this process must not
/// forward them as well.
fn is_in_foreground() -> bool {
    let terminal = std::fs::File::open("/dev/tty");
    terminal.is_ok_and(|terminal| tcgetpgrp(&terminal).is_ok_and(|foreground| foreground == getpgrp()))
}

/// The exit code that a shell gives to a command with this status.
pub(crate) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// The exit code that a shell gives to a command that could not be started.
pub(crate) fn start_failure_code(error: &io::Error) -> i32 {
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
