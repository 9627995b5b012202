//! The `webhook-ingest` program: parses the configuration, sets up logs and signals, and runs the receiver.

use anyhow::Context;
use oasis_service::{Shutdown, args, telemetry};
use webhook_ingest::{Config, routes::WebhookIngest, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config: Config = args::parse();
    if config.service.healthcheck {
        return config.service.healthcheck().context("not ready");
    }
    telemetry::init(WebhookIngest::NAME, &config.service.log)?;
    let shutdown = Shutdown::on_signals()?;
    let listeners = config.service.bind().await?;
    run(config, listeners, shutdown).await
}
