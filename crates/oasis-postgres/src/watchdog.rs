//! Removes a temporary cluster, no matter how the process that uses the cluster ends.
//!
//! The watchdog is a shell that reads from a pipe. Only this process holds the pipe open. When the pipe is
//! closed, the shell ends the server and removes the folder. A destructor would not be enough, because
//! statics are never dropped, and `kill -9` runs no destructors. The operating system closes the pipe in
//! every case.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The script of the watchdog. `$1` is the folder. The script reads the server's process id only after the
/// pipe is closed, because restarts change the id. As long as the command line of that process contains the
/// data folder, the script sends signals to the process. When there is no such process, the script removes
/// the folder. The script tries again until the folder is gone, because a server that is still starting may
/// write to the folder.
const SCRIPT: &str = r#"
trap '' HUP INT QUIT TERM
PATH=$PATH:/usr/bin:/bin
while read -r _; do :; done
round=0 signal=QUIT
while [ -e "$1" ] && [ $round -lt 200 ]; do
  round=$((round + 1))
  [ $round -gt 140 ] && signal=KILL
  pid=$(sed -n 1p "$1/data/postmaster.pid")
  if [ -n "$pid" ] && { tr '\0' ' ' <"/proc/$pid/cmdline" || ps -o command= -p "$pid"; } |
      grep -qF -e "-D $1/data "; then
    kill -$signal "$pid"
    sleep 0.05
  else
    rm -rf "$1" || sleep 0.05
  fi
done
"#;

/// Ends the server of a folder and removes the folder. This happens when the value is dropped, or when this
/// process ends in any way.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Starts a watchdog that will remove `dir`, which must be an absolute path without symbolic links.
    pub(crate) fn start(dir: &Path) -> io::Result<Watchdog> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(dir)
            .current_dir("/")
            // This process's end of the pipe is closed on exec, so no other child keeps the pipe open.
            .stdin(Stdio::piped())
            // A program that reads this process's output must not wait for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C ends all processes of this process's group, but the watchdog must survive Ctrl-C.
            .process_group(0)
            .spawn()?;
        Ok(Watchdog { child })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // This wait ends, because the script makes at most 200 rounds.
        let _ = self.child.wait();
    }
}
