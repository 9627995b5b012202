//! Finds the address of a service: from a flag, a variable, the running `oasis up`, or the default.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use oasis_core::chain;
use oasis_service::Secret;
use oasis_service::client::{self as http, Base, ClientError, Sender};

use crate::output::{Usage, notice};
use crate::running::{self, Found, Search};

/// The flag for the address of gateway-feed.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct GatewayUrl {
    /// Address of gateway-feed, such as localhost:8080; by default, the `oasis up` that runs in this folder
    /// or a folder above it, or else http://localhost:8080
    #[arg(long, env = "OASIS_URL", value_name = "URL")]
    url: Option<Base>,
}

impl GatewayUrl {
    /// Finds the address.
    ///
    /// # Errors
    /// The current folder is unknown.
    pub(crate) async fn find(&self) -> anyhow::Result<Address> {
        self.address(if self.url.is_some() { Search::default() } else { search().await? })
    }

    /// Finds the address, and the running `oasis up` if its gateway has this address.
    ///
    /// # Errors
    /// The current folder is unknown.
    pub(crate) async fn find_with_up(&self) -> anyhow::Result<(Address, Option<Found>)> {
        let search = search().await?;
        let up = search.found.clone();
        let address = self.address(search)?;
        let up = up.filter(|up| is_same(&up.gateway, &address.base));
        Ok((address, up))
    }

    fn address(&self, search: Search) -> anyhow::Result<Address> {
        let service = Service::Gateway;
        Ok(match (&self.url, search.found) {
            (Some(base), _) => Address { base: base.clone(), service, origin: Origin::Given },
            (None, Some(up)) => Address { base: up.gateway, service, origin: Origin::Running(up.file) },
            (None, None) => Address::default_of(service, Search { found: None, ..search })?,
        })
    }
}

/// The flags for the address of webhook-ingest and for its secret.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Webhooks {
    /// Address of webhook-ingest, such as localhost:8081; by default, the port after the one in OASIS_URL, or
    /// the `oasis up` that runs in this folder or a folder above it, or else http://localhost:8081
    #[arg(long, env = "OASIS_WEBHOOKS_URL", value_name = "URL")]
    url: Option<Base>,
    #[arg(long, env = "OASIS_URL", value_name = "URL", hide = true)]
    gateway_url: Option<Base>,
    /// Secret with which webhook-ingest checks signatures; by default, the secret of the running `oasis up`
    #[arg(long, env = "GITHUB_WEBHOOK_SECRET", hide_env_values = true)]
    secret: Option<Secret>,
}

impl Webhooks {
    /// Finds the address and the secret.
    ///
    /// # Errors
    /// The secret is not known, or the address cannot be derived from `OASIS_URL`.
    pub(crate) async fn find(&self) -> anyhow::Result<(Address, Secret)> {
        let service = Service::Webhooks;
        let is_given = (self.url.is_some() || self.gateway_url.is_some()) && self.secret.is_some();
        let search = if is_given { Search::default() } else { search().await? };
        let found = search.found.clone();
        let address = match (&self.url, &self.gateway_url, &found) {
            (Some(url), _, _) => Address { base: url.clone(), service, origin: Origin::Given },
            (None, Some(gateway), _) => {
                Address { base: next_port(gateway)?, service, origin: Origin::NextPort }
            }
            (None, None, Some(found)) => {
                let origin = Origin::Running(found.file.clone());
                Address { base: found.webhooks.clone(), service, origin }
            }
            (None, None, None) => Address::default_of(service, search)?,
        };
        let secret = match (&self.secret, found) {
            (Some(secret), _) => secret.clone(),
            (None, Some(found)) if is_same(&found.webhooks, &address.base) => secret_of(&found)?,
            (None, _) => {
                let missing = format!(
                    "no webhook secret for {}: pass --secret, set GITHUB_WEBHOOK_SECRET, or run this command \
                     in the folder of a running `oasis up`",
                    address.base
                );
                return Err(Usage(missing).into());
            }
        };
        Ok((address, secret))
    }
}

/// The address of webhook-ingest: the port after the port of the gateway, on this machine.
fn next_port(gateway: &Base) -> anyhow::Result<Base> {
    let next = gateway.port().checked_add(1).filter(|_| gateway.is_loopback() && gateway.path().is_empty());
    let next = next.ok_or_else(|| {
        Usage(format!(
            "the address of webhook-ingest is not known: OASIS_URL ({gateway}) is the address of \
             gateway-feed. Pass --url or set OASIS_WEBHOOKS_URL"
        ))
    })?;
    Ok(gateway.with_port(next))
}

fn is_same(one: &Base, other: &Base) -> bool {
    one == other || (one.port() == other.port() && one.is_loopback() && other.is_loopback())
}

