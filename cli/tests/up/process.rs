//! Runs `oasis up` as a process in a temporary folder.

use std::ffi::OsStr;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// How long `oasis up` may take to end.
pub(crate) const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// The time limit of a command. No test needs nearly this long, so a command that exceeds the limit has hung.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// The time between two checks of a condition.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Polls until the condition holds. `what` is the start of the error message, such as "the command did not
/// end".
pub(crate) fn wait_until(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} within {limit:?}");
        thread::sleep(POLL);
    }
}

/// Whether a process runs. A zombie counts as ended.
pub(crate) fn runs(pid: Pid) -> bool {
    let line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && line.map_or(true, |line| !line.is_empty())
}

/// A folder to run in, and three free ports. Dropping a `Home` stops a PostgreSQL that still runs in its
/// folder.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) port: u16,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // If the tests run as root, PostgreSQL runs as another user, who must be able to traverse the folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self { folder, port: free_ports() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn secret(&self) -> String {
        fs::read_to_string(self.path(".oasis/webhook-secret")).unwrap().trim().to_owned()
    }

    /// The process id of the PostgreSQL that runs in the folder.
    pub(crate) fn postgres(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.path(".oasis/postgres/data/postmaster.pid")).ok()?;
        Pid::from_raw(text.lines().next()?.parse().ok()?)
    }

    /// A command that runs `program` in the folder. From the tests' environment, the command gets only the
    /// variables that locate programs and caches.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    /// `oasis up --port`, followed by these arguments.
    pub(crate) fn up_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_oasis"));
        command.args(["up", "--port", &self.port.to_string()]).args(arguments);
        command
    }

    /// Starts `oasis up` with these arguments, and waits until it is up.
    pub(crate) fn up(&self, arguments: &[&str]) -> Up {
        Up::start(self.up_command(arguments))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A failed test or a killed `oasis up` leaves PostgreSQL running.
        if let Some(pid) = self.postgres() {
            let _ = kill_process(pid, Signal::QUIT);
            let deadline = Instant::now() + ENDS_WITHIN;
            while runs(pid) && Instant::now() < deadline {
                thread::sleep(POLL);
            }
        }
    }
}

/// The first of three consecutive free ports, below the range that systems use for outgoing connections.
fn free_ports() -> u16 {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let random = || 20_000 + (RandomState::new().hash_one(0) % 12_000) as u16;
    std::iter::repeat_with(random).find(|port| (*port..port + 3).all(is_free)).unwrap()
}

/// A running command. Dropping it kills the process.
pub(crate) struct Up {
    child: Child,
    /// The text that the command printed until it was up.
    pub(crate) banner: String,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
}

impl Up {
    /// Starts the command, and waits until it has printed its whole banner.
    pub(crate) fn start(command: Command) -> Self {
        let mut up = Self::spawn(command);
        let mut stdout = BufReader::new(up.child.stdout.take().unwrap());
        while !up.banner.contains(" --secret=\"") {
            if stdout.read_line(&mut up.banner).unwrap() == 0 {
                let (code, stderr) = up.finish(LIMIT);
                panic!("the command ended with {code:?} before it was up: {stderr}");
            }
        }
        up.stdout = Some(collect(stdout));
        up
    }

    /// Starts the command without waiting.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Some(collect(child.stderr.take().unwrap()));
        Self { child, banner: String::new(), stdout: None, stderr }
    }

    /// Closes the reading end of the command's standard output.
    pub(crate) fn stop_reading(&mut self) {
        drop(self.child.stdout.take());
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the command, and returns its exit code and standard error.
    pub(crate) fn finish(&mut self, limit: Duration) -> (Option<i32>, String) {
        let mut status = None;
        wait_until(limit, "the command did not end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default();
        (status.and_then(|status| status.code()), stderr)
    }

    /// Ends the command as Ctrl-C does.
    pub(crate) fn interrupt(mut self) {
        self.signal(Signal::INT);
        let (code, stderr) = self.finish(ENDS_WITHIN);
        assert_eq!(code, Some(0), "{stderr}");
    }

    /// Ends the command as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
        // PostgreSQL still runs, but it does not keep the pipes of the command open.
        self.finish(ENDS_WITHIN);
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = from.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}
