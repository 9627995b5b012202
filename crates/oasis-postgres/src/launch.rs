//! Bringing a server up: initdb, the choice of a port, the start itself with its retries, adoption.
//! All of it runs while the caller holds the folder's `lock`.

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
use crate::postmaster::{POLL, PidFile, Postmaster, answers, serves};

/// For a server to get ready; crash recovery replays the log first.
const READY: Duration = Duration::from_secs(120);
/// For what a killed server leaves behind (its backends, their shared memory) to go away.
const RETRY: Duration = Duration::from_secs(10);
/// For a port that has to be this one; the server that had it may have ended just now.
const PORT_RETRY: Duration = Duration::from_secs(1);
/// The log starts anew at this size, in bytes, when the server does.
const LOG_LIMIT: u64 = 10 << 20;

/// The server that already serves the folder, once it is ready; `None` when there is none.
pub(crate) fn adopt(place: &Place) -> Result<Option<Postmaster>, Error> {
    let data = place.data();
    let deadline = Instant::now() + READY;
    loop {
        let Some(file) = PidFile::read(&data).filter(|file| serves(file.pid, &data)) else { return Ok(None) };
        if file.ready && answers(file.port) {
            return Ok(Some(Postmaster { pid: file.pid, port: file.port, child: None }));
        }
        if Instant::now() > deadline {
            return Err(Error::Stuck {
                pid: file.pid,
                what: "get ready",
                seconds: READY.as_secs(),
                log: place.log(),
            });
        }
        std::thread::sleep(POLL);
    }
}

/// Makes the data folder, unless it is there. It appears under its name when it is complete.
pub(crate) fn initialise(place: &Place, binaries: &Binaries, synced: bool) -> Result<(), Error> {
    let data = place.data();
    if data.exists() {
        return Ok(());
    }
    tracing::info!(dir = %place.dir.display(), version = binaries.version, "preparing a new PostgreSQL");
    let what = || format!("preparing {}", data.display());
    // An initdb whose starter was killed may still be writing, so the name is never used twice.
    for entry in fs::read_dir(&place.dir).context(what)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with("data.new") {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let new = place.dir.join(format!("data.new-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&new).context(what)?;
    place.give(&new)?;

    let path = place.password();
    let mut file = place.open(&path, OpenOptions::new().write(true).truncate(true))?;
    let password = hex(&random::<16>()?);
    file.write_all(password.as_bytes()).and_then(|()| file.sync_all()).context(what)?;

    let mut initdb = place.command(&binaries.dir.join("initdb"));
    // `password` on loopback costs 8 ms a connection, scram 70 to 110 ms in a debug build.
    initdb.args(["-U", "oasis", "-E", "UTF8", "--locale=C", "-A", "password", "--no-instructions"]);
    initdb.arg("--pwfile").arg(&path).arg("-D").arg(&new);
    if !synced {
        initdb.arg("--no-sync");
    }
    // Its own group, so that Ctrl-C is for us: half a folder is of no use to anybody.
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

/// Starts the server and waits until it answers. With `fixed`, on that port or not at all.
pub(crate) fn launch(
    place: &Place,
    binaries: &Binaries,
    options: &Options,
    fixed: Option<u16>,
) -> Result<Postmaster, Error> {
    let begun = Instant::now();
    let mut port = match fixed {
        Some(port) => port,
        None => remembered(place).filter(|port| free(*port)).map_or_else(choose, Ok)?,
    };
    disarm(place);
    loop {
        let tail = match attempt(place, binaries, options, port)? {
            Ok(postmaster) => {
                let mut file = place.open(&place.port(), OpenOptions::new().write(true).truncate(true))?;
                file.write_all(port.to_string().as_bytes()).context(|| "remembering the port".into())?;
                return Ok(postmaster);
            }
            Err(tail) => tail,
        };
        let taken = tail.contains("Address already in use");
        let leftover = tail.contains("shared memory block") || tail.contains("lock file");
        if taken && (fixed.is_none() && begun.elapsed() < RETRY) {
            port = choose()?;
        } else if taken && begun.elapsed() > PORT_RETRY {
            return Err(Error::PortTaken(port));
        } else if !taken && (!leftover || begun.elapsed() > RETRY) {
            return Err(Error::Start { log: place.log(), tail });
        }
        std::thread::sleep(10 * POLL);
    }
}

/// One start: the ready server, or the end of the log of one that ended.
fn attempt(
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
    // Last, because the last one counts. The default socket folder of Debian is not ours to write to.
    command.args([
        "-p",
        &port.to_string(),
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
    ]);
    command.stdout(log.try_clone().context(what)?).stderr(log.try_clone().context(what)?);
    // Its own group: Ctrl-C is for us, and we stop it when nobody needs it any more.
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context(|| format!("running {}/postgres", binaries.dir.display()))?;

    let pid = child.id();
    let mut postmaster = Postmaster { pid, port, child: Some(child) };
    let deadline = Instant::now() + READY;
    while postmaster.alive(&data) {
        if PidFile::read(&data).is_some_and(|file| file.ready && file.pid == pid) && answers(port) {
            tracing::info!(pid, port, dir = %place.dir.display(), "PostgreSQL is up");
            return Ok(Ok(postmaster));
        }
        if Instant::now() > deadline {
            postmaster.signal(Signal::QUIT, &data);
            let (seconds, log) = (READY.as_secs(), place.log());
            return Err(Error::Stuck { pid, what: "get ready", seconds, log });
        }
        std::thread::sleep(POLL);
    }
    let mut written = Vec::new();
    log.seek(SeekFrom::Start(start)).and_then(|_| log.read_to_end(&mut written)).context(what)?;
    let written = String::from_utf8_lossy(&written);
    let lines: Vec<_> = written.lines().collect();
    Ok(Err(lines[lines.len().saturating_sub(20)..].join("\n")))
}

/// PostgreSQL refuses to start while the process named in `postmaster.pid` exists, though after a crash that
/// may be a zombie or, after a reboot, any program. It makes an exception for its parent, so the file gets
/// our id; the check for shared memory that is still in use stays in force.
fn disarm(place: &Place) {
    let path = place.data().join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else { return };
    let Some((pid, rest)) = text.split_once('\n') else { return };
    let Ok(command) = fs::read_to_string(format!("/proc/{}/comm", pid.trim())) else { return };
    let dead = fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| line.is_empty());
    if dead || !command.starts_with("post") {
        // Best effort: if it fails the server says why it does not start.
        let _ = fs::write(&path, format!("{}\n{rest}", std::process::id()));
    }
}

fn remembered(place: &Place) -> Option<u16> {
    fs::read_to_string(place.port()).ok()?.trim().parse().ok()
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A free port below the range from which systems take ports for outgoing connections. In that range a client
/// that keeps trying while the server restarts can be given the server's port, or even connect to itself.
fn choose() -> Result<u16, Error> {
    for _ in 0..100 {
        let port = 20_000 + u16::from_be_bytes(random()?) % 12_000;
        if free(port) {
            return Ok(port);
        }
    }
    Err(Error::PortTaken(20_000))
}
