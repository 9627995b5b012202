//! Makes the identity of a run of an agent from the agent's name, the host, the process id and the start
//! time.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_core::ping::Pinger;
use oasis_service::random;

/// The maximum length of the host name in an instance. A longer host name is cut, so that the other parts of
/// the instance are never cut.
const MAX_HOST_BYTES: usize = 128;

/// Returns the identity of a run of `agent` in this process.
pub(crate) fn this_run(agent: String, role: Option<String>) -> Pinger {
    let (host, pid, now) = (host(), std::process::id(), Timestamp::now());
    let instance = format!("{host}:{pid}:{}-{}", now.as_second(), random_suffix());
    let started = Some(Ts::clamped(now).to_string());
    Pinger { agent, role, instance, host: Some(host), pid: Some(pid), started }
}

/// Returns random hexadecimal digits. The digits distinguish runs that have the same host, process id and
/// start second. Such runs are common in containers.
pub(crate) fn random_suffix() -> String {
    let spread = |bits: u32| random() * f64::from(bits);
    format!("{:06x}{:06x}", spread(1 << 24) as u32, spread(1 << 24) as u32)
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name[..name.floor_char_boundary(MAX_HOST_BYTES)].replace(char::is_control, "?")
}
