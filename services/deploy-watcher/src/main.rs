//! The `deploy-watcher` program: parses the configuration, sets up logs and signals, and runs the watcher.

use anyhow::Context;
use deploy_watcher::{Config, once, routes::DeployWatcher, run};
use oasis_service::{Shutdown, args, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config: Config = args::parse();
    if config.service.healthcheck {
        return config.service.healthcheck().context("not ready");
    }
    telemetry::init(DeployWatcher::NAME, &config.service.log)?;
    if config.once {
        println!("{}", serde_json::to_string(&once(&config).await?)?);
        return Ok(());
    }
    let shutdown = Shutdown::on_signals()?;
    let listeners = config.service.bind().await?;
    run(config, listeners, shutdown).await
}
