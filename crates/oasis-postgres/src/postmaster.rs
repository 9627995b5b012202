//! Checks whether the server process runs and whether it is ready, sends it signals, and waits for its end.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The time between two checks of a process or a port.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A postmaster that serves a data folder.
#[derive(Debug)]
pub(crate) struct Postmaster {
    pub(crate) pid: u32,
    pub(crate) port: u16,
    /// Present if this process started the postmaster. A dead child stays in the process table until this
    /// process waits for it.
    pub(crate) child: Option<Child>,
}

impl Postmaster {
    /// Whether the server still runs. If this process did not start the server, the check also compares the
    /// data folder, because a later process may have the same id.
    pub(crate) fn alive(&mut self, data: &Path) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => serves(self.pid, data),
        }
    }

    /// Sends a signal if the server still runs.
    pub(crate) fn signal(&mut self, signal: Signal, data: &Path) {
        if self.alive(data)
            && let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw)
        {
            // An error means that the server has just ended. The caller notices the end when it calls `wait`.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until the server ends. Returns false if it still runs after `limit`.
    pub(crate) fn wait(&mut self, limit: Duration, data: &Path) -> bool {
        let deadline = Instant::now() + limit;
        while self.alive(data) {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        true
    }
}

/// The content of `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: u32,
    /// 0 until the server has written its port.
    pub(crate) port: u16,
    /// Whether the server accepts connections. A hot standby does not accept writes.
    pub(crate) ready: bool,
}

impl PidFile {
    pub(crate) fn read(data: &Path) -> Option<PidFile> {
        PidFile::parse(&fs::read_to_string(data.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<PidFile> {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let pid = lines.first()?.parse().ok()?;
        let port = lines.get(3).and_then(|line| line.parse().ok()).unwrap_or(0);
        Some(PidFile {
            pid,
            port,
            ready: lines.get(7).is_some_and(|state| ["ready", "standby"].contains(state)),
        })
    }
}

/// Whether process `pid` is alive and serves `data`. The id alone is not enough, because a later process may
/// have the same id.
pub(crate) fn serves(pid: u32, data: &Path) -> bool {
    let proc_file = |name: &str| format!("/proc/{pid}/{name}");
    if Path::new("/proc/self").exists() {
        // Every user can read the command line. The command line of a dead process is empty. The working
        // directory also identifies a server that was started with a relative path, but not every user can
        // read the working directory.
        return fs::read(proc_file("cmdline")).is_ok_and(|line| {
            line.split(|byte| *byte == 0).any(|word| word == data.as_os_str().as_encoded_bytes())
        }) || fs::read_link(proc_file("cwd")).is_ok_and(|cwd| cwd == data);
    }
    let listed =
        Command::new("ps").args(["-o", "stat=", "-o", "command=", "-p"]).arg(pid.to_string()).output();
    listed.is_ok_and(|output| {
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        !line.trim().starts_with('Z') && data.to_str().is_some_and(|data| line.contains(data))
    })
}

/// Whether a PostgreSQL accepts connections on the port. Such a server answers a login with a request for the
/// password. A server that is starting, recovering or stopping answers with an error.
pub(crate) fn accepts_connections(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let limit = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let login = b"\0\x03\0\0user\0oasis\0database\0postgres\0\0";
        let length = u32::try_from(login.len() + 4).unwrap_or_default();
        stream.write_all(&[&length.to_be_bytes()[..], login].concat())?;
        let mut answer = [0; 256];
        let read = stream.read(&mut answer)?;
        // SQLSTATE 53300 means that all connections are in use, so the server is up.
        Ok(answer[0] == b'R' || answer[..read].windows(7).any(|part| part == b"C53300\0"))
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_parsed_at_every_stage_of_a_start() {
        let full = "4711\n/data\n1732150000\n25432\n\n127.0.0.1\n  123  456\nready   \n";
        assert_eq!(PidFile::parse(full), Some(PidFile { pid: 4711, port: 25432, ready: true }));
        let early = "4711\n/data\n1732150000\n25432\n";
        assert_eq!(PidFile::parse(early), Some(PidFile { pid: 4711, port: 25432, ready: false }));
        assert_eq!(PidFile::parse("4711\n"), Some(PidFile { pid: 4711, port: 0, ready: false }));
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn a_process_that_is_not_a_server_does_not_serve_a_folder() {
        assert!(!serves(std::process::id(), Path::new("/nonexistent/data")));
    }

    #[test]
    fn a_closed_port_accepts_no_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert!(!accepts_connections(port));
    }
}
