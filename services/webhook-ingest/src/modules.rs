//! Parses `GITHUB_MODULES`, which maps repositories to modules.

use std::str::FromStr;

use oasis_core::{Invalid, Module};

/// The modules of repositories, for example `owner/repo=GATEWAY,other/*=repository`. An entry with the exact
/// name has precedence over an owner's `*`. If several entries of the same kind match, the first one is used.
/// A repository without an entry gets `CORE`. As on GitHub, the case of owners and names does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    owner: Box<str>,
    /// `None` means all repositories of the owner.
    name: Option<Box<str>>,
    /// `None` means that the module is named after the repository.
    module: Option<Module>,
}

impl Modules {
    /// Returns the module of the repository `full_name` (`owner/name`). An event without a repository gets
    /// `CORE`.
    pub fn of(&self, full_name: Option<&str>) -> Module {
        let Some((owner, name)) = full_name.and_then(|full_name| full_name.split_once('/')) else {
            return Module::core();
        };
        let mut of_owner = self.0.iter().filter(|entry| entry.owner.eq_ignore_ascii_case(owner));
        let exact =
            |entry: &&Entry| entry.name.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(name));
        let entry = of_owner.clone().find(exact).or_else(|| of_owner.find(|entry| entry.name.is_none()));
        match entry {
            None => Module::core(),
            Some(entry) => entry.module.clone().unwrap_or_else(|| Module::from_name(name)),
        }
    }
}

impl FromStr for Modules {
    type Err = Invalid;

    fn from_str(list: &str) -> Result<Self, Invalid> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(Entry::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl Entry {
    fn parse(text: &str) -> Result<Self, Invalid> {
        let expected =
            || Invalid::new(format!("{text:?}: expected owner/repo=MODULE, or owner/*=repository"));
        let (repository, module) = text.split_once('=').ok_or_else(expected)?;
        let (owner, name) = repository.trim().split_once('/').ok_or_else(expected)?;
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !plain(owner) || !(name == "*" || plain(name)) {
            return Err(expected());
        }
        Ok(Self {
            owner: owner.into(),
            name: (name != "*").then(|| name.into()),
            module: match module.trim() {
                "repository" => None,
                module => Some(Module::parse(module)?),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_name_has_precedence_over_a_wildcard_and_the_default_is_core() {
        let modules: Modules =
            "exafy-io/*=repository, Exafy-IO/web=CONSOLE,exafy-io/web=LATE,other/x=Y,".parse().unwrap();
        for (repository, module) in [
            (Some("exafy-io/web"), "CONSOLE"),
            (Some("EXAFY-IO/WEB"), "CONSOLE"),
            (Some("exafy-io/vitana.platform"), "VITANA-PLATFORM"),
            (Some("other/x"), "Y"),
            (Some("other/y"), "CORE"),
            (Some("nonsense"), "CORE"),
            (None, "CORE"),
        ] {
            assert_eq!(modules.of(repository).as_str(), module, "{repository:?}");
        }
        assert_eq!("".parse(), Ok(Modules::default()));
    }

    #[test]
    fn the_error_names_a_bad_entry() {
        for bad in ["web", "a/b", "a=B", "/b=B", "a/=B", "*/b=B", "a/b/c=B", "a/b=web", "a/b=", "a b/c=D"] {
            assert!(bad.parse::<Modules>().is_err(), "{bad}");
        }
        let error = "a/b=C,x/y".parse::<Modules>().unwrap_err().to_string();
        assert!(error.contains("\"x/y\""), "{error}");
    }
}
