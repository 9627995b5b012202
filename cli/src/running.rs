//! The file with which a running `oasis up` can be found: `running.json` in its folder `.oasis`.
//!
//! `oasis up` writes the file when it is up, and removes it when it ends. A killed `oasis up` leaves the file
//! behind. So a reader also checks that the process exists and that its gateway accepts connections.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use oasis_service::client::{self as http, Base};
use rustix::process::{Pid, geteuid, test_kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

/// The default folder of `oasis up`.
pub(crate) const FOLDER: &str = ".oasis";
/// The name of the file in the folder.
pub(crate) const FILE: &str = "running.json";
/// The name of the file with the secret that signs tokens of viewers.
pub(crate) const JWT_SECRET_FILE: &str = "jwt-secret";
/// The name of the file with the token with which programs write to rooms.
pub(crate) const SERVICE_TOKEN_FILE: &str = "service-token";
/// The time limit for the connection that shows whether the gateway still runs.
const PROBE: Duration = Duration::from_secs(1);

/// The content of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// The process id of `oasis up`.
    pub(crate) pid: i32,
    /// The address of gateway-feed.
    pub(crate) gateway: String,
    /// The address of webhook-ingest.
    pub(crate) webhooks: String,
    /// The file that has the webhook secret, relative to the folder. `None` if the secret was given to
    /// `oasis up` as a flag or a variable.
    pub(crate) webhook_secret: Option<PathBuf>,
    /// The file that has the URL of the database, relative to the folder. `None` if the URL was given to
    /// `oasis up` as a flag or a variable.
    #[serde(default)]
    pub(crate) database_url: Option<PathBuf>,
    /// The file that has the secret of tokens, relative to the folder. `None` if the secret was given to
    /// `oasis up` as a flag or a variable.
    #[serde(default)]
    pub(crate) jwt_secret: Option<PathBuf>,
    /// The file that has the service token, relative to the folder. `None` if an earlier version wrote this.
    #[serde(default)]
    pub(crate) service_token: Option<PathBuf>,
}

/// Removes the file when `oasis up` ends.
#[derive(Debug)]
pub(crate) struct Announcement {
    path: PathBuf,
    pid: i32,
    /// The file of another `oasis up` in the same folder, which this file replaced.
    replaced: Option<Running>,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        // Another `oasis up` in the same folder may have replaced the file.
        if read(&self.path).is_none_or(|running| running.pid != self.pid) {
            return;
        }
        let other = self.replaced.take().filter(|other| exists(other.pid));
        if other.is_none_or(|other| write(&self.path, &other).is_err()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes the file into `folder`. The file is replaced as a whole, so a reader never sees a part of it.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn announce(folder: &Path, running: &Running) -> anyhow::Result<Announcement> {
    let path = folder.join(FILE);
    let replaced = read(&path);
    write(&path, running)?;
    Ok(Announcement { path, pid: running.pid, replaced })
}

fn write(path: &Path, running: &Running) -> anyhow::Result<()> {
    let draft = path.with_extension(format!("json.{}", std::process::id()));
    fs::write(&draft, format!("{}\n", serde_json::to_string_pretty(running)?))?;
    Ok(fs::rename(&draft, path)?)
}

/// The result of [`search`].
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The running `oasis up`.
    pub(crate) found: Option<Found>,
    /// The files of other `oasis up` that have ended or cannot be trusted, with the reasons.
    pub(crate) rejected: Vec<(PathBuf, &'static str)>,
    /// The nearest folder of an `oasis up` that does not run.
    pub(crate) idle: Option<PathBuf>,
}

/// A running `oasis up`.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// The file that names it.
    pub(crate) file: PathBuf,
    pub(crate) gateway: Base,
    pub(crate) webhooks: Base,
    /// The file that has the webhook secret.
    pub(crate) webhook_secret: Option<PathBuf>,
    /// The file that has the URL of the database.
    pub(crate) database_url: Option<PathBuf>,
    /// The file that has the secret of tokens.
    pub(crate) jwt_secret: Option<PathBuf>,
    /// The file that has the service token.
    pub(crate) service_token: Option<PathBuf>,
}

/// Searches for a running `oasis up` in `from` and the folders above it.
pub(crate) async fn search(from: &Path) -> Search {
    let mut search = Search::default();
    for folder in from.ancestors().map(|folder| folder.join(FOLDER)) {
        let file = folder.join(FILE);
        if !file.exists() {
            search.idle = search.idle.or_else(|| folder.is_dir().then_some(folder));
            continue;
        }
        match check(&folder, &file).await {
            Ok(found) => {
                search.found = Some(found);
                break;
            }
            Err(why) => search.rejected.push((file, why)),
        }
    }
    search
}

/// Checks that the file names a running `oasis up` of this user. Somebody else may have made the file: in a
/// folder that others can write to, such as /tmp, or in a repository that the user cloned.
async fn check(folder: &Path, file: &Path) -> Result<Found, &'static str> {
    // A link could lead from a folder of somebody else to a file of this user.
    let is_own = |path: &Path| {
        let metadata = fs::symlink_metadata(path);
        metadata
            .is_ok_and(|found| !found.is_symlink() && (found.uid() == geteuid().as_raw() || found.uid() == 0))
    };
    if !is_own(folder) || !is_own(file) {
        return Err("belongs to another user");
    }
    let running = read(file).ok_or("cannot be read")?;
    let address = |text: &str| text.parse::<Base>().map_err(|_| "cannot be read");
    let (gateway, webhooks) = (address(&running.gateway)?, address(&running.webhooks)?);
    // Tokens and signatures must not leave this machine because of a file in a cloned repository.
    if !gateway.is_loopback() || !webhooks.is_loopback() {
        return Err("names an address that is not a loopback address; use --url or OASIS_URL for it");
    }
    let names = [&running.webhook_secret, &running.database_url, &running.jwt_secret, &running.service_token];
    if names.into_iter().flatten().any(|name| name.file_name() != Some(name.as_os_str())) {
        return Err("names a file outside of its folder");
    }
    let ended = "was left behind by an `oasis up` that has ended";
    if !exists(running.pid) || !matches!(timeout(PROBE, http::connect(&gateway)).await, Ok(Ok(_))) {
        return Err(ended);
    }
    let in_folder = |name: Option<PathBuf>| name.map(|name| folder.join(name));
    Ok(Found {
        file: file.to_owned(),
        gateway,
        webhooks,
        webhook_secret: in_folder(running.webhook_secret),
        database_url: in_folder(running.database_url),
        jwt_secret: in_folder(running.jwt_secret),
        service_token: in_folder(running.service_token),
    })
}

