//! The facts that are read from a delivery, and their conversion to an OASIS event.

use oasis_core::bridge::Mapping;
use oasis_core::cut_text;
use oasis_core::github::Normalised;
use oasis_core::{Channel, DedupKey, Event, Kind, Link, Meta, NewEvent, Prefixes, Source, Status, Task, Ts};
use ring::digest;

use super::json::{Login, Repository, Text};
use super::workloads::ForWorkloads;
use crate::modules::Modules;

/// The configuration for reading deliveries.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The prefixes that mark a VTID in a title, a branch or a commit message.
    pub prefixes: Prefixes,
    /// The module of each repository.
    pub modules: Modules,
    /// The workloads of each repository.
    pub resources: Mapping,
}

/// The facts that one delivery contains.
pub(super) struct Facts<'a> {
    pub(super) state: Normalised,
    /// When the event happened, if the payload has a usable time.
    pub(super) ts: Option<Ts>,
    pub(super) link: Option<Link>,
    /// The texts that may contain a VTID. The event gets the VTID of the first text that has a VTID. Commit
    /// messages are searched last.
    pub(super) places: Vec<(Place, Option<Text<'a>>)>,
    pub(super) action: Option<Text<'a>>,
    pub(super) repository: Option<Repository<'a>>,
    pub(super) actor: Option<Login<'a>>,
    /// The fields of `meta` that only some events have.
    pub(super) meta: Meta,
    /// What the delivery means for the workloads of its repository. `None` if it means nothing for them.
    pub(super) workloads: Option<ForWorkloads<'a>>,
}

/// The place where a VTID was found, for `meta.vtid_from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    PrTitle,
    Branch,
    CommitMessage,
    Tag,
    ReleaseName,
}

impl Place {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PrTitle => "pr_title",
            Self::Branch => "branch",
            Self::CommitMessage => "commit_message",
            Self::Tag => "tag",
            Self::ReleaseName => "release_name",
        }
    }
}

impl Facts<'_> {
    /// Makes the event of the delivery, and the resource events of the repository's workloads.
    pub(super) fn into_events(
        self,
        event_name: &str,
        payload: &[u8],
        rules: &Rules,
        received: Ts,
    ) -> (NewEvent, Vec<NewEvent>) {
        // Commit messages are searched last. The title of a run that a push started is also a commit message.
        let mut places = self.places;
        places.sort_by_key(|(place, _)| *place == Place::CommitMessage);
        let found = places.iter().find_map(|(place, text)| {
            let vtid = rules.prefixes.find(text.as_deref()?)?;
            Some((*place, vtid))
        });
        let (place, vtid) = found.unzip();
        let full_name = self.repository.as_ref().and_then(|repository| repository.full_name.as_deref());
        let meta = self
            .meta
            .with("repository", cut(full_name))
            .with("action", cut(self.action.as_deref()))
            .with("actor", cut(self.actor.as_ref().and_then(|actor| actor.login.as_deref())))
            .with("vtid_from", place.map(Place::as_str));
        let event = Event {
            ts: self.ts.unwrap_or(received),
            task: Task::from(vtid),
            layer_hint: None,
            module: rules.modules.of(full_name),
            source: Source::GithubActions,
            kind: Kind::from_name(event_name),
            status: self.state.status,
            link: self.link,
        };
        // This key is always valid, because it has a known event name and 64 hex digits.
        let digest = digest::digest(&digest::SHA256, payload);
        let dedup_key = DedupKey::of_digest("github", &format!("{event_name}:"), digest.as_ref()).ok();
        let new = NewEvent { event, channel: Channel::devhub(), meta, dedup_key };
        let resources =
            self.workloads.zip(full_name).map(|(ForWorkloads { report, workflow }, full_name)| {
                let workloads = rules.resources.of_repository(full_name, workflow.as_deref());
                report.events(&new, &workloads, |text| digest::digest(&digest::SHA256, text))
            });
        (new, resources.unwrap_or_default())
    }
}

/// The state of an event whose status is always known.
pub(super) const fn known(status: Status) -> Normalised {
    Normalised { status, known: true }
}

/// Returns the first valid link of `candidates`. Some candidates are not valid, because GitHub also sends
/// empty strings, and users choose some of these URLs.
pub(super) fn first_link<const N: usize>(candidates: [Option<&str>; N]) -> Option<Link> {
    candidates.into_iter().flatten().find_map(|text| Link::parse(text).ok())
}

/// Cuts a name to the size limit of names in `meta`.
pub(super) fn cut(text: Option<&str>) -> Option<&str> {
    text.map(|text| cut_text(text, 256))
}

/// Returns the first line of `text`, cut to the size limit of titles in `meta`. The title of a pull request
/// has at most 256 characters.
pub(super) fn headline(text: Option<&str>) -> Option<&str> {
    text.and_then(|text| text.lines().next()).map(|line| cut_text(line, 1_024))
}
