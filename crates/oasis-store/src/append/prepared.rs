//! [`PreparedEvent`]: an event with its computed fields, ready for the append statement.

use oasis_core::{Channel, DedupKey, Event, Link, NewEvent};

/// An event that is ready to be appended. Its title, its reference and the text of its `meta` are built only
/// once.
#[derive(Debug)]
pub struct PreparedEvent {
    event: Event,
    channel: Channel,
    dedup_key: Option<DedupKey>,
    title: String,
    reference: String,
    /// The `meta` is kept as JSON text, because the text needs less memory than the parsed value while the
    /// event waits.
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

    /// The approximate memory of the event while it waits, in bytes.
    pub(super) fn weight(&self) -> usize {
        512 + self.meta.len() + self.link().map_or(0, str::len) + self.dedup_key().map_or(0, str::len)
    }
}
