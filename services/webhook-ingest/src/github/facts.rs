//! What the rules of every event have in common: the facts that they take from a delivery, and how these
//! become an event.

use oasis_core::github::Normalised;
use oasis_core::{
    Channel, DedupKey, Event, Kind, Link, Meta, NewEvent, Prefixes, Source, Status, Task, Ts, Vtid,
};
use ring::digest;

use super::json::{Login, Repository, Text};
use crate::modules::Modules;

/// What a delivery is read by, besides GitHub's own vocabulary.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The prefixes that make a VTID in a title, a branch or a commit message.
    pub prefixes: Prefixes,
    /// The module of each repository.
    pub modules: Modules,
}

/// What the rules of one event take from a delivery of it.
pub(super) struct Facts<'a> {
    pub(super) state: Normalised,
    /// When it happened, if the payload has a time that can be used.
    pub(super) ts: Option<Ts>,
    pub(super) link: Option<Link>,
    /// Where a VTID may stand, the first place first.
    pub(super) places: Vec<(Place, Option<Text<'a>>)>,
    pub(super) action: Option<Text<'a>>,
    pub(super) repository: Option<Repository<'a>>,
    pub(super) actor: Option<Login<'a>>,
    /// What only this event says.
    pub(super) meta: Meta,
}

/// Where a VTID was found: `meta.vtid_from`.
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
    pub(super) fn into_event(
        self,
        event_name: &str,
        payload: &[u8],
        rules: &Rules,
        received: Ts,
    ) -> NewEvent {
        let found = self.places.iter().find_map(|(place, text)| {
            let vtid = Vtid::find(text.as_deref()?, &rules.prefixes)?;
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
        // A name of the closed set and 64 hex digits are within what a key may be, so there always is one.
        let digest = digest::digest(&digest::SHA256, payload);
        let dedup_key = DedupKey::of_digest("github", &format!("{event_name}:"), digest.as_ref()).ok();
        NewEvent { event, channel: Channel::devhub(), meta, dedup_key }
    }
}

/// The state of an event whose status depends on no word of GitHub's that could be new.
pub(super) const fn known(status: Status) -> Normalised {
    Normalised { status, known: true }
}

/// The first of `candidates` that is a link. GitHub sends empty strings too, and users choose some of these
/// URLs.
pub(super) fn first_link<const N: usize>(candidates: [Option<&str>; N]) -> Option<Link> {
    candidates.into_iter().flatten().find_map(|text| Link::parse(text).ok())
}

/// A name as `meta` keeps it; GitHub's own limits are lower.
pub(super) fn cut(text: Option<&str>) -> Option<&str> {
    text.map(|text| printed(text, 256))
}

/// The title in `text`, its first line, as `meta` keeps it: a pull request's has at most 256 characters.
pub(super) fn headline(text: Option<&str>) -> Option<&str> {
    text.and_then(|text| text.lines().next()).map(|line| printed(line, 1_024))
}

/// The beginning of `text` that takes at most `most` bytes as JSON, so that no payload outgrows the bound of
/// `meta`.
fn printed(text: &str, most: usize) -> &str {
    let mut size = 0;
    let over = text.char_indices().find(|(_, c)| {
        size += match c {
            '"' | '\\' => 2,
            c if c.is_control() => 6,
            c => c.len_utf8(),
        };
        size > most
    });
    over.map_or(text, |(end, _)| &text[..end])
}