fn secret_of(found: &Found) -> anyhow::Result<Secret> {
    let Some(file) = &found.webhook_secret else {
        let given = "the running `oasis up` got its webhook secret from a flag or a variable: set \
                     GITHUB_WEBHOOK_SECRET to the same secret";
        return Err(Usage(given.into()).into());
    };
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the webhook secret in {}: pass --secret", file.display()))?;
    Ok(Secret::from(text.trim().to_owned()))
}

async fn search() -> anyhow::Result<Search> {
    let from = env::current_dir().context("the current folder is unknown: pass --url")?;
    Ok(running::search(&from).await)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Gateway,
    Webhooks,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway-feed",
            Self::Webhooks => "webhook-ingest",
        }
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Gateway => "OASIS_URL",
            Self::Webhooks => "OASIS_WEBHOOKS_URL",
        }
    }

    const fn default_address(self) -> &'static str {
        match self {
            Self::Gateway => "http://localhost:8080",
            Self::Webhooks => "http://localhost:8081",
        }
    }
}

/// Where an address comes from.
#[derive(Debug, Clone)]
enum Origin {
    /// From the flag or its variable.
    Given,
    /// From the gateway's address in `OASIS_URL`.
    NextPort,
    /// From the file of a running `oasis up`.
    Running(PathBuf),
    /// There was no other address. The search may have found files of `oasis up` that have ended.
    Default(Vec<(PathBuf, &'static str)>),
}

/// The address of a service, and where the address comes from.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) base: Base,
    service: Service,
    origin: Origin,
}

impl Address {
    fn default_of(service: Service, search: Search) -> anyhow::Result<Self> {
        let base = service.default_address().parse().map_err(|why: String| anyhow!(why))?;
        // The user may believe that the command talks to the `oasis up` of this folder.
        if let Some(folder) = &search.idle {
            notice(format_args!("no `oasis up` runs with {}, so this is {base}", folder.display()));
        }
        Ok(Self { base, service, origin: Origin::Default(search.rejected) })
    }

    /// Connects to the service.
    ///
    /// # Errors
    /// The service does not answer. The message says which address was tried, why, and what to do.
    pub(crate) async fn connect(&self) -> anyhow::Result<Sender> {
        http::connect(&self.base).await.map_err(|error| self.unanswered(&error))
    }

    /// The error for a service that does not answer.
    pub(crate) fn unanswered(&self, error: &ClientError) -> anyhow::Error {
        anyhow!("{}\n{}", chain(error), self.advice())
    }

    /// Says which address was tried, why this address, and what to do.
    pub(crate) fn advice(&self) -> String {
        let Self { base, service, origin } = self;
        let (name, variable) = (service.name(), service.variable());
        match origin {
            Origin::Given => format!(
                "  tried: {base}, from --url or {variable}\n  \
                 hint: start {name} there, or correct the address"
            ),
            Origin::NextPort => format!(
                "  tried: {base}, the port after the one in OASIS_URL\n  \
                 hint: start `oasis up` there, or pass the address of {name} with --url"
            ),
            Origin::Running(file) => format!(
                "  tried: {base}, from {}\n  hint: the `oasis up` that wrote this file does not answer: \
                 restart it",
                file.display()
            ),
            Origin::Default(rejected) => {
                let files: String = rejected
                    .iter()
                    .map(|(file, why)| format!("\n         {} {why}", file.display()))
                    .collect();
                format!(
                    "  tried: {base}, the default, because neither --url nor {variable} is set, and no \
                     `oasis up`\n         runs in this folder or a folder above it{files}\n  \
                     hint: start `oasis up`, run this command in the folder where it runs, or pass --url"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhooks_of_a_local_gateway_are_on_the_next_port() {
        let next = |text: &str| next_port(&text.parse().unwrap()).map(|base| base.to_string());
        assert_eq!(next("localhost:18080").unwrap(), "http://localhost:18081");
        assert_eq!(next("http://127.0.0.1:9000/").unwrap(), "http://127.0.0.1:9001");
        for far in ["https://oasis.example", "localhost:8080/hub", "localhost:65535"] {
            let error = next(far).unwrap_err();
            assert!(error.is::<Usage>() && error.to_string().contains("OASIS_WEBHOOKS_URL"), "{error}");
        }
    }

    #[test]
    fn names_of_this_machine_are_the_same_host() {
        let same = |one: &str, other: &str| is_same(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(same("localhost:8081", "http://127.0.0.1:8081"));
        assert!(!same("localhost:8081", "localhost:8082"));
        assert!(!same("localhost:8081", "http://oasis.example:8081"));
    }

    #[test]
    fn the_advice_names_each_file_that_was_passed_over() {
        let rejected = vec![(PathBuf::from("/x/.oasis/running.json"), "belongs to another user")];
        let search = Search { rejected, ..Search::default() };
        let advice = Address::default_of(Service::Gateway, search).unwrap().advice();
        assert!(advice.contains("tried: http://localhost:8080, the default"), "{advice}");
        assert!(advice.contains("/x/.oasis/running.json belongs to another user"), "{advice}");
    }
}
