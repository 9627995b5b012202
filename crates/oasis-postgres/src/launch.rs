//! Prepares the data folder, starts the server with retries, and adopts a running server.
//!
//! The caller holds the folder's `lock` during all these steps.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::binaries::Binaries;
use crate::error::{Context, Error};
use crate::options::Options;
use crate::place::{Place, hex, random};
use crate::postmaster::{POLL_INTERVAL, PidFile, Postmaster, accepts_connections, serves};

/// The time limit for a server to become ready. After a crash, the server first replays its log.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// The time limit for the backends and the shared memory of a killed server to go away.
const RETRY_LIMIT: Duration = Duration::from_secs(10);
/// How long a start retries a fixed port that is taken. The port of a program that is just ending becomes
/// free a moment later.
const PORT_RETRY_LIMIT: Duration = Duration::from_secs(1);
/// The maximum size of the log in bytes. A larger log is emptied when the server starts.
const LOG_LIMIT: u64 = 10 << 20;

/// Finds the server that already serves the folder, and waits until that server is ready. Returns `None` if
/// no server serves the folder.
pub(crate) fn adopt(place: &Place) -> Result<Option<Postmaster>, Error> {
    let data = place.data();
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let Some(file) = PidFile::read(&data).filter(|file| serves(file.pid, &data)) else { return Ok(None) };
        if file.ready && accepts_connections(file.port) {
            return Ok(Some(Postmaster { pid: file.pid, port: file.port, child: None }));
        }
        if Instant::now() > deadline {
            return Err(Error::Stuck {
                pid: file.pid,
                what: "become ready",
                seconds: READY_LIMIT.as_secs(),
                log: place.log(),
            });
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}

/// Makes the data folder unless it exists. The folder gets its final name only when it is complete.
pub(crate) fn initialise(place: &Place, binaries: &Binaries, synced: bool) -> Result<(), Error> {
    let data = place.data();
    if data.exists() {
        return Ok(());
    }
    tracing::info!(dir = %place.dir.display(), version = binaries.version, "preparing a PostgreSQL cluster");
    let what = || format!("preparing {}", data.display());
    // If a process was killed, its initdb may still be writing. Each process therefore uses a separate
    // folder.
    for entry in fs::read_dir(&place.dir).context(what)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("data.new") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let new = place.dir.join(format!("data.new-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&new).context(what)?;
    place.give_to_account(&new)?;

    let path = place.password();
    let mut file = place.open(&path, OpenOptions::new().write(true).truncate(true))?;
    let password = hex(&random::<16>()?);
    file.write_all(password.as_bytes()).and_then(|()| file.sync_all()).context(what)?;

    let mut initdb = place.command(&binaries.dir.join("initdb"));
    // On loopback, a login with the method `password` takes 8 ms. A login with `scram-sha-256` takes 70 to
    // 110 ms in a debug build.
    initdb.args(["-U", "oasis", "-E", "UTF8", "--locale=C", "-A", "password", "--no-instructions"]);
    initdb.arg("--pwfile").arg(&path).arg("-D").arg(&new);
    if !synced {
        initdb.arg("--no-sync");
    }
    // A separate process group keeps Ctrl-C from ending initdb halfway.
    initdb.process_group(0);
    let output = initdb.output().context(|| format!("running {}/initdb", binaries.dir.display()))?;
    if !output.status.success() {
        let _ = fs::remove_dir_all(&new);
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.contains("could not look up effective user ID") {
            return Err(Error::NamelessUser(rustix::process::geteuid().as_raw()));
        }
        return Err(Error::Initdb { dir: place.dir.clone(), output });
    }
    fs::rename(&new, &data).context(what)?;
    if synced {
        File::open(&place.dir).and_then(|dir| dir.sync_all()).context(what)?;
    }
    Ok(())
}

/// Starts the server and waits until it accepts connections. If `fixed` is set, only that port is tried.
pub(crate) fn launch(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    fixed: Option<u16>,
) -> Result<Postmaster, Error> {
    let begun = Instant::now();
    let mut port = match fixed {
        Some(port) => port,
        None => remembered_port(place).filter(|port| is_free(*port)).map_or_else(choose_port, Ok)?,
    };
    defuse_pid_file(place);
    loop {
        let tail = match try_start(place, binaries, options, port)? {
            Ok(postmaster) => {
                let mut file = place.open(&place.port(), OpenOptions::new().write(true).truncate(true))?;
                file.write_all(port.to_string().as_bytes()).context(|| "storing the port".into())?;
                return Ok(postmaster);
            }
            Err(tail) => tail,
        };
        let taken = tail.contains("Address already in use");
        let leftover = tail.contains("shared memory block") || tail.contains("lock file");
        if taken && (fixed.is_none() && begun.elapsed() < RETRY_LIMIT) {
            port = choose_port()?;
        } else if taken && begun.elapsed() > PORT_RETRY_LIMIT {
            return Err(Error::PortTaken(port));
        } else if !taken && (!leftover || begun.elapsed() > RETRY_LIMIT) {
            return Err(Error::Start { log: place.log(), tail });
        }
        std::thread::sleep(10 * POLL_INTERVAL);
    }
}

/// Starts the server once. Returns the ready server, or the last lines that it logged before it ended.
fn try_start(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    port: u16,
) -> Result<Result<Postmaster, String>, Error> {
    let data = place.data();
    let what = || format!("writing {}", place.log().display());
    let mut log = place.open(&place.log(), OpenOptions::new().append(true).read(true))?;
    if log.metadata().context(what)?.len() > LOG_LIMIT {
        log.set_len(0).context(what)?;
    }
    let start = log.seek(SeekFrom::End(0)).context(what)?;

    let mut command = place.command(&binaries.dir.join("postgres"));
    command.arg("-D").arg(&data);
    for (name, value) in &options.settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    if !options.durable {
        command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
    }
    // These settings come last, so that they override the other settings. Without Unix sockets, the server
    // does not need write access to Debian's default socket folder.
    command.args([
        "-p",
        &port.to_string(),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    command.stdout(log.try_clone().context(what)?).stderr(log.try_clone().context(what)?);
    // A separate process group protects the server from Ctrl-C. `Cluster::stop` ends the server.
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context(|| format!("running {}/postgres", binaries.dir.display()))?;

    let pid = child.id();
    let mut postmaster = Postmaster { pid, port, child: Some(child) };
    let deadline = Instant::now() + READY_LIMIT;
    while postmaster.alive(&data) {
        let is_ready = PidFile::read(&data).is_some_and(|file| file.ready && file.pid == pid);
        if is_ready && accepts_connections(port) {
            tracing::info!(pid, port, dir = %place.dir.display(), "PostgreSQL is ready");
            return Ok(Ok(postmaster));
        }
        if Instant::now() > deadline {
            postmaster.signal(Signal::QUIT, &data);
            let (seconds, log) = (READY_LIMIT.as_secs(), place.log());
            return Err(Error::Stuck { pid, what: "become ready", seconds, log });
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    let mut written = Vec::new();
    log.seek(SeekFrom::Start(start)).and_then(|_| log.read_to_end(&mut written)).context(what)?;
    Ok(Err(last_lines(&written)))
}

/// The last 20 lines of a log.
pub(crate) fn last_lines(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// Makes a stale `postmaster.pid` harmless. PostgreSQL refuses to start while a process with the id in that
/// file exists. After a crash, that process may be a zombie. After a reboot, the id may belong to any other
/// process. PostgreSQL makes an exception for its parent process, so this function writes the id of this
/// process into the file. PostgreSQL still checks whether shared memory is in use.
fn defuse_pid_file(place: &Place) {
    let path = place.data().join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else { return };
    let Some((pid, rest)) = text.split_once('\n') else { return };
    let Ok(command) = fs::read_to_string(format!("/proc/{}/comm", pid.trim())) else { return };
    let dead = fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| line.is_empty());
    if dead || !command.starts_with("post") {
        // If this fails, the server logs why it does not start.
        let _ = fs::write(&path, format!("{}\n{rest}", std::process::id()));
    }
}

fn remembered_port(place: &Place) -> Option<u16> {
    fs::read_to_string(place.port()).ok()?.trim().parse().ok()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port below the range that systems use for outgoing connections. If the server's port were in that
/// range, the system could assign the port to a client that connects while the server restarts. The client
/// could even connect to itself.
fn choose_port() -> Result<u16, Error> {
    for _ in 0..100 {
        let port = 20_000 + u16::from_be_bytes(random()?) % 12_000;
        if is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::PortTaken(20_000))
}
