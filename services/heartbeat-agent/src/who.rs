//! Which run of which agent this is: host, process and start.

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_core::ping::Pinger;

/// Longer host names are cut, so that the rest of the instance stays whole.
const LONGEST_HOST: usize = 128;

/// This run. Several of one process are told apart by a number.
pub(crate) fn this(agent: String, role: Option<String>) -> Pinger {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let (host, pid, now) = (host(), std::process::id(), Timestamp::now());
    let mut instance = format!("{host}:{pid}:{}", now.as_second());
    match RUNS.fetch_add(1, Ordering::Relaxed) {
        0 => {}
        nth => instance.push_str(&format!(".{nth}")),
    }
    let started = Some(Ts::clamped(now).to_string());
    Pinger { agent, role, instance, host: Some(host), pid: Some(pid), started }
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name[..name.floor_char_boundary(LONGEST_HOST)].replace(char::is_control, "?")
}
