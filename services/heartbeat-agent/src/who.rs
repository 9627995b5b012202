//! Which run of which agent this is: host, process and start.

use jiff::Timestamp;
use oasis_core::Ts;
use oasis_core::ping::Pinger;
use oasis_service::random;

/// Longer host names are cut, so that the rest of the instance stays whole.
const LONGEST_HOST: usize = 128;

/// This run.
pub(crate) fn this(agent: String, role: Option<String>) -> Pinger {
    let (host, pid, now) = (host(), std::process::id(), Timestamp::now());
    let instance = format!("{host}:{pid}:{}-{}", now.as_second(), chance());
    let started = Some(Ts::clamped(now).to_string());
    Pinger { agent, role, instance, host: Some(host), pid: Some(pid), started }
}

/// What tells apart those of the same name, host, process and second: containers often have all of them
/// alike.
pub(crate) fn chance() -> String {
    let spread = |bits: u32| random() * f64::from(bits);
    format!("{:06x}{:06x}", spread(1 << 24) as u32, spread(1 << 24) as u32)
}

fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    name[..name.floor_char_boundary(LONGEST_HOST)].replace(char::is_control, "?")
}
