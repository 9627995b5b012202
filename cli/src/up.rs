//! `oasis up`: the whole system in one process, over a private PostgreSQL, until Ctrl-C.

mod banner;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use deploy_watcher::fake::FakeLogging;
use heartbeat_agent::Way;
use oasis_postgres::{Cluster, Options};
use oasis_service::{Secret, Shutdown, args, telemetry};
use oasis_store::DatabaseUrl;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use crate::demo;
use crate::output::notice;
use crate::random;

/// How often PostgreSQL is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  oasis up                          start everything; Ctrl-C stops it, the data stays in .oasis/
  oasis up --demo                   with a made-up team at work
  oasis up --port 9000              the feed on 9000, webhooks on 9001, deploys on 9002
  DATABASE_URL=postgres://… oasis up   over a database of your own

Anybody who can reach the ports may read and send events; only this machine can, unless --host says otherwise.";

/// Flags of `oasis up`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Keep sending the deliveries of a made-up team, signed, through webhook-ingest, and show its deploys and agents
    #[arg(long)]
    demo: bool,
    /// Address to listen on; another than this machine's own opens the ports to others
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port of gateway-feed; webhook-ingest and deploy-watcher take the next ones
    #[arg(long, value_name = "PORT", default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65533))]
    port: u16,
    /// Folder for the private PostgreSQL and the webhook secret
    #[arg(long, value_name = "DIR", default_value = ".oasis")]
    data: PathBuf,
    /// Use this database instead of a private one
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<DatabaseUrl>,
    /// The webhook secret; by default one is made and kept in the folder
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    github_webhook_secret: Option<Secret>,
    /// Watch the Cloud Run deploys of these projects, with your own credentials
    #[arg(long, env = "GCP_PROJECT", value_name = "IDS")]
    gcp_project: Option<String>,
    /// What to log, such as `info` or `warn,gateway_feed=debug`
    #[arg(long, env = "RUST_LOG", default_value = "warn")]
    log: String,
}

/// Runs everything until Ctrl-C or SIGTERM.
///
/// # Errors
/// When a port is taken, the environment has a bad setting for a service, PostgreSQL can't be had, the database can't be migrated, or a service ends by itself.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::init("oasis", &args.log)?;
    let shutdown = Shutdown::on_signals()?;
    // First, so that a taken port costs nothing else.
    let gateway = bind(&args.host, args.port).await?;
    let webhooks = bind(&args.host, args.port + 1).await?;
    let deploys = match args.demo || args.gcp_project.is_some() {
        true => Some(bind(&args.host, args.port + 2).await?),
        false => None,
    };
    folder(&args.data)?;
    let secret = match &args.github_webhook_secret {
        Some(secret) => secret.expose().to_owned(),
        None => kept_secret(&args.data.join("webhook-secret"))?,
    };
    // Before PostgreSQL is started or even downloaded, which a bad setting would make vain.
    let logs = match args.demo {
        true => Some(Arc::new(FakeLogging::start().await.context("starting a fake of Cloud Logging")?)),
        false => None,
    };
    let mut configs = configs(&args, &secret, logs.as_deref())?;
    let (cluster, database_url) = match &args.database_url {
        Some(url) => (None, url.clone()),
        None => {
            let (cluster, url) = private_postgres(&args.data).await?;
            (Some(cluster), url)
        }
    };
    configs.gateway.database.database_url = database_url.clone();
    configs.webhooks.database.database_url = database_url.clone();
    if let Some(deploys) = &mut configs.deploys {
        deploys.database.database_url = database_url;
    }
    let kept = cluster.clone().map(|cluster| tokio::spawn(keep_up(cluster, shutdown.clone())));
    let listeners = Listeners { gateway, webhooks, deploys };
    let served = serve(&args, configs, &secret, listeners, logs, shutdown.clone()).await;
    if let Some(kept) = kept {
        // Or it would start what is stopped here.
        shutdown.trigger();
        let _ = kept.await;
    }
    if let Some(cluster) = cluster {
        notice("stopping PostgreSQL");
        spawn_blocking(move || cluster.stop()).await?.context("PostgreSQL did not stop")?;
    }
    served.map(|()| ExitCode::SUCCESS)
}

async fn bind(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    args::bind(host, port).await.map_err(|error| {
        let hint = "`--port N` moves gateway-feed to N, webhook-ingest to N + 1 and deploy-watcher to N + 2";
        anyhow::anyhow!("{}\n{hint}", oasis_core::chain(&error))
    })
}

async fn private_postgres(data: &Path) -> anyhow::Result<(Arc<Cluster>, DatabaseUrl)> {
    let dir = data.join("postgres");
    notice(if dir.exists() { "starting PostgreSQL" } else { "preparing a private PostgreSQL" });
    let cluster = Arc::new(spawn_blocking(move || Cluster::start(Options::new(dir))).await??);
    cluster.create_database("oasis").await?;
    let url = cluster.url("oasis");
    // For psql and for programs that write to the table themselves.
    write_private(&data.join("database-url"), &url)?;
    let url = url.parse().context("the private database's URL")?;
    Ok((cluster, url))
}

