//! [`Cluster`]: one private server, from the point of view of who uses it.

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

/// For a fast shutdown, which ends with a checkpoint.
const FAST: Duration = Duration::from_secs(20);
/// For an immediate one; the postmaster itself kills what is left after 5 s.
const IMMEDIATE: Duration = Duration::from_secs(10);

/// A private server in use by this process.
///
/// Dropping it leaves the server running, so that the next start adopts it; call [`stop`](Cluster::stop).
/// The methods that wait (`start`, `stop`, `kill`, `restart`) block the thread: from async code call them in
/// `spawn_blocking`.
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
    /// A shared lock on `users`, which tells the others that the server is needed.
    using: Option<File>,
}

impl Cluster {
    /// Starts the server, or adopts the one that serves the folder already; initialises the folder the first
    /// time (half a second). Of several starters at once one starts it and the rest adopt.
    ///
    /// # Errors
    ///
    /// See [`Error`]; every message says what to do next.
    pub fn start(options: Options) -> Result<Cluster, Error> {
        let synced = options.durable;
        Cluster::start_with(options, synced)
    }

    /// `synced` is whether a new data folder must survive the loss of power from its first moment.
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
            tracing::info!(pid = postmaster.pid, port = postmaster.port, "PostgreSQL is running already");
        }
        let port = postmaster.port;
        let password =
            fs::read_to_string(place.password()).map_err(|_| Error::NoPassword(place.password()))?;
        let using = Some(use_it(&place)?);
        let state = Mutex::new(State { postmaster: Some(postmaster), using });
        Ok(Cluster { options, place, password: password.trim().to_owned(), port, adopted, state })
    }

    /// The URL of a database of this server, with the password in it: not for logs.
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

    /// Creates a database unless it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] when the server cannot be reached or refuses.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        match execute(&self.url("postgres"), &format!("CREATE DATABASE {}", quoted(name))).await {
            // Of two at once the loser can also be told that a key of the catalog is taken.
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

    /// The folder in use; see [`Options::dir`].
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether [`start`](Cluster::start) found the server running.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Process id of the postmaster; `None` after `stop` and `kill`.
    pub fn pid(&self) -> Option<u32> {
        self.state().postmaster.as_ref().map(|postmaster| postmaster.pid)
    }

    /// Ends this process's use of the server, and shuts it down unless another process still uses it. Shuts
    /// down fast (sessions are ended, the data is checkpointed) and after 20 s immediately. Returns whether
    /// the server is down now.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] when it does not end, [`Error::Io`] when the lock files cannot be used.
    pub fn stop(&self) -> Result<bool, Error> {
        let _lock = self.place.lock()?;
        let mut state = self.state();
        if let Some(using) = state.using.take() {
            // Closing is not enough: a child that another thread is forking holds a copy until its exec.
            using.unlock().context(|| "unlocking the file `users`".into())?;
        }
        let Some(mut postmaster) = state.postmaster.take() else { return Ok(true) };
        let users = self.place.open("users".as_ref(), OpenOptions::new().append(true))?;
        match users.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                tracing::info!(pid = postmaster.pid, "PostgreSQL is left running for its other users");
                return Ok(false);
            }
            Err(TryLockError::Error(source)) => {
                return Err(Error::Io { what: "locking the file `users`".into(), source });
            }
        }
        let data = self.place.data();
        for (signal, limit) in [(Signal::INT, FAST), (Signal::QUIT, IMMEDIATE)] {
            postmaster.signal(signal, &data);
            if postmaster.wait(limit, &data) {
                return Ok(true);
            }
        }
        let (pid, seconds, log) = (postmaster.pid, (FAST + IMMEDIATE).as_secs(), self.place.log());
        state.postmaster = Some(postmaster);
        Err(Error::Stuck { pid, what: "shut down", seconds, log })
    }

    /// Kills the postmaster with SIGKILL and waits for its end: what a crash looks like. For tests.
    ///
    /// # Errors
    ///
    /// [`Error::Stuck`] when it does not end within 10 s.
    pub fn kill(&self) -> Result<(), Error> {
        let mut state = self.state();
        let Some(postmaster) = &mut state.postmaster else { return Ok(()) };
        let data = self.place.data();
        postmaster.signal(Signal::KILL, &data);
        if !postmaster.wait(IMMEDIATE, &data) {
            let (pid, seconds, log) = (postmaster.pid, IMMEDIATE.as_secs(), self.place.log());
            return Err(Error::Stuck { pid, what: "end after SIGKILL", seconds, log });
        }
        state.postmaster = None;
        Ok(())
    }

    /// Starts the server again, on the same port and data, after `stop`, `kill` or its own end. Waits up to
    /// 10 s for what a killed server leaves behind. Does nothing if it runs.
    ///
    /// # Errors
    ///
    /// As [`start`](Cluster::start).
    pub fn restart(&self) -> Result<(), Error> {
        let _lock = self.place.lock()?;
        let mut state = self.state();
        let data = self.place.data();
        if state.postmaster.as_mut().is_none_or(|postmaster| !postmaster.alive(&data)) {
            let postmaster = match launch::adopt(&self.place)? {
                // Whoever started it meanwhile has the remembered port, unless that was taken.
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
        state.using = Some(use_it(&self.place)?);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in here leaves nothing half done that the next call would not look at anew.
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

fn use_it(place: &Place) -> Result<File, Error> {
    let file = place.open("users".as_ref(), OpenOptions::new().append(true))?;
    file.lock_shared().context(|| "locking the file `users`".into())?;
    Ok(file)
}

/// An SQL identifier, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Runs one statement on a connection of its own.
pub(crate) async fn execute(url: &str, sql: &str) -> Result<(), Error> {
    // The statement names what was asked; the URL would show the password.
    let what = || sql.to_owned();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context(what)?;
    let driver = tokio::spawn(connection);
    let done = client.batch_execute(sql).await.context(what);
    drop(client);
    // Until the server has seen the end of the session, the database counts as in use.
    let _ = driver.await;
    done
}
