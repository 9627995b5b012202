//! Installs the packages of a peer that runs on Node. The code of the peer is in `bench/peers`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context;
use tokio::task::spawn_blocking;

/// Installs the packages of the peer `name` unless they are already installed. Returns the path of Node and
/// the folder of the peer. If the machine cannot install the packages, the inner error gives the reason.
pub(super) async fn install(name: &str) -> anyhow::Result<Result<(PathBuf, PathBuf), String>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name);
    let installed = spawn_blocking(move || install_into(&dir).map(|node| (node, dir))).await?;
    Ok(installed.map_err(|error| format!("{error:#}")))
}

/// Installs the packages of the lock file, and returns the path of Node.
fn install_into(dir: &Path) -> anyhow::Result<PathBuf> {
    let node = run(Command::new("node").args(["-p", "process.execPath"]), "node")?;
    let modified = |path: &str| fs::metadata(dir.join(path)).and_then(|found| found.modified()).ok();
    // npm writes this file at the end of an installation.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_none() || installed < modified("package-lock.json") {
        let flags = ["ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=30000"];
        run(Command::new("npm").args(flags).current_dir(dir), "npm ci")?;
    }
    Ok(PathBuf::from(node))
}

/// Runs a command, and returns its standard output. If the command fails, the error quotes the first line of
/// the command's standard error that contains `error`.
fn run(command: &mut Command, name: &str) -> anyhow::Result<String> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("running {name}"))?;
    if !status.success() {
        let complaint = String::from_utf8_lossy(&stderr);
        let why = complaint.lines().find(|line| line.contains("error"));
        anyhow::bail!("{name} ended with {status}: {}", why.unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}
