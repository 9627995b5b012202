//! Removes a throw-away cluster, however the process that uses it ends.
//!
//! A shell reads from a pipe that only this process holds open. When the pipe is closed, the shell ends the
//! server and removes the folder. A destructor would not be enough: statics are never dropped, and no code of
//! ours runs after `kill -9`. The system closes the pipe in every case.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The script of the watchdog. `$1` is the folder. The script reads the server's process id only after the
/// pipe is closed, because restarts change the id. It signals that process while the command line of the
/// process names our data folder, and removes the folder when there is no such process. It works in rounds,
/// because a start that is still under way may write to the folder.
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

/// Ends the server of a folder and removes the folder, when this value is dropped or this process ends in
/// any way.
#[derive(Debug)]
pub(crate) struct Watchdog {
    child: Child,
}

impl Watchdog {
    /// Starts a watchdog for `dir`, an absolute path without symbolic links. The watchdog will remove it.
    pub(crate) fn start(dir: &Path) -> io::Result<Watchdog> {
        let child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(dir)
            .current_dir("/")
            // Our end of the pipe is closed on exec, so no other child keeps it open.
            .stdin(Stdio::piped())
            // A reader of our output must not wait for the watchdog.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches all processes of our group, and the watchdog has to survive it.
            .process_group(0)
            .spawn()?;
        Ok(Watchdog { child })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // This wait ends, because the script limits the number of its rounds.
        let _ = self.child.wait();
    }
}
