//! `ping`: the event that GitHub sends for a new hook. The ping of an organisation's hook has no repository.

use oasis_core::{Meta, Status};
use serde::Deserialize;

use super::facts::{Facts, cut, first_link, known};
use super::json::{self, Login, Moment, Repository, Text};

#[derive(Deserialize)]
pub(super) struct Ping<'a> {
    #[serde(borrow)]
    hook: Option<Hook<'a>>,
    repository: Option<Repository<'a>>,
    sender: Option<Login<'a>>,
}

#[derive(Deserialize)]
struct Hook<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    updated_at: Option<Moment>,
    created_at: Option<Moment>,
}

/// Reads a `ping` event. Each field comes from its first usable source:
///
/// - VTID: none
/// - `ts`: the hook's `updated_at`, `created_at`
/// - link: the repository
pub(super) fn ping(ping: Ping<'_>) -> Facts<'_> {
    let hook = ping.hook.as_ref();
    Facts {
        state: known(Status::Info),
        ts: Moment::first([hook.and_then(|hook| hook.updated_at), hook.and_then(|hook| hook.created_at)]),
        link: first_link([json::page(ping.repository.as_ref())]),
        places: Vec::new(),
        action: None,
        meta: Meta::default().with("name", cut(hook.and_then(|hook| hook.name.as_deref()))),
        repository: ping.repository,
        actor: ping.sender,
        workloads: None,
    }
}
