//! `oasis doctor`: checks what an installation needs, and says what is wrong and what to do.
//!
//! The submodules collect the facts and judge them. No check stores an event.

mod args;
mod clocks;
mod database;
mod events;
mod http;
mod ingest;
mod report;
mod secret;
mod services;
mod setup;

use std::env;
use std::process::ExitCode;

use anyhow::Context;

pub(crate) use args::Args;

use database::Database;
use report::{Check, Report};
use services::Service;
use setup::Setup;

use crate::output::OutputClosed;
use crate::running;

/// Checks everything once, and prints the findings. The exit code is 1 if there is a problem.
///
/// # Errors
/// The current folder is unknown, or standard output cannot be written.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let json = args.json;
    let mut reader = args.gateway.find().await?;
    let up = running::search(&env::current_dir().context("the current folder is unknown")?).await.found;
    let setup = Setup::new(args, &reader.address.base, up);
    let (database, gateway, webhooks, deploys) = tokio::join!(
        Database::examine(&setup),
        Service::ask(Check::GatewayFeed, &setup.gateway),
        Service::ask(Check::WebhookIngest, &setup.webhooks),
        Service::ask(Check::DeployWatcher, &setup.deploys),
    );
    let mut report = Report::default();
    report.extend(database.findings());
    report.extend(gateway.findings());
    report.extend(webhooks.findings());
    report.extend(deploys.findings());
    report.push(secret::check(&setup, webhooks.answers()).await);
    if let Some(base) = gateway.answers() {
        report.extend(ingest::check(&setup, base).await);
    }
    let mut reader = gateway.answers().map(|_| &mut reader);
    report.push(events::last_delivery(&database, reader.as_deref_mut()).await);
    if let Some(reader) = reader {
        report.push(events::silent_agents(reader).await);
    }
    report.push(clocks::check(database.clock_ahead(), gateway.clock_ahead()));
    match report.print(json) {
        // Even if the reader of the output, such as `head`, has ended, the exit code says whether there is a
        // problem.
        Err(error) if error.is::<OutputClosed>() => {}
        printed => printed?,
    }
    Ok(ExitCode::from(u8::from(report.has_problem())))
}
