//! How to run a private server.

use std::path::PathBuf;

/// How to run a private server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The cluster's folder; made if it is not there. See the [crate] for what it holds. As root, a folder
    /// that the server's account cannot reach is replaced by one under `/var/tmp`: see
    /// [`Cluster::dir`](crate::Cluster::dir).
    pub dir: PathBuf,
    /// The port on 127.0.0.1; `None` for the one of last time if it is free, else any free one.
    pub port: Option<u16>,
    /// False turns `fsync` off: faster, and lost if the machine goes down. For tests only.
    pub durable: bool,
    /// Server settings such as `("max_connections", "200")`, for a server that this call starts.
    pub settings: Vec<(String, String)>,
    /// The folder with `initdb` and `postgres`; `None` to search this machine and, failing that, download.
    pub bin_dir: Option<PathBuf>,
}

impl Options {
    /// A durable server in `dir` on a port of its choice.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options { dir: dir.into(), port: None, durable: true, settings: Vec::new(), bin_dir: None }
    }
}
