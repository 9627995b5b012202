//! An event as the statement takes it: with everything that is computed from its fields, once.

use oasis_core::{Channel, DedupKey, Event, Link, NewEvent};

/// An event that is ready to be appended. Its title, its reference and the text of its `meta` are built here
/// and nowhere else.
#[derive(Debug)]
pub struct PreparedEvent {
    event: Event,
    channel: Channel,
    dedup_key: Option<DedupKey>,
    title: String,
    reference: String,
    /// JSON text: while the event waits, it takes no more memory than that.
    meta: String,
}

impl From<NewEvent> for PreparedEvent {
    fn from(NewEvent { event, channel, meta, dedup_key }: NewEvent) -> Self {
        let (title, reference) = (event.title(), event.reference());
        Self { event, channel, dedup_key, title, reference, meta: meta.to_json() }
    }
}

impl PreparedEvent {
    /// The event itself.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// The title of the event.
    pub fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn reference(&self) -> &str {
        &self.reference
    }

    pub(super) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(super) fn meta(&self) -> &str {
        &self.meta
    }

    pub(super) fn dedup_key(&self) -> Option<&str> {
        self.dedup_key.as_ref().map(DedupKey::as_str)
    }

    pub(super) fn link(&self) -> Option<&str> {
        self.event.link.as_ref().map(Link::as_str)
    }

    /// About how many bytes it holds while it waits.
    pub(super) fn weight(&self) -> usize {
        512 + self.meta.len() + self.link().map_or(0, str::len) + self.dedup_key().map_or(0, str::len)
    }
}
