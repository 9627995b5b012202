//! Reads stored events from the query API.

use anyhow::Context;
use oasis_core::parse_json;
use serde_json::value::RawValue;

use crate::event::Event;
use crate::filter::Filter;
use crate::gateway::{Reader, query};

/// The maximum number of events of one answer.
pub(crate) const PAGE: usize = 1_000;
/// The maximum size of one answer. An event has at most 16 KiB of `meta` and 4 KiB of other fields.
const MAX_BYTES: usize = PAGE * 20 * 1024 + 1024;

/// A stored event, and its JSON as the gateway sent it.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) json: String,
    pub(crate) event: Event,
}

/// Which stored events to read.
#[derive(Debug, Clone)]
pub(crate) struct Selection<'a> {
    pub(crate) filter: &'a Filter,
    /// Other parameters of the query API, such as `since`.
    pub(crate) parameters: Vec<(&'static str, String)>,
    /// Read only events with higher ids.
    pub(crate) after: u64,
    /// Read only events with lower ids.
    pub(crate) before: Option<u64>,
    /// Read only the newest events, up to this number.
    pub(crate) limit: usize,
}

/// Reads stored events, the oldest first.
///
/// # Errors
/// The gateway does not answer or refuses the request, or the server is not a gateway.
pub(crate) async fn read(gateway: &mut Reader, selection: &Selection<'_>) -> anyhow::Result<Vec<Stored>> {
    let mut events: Vec<Stored> = Vec::new();
    let mut before = selection.before;
    // Usually, few events are new since the last read.
    let mut size = if selection.after > 0 { 50 } else { PAGE };
    loop {
        let wanted = (selection.limit - events.len()).min(size);
        size = PAGE;
        let page = page(gateway, selection, before, wanted).await?;
        let full = page.len() == wanted;
        before = page.last().and_then(|last| last.event.id);
        let fresh = |stored: &Stored| stored.event.id.is_none_or(|id| id > selection.after);
        let known = !page.iter().all(fresh);
        events.extend(page.into_iter().filter(fresh));
        if !full || known || before.is_none() || events.len() >= selection.limit {
            events.reverse();
            return Ok(events);
        }
    }
}

async fn page(
    gateway: &mut Reader,
    selection: &Selection<'_>,
    before: Option<u64>,
    limit: usize,
) -> anyhow::Result<Vec<Stored>> {
    let numbers = [("before", before.map(|id| id.to_string())), ("limit", Some(limit.to_string()))];
    let numbers = numbers.iter().filter_map(|(name, number)| Some((*name, number.as_deref()?)));
    let others = selection.parameters.iter().map(|(name, value)| (*name, value.as_str()));
    let parameters = selection.filter.parameters().into_iter().chain(others).chain(numbers);
    let body = gateway.get(&format!("/api/v1/oasis/events{}", query(parameters)), MAX_BYTES).await?;
    let expected = || gateway.not_a_gateway("a list of events");
    let list: Vec<&RawValue> = serde_json::from_slice(&body).with_context(expected)?;
    list.into_iter()
        .map(|raw| {
            let value = parse_json(raw.get().as_bytes()).with_context(expected)?;
            Ok(Stored { json: raw.get().to_owned(), event: Event::read(&value) })
        })
        .collect()
}
