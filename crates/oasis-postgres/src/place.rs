//! The folder of a cluster, and the account that its server runs as.
//!
//! PostgreSQL refuses to run as root. If this process is root, the server runs as the owner of the data. If
//! there is no data, or if root owns the data, the server runs as `postgres` (`_postgres` on macOS) or else
//! as `nobody`. If that account cannot enter the folder, for example because the folder is below `/root`, a
//! folder under `/var/tmp` is used instead.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Context, Error};

/// The user that the server runs as, if the server does not run as the user of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// Runs the shell command `test`, such as `cd -- "$1"`, on `path` as this account. Returns whether the
    /// command succeeds.
    fn can(self, test: &str, path: &Path) -> Result<bool, Error> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", test, "sh"]).arg(path).env_clear().current_dir("/");
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match shell.uid(self.uid).gid(self.gid).status() {
            Ok(status) => Ok(status.success()),
            // In some containers, root has no CAP_SETUID.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(Error::NoAccount(format!("this process is not allowed to switch to uid {}", self.uid)))
            }
            Err(source) => Err(Error::Io { what: "running /bin/sh".into(), source }),
        }
    }
}

/// The folder and the account of a cluster. The folder exists, and the account can enter it.
#[derive(Debug)]
pub(crate) struct Place {
    /// An absolute path without symbolic links.
    pub(crate) dir: PathBuf,
    /// `None` if the server runs as the user of this process.
    pub(crate) account: Option<Account>,
}

impl Place {
    /// Makes the folder `wanted`, or a replacement under `/var/tmp`. The folder may exist already.
    pub(crate) fn make(wanted: &Path) -> Result<Place, Error> {
        let dir = make_dir(wanted)?;
        if !is_root() {
            return Ok(Place { dir, account: None });
        }
        let account = account_for(&dir)?;
        if account.can("cd -- \"$1\"", &dir)? {
            return Ok(Place { dir, account: Some(account) });
        }
        let replacement =
            Path::new("/var/tmp").join(format!("oasis-{:016x}", fnv1a(dir.as_os_str().as_bytes())));
        tracing::info!(
            wanted = %dir.display(),
            used = %replacement.display(),
            "PostgreSQL's user cannot enter the wanted folder, so another folder is used"
        );
        // Every user can write to /var/tmp, so a folder or link of another user cannot be trusted.
        if let Ok(found) = fs::symlink_metadata(&replacement)
            && (!found.is_dir() || found.uid() != 0)
        {
            return Err(Error::Foreign(replacement));
        }
        let dir = make_dir(&replacement)?;
        let account = account_for(&dir)?;
        Ok(Place { dir, account: Some(account) })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub(crate) fn password(&self) -> PathBuf {
        self.dir.join("password")
    }

    pub(crate) fn port(&self) -> PathBuf {
        self.dir.join("port")
    }

    /// Opens a file in the cluster's folder, and creates the file if it does not exist. Only root and the
    /// user of the server can read the file.
    pub(crate) fn open(&self, name: &Path, options: &mut OpenOptions) -> Result<File, Error> {
        let path = self.dir.join(name);
        let what = || format!("opening {}", path.display());
        let file = options.create(true).mode(0o600).open(&path).context(what)?;
        if let Some(Account { uid, gid }) = self.account {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).context(what)?;
        }
        Ok(file)
    }

    /// Takes the lock that a process needs to start or stop this cluster. If another process holds the lock,
    /// this function waits. Dropping the file releases the lock.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        let file = self.open("lock".as_ref(), OpenOptions::new().append(true))?;
        file.lock().context(|| format!("locking {}", self.dir.join("lock").display()))?;
        Ok(file)
    }

    /// A command that runs as the server's account. The command does not inherit this process's environment
    /// variables, because PGDATA, PGPORT or LC_ALL could be among them.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = as_account(program, self.account);
        command.current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    /// Makes the server's account the owner of a path.
    pub(crate) fn give_to_account(&self, path: &Path) -> Result<(), Error> {
        let Some(Account { uid, gid }) = self.account else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .context(|| format!("making uid {uid} the owner of {}", path.display()))
    }
}

/// A command that runs as `account`. The only environment variables of the command are LC_ALL and TZ.
pub(crate) fn as_account(program: &Path, account: Option<Account>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    command
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Reads `N` bytes from the system's random source.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context(|| "reading /dev/urandom".into())?;
    Ok(bytes)
}

/// Formats `bytes` in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn make_dir(dir: &Path) -> Result<PathBuf, Error> {
    let what = || format!("making {}", dir.display());
    if !dir.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir).context(what)?;
        // If this process is root, the server's account must be able to enter the folder. Otherwise no other
        // user needs access.
        let mode = if is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(dir, fs::Permissions::from_mode(mode)).context(what)?;
    }
    fs::canonicalize(dir).context(what)
}

/// The account for the server in `dir`. This process must be root.
fn account_for(dir: &Path) -> Result<Account, Error> {
    if let Ok(data) = fs::metadata(dir.join("data"))
        && data.uid() != 0
    {
        return Ok(Account { uid: data.uid(), gid: data.gid() });
    }
    let passwd = fs::read_to_string("/etc/passwd").context(|| "reading /etc/passwd".into())?;
    account_in(&passwd).ok_or_else(|| Error::NoAccount("there is no user `postgres` or `nobody`".into()))
}

fn account_in(passwd: &str) -> Option<Account> {
    ["postgres", "_postgres", "nobody"].iter().find_map(|name| {
        let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let entry = fields.into_iter().find(|fields| fields.first() == Some(name))?;
        // On macOS, the ids of `nobody` are written as -2.
        let id = |field: usize| entry.get(field)?.parse::<i64>().ok().map(|id| id as u32);
        Some(Account { uid: id(2)?, gid: id(3)? })
    })
}

/// The FNV-1a hash of `bytes`. The name of a folder contains the hash, so all builds must compute the same
/// hash. The standard hasher does not guarantee the same hash in all builds.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_runs_as_postgres_or_else_as_nobody() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nnobody:*:-2:-2::/:/bin/false\npostgres:x:101:104::/:/bin/sh\n";
        assert_eq!(account_in(passwd), Some(Account { uid: 101, gid: 104 }));
        let only_nobody = "# comment\nnobody:*:-2:-2::/:/bin/false\n";
        assert_eq!(account_in(only_nobody), Some(Account { uid: u32::MAX - 1, gid: u32::MAX - 1 }));
        assert_eq!(account_in("root:x:0:0::/root:/bin/sh"), None);
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(b"/root/project/.oasis/postgres"), fnv1a(b"/root/project/.oasis/postgres"));
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
