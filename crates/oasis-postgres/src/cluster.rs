//! [`Cluster`]: a private server that this process uses.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::error::{Context, Error};
use crate::options::Options;
use crate::place::Place;
use crate::postmaster::Postmaster;
use crate::{binaries, launch};

/// The time limit of a fast shutdown, which includes a checkpoint.
const FAST_LIMIT: Duration = Duration::from_secs(20);
/// The time limit of an immediate shutdown, in which the postmaster kills the remaining processes after 5 s.
const IMMEDIATE_LIMIT: Duration = Duration::from_secs(10);

/// A private server that this process uses.
///
/// Dropping a `Cluster` leaves the server running, and the next start adopts that server. To end the server,
/// call [`stop`](Cluster::stop). `start`, `stop`, `kill` and `restart` block the thread. Async code must call
/// them in `spawn_blocking`.
pub struct Cluster {
    options: Options,
    place: Place,
    password: String,
    port: u16,
    adopted: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    postmaster: Option<Postmaster>,
    /// A shared lock on the file `users`. While this process holds the lock, no other process shuts down the
    /// server.
    users_lock: Option<File>,
}

impl Cluster {
    /// Starts the server, or adopts a server that already serves the folder. The first start initialises the
    /// folder, which takes half a second. When several processes call this function at once, one process
    /// starts the server and the others adopt it.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn start(options: Options) -> Result<Cluster, Error> {
        let synced = options.durable;
        Cluster::start_with(options, synced)
    }

    /// Does the work of [`start`](Cluster::start). If `synced` is true, a new data folder is synced to disk,
    /// so that the folder survives a loss of power.
    pub(crate) fn start_with(options: Options, synced: bool) -> Result<Cluster, Error> {
        let place = Place::make(&options.dir)?;
        let _lock = place.lock()?;
        let found = launch::adopt(&place)?;
        let adopted = found.is_some();
        let postmaster = match found {
            Some(found) => found,
            None => {
                let binaries = binaries::find(options.bin_dir.as_deref(), &place.data(), place.account)?;
                launch::initialise(&place, &binaries, synced)?;
                launch::launch(&place, &binaries, &options, options.port)?
            }
        };
        if adopted {
            tracing::info!(pid = postmaster.pid, port = postmaster.port, "PostgreSQL is already running");
        }
        let port = postmaster.port;
        let password =
            fs::read_to_string(place.password()).map_err(|_| Error::NoPassword(place.password()))?;
        let users_lock = Some(lock_users(&place)?);
        let state = Mutex::new(State { postmaster: Some(postmaster), users_lock });
        Ok(Cluster { options, place, password: password.trim().to_owned(), port, adopted, state })
    }

    /// The URL of a database of this server. It contains the password, so keep it out of logs.
    pub fn url(&self, database: &str) -> String {
        let Cluster { password, port, .. } = self;
        let database: String = database
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("postgres://oasis:{password}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// Creates a database unless it exists.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the server cannot be reached or refuses the statement.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        match execute(&self.url("postgres"), &format!("CREATE DATABASE {}", quoted(name))).await {
            // If two sessions create the database at the same time, one session can fail because of a unique
            // index of the catalogue.
            Err(Error::Database { source, .. })
                if matches!(
                    source.code(),
                    Some(&SqlState::DUPLICATE_DATABASE | &SqlState::UNIQUE_VIOLATION)
                ) =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// The cluster's folder, which may differ from [`Options::dir`].
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The last 20 lines of the server's log, or an empty text if the log cannot be read.
    pub fn log_tail(&self) -> String {
        fs::read(self.place.log()).map(|log| launch::last_lines(&log)).unwrap_or_default()
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether [`start`](Cluster::start) adopted a running server.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// The process id of the postmaster. `None` after `stop` and `kill`.
    pub fn pid(&self) -> Option<u32> {
        self.state().postmaster.as_ref().map(|postmaster| postmaster.pid)
    }

    /// Ends this process's use of the server. If no other process uses the server, this function also shuts
    /// the server down. First it tries a fast shutdown, which ends the sessions and checkpoints the data. If
    /// the server still runs after 20 s, an immediate shutdown follows. Returns whether the server is down.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] when the server does not end. [`Error::Io`] when the lock files cannot be used.
    pub fn stop(&self) -> Result<bool, Error> {
        let _lock = self.place.lock()?;
        let mut state = self.state();
        if let Some(users_lock) = state.users_lock.take() {
            // Closing the file might not release the lock. If another thread has just forked a child, the
            // child keeps the file open until the child calls exec.
            users_lock.unlock().context(|| "unlocking the file `users`".into())?;
        }
        let Some(mut postmaster) = state.postmaster.take() else { return Ok(true) };
        let users = self.place.open("users".as_ref(), OpenOptions::new().append(true))?;
        match users.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tracing::info!(pid = postmaster.pid, "PostgreSQL keeps running: another process uses it");
                return Ok(false);
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { what: "locking the file `users`".into(), source });
            }
        }
        let data = self.place.data();
        for (signal, limit) in [(Signal::INT, FAST_LIMIT), (Signal::QUIT, IMMEDIATE_LIMIT)] {
            postmaster.signal(signal, &data);
            if postmaster.wait(limit, &data) {
                return Ok(true);
            }
        }
        let (pid, log) = (postmaster.pid, self.place.log());
        let seconds = (FAST_LIMIT + IMMEDIATE_LIMIT).as_secs();
        state.postmaster = Some(postmaster);
        Err(Error::Stuck { pid, what: "shut down", seconds, log })
    }

    /// Simulates a crash: kills the postmaster with SIGKILL and waits until it ends. This is for tests.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] when the postmaster does not end within 10 s.
    pub fn kill(&self) -> Result<(), Error> {
        let mut state = self.state();
        let Some(postmaster) = &mut state.postmaster else { return Ok(()) };
        let data = self.place.data();
        postmaster.signal(Signal::KILL, &data);
        if !postmaster.wait(IMMEDIATE_LIMIT, &data) {
            let (pid, seconds, log) = (postmaster.pid, IMMEDIATE_LIMIT.as_secs(), self.place.log());
            return Err(Error::Stuck { pid, what: "end after SIGKILL", seconds, log });
        }
        state.postmaster = None;
        Ok(())
    }

    /// Starts the server again with the same port and data. The server may have been ended by `stop` or
    /// `kill`, or it may have crashed. This function waits up to 10 s until the processes and the shared
    /// memory of a killed server are gone. If the server is still running, this function does not change the
    /// server.
    ///
    /// # Errors
    ///
    /// The same errors as [`start`](Cluster::start).
    pub fn restart(&self) -> Result<(), Error> {
        let _lock = self.place.lock()?;
        let mut state = self.state();
        let data = self.place.data();
        if state.postmaster.as_mut().is_none_or(|postmaster| !postmaster.alive(&data)) {
            let postmaster = match launch::adopt(&self.place)? {
                // Another process has started the server in the meantime. If the port was taken, the server
                // got another port.
                Some(found) if found.port == self.port => found,
                Some(_) => return Err(Error::PortTaken(self.port)),
                None => {
                    let binaries =
                        binaries::find(self.options.bin_dir.as_deref(), &data, self.place.account)?;
                    launch::launch(&self.place, &binaries, &self.options, Some(self.port))?
                }
            };
            state.postmaster = Some(postmaster);
        }
        state.users_lock = Some(lock_users(&self.place)?);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state stays usable after a panic, because each call checks the process again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("dir", &self.place.dir)
            .field("port", &self.port)
            .field("pid", &self.pid())
            .field("adopted", &self.adopted)
            .finish_non_exhaustive()
    }
}

/// Takes a shared lock on the file `users`.
fn lock_users(place: &Place) -> Result<File, Error> {
    let file = place.open("users".as_ref(), OpenOptions::new().append(true))?;
    file.lock_shared().context(|| "locking the file `users`".into())?;
    Ok(file)
}

/// Makes `name` a quoted SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Runs one statement on a new connection.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), Error> {
    // Errors show the statement. They do not show the URL, because it contains the password.
    let what = || sql.to_owned();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context(what)?;
    let driver = tokio::spawn(connection);
    let done = client.batch_execute(sql).await.context(what);
    drop(client);
    // The server treats the database as in use while the session is open, so wait until the connection is
    // closed.
    let _ = driver.await;
    done
}
