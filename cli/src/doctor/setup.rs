//! Decides what `oasis doctor` checks: from the flags, the environment, and the folder of `oasis up`.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use oasis_service::Secret;
use oasis_service::client::Base;
use url::{Host, Url};

use super::args::Args;

/// A secret setting that a flag, a variable or a file may give.
#[derive(Debug)]
pub(super) enum Setting {
    /// The value, and the name of the variable or the file that gave it.
    Given { value: Secret, by: String },
    /// Nothing gives the setting.
    Missing,
    /// The file that should give the setting cannot be read.
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

/// What is checked, and with which secrets.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) gateway: Address,
    pub(super) webhooks: Address,
    pub(super) deploys: Address,
    pub(super) database_url: Setting,
    pub(super) webhook_secret: Setting,
    pub(super) read_token: Option<Secret>,
    pub(super) ingest_token: Option<Secret>,
}

impl Setup {
    pub(super) fn new(args: Args) -> Self {
        // The folder of `oasis up` has the secrets of this machine's services.
        let data = is_local(&args.url).then_some(args.data.as_path());
        let webhooks = args.webhook_url.or_else(|| after(&args.url, 1));
        let deploys = match args.deploys_url {
            Some(base) => Address::Required(base),
            None => after(&args.url, 2).map_or(Address::Unknown, Address::Optional),
        };
        Self {
            webhooks: webhooks.map_or(Address::Unknown, Address::Required),
            deploys,
            gateway: Address::Required(args.url),
            database_url: setting(args.database_url, "DATABASE_URL", data, "database-url"),
            webhook_secret: setting(args.secret, "GITHUB_WEBHOOK_SECRET", data, "webhook-secret"),
            read_token: args.token,
            ingest_token: args.ingest_token,
        }
    }
}

/// The value of a flag or a variable, or else the content of a file in the folder of `oasis up`.
fn setting(given: Option<Secret>, variable: &str, data: Option<&Path>, file: &str) -> Setting {
    if let Some(value) = given {
        return Setting::Given { value, by: variable.to_owned() };
    }
    let Some(path) = data.map(|data| data.join(file)) else { return Setting::Missing };
    let by = path.display().to_string();
    match fs::read_to_string(&path) {
        Ok(text) => Setting::Given { value: text.trim().to_owned().into(), by },
        Err(error) if error.kind() == ErrorKind::NotFound => Setting::Missing,
        Err(error) => Setting::Unreadable(format!("{by} cannot be read: {error}")),
    }
}

/// Whether only this machine can reach the address.
pub(super) fn is_local(base: &Base) -> bool {
    match parsed(base).as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The same address with a higher port. `oasis up` uses consecutive ports, and so do the default ports of the
/// services. An address without a port or with a path leads through a proxy, so nothing follows from it.
fn after(base: &Base, steps: u16) -> Option<Base> {
    let mut url = parsed(base).filter(|url| url.path() == "/")?;
    let port = url.port()?.checked_add(steps)?;
    url.set_port(Some(port)).ok()?;
    url.as_str().parse().ok()
}

fn parsed(base: &Base) -> Option<Url> {
    base.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Base {
        text.parse().unwrap()
    }

    #[test]
    fn the_other_services_use_the_next_ports_unless_the_address_leads_through_a_proxy() {
        let next = |text: &str| after(&base(text), 1).map(|base| base.to_string());
        assert_eq!(next("http://localhost:8080").as_deref(), Some("http://localhost:8081"));
        assert_eq!(next("http://[::1]:9000").as_deref(), Some("http://[::1]:9001"));
        for proxied in ["https://oasis.example", "http://h:8080/hub", "http://h:65535"] {
            assert_eq!(next(proxied), None, "{proxied}");
        }
    }

    #[test]
    fn only_loopback_addresses_are_local() {
        for (text, local) in [
            ("http://localhost:8080", true),
            ("http://127.0.0.2:8080", true),
            ("http://[::1]:8080", true),
            ("http://10.0.0.1:8080", false),
            ("https://oasis.example", false),
        ] {
            assert_eq!(is_local(&base(text)), local, "{text}");
        }
    }

    #[test]
    fn a_setting_comes_from_the_variable_or_else_from_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "from the file\n").unwrap();
        let of = |given: Option<&str>, data: Option<&Path>, file: &str| match setting(
            given.map(|text| text.to_owned().into()),
            "VARIABLE",
            data,
            file,
        ) {
            Setting::Given { value, by } => format!("{} {}", by, value.expose()),
            Setting::Missing => "missing".to_owned(),
            Setting::Unreadable(why) => why,
        };
        let data = Some(folder.path());
        assert_eq!(of(Some("given"), data, "file"), "VARIABLE given");
        assert!(of(None, data, "file").ends_with("/file from the file"));
        assert_eq!(of(None, data, "other"), "missing");
        assert_eq!(of(None, None, "file"), "missing");
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(of(None, data, "folder").contains("cannot be read"));
    }
}
