//! The settings of each service that `oasis up` runs.

use deploy_watcher::fake::FakeLogging;
use oasis_service::args;

use super::args::Args;
use crate::demo;

/// The services' settings.
pub(super) struct Configs {
    pub(super) gateway: gateway_feed::Config,
    pub(super) webhooks: webhook_ingest::Config,
    pub(super) deploys: Option<deploy_watcher::Config>,
}

/// Makes the settings of the services. Some settings come from `oasis up`. The others come from the
/// environment variables that each service reads. The database URL is a placeholder, because the real URL may
/// not be known yet.
pub(super) fn configs(args: &Args, secret: &str, logs: Option<&FakeLogging>) -> Result<Configs, clap::Error> {
    let schema = format!("--oasis-schema={}", args.schema);
    let mut database = vec!["service", "--database-url=postgres://localhost/placeholder", &schema];
    if args.database_url.is_none() {
        // LISTEN_DATABASE_URL from the environment does not belong to the private database, so it is cleared.
        database.push("--listen-database-url=");
    }
    // The flag and its value are one argument, because a secret may begin with a dash.
    let secret = format!("--github-webhook-secret={secret}");
    let gateway = [&database[..], &["--ingest-anonymous=true"]].concat();
    let resources = format!("--resources={}", demo::resources::mapping());
    let mut webhooks = [&database[..], &[&secret]].concat();
    if logs.is_some() {
        webhooks.push(&resources);
    }
    let watched = match (logs, &args.gcp_project) {
        (Some(logs), _) => Some(vec![
            format!("--gcp-project={}", demo::deploys::PROJECT),
            format!("--logging-endpoint={}", logs.endpoint()),
            "--logging-anonymous".to_owned(),
            "--every=2s".to_owned(),
            resources.clone(),
        ]),
        (None, Some(projects)) => Some(vec![format!("--gcp-project={projects}"), "--every=1m".to_owned()]),
        (None, None) => None,
    };
    let deploys = watched.map(|watched| {
        args::parse_from(
            database.iter().copied().chain(watched.iter().map(String::as_str)).collect::<Vec<_>>(),
        )
    });
    Ok(Configs {
        gateway: args::parse_from(gateway)?,
        webhooks: args::parse_from(webhooks)?,
        deploys: deploys.transpose()?,
    })
}
