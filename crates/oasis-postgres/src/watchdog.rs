//! Clears up a throw-away cluster however its process ends: a `sh` waits for the end of a pipe that only this
//! process holds, then ends the server and removes the folder. Statics are never dropped and nothing of ours
//! runs after `kill -9`, but the system closes the pipe in every case.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$1` is the folder. The server's process id is read at the end, because restarts change it, and is
/// believed only while that process has our data folder on its command line. Without such a process the
/// folder goes, from under a starter that may still be at work; therefore several rounds.
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

/// Ends the server of a folder and removes the folder when dropped, or when this process ends in any way.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Watches over `dir`: absolute, free of symbolic links, and ours to remove.
    pub(crate) fn over(dir: &Path) -> io::Result<Watchdog> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(dir)
            .current_dir("/")
            // The pipe's other end is closed on exec, so no other child keeps it open.
            .stdin(Stdio::piped())
            // Whoever reads our output must not have to wait for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches everything in our group at once.
            .process_group(0)
            .spawn()?;
        Ok(Watchdog { child })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // The script bounds itself.
        let _ = self.child.wait();
    }
}
