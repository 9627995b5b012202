//! `oasis up`: runs the whole system in one process, with a private PostgreSQL, until Ctrl-C.

mod args;
mod banner;
mod configs;
mod files;
mod host;
mod postgres;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use deploy_watcher::fake::FakeLogging;
use heartbeat_agent::Destination;
use oasis_service::{Listeners as Guarded, LocalHosts, Shutdown, telemetry};
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};

use crate::demo;
use crate::output::notice;
use crate::running::{self, Announcement, JWT_SECRET_FILE, Running, SERVICE_TOKEN_FILE};
use configs::{Configs, configs};
use files::{DATABASE_URL_FILE, SECRET_FILE, folder, jwt_secret, service_token, webhook_secret};
use host::{address, is_loopback, reachable};

pub(crate) use args::Args;

/// Runs everything until Ctrl-C or SIGTERM.
///
/// # Errors
/// A port is taken, the environment has a bad setting for a service, PostgreSQL cannot be started, the
/// database cannot be migrated, or a service fails.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init("oasis", &args.log)?;
    let shutdown = Shutdown::on_signals()?;
    // The ports are bound first, so that nothing else has been started if a port is taken.
    let gateway = bind(&args.host, args.port).await?;
    let webhooks = bind(&args.host, args.port + 1).await?;
    let deploys = if args.demo || args.gcp_project.is_some() {
        Some(bind(&args.host, args.port + 2).await?)
    } else {
        None
    };
    folder(&args.data)?;
    let secret = match &args.github_webhook_secret {
        Some(secret) => secret.expose().to_owned(),
        None => webhook_secret(&args.data)?,
    };
    // The settings are read before PostgreSQL is downloaded or started, so that a bad setting is reported at
    // once.
    let logs = if args.demo {
        Some(Arc::new(FakeLogging::start().await.context("cannot start the fake Cloud Logging")?))
    } else {
        None
    };
    let mut configs = configs(&args, &secret, logs.as_deref())?;
    configs.gateway.identity.jwt_secret = match args.own_jwt_secret() {
        Some(secrets) => secrets.clone(),
        None => jwt_secret(&args.data)?,
    };
    // Senders of events need no token here, so the token needs no other right.
    configs.gateway.ingest_tokens.add_for_private_streams("up", &service_token(&args.data)?);
    configs.gateway.identity.keys().context("setting up the keys of JSON Web Tokens")?;
    let (cluster, database_url) = match &args.database_url {
        Some(url) => (None, url.clone()),
        None => {
            let (cluster, url) = postgres::start(&args.data).await?;
            (Some(cluster), url)
        }
    };
    configs.gateway.database.database_url = database_url.clone();
    configs.webhooks.database.database_url = database_url.clone();
    if let Some(deploys) = &mut configs.deploys {
        deploys.database.database_url = database_url;
    }
    let keeper = cluster.clone().map(|cluster| tokio::spawn(postgres::keep_up(cluster, shutdown.clone())));
    let listeners = Listeners { gateway, webhooks, deploys };
    let served = serve(&args, configs, &secret, listeners, logs, shutdown.clone()).await;
    if let Some(keeper) = keeper {
        // Otherwise the keeper would restart the PostgreSQL that the next lines stop.
        shutdown.trigger();
        let _ = keeper.await;
    }
    if let Some(cluster) = cluster {
        notice("stopping PostgreSQL");
        spawn_blocking(move || cluster.stop()).await?.context("PostgreSQL did not stop")?;
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn bind(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    oasis_service::args::bind(host, port).await.map_err(|error| {
        let hint = "with `--port N`, gateway-feed uses port N, webhook-ingest N + 1 and deploy-watcher N + 2";
        anyhow::anyhow!("{}\n{hint}", oasis_core::chain(&error))
    })
}

async fn serve(
    args: &Args,
    configs: Configs,
    secret: &str,
    listeners: Listeners,
    logs: Option<Arc<FakeLogging>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let database = &configs.gateway.database;
    let migrated = tokio::select! {
        migrated = oasis_store::migrate_in(&database.database_url, &database.schema) => migrated?,
        () = shutdown.triggered() => return Ok(()),
    };
    for step in &migrated.applied {
        notice(format_args!("applied migration {step}"));
    }
    let agents =
        Destination::Postgres { url: database.database_url.clone(), schema: database.schema.clone() };
    let database = database.clone();
    let reading_is_guarded = !configs.gateway.read_tokens.is_empty();
    let mut services = JoinSet::new();
    // Any web page may try to read from services of this machine. webhook-ingest only takes signed
    // deliveries, and these may arrive through a tunnel with a name of its own.
    let hosts = is_loopback(&args.host).then(|| LocalHosts { more: args.allow_host.clone() });
    let guarded = |listener: TcpListener| Guarded { hosts: hosts.clone(), ..listener.into() };
    services.spawn(gateway_feed::run(configs.gateway, guarded(listeners.gateway), shutdown.clone()));
    services.spawn(webhook_ingest::run(configs.webhooks, listeners.webhooks, shutdown.clone()));
    if let (Some(config), Some(listener)) = (configs.deploys, listeners.deploys) {
        services.spawn(deploy_watcher::run(config, guarded(listener), shutdown.clone()));
    }
    let _announcement = announce(args);
    // An error is ignored, so the services continue if standard output is closed (`| head`) or the disk is
    // full.
    let _ = banner::show(args, secret, reading_is_guarded);
    if !is_loopback(&args.host) {
        notice(
            "these ports are open to other machines: anyone who can reach the ports can send events without \
             a token, and can read events unless READ_TOKENS is set",
        );
    }
    let demo = logs.map(|logs| {
        let (shutdown, secret) = (shutdown.clone(), secret.to_owned());
        let base = format!("http://{}:{}", reachable(&args.host), args.port + 1);
        tokio::spawn(async move {
            if let (Ok(base), Ok(secret)) = (base.parse(), secret.parse()) {
                demo::run_in_background(base, agents, database, &secret, logs, shutdown).await;
            }
        })
    });
    let mut outcome = Ok(());
    while let Some(ended) = services.join_next().await {
        // If one service ends, the other services must end too.
        shutdown.trigger();
        outcome = outcome.and(ended.context("a service failed").and_then(|ended| ended));
    }
    if let Some(demo) = demo {
        demo.await.context("the demo failed")?;
    }
    outcome
}

/// Writes the file with which other commands find this `oasis up`. The file is removed when the result is
/// dropped. Without the file, the other commands need `--url`.
fn announce(args: &Args) -> Option<Announcement> {
    let running = Running {
        pid: std::process::id().try_into().ok()?,
        gateway: address(&args.host, args.port),
        webhooks: address(&args.host, args.port + 1),
        webhook_secret: args.github_webhook_secret.is_none().then(|| SECRET_FILE.into()),
        database_url: args.database_url.is_none().then(|| DATABASE_URL_FILE.into()),
        jwt_secret: args.own_jwt_secret().is_none().then(|| JWT_SECRET_FILE.into()),
        service_token: Some(SERVICE_TOKEN_FILE.into()),
    };
    let announced = running::announce(&args.data, &running);
    announced.map_err(|error| notice(format_args!("other commands need --url: {error:#}"))).ok()
}

/// The sockets on which the services listen.
struct Listeners {
    gateway: TcpListener,
    webhooks: TcpListener,
    /// `None` if no deploys are watched.
    deploys: Option<TcpListener>,
}
