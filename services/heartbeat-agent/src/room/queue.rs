//! [`Queue`]: the lines that wait to be sent. Its size is bounded. If the queue is full, the oldest lines are
//! dropped and counted, because the last lines of a command show how the command ended.

use std::collections::VecDeque;

use oasis_core::{Task, Ts};

use super::split::RawLine;

/// The maximum number of lines that wait.
const MOST_LINES: usize = 10_000;
/// The maximum total size of the lines that wait, in bytes.
const MOST_BYTES: usize = 4 << 20;

/// The stream of a command that a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// A line of the command's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) stream: Stream,
    /// When the line was read.
    pub(crate) ts: Ts,
    /// The agent's task when the line was read.
    pub(crate) task: Task,
    pub(crate) raw: RawLine,
}

/// Lines to send, the oldest first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The number of lines that were dropped before `lines`.
    pub(crate) dropped: u64,
    pub(crate) lines: Vec<Captured>,
}

/// The lines that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: VecDeque<Captured>,
    bytes: usize,
    /// The number of lines that were dropped before the first line.
    dropped: u64,
}

impl Queue {
    /// Adds a line. If the queue is full, drops the oldest lines.
    pub(crate) fn push(&mut self, line: Captured) {
        self.bytes += line.raw.bytes.len();
        self.lines.push_back(line);
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            self.pop();
            self.dropped += 1;
        }
    }

    /// Whether no line waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Counts lines that could not be stored as dropped.
    pub(crate) fn add_dropped(&mut self, lines: u64) {
        self.dropped += lines;
    }

    /// Takes the oldest lines: at most `most_lines` lines, and at most `most_bytes` bytes. A first line that
    /// is larger is taken alone.
    pub(crate) fn take(&mut self, most_lines: usize, most_bytes: usize) -> Taken {
        let mut taken = Taken { dropped: std::mem::take(&mut self.dropped), lines: Vec::new() };
        let mut bytes = 0;
        while taken.lines.len() < most_lines
            && let Some(next) = self.lines.front()
        {
            bytes += next.raw.bytes.len();
            if bytes > most_bytes && !taken.lines.is_empty() {
                break;
            }
            taken.lines.extend(self.pop());
        }
        taken
    }

    /// Empties the queue, and returns the number of lines that waited or were dropped.
    pub(crate) fn clear(&mut self) -> u64 {
        let left = self.lines.len() as u64 + self.dropped;
        *self = Self::default();
        left
    }

    fn pop(&mut self) -> Option<Captured> {
        let line = self.lines.pop_front()?;
        self.bytes -= line.raw.bytes.len();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> Captured {
        let raw = RawLine { bytes: vec![b'x'; bytes], cut: 0 };
        Captured {
            stream: Stream::Stdout,
            ts: "2026-01-02T03:04:05Z".parse().unwrap(),
            task: Task::Idle,
            raw,
        }
    }

    fn sizes(taken: &Taken) -> Vec<usize> {
        taken.lines.iter().map(|line| line.raw.bytes.len()).collect()
    }

    #[test]
    fn a_full_queue_drops_and_counts_the_oldest_lines() {
        let mut queue = Queue::default();
        (0..MOST_LINES + 3).for_each(|n| queue.push(line(n % 7)));
        let taken = queue.take(2, usize::MAX);
        assert_eq!((taken.dropped, sizes(&taken)), (3, vec![3, 4]));
        assert_eq!(queue.take(1, usize::MAX).dropped, 0);
        let mut queue = Queue::default();
        (0..5).for_each(|_| queue.push(line(MOST_BYTES / 4)));
        assert_eq!(queue.take(9, usize::MAX).lines.len(), 4);
    }

    #[test]
    fn a_batch_has_a_number_of_lines_and_a_size() {
        let mut queue = Queue::default();
        [10, 20, 30, 5].into_iter().for_each(|bytes| queue.push(line(bytes)));
        assert_eq!(sizes(&queue.take(9, 30)), [10, 20]);
        // A line that is larger than the limit is taken alone.
        assert_eq!(sizes(&queue.take(9, 1)), [30]);
        assert!(!queue.is_empty());
        queue.add_dropped(7);
        assert_eq!((queue.clear(), queue.is_empty()), (8, true));
    }
}
