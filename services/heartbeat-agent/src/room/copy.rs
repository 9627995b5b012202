//! [`Copies`]: passes the output of a command on, byte for byte, and puts its lines into the queue.
//!
//! Each stream has a thread, because a write to stdout may block, for example on a stopped terminal. The
//! command then waits, as it would without the agent. The command never waits for the gateway.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use oasis_core::Task;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::queue::Stream;
use super::shared::{Shared, Sink};

/// The size of one read. It is the usual size of a pipe.
const READ_BYTES: usize = 64 << 10;

/// The pipes that a command writes to.
pub(crate) struct Output {
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// The threads that copy the output of a command.
pub(crate) struct Copies {
    /// Closing this end of a pipe tells the threads that the command has ended.
    running: Option<OwnedFd>,
    ended: [oneshot::Receiver<()>; 2],
}

impl Copies {
    /// Starts to copy to this process's stdout and stderr, and to the queue. Returns the pipes that a command
    /// must use as its stdout and stderr. `task` returns the agent's current task.
    ///
    /// # Errors
    /// When the system cannot make a pipe or a thread.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        task: impl Fn() -> Task + Clone + Send + 'static,
    ) -> io::Result<(Self, Output)> {
        let (stop, running) = io::pipe()?;
        let stop: Arc<OwnedFd> = Arc::new(stop.into());
        let copy = |stream: Stream| {
            let (from, to) = io::pipe()?;
            let (sender, ended) = oneshot::channel();
            let (mut sink, stop) = (Sink::new(Arc::clone(shared), stream, task.clone()), Arc::clone(&stop));
            std::thread::Builder::new().name("copy".into()).spawn(move || {
                let from = OwnedFd::from(from);
                // If the copy fails, the pipe is closed, so the next write of the command fails too.
                let _ = match stream {
                    Stream::Stdout => copy_all(&from, &io::stdout(), &stop, |bytes| sink.push(bytes)),
                    Stream::Stderr => copy_all(&from, &io::stderr(), &stop, |bytes| sink.push(bytes)),
                };
                drop(from);
                sink.finish();
                drop(sender);
            })?;
            io::Result::Ok((ended, OwnedFd::from(to)))
        };
        let (out_ended, stdout) = copy(Stream::Stdout)?;
        let (err_ended, stderr) = copy(Stream::Stderr)?;
        let copies = Self { running: Some(running.into()), ended: [out_ended, err_ended] };
        Ok((copies, Output { stdout, stderr }))
    }

    /// Waits until all output that the command has written is copied. Call this after the command has ended.
    /// Processes that outlive the command may still write, but this output may be lost.
    pub(crate) async fn finish(&mut self) {
        self.running = None;
        for ended in &mut self.ended {
            // The thread drops its sender at its end, and never sends a value.
            let _ = ended.await;
        }
    }
}

/// Copies `from` to `to`, until the end of `from`. Once `stop` is closed, copies only what is in the pipe
/// already, because processes that outlive the command may keep `from` open, and may write to it without end.
/// `each` gets the copied bytes.
fn copy_all(
    from: &OwnedFd,
    to: &impl AsFd,
    stop: &OwnedFd,
    mut each: impl FnMut(&[u8]),
) -> Result<(), Errno> {
    let mut buffer = vec![0; READ_BYTES];
    // The number of bytes that are still copied. `None` until `stop` is closed.
    let mut left: Option<u64> = None;
    loop {
        let mut watched = [PollFd::new(from, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        match poll(&mut watched, None) {
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        if left.is_none() && !watched[1].revents().is_empty() {
            left = Some(rustix::io::ioctl_fionread(from)?);
        }
        if watched[0].revents().is_empty() || left == Some(0) {
            return Ok(());
        }
        let most =
            left.map_or(READ_BYTES, |left| READ_BYTES.min(usize::try_from(left).unwrap_or(READ_BYTES)));
        let read = match rustix::io::read(from, &mut buffer[..most]) {
            Ok(0) => return Ok(()),
            Err(Errno::INTR) => continue,
            read => read?,
        };
        left = left.map(|left| left.saturating_sub(read as u64));
        each(&buffer[..read]);
        write_all(to.as_fd(), &buffer[..read])?;
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            // Another process may have made the terminal or the pipe non-blocking.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn after_the_end_of_the_command_only_what_it_has_written_is_copied() {
        let [(from, to), (stop, running)] = [(); 2].map(|()| io::pipe().unwrap());
        let output = File::create("/dev/null").unwrap();
        rustix::io::write(&to, b"last").unwrap();
        drop(running);
        let mut copied = Vec::new();
        let each = |bytes: &[u8]| {
            copied.extend_from_slice(bytes);
            assert!(copied.len() < 100, "the copy should end");
            // A process that the command has left behind writes on. So the pipe is never empty.
            rustix::io::write(&to, b"more").unwrap();
        };
        copy_all(&from.into(), &output, &stop.into(), each).unwrap();
        assert_eq!(copied, b"last");
    }
}
