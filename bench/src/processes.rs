//! Reads the memory and the processor time of processes from the kernel's `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use anyhow::Context;

/// The number of clock ticks per second in `/proc` (`USER_HZ`): 100 on x86-64 and ARM64.
const TICKS: f64 = 100.0;

/// Reads a size in KiB from `/proc/PID/status`. `VmRSS` is the current memory, and `VmHWM` is the peak memory
/// so far.
pub(crate) fn kib(pid: u32, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("reading the memory of process {pid}; this needs Linux"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = line.and_then(|line| line.split_whitespace().next()).and_then(|value| value.parse().ok());
    value.with_context(|| format!("/proc/{pid}/status has no {field}"))
}

/// Resets the peak memory of a process (`VmHWM`) to its current memory.
pub(crate) fn reset_peak(pid: u32) -> anyhow::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
        .context("resetting the memory peak; this needs Linux and the right to write clear_refs")
}

/// The ids of the running child processes of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let table = Table::read();
    table.0.iter().filter(|(_, stat)| stat.parent == pid).map(|(child, _)| *child).collect()
}

/// The machine's load average of the last minute.
pub(crate) fn load() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("reading /proc/loadavg; this needs Linux")?;
    text.split(' ').next().and_then(|load| load.parse().ok()).context("/proc/loadavg has no load average")
}

/// Measures the processor time that processes and their children use after [`Meter::start`].
pub(crate) struct Meter {
    began: Instant,
    watched: Vec<(&'static str, u32, f64)>,
}

impl Meter {
    /// Starts to measure the processes in `watched` and the bench itself.
    pub(crate) fn start(watched: &[(&'static str, u32)]) -> Self {
        let table = Table::read();
        let own = ("generator", std::process::id());
        let watched = watched.iter().chain([&own]);
        Self {
            watched: watched.map(|(name, pid)| (*name, *pid, table.seconds(*pid))).collect(),
            began: Instant::now(),
        }
    }

    /// The average number of processors that each process has used since the start, such as `PostgreSQL 0.91,
    /// generator 0.20`.
    pub(crate) fn text(&self) -> String {
        let (elapsed, table) = (self.began.elapsed().as_secs_f64(), Table::read());
        let used = |pid, before: f64| (table.seconds(pid) - before) / elapsed;
        let each =
            self.watched.iter().map(|(name, pid, before)| format!("{name} {:.2}", used(*pid, *before)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// The processor seconds that one process has used since the start.
    pub(crate) fn seconds(&self, pid: u32) -> f64 {
        let before = self.watched.iter().find(|(_, watched, _)| *watched == pid).map_or(0.0, |found| found.2);
        Table::read().seconds(pid) - before
    }
}

struct Stat {
    parent: u32,
    /// The processor seconds of the process, including the seconds of children that have ended.
    seconds: f64,
}

/// A snapshot of all processes of the machine.
struct Table(BTreeMap<u32, Stat>);

impl Table {
    fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        // A process that ends during this loop has no entry. The kernel adds the time of an ended process to
        // the time of its parent.
        Self(
            pids.filter_map(|pid| Some((pid, stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?)))
                .collect(),
        )
    }

    /// The processor seconds of a process and its children. For example, PostgreSQL has a child for each
    /// session. The running children of the bench are not included, because they are the measured programs.
    fn seconds(&self, pid: u32) -> f64 {
        let own = self.0.get(&pid).map_or(0.0, |stat| stat.seconds);
        if pid == std::process::id() {
            return own;
        }
        own + self.0.values().filter(|stat| stat.parent == pid).map(|stat| stat.seconds).sum::<f64>()
    }
}

/// Parses a line of `/proc/PID/stat`. The second field is the name of the program, which may contain spaces
/// and parentheses.
fn stat(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: f64 = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, seconds: ticks / TICKS })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_stat_is_parsed() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194304 1 2 3 4 100 50 25 25 20 0 1 0 99 1 1";
        let stat = stat(line).unwrap();
        assert_eq!((stat.parent, stat.seconds), (7, 2.0));
    }

    #[test]
    fn the_memory_of_this_process_is_read() {
        assert!(kib(std::process::id(), "VmRSS").unwrap() > 100.0);
        assert!(kib(std::process::id(), "VmNothing").is_err());
    }
}
