//! Decides what `oasis doctor` checks: from the flags, the environment, and the folder of `oasis up`.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use oasis_service::Secret;
use oasis_service::client::Base;

use super::args::Args;
use crate::running::Found;

/// A secret setting that a flag, a variable or a file may give.
#[derive(Debug)]
pub(super) enum Setting {
    /// The value, and the name of the variable or the file that gave it.
    Given { value: Secret, by: String },
    /// Nothing gives the setting.
    Missing,
    /// The file that should give the setting cannot be used, for this reason.
    Unreadable(String),
}

/// The address of a service.
#[derive(Debug)]
pub(super) enum Address {
    /// The service must answer at this address.
    Required(Base),
    /// The default address of a service that not everyone needs.
    Optional(Base),
    /// Neither a flag nor the address of the gateway gives the address.
    Unknown,
}

/// The addresses and the settings that the checks use.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) gateway: Address,
    pub(super) webhooks: Address,
    pub(super) deploys: Address,
    pub(super) database_url: Setting,
    pub(super) webhook_secret: Setting,
    pub(super) ingest_token: Option<Secret>,
}

impl Setup {
    /// Decides what to check. `gateway` is the address of the gateway, and `up` is the running `oasis up`.
    pub(super) fn new(args: Args, gateway: &Base, up: Option<Found>) -> Self {
        let up = up.filter(|up| up.gateway == *gateway);
        // Without a running `oasis up`, the settings come from the files of the last run.
        let last = |name: &str| gateway.is_loopback().then(|| args.data.join(name));
        let (database_url, webhook_secret) = match &up {
            Some(up) => (up.database_url.clone(), up.webhook_secret.clone()),
            None => (last("database-url"), last("webhook-secret")),
        };
        let webhooks = args.webhook_url.or(up.as_ref().map(|up| up.webhooks.clone()));
        let webhooks = webhooks.or_else(|| after(gateway, 1));
        let deploys = match args.deploys_url {
            Some(base) => Address::Required(base),
            None => after(gateway, 2).map_or(Address::Unknown, Address::Optional),
        };
        let mut database = setting(args.database_url, "DATABASE_URL", database_url);
        if matches!((&database, &up), (Setting::Missing, Some(_))) {
            let why = "the running `oasis up` has a database of your own: set DATABASE_URL to its URL";
            database = Setting::Unreadable(why.to_owned());
        }
        Self {
            webhooks: webhooks.map_or(Address::Unknown, Address::Required),
            deploys,
            gateway: Address::Required(gateway.clone()),
            database_url: database,
            webhook_secret: setting(args.secret, "GITHUB_WEBHOOK_SECRET", webhook_secret),
            ingest_token: args.ingest_token,
        }
    }
}

/// A setting from a flag or a variable, or else from a file of `oasis up`.
fn setting(given: Option<Secret>, variable: &str, file: Option<PathBuf>) -> Setting {
    if let Some(value) = given {
        return Setting::Given { value, by: variable.to_owned() };
    }
    let Some(path) = file else { return Setting::Missing };
    let by = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) if text.contains("://") && !is_private(text.trim()) => Setting::Unreadable(format!(
            "{by} does not name a database that `oasis up` started: to use its URL, set {variable}"
        )),
        Ok(text) => Setting::Given { value: text.trim().to_owned().into(), by },
        Err(error) if error.kind() == ErrorKind::NotFound => Setting::Missing,
        Err(error) => Setting::Unreadable(format!("{by} cannot be read: {error}")),
    }
}

/// Whether a URL has the form that `oasis up` writes: a database on this machine. The file with the URL may
/// come from a repository that the user cloned, so the URL must not name another machine or files with
/// passwords.
fn is_private(url: &str) -> bool {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let host = address.rsplit_once('@').map_or("", |(_, host)| host);
    host.starts_with("127.0.0.1:") && matches!(query, "" | "sslmode=disable")
}

/// The same address with a higher port. `oasis up` uses consecutive ports, and so do the default ports of the
/// services. Another machine, or an address with a path, may be a proxy, so nothing follows from its port.
fn after(base: &Base, steps: u16) -> Option<Base> {
    let port = base.port().checked_add(steps)?;
    (base.is_loopback() && base.path().is_empty()).then(|| base.with_port(port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Base {
        text.parse().unwrap()
    }

    #[test]
    fn the_other_services_of_this_machine_use_the_next_ports() {
        let next = |text: &str| after(&base(text), 1).map(|base| base.to_string());
        assert_eq!(next("http://localhost:8080").as_deref(), Some("http://localhost:8081"));
        assert_eq!(next("http://[::1]:9000").as_deref(), Some("http://[::1]:9001"));
        for unknown in ["https://oasis.example", "http://localhost:8080/hub", "http://localhost:65535"] {
            assert_eq!(next(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_setting_comes_from_the_variable_or_else_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| Some(folder.path().join(name));
        fs::write(folder.path().join("file"), "from the file\n").unwrap();
        let of = |given: Option<&str>, file: Option<PathBuf>| match setting(
            given.map(|text| text.to_owned().into()),
            "VARIABLE",
            file,
        ) {
            Setting::Given { value, by } => format!("{} {}", by, value.expose()),
            Setting::Missing => "missing".to_owned(),
            Setting::Unreadable(why) => why,
        };
        assert_eq!(of(Some("given"), file("file")), "VARIABLE given");
        assert!(of(None, file("file")).ends_with("/file from the file"));
        assert_eq!(of(None, file("other")), "missing");
        assert_eq!(of(None, None), "missing");
        assert!(of(None, file("")).contains("cannot be read"));
    }
}