/// Starts PostgreSQL again whenever it has ended: a full disk ends it too, and nobody else would when there is room.
async fn keep_up(cluster: Arc<Cluster>, shutdown: Shutdown) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = shutdown.triggered() => return,
            () = sleep(LOOK_EVERY) => {}
        }
        let before = cluster.pid();
        let restarting = cluster.clone();
        match spawn_blocking(move || restarting.restart()).await {
            Ok(Ok(())) if cluster.pid() == before => {}
            Ok(Ok(())) => {
                failing = false;
                notice("PostgreSQL had ended; it runs again");
            }
            Ok(Err(error)) if !failing => {
                failing = true;
                notice(format_args!("PostgreSQL has ended and can't be started; trying on. {error}"));
            }
            // Said already; or the runtime is going down.
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

async fn serve(
    args: &Args,
    configs: Configs,
    secret: &str,
    listeners: Listeners,
    logs: Option<Arc<FakeLogging>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let url = &configs.gateway.database.database_url;
    let migrated = tokio::select! {
        migrated = oasis_store::migrate(url) => migrated?,
        () = shutdown.triggered() => return Ok(()),
    };
    for step in &migrated.applied {
        notice(format_args!("applied migration {step}"));
    }
    let agents = Way::Postgres(url.clone());
    let reading_is_guarded = !configs.gateway.read_tokens.is_empty();
    let mut services = JoinSet::new();
    services.spawn(gateway_feed::run(configs.gateway, listeners.gateway, shutdown.clone()));
    services.spawn(webhook_ingest::run(configs.webhooks, listeners.webhooks, shutdown.clone()));
    if let (Some(config), Some(listener)) = (configs.deploys, listeners.deploys) {
        services.spawn(deploy_watcher::run(config, listener, shutdown.clone()));
    }
    // Whoever read it may have left (`| head`), or the disk is full: neither ends what is up.
    let _ = banner::show(args, secret, reading_is_guarded);
    if !loopback(&args.host) {
        notice(
            "these ports are open to others: whoever reaches them may read, and send events without a token",
        );
    }
    let demo = logs.map(|logs| {
        let (shutdown, secret) = (shutdown.clone(), secret.to_owned());
        let base = format!("http://{}:{}", reachable(&args.host), args.port + 1);
        tokio::spawn(async move {
            if let (Ok(base), Ok(secret)) = (base.parse(), secret.parse()) {
                demo::run_beside(base, agents, &secret, logs, shutdown).await;
            }
        })
    });
    let mut outcome = Ok(());
    while let Some(ended) = services.join_next().await {
        // One that ends by itself takes the others along.
        shutdown.trigger();
        outcome = outcome.and(ended.context("a service failed").and_then(|ended| ended));
    }
    if let Some(demo) = demo {
        demo.await.context("the demo failed")?;
    }
    outcome
}

/// Where the services listen.
struct Listeners {
    gateway: TcpListener,
    webhooks: TcpListener,
    /// Where deploys are watched.
    deploys: Option<TcpListener>,
}

/// The services' settings.
struct Configs {
    gateway: gateway_feed::Config,
    webhooks: webhook_ingest::Config,
    deploys: Option<deploy_watcher::Config>,
}

/// Our settings, and the rest from the environment, as if each service ran by itself; but the database's URL, which
/// may not be known yet, is only a placeholder.
fn configs(args: &Args, secret: &str, logs: Option<&FakeLogging>) -> Result<Configs, clap::Error> {
    let mut database = vec!["service", "--database-url=postgres://localhost/placeholder"];
    if args.database_url.is_none() {
        // One that the environment names is about another database than the private one.
        database.push("--listen-database-url=");
    }
    // In one word each: a secret may begin with a dash.
    let secret = format!("--github-webhook-secret={secret}");
    let gateway = [&database[..], &["--ingest-anonymous=true"]].concat();
    let webhooks = [&database[..], &[&secret]].concat();
    let watched = match (logs, &args.gcp_project) {
        (Some(logs), _) => Some(vec![
            format!("--gcp-project={}", demo::deploys::PROJECT),
            format!("--logging-endpoint={}", logs.endpoint()),
            "--logging-anonymous".to_owned(),
            "--every=2s".to_owned(),
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

/// The host by which this machine reaches itself.
fn reachable(host: &str) -> &str {
    match host {
        "127.0.0.1" | "0.0.0.0" | "::" | "::1" => "localhost",
        other => other,
    }
}

fn loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn folder(path: &Path) -> anyhow::Result<()> {
    // PostgreSQL may run as another user, who has to pass through.
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.with_context(|| format!("the folder {} can't be made: pass --data", path.display()))
}

/// The secret of last time, or a new one.
fn kept_secret(path: &Path) -> anyhow::Result<String> {
    let fail = || format!("the webhook secret in {} can't be kept", path.display());
    match File::open(path) {
        Ok(mut file) => {
            let mut secret = String::new();
            file.read_to_string(&mut secret).with_context(fail)?;
            let secret = secret.trim().to_owned();
            anyhow::ensure!(!secret.is_empty(), "{} is empty: delete it", path.display());
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let secret: String = random::bytes::<20>().iter().map(|byte| format!("{byte:02x}")).collect();
            write_private(path, &secret).with_context(fail)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(fail),
    }
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = open.and_then(|mut file| writeln!(file, "{text}"));
    written.with_context(|| format!("{} can't be written", path.display()))
}
