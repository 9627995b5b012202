//! Runs the binary, with a limit on how long it may take.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// An address at which nothing listens. A port that was just released would not do, because another test
/// could get this port.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// The time limit of a command. No test needs nearly this long, so a command that exceeds the limit has hung.
const LIMIT: Duration = Duration::from_secs(120);

const VARIABLES: [&str; 10] = [
    "OASIS_AGENT_TYPE",
    "DATABASE_URL",
    "READ_TOKEN",
    "INGEST_TOKEN",
    "GITHUB_WEBHOOK_SECRET",
    "JWT_SECRET",
    "OASIS_URL",
    "OASIS_WEBHOOKS_URL",
    "NO_COLOR",
    "COLUMNS",
];

/// A command to run. The variables that `oasis` reads are removed from its environment.
pub(crate) struct Oasis(Command);

/// `oasis` with these arguments.
pub(crate) fn oasis<A: AsRef<OsStr>>(arguments: &[A]) -> Oasis {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oasis"));
    // No `oasis up` runs in the root folder, so the commands cannot find one.
    command.args(arguments).env("TZ", "UTC").current_dir("/");
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Oasis(command)
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Oasis {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.0.env(name, value);
        self
    }

    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Runs the command until it ends.
    pub(crate) fn finish(self) -> Done {
        let (mut running, lines) = self.start();
        let stdout = thread::spawn(move || lines.map(|line| line.unwrap() + "\n").collect());
        let (code, stderr) = running.finish();
        Done { code, stdout: stdout.join().unwrap(), stderr }
    }

    /// Runs the command until it ends, with `input` as standard input.
    pub(crate) fn finish_with(mut self, input: &[u8]) -> Done {
        self.0.stdin(Stdio::piped());
        let (mut running, lines) = self.start();
        let (mut stdin, input) = (running.child.stdin.take().unwrap(), input.to_vec());
        // The command may end before it has read its input.
        thread::spawn(move || drop(stdin.write_all(&input)));
        let stdout = thread::spawn(move || lines.map(|line| line.unwrap() + "\n").collect());
        let (code, stderr) = running.finish();
        Done { code, stdout: stdout.join().unwrap(), stderr }
    }

    /// Starts the command, and returns the lines of its standard output. Dropping the lines closes standard
    /// output.
    pub(crate) fn start(mut self) -> (Running, Lines<BufReader<ChildStdout>>) {
        let mut child = self.0.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = child.stderr.take();
        (Running { child, stderr }, lines)
    }
}

/// A running command. Dropping it kills the process.
pub(crate) struct Running {
    child: Child,
    stderr: Option<ChildStderr>,
}

impl Running {
    /// Waits for the end of the command, and returns its exit code and standard error.
    pub(crate) fn finish(&mut self) -> (i32, String) {
        let mut stderr = self.stderr.take().unwrap();
        let (send, receive) = mpsc::channel();
        // Standard error ends when the process ends.
        thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            send.send(text).unwrap();
        });
        let text = receive.recv_timeout(LIMIT).expect("the command should end in time");
        let status: ExitStatus = self.child.wait().unwrap();
        (status.code().unwrap_or(-1), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
