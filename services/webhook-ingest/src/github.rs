//! Reads a delivery of GitHub's: the event's name and its JSON in, an OASIS event out. Pure.
//!
//! What stands where in a payload, which VTID wins and which time counts is said beside each event, in the
//! files below; a new event is one arm of the match in [`read`].

mod code;
mod deployments;
mod hook;
mod json;
mod runs;

use oasis_core::github::Normalised;
use oasis_core::{
    Channel, DedupKey, Event, Kind, Link, Meta, NewEvent, Prefixes, Source, Status, Task, Ts, Vtid,
};
use ring::digest;

use crate::modules::Modules;
use json::{Login, Object, Repository, Text};

/// What a delivery is read by, besides GitHub's own vocabulary.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The prefixes that make a VTID in a title, a branch or a commit message.
    pub prefixes: Prefixes,
    /// The module of each repository.
    pub modules: Modules,
}

/// What a delivery says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// An event to store.
    Event {
        /// The event, with the key that makes the same event name and the same bytes one event.
        new: Box<NewEvent>,
        /// False when GitHub used a word for a state that this version has not heard of, or gave a completed
        /// run no conclusion; such an event is stored as `info`.
        state_known: bool,
    },
    /// An event that the feed does not show.
    Ignored,
}

/// A payload that is not what GitHub sends. The message names the place and never quotes the payload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the payload cannot be read: {0}")]
pub struct Unreadable(String);

/// Reads the JSON `payload` of a delivery of `event_name` that arrived at `received`, which is the event's time
/// where the payload gives none that can be used.
///
/// # Errors
/// When the payload is not a JSON object, or an event that is shown lacks what makes it that event or has a value
/// of the wrong type, a lone surrogate or a NUL in a field that is used.
pub fn read(event_name: &str, payload: &[u8], rules: &Rules, received: Ts) -> Result<Reading, Unreadable> {
    let facts = match event_name {
        "workflow_run" => runs::workflow_run(json::parse(payload)?),
        "workflow_job" => runs::workflow_job(json::parse(payload)?),
        "check_run" => runs::check_run(json::parse(payload)?),
        "check_suite" => runs::check_suite(json::parse(payload)?),
        "pull_request" => code::pull_request(json::parse(payload)?),
        "push" => code::push(json::parse(payload)?),
        "create" | "delete" => code::create_or_delete(json::parse(payload)?),
        "release" => code::release(json::parse(payload)?),
        "deployment" => deployments::deployment(json::parse(payload)?),
        "deployment_status" => deployments::deployment_status(json::parse(payload)?),
        "ping" => hook::ping(json::parse(payload)?),
        _ => return json::parse::<Object>(payload).map(|Object {}| Reading::Ignored),
    };
    let state_known = facts.state.known;
    let new = Box::new(facts.into_event(event_name, payload, rules, received));
    Ok(Reading::Event { new, state_known })
}

/// What the rules of one event take from a delivery of it.
struct Facts<'a> {
    state: Normalised,
    /// When it happened, if the payload has a time that can be used.
    ts: Option<Ts>,
    link: Option<Link>,
    /// Where a VTID may stand, the first place first.
    places: Vec<(Place, Option<Text<'a>>)>,
    action: Option<Text<'a>>,
    repository: Option<Repository<'a>>,
    actor: Option<Login<'a>>,
    /// What only this event says.
    meta: Meta,
}

/// Where a VTID was found: `meta.vtid_from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
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
    fn into_event(self, event_name: &str, payload: &[u8], rules: &Rules, received: Ts) -> NewEvent {
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
const fn known(status: Status) -> Normalised {
    Normalised { status, known: true }
}

/// The first of `candidates` that is a link. GitHub sends empty strings too, and users choose some of these URLs.
fn first_link<const N: usize>(candidates: [Option<&str>; N]) -> Option<Link> {
    candidates.into_iter().flatten().find_map(|text| Link::parse(text).ok())
}

/// A name as `meta` keeps it; GitHub's own limits are lower.
fn cut(text: Option<&str>) -> Option<&str> {
    text.map(|text| printed(text, 256))
}

/// The title in `text`, its first line, as `meta` keeps it: a pull request's has at most 256 characters.
fn headline(text: Option<&str>) -> Option<&str> {
    text.and_then(|text| text.lines().next()).map(|line| printed(line, 1_024))
}

/// The beginning of `text` that takes at most `most` bytes as JSON, so that no payload outgrows the bound of `meta`.
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