fn read(file: &Path) -> Option<Running> {
    serde_json::from_str(&fs::read_to_string(file).ok()?).ok()
}

/// Whether a file is not a link, belongs to this user, and can be read by nobody else. Other files may have a
/// secret that somebody else knows.
pub(crate) fn is_private(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| {
        found.is_file() && found.uid() == geteuid().as_raw() && found.permissions().mode() & 0o077 == 0
    })
}

/// Whether a process exists. The process may belong to another user.
fn exists(pid: i32) -> bool {
    Pid::from_raw(pid).is_some_and(|pid| {
        !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn own_pid() -> i32 {
        std::process::id().try_into().unwrap()
    }

    fn running(pid: i32, port: u16) -> Running {
        let address = |port: u16| format!("http://127.0.0.1:{port}");
        Running {
            pid,
            gateway: address(port),
            webhooks: address(port + 1),
            webhook_secret: Some("webhook-secret".into()),
            database_url: None,
            jwt_secret: Some(JWT_SECRET_FILE.into()),
            service_token: Some(SERVICE_TOKEN_FILE.into()),
        }
    }

    #[tokio::test]
    async fn a_running_up_is_found_from_its_folder_and_below() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(FOLDER);
        let below = home.path().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir_all(&below).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let announcement = announce(&folder, &running(own_pid(), port)).unwrap();
        for from in [home.path(), &below] {
            let found = search(from).await.found.unwrap();
            assert_eq!(found.gateway.port(), port);
            assert_eq!(found.webhook_secret, Some(folder.join("webhook-secret")));
            assert_eq!(found.jwt_secret, Some(folder.join("jwt-secret")));
            assert_eq!(found.service_token, Some(folder.join("service-token")));
        }
        // An `oasis up` that has ended in a folder below is passed over.
        let nearer = below.join(FOLDER);
        fs::create_dir_all(&nearer).unwrap();
        fs::write(nearer.join(FILE), "{").unwrap();
        let search_below = search(&below).await;
        assert!(search_below.found.is_some());
        assert_eq!(search_below.rejected, [(nearer.join(FILE), "cannot be read")]);
        drop(announcement);
        assert!(search(home.path()).await.found.is_none());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_file_whose_process_or_gateway_is_gone_is_rejected() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let gone = i32::try_from(child.id()).unwrap();
        let expected = [(folder.join(FILE), "was left behind by an `oasis up` that has ended")];
        let announcement = announce(&folder, &running(gone, port)).unwrap();
        assert_eq!(search(home.path()).await.rejected, expected);
        // A second `oasis up` has replaced the file, so the end of the first keeps the file.
        let second = announce(&folder, &running(own_pid(), port)).unwrap();
        drop(announcement);
        assert!(search(home.path()).await.found.is_some());
        // A third one ends before the second, whose file is then back.
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        drop(announce(&folder, &running(i32::try_from(child.id()).unwrap(), port + 1)).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(search(home.path()).await.found.unwrap().gateway.port(), port);
        drop(second);
        assert_eq!(search(home.path()).await.idle, Some(folder.clone()));
        let _second = announce(&folder, &running(own_pid(), port)).unwrap();
        drop(listener);
        assert_eq!(search(home.path()).await.rejected, expected);
    }
}
