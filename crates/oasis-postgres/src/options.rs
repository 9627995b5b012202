//! The options of a private server.

use std::path::PathBuf;

/// The options of a private server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's folder, which is made if it does not exist. The [crate] documentation lists the files in
    /// the folder. If this process is root and the server's account cannot enter the folder, the cluster uses
    /// a folder under `/var/tmp` instead. [`Cluster::dir`](crate::Cluster::dir) returns the folder in use.
    pub dir: PathBuf,
    /// The port on 127.0.0.1. With `None`, the server gets the port of the last start if that port is free,
    /// or else any free port.
    pub port: Option<u16>,
    /// `false` turns `fsync` off. The server is then faster, but a crash of the machine can destroy the
    /// server's data. Use `false` only in tests.
    pub durable: bool,
    /// Server settings such as `("max_connections", "200")`. They have no effect on an adopted server.
    pub settings: Vec<(String, String)>,
    /// The folder with `initdb` and `postgres`. With `None`, [`Cluster::start`](crate::Cluster::start)
    /// searches this machine for such a folder, and downloads PostgreSQL if there is no such folder.
    pub bin_dir: Option<PathBuf>,
}

impl Options {
    /// The options of a durable server in `dir`. The server uses the port of the last start or any free port.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options { dir: dir.into(), port: None, durable: true, settings: Vec::new(), bin_dir: None }
    }
}
