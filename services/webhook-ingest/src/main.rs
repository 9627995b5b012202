//! The receiver as a process of its own: flags and variables, logs, signals.

use oasis_service::{Shutdown, args, telemetry};
use webhook_ingest::{Config, routes::WebhookIngest, run};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config: Config = args::parse();
    telemetry::init(WebhookIngest::NAME, &config.service.log)?;
    let shutdown = Shutdown::on_signals()?;
    let listener = config.service.bind().await?;
    run(config, listener, shutdown).await
}
