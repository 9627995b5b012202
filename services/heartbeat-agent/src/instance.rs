//! The identity of this run of an agent: its name, host, process and start.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_core::ping::Pinger;
use oasis_service::random;

/// Longer host names are cut. So the instance stays short, and its other parts are never cut.
const MAX_HOST_BYTES: usize = 128;

/// The identity of this process as a run of `agent`.
pub(crate) fn this_run(agent: String, role: Option<String>) -> Pinger {
    let (host, pid, now) = (host(), std::process::id(), Timestamp::now());
    let instance = format!("{host}:{pid}:{}-{}", now.as_second(), random_suffix());
    let started = Some(Ts::clamped(now).to_string());
    Pinger { agent, role, instance, host: Some(host), pid: Some(pid), started }
}

/// Random hexadecimal digits. They distinguish runs with the same agent, host, process id and second of the
/// start. Containers often have such runs.
pub(crate) fn random_suffix() -> String {
    let spread = |bits: u32| random() * f64::from(bits);
    format!("{:06x}{:06x}", spread(1 << 24) as u32, spread(1 << 24) as u32)
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name[..name.floor_char_boundary(MAX_HOST_BYTES)].replace(char::is_control, "?")
}
