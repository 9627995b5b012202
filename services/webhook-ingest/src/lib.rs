//! Receives GitHub's webhooks. Verifies each delivery, and stores it as one event in the table.
//!
//! [`routes`] lists the endpoints of this service. Like every service, this service also has the probes and
//! `/metrics`.

pub mod github;
pub mod modules;
pub mod payload;
pub mod routes;
pub mod signature;

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use oasis_core::Prefixes;
use oasis_core::bridge::Mapping;
use oasis_service::{Limits, Listeners, Secret, ServiceArgs, Shutdown, serve};
use oasis_store::{DatabaseArgs, Store};

use github::Rules;
use modules::Modules;
use routes::WebhookIngest;
use signature::Secrets;

/// Receives GitHub's webhook deliveries and appends them as OASIS events
#[derive(Debug, Clone, Parser)]
#[command(name = "webhook-ingest", version)]
pub struct Config {
    /// The address to listen on, and the settings of the log.
    #[command(flatten)]
    pub service: ServiceArgs<8081>,

    /// The database that holds the table.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// The secret from the settings of the GitHub webhook
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET",
          value_parser = secret)]
    pub github_webhook_secret: Secret,

    /// The previous secret, which is still accepted during a rotation
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET_PREVIOUS", hide_env_values = true, value_name = "SECRET",
          value_parser = without_line_break)]
    pub github_webhook_secret_previous: Option<Secret>,

    /// Prefixes that mark a VTID in a title, a branch or a commit message, such as DEV,BOOTSTRAP-*
    #[arg(long, env = "VTID_PREFIXES", value_name = "LIST", default_value_t)]
    pub vtid_prefixes: Prefixes,

    /// Modules for the events of repositories, such as owner/repo=GATEWAY,other/*=repository. The value
    /// `repository` means that the module is named after the repository. All other events get the module
    /// CORE
    #[arg(long, env = "GITHUB_MODULES", value_name = "LIST", default_value = "", hide_default_value = true)]
    pub github_modules: Modules,

    /// Workloads of repositories, such as owner/repo=cluster:eu/project:shop/workload:api. The runs and the
    /// deployments of a repository then also become resource events of its workloads. With
    /// owner/repo#build.yml=…, only the workflow in this file counts
    #[arg(long, env = "RESOURCES", value_name = "LIST", default_value = "", hide_default_value = true)]
    pub resources: Mapping,
}

/// Parses a secret, and removes line breaks at the end. Files and secret managers often add a line break. A
/// line break is never part of the secret, because GitHub's form for the secret accepts a single line.
fn without_line_break(text: &str) -> Result<Secret, Infallible> {
    text.trim_end_matches(['\r', '\n']).parse()
}

fn secret(text: &str) -> Result<Secret, &'static str> {
    // Anyone could guess a secret of blanks.
    let secret = without_line_break(text).ok().filter(|secret| !secret.expose().trim().is_empty());
    secret.ok_or("must not be empty")
}

/// Serves on `listeners` until `shutdown` is triggered. The database may be unavailable at any time, even at
/// the start. While it is unavailable, deliveries are answered with 503.
///
/// # Errors
/// When TLS to the database cannot be set up as its URL requires, or one of `listeners` is not usable.
pub async fn run(config: Config, listeners: impl Into<Listeners>, shutdown: Shutdown) -> anyhow::Result<()> {
    let store = Store::new(config.database, WebhookIngest::NAME).context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let previous = config.github_webhook_secret_previous.as_ref();
    let secrets = [Some(&config.github_webhook_secret), previous];
    let app = WebhookIngest {
        secrets: Secrets::new(secrets.into_iter().flatten().map(Secret::expose)),
        rules: Rules {
            prefixes: config.vtid_prefixes,
            modules: config.github_modules,
            resources: config.resources,
        },
        store,
        appender,
    };
    // The clients are GitHub and a few tools, so fewer connections than the default are enough.
    let limits = Limits { max_connections: 4_096, ..config.service.limits() };
    serve(Arc::new(app), listeners, limits, shutdown).await.context("serving")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Config, String> {
        let own = ["webhook-ingest", "--database-url", "postgres://h/d"];
        Config::try_parse_from(own.iter().chain(flags)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_secret_is_required_and_never_shown() {
        let config = parse(&["--github-webhook-secret", "It's a secret\r\n"]).unwrap();
        assert_eq!(config.github_webhook_secret.expose(), "It's a secret");
        assert_eq!(config.service.port, 8081);
        assert!(!format!("{config:?}").contains("It's"));
        for empty in ["", "\n", " ", " \t\n"] {
            let error = parse(&["--github-webhook-secret", empty]).unwrap_err();
            assert!(error.contains("must not be empty"), "{error}");
        }
    }

    #[test]
    fn the_error_for_a_bad_list_names_the_entry() {
        let with = |flag: &str, value: &str| parse(&["--github-webhook-secret", "s", flag, value]);
        assert!(with("--github-modules", "").is_ok());
        let error = with("--github-modules", "a/b=GATEWAY,c=d").unwrap_err();
        assert!(error.contains("\"c=d\": expected owner/repo=MODULE"), "{error}");
        let error = with("--resources", "a/b=workload:api,c/d=project:shop").unwrap_err();
        assert!(error.contains("\"c/d=project:shop\": the workload is missing"), "{error}");
        let error = with("--vtid-prefixes", "DEV,9X").unwrap_err();
        assert!(error.contains("\"9X\" is not a VTID prefix"), "{error}");
    }
}
