//! [`Shared`]: the queue between the threads that read a command's output and the task that sends the lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oasis_core::{Task, Ts};
use tokio::sync::Notify;

use super::queue::{Captured, Queue, Stream, Taken};
use super::split::Splitter;

/// The queue, and its signals.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Queue,
    /// Whether the command's output has ended.
    finished: bool,
    /// Whether further lines are ignored, because no more lines can be sent.
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, so the state is always consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, lines: Vec<Captured>) {
        let mut state = self.lock();
        if !state.closed {
            lines.into_iter().for_each(|line| state.queue.push(line));
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Marks the end of the command's output.
    pub(crate) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_one();
    }

    /// Whether the command's output has ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.lock().finished
    }

    /// Waits for the end of the command's output.
    pub(crate) async fn finished(&self) {
        while !self.is_finished() {
            self.changed.notified().await;
        }
    }

    /// Waits for a line. Returns false if the queue is empty and the command's output has ended.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            {
                let state = self.lock();
                if !state.queue.is_empty() || state.finished {
                    return !state.queue.is_empty();
                }
            }
            self.changed.notified().await;
        }
    }

    /// Takes lines as [`Queue::take`] does.
    pub(crate) fn take(&self, most_lines: usize, most_bytes: usize) -> Taken {
        self.lock().queue.take(most_lines, most_bytes)
    }

    /// Counts lines that could not be stored as dropped.
    pub(crate) fn add_dropped(&self, lines: u64) {
        self.lock().queue.add_dropped(lines);
    }

    /// Drops all lines, and ignores further lines. Returns the number of the dropped lines.
    pub(crate) fn close(&self) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        state.queue.clear()
    }
}

/// Puts the lines of one stream into the queue.
pub(crate) struct Sink<T> {
    shared: Arc<Shared>,
    stream: Stream,
    splitter: Splitter,
    /// Returns the agent's current task.
    task: T,
}

impl<T: Fn() -> Task> Sink<T> {
    pub(crate) fn new(shared: Arc<Shared>, stream: Stream, task: T) -> Self {
        Self { shared, stream, splitter: Splitter::default(), task }
    }

    /// Handles the next bytes of the stream. Never waits.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let (stream, ts, task) = (self.stream, Ts::clamped(jiff::Timestamp::now()), (self.task)());
        let mut lines = Vec::new();
        self.splitter.push(bytes, |raw| lines.push(Captured { stream, ts, task: task.clone(), raw }));
        if !lines.is_empty() {
            self.shared.push(lines);
        }
    }

    /// Handles the end of the stream.
    pub(crate) fn finish(&mut self) {
        let (stream, ts) = (self.stream, Ts::clamped(jiff::Timestamp::now()));
        if let Some(raw) = self.splitter.finish() {
            self.shared.push(vec![Captured { stream, ts, task: (self.task)(), raw }]);
        }
    }
}
