//! The events that the bench sends through the gateway and its peers. Each event has ten fields, about 300
//! bytes as JSON, and a unique number. Every server gets the same events.
//!
//! The number of an event determines all values that a filter can match. So the bench can compute which
//! events a filter matches.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

/// The mark: bytes that every event contains once. A server sends these bytes only in events.
pub(crate) const MARK: &[u8] = b"\"vtid\":\"BENCH-";
/// A link without the number of the event at its end.
pub(crate) const LINK: &str = "https://github.com/example/devhub/actions/runs/";
/// The text that comes before the number of an event. It is the end of [`LINK`].
const NUMBER_AFTER: &[u8] = b"/actions/runs/";
const NUMBER_DIGITS: usize = 10;

const VTIDS: u64 = 200;
const KINDS: u64 = 20;
const STATUSES: [&str; 6] = ["queued", "in_progress", "success", "failure", "cancelled", "info"];
const SOURCES: [&str; 4] = ["oasis.events", "github.actions", "gcp.deploy", "agent.ping"];
const MODULES: u64 = 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) number: u64,
    vtid: String,
    module: String,
    source: &'static str,
    kind: String,
    status: &'static str,
}

impl Event {
    pub(crate) fn new(number: u64) -> Self {
        let mut rest = spread(number);
        let mut draw = |of: u64| {
            let drawn = rest % of;
            rest /= of;
            drawn
        };
        Self {
            number,
            vtid: vtid(draw(VTIDS)),
            module: module(draw(MODULES)),
            source: SOURCES[draw(SOURCES.len() as u64) as usize],
            kind: kind(draw(KINDS)),
            status: STATUSES[draw(STATUSES.len() as u64) as usize],
        }
    }

    fn title(&self) -> String {
        format!("CICDL-{}-{}", self.module, self.kind.to_uppercase().replace(['_', '.'], "-"))
    }

    fn reference(&self) -> String {
        format!("vt/{}-{}", self.vtid, self.kind.replace(['_', '.'], "-"))
    }

    fn link(&self) -> String {
        format!("{LINK}{:010}", self.number)
    }

    /// The event as JSON, with the same fields as in the feed. The peers get the event in this form.
    pub(crate) fn json(&self) -> String {
        format!(
            "{{\"ts\":\"2026-01-02T03:04:05.678Z\",\"vtid\":\"{}\",\"layer\":\"CICDL\",\"module\":\"{}\",\
             \"source\":\"{}\",\"kind\":\"{}\",\"status\":\"{}\",\"title\":\"{}\",\"ref\":\"{}\",\
             \"link\":\"{}\"}}",
            self.vtid,
            self.module,
            self.source,
            self.kind,
            self.status,
            self.title(),
            self.reference(),
            self.link()
        )
    }
}

/// The number of the event in `json`.
pub(crate) fn number_of(json: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(json, NUMBER_AFTER)? + NUMBER_AFTER.len();
    std::str::from_utf8(json.get(at..at + NUMBER_DIGITS)?).ok()?.parse().ok()
}

/// A filter: the values that certain fields of an event must have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    terms: Vec<(&'static str, String)>,
}

impl Filter {
    pub(crate) fn accepts(&self, event: &Event) -> bool {
        self.terms.iter().all(|(field, value)| {
            *value
                == match *field {
                    "vtid" => event.vtid.as_str(),
                    "module" => event.module.as_str(),
                    "source" => event.source,
                    "kind" => event.kind.as_str(),
                    _ => event.status,
                }
        })
    }

    /// The filter as a query string for the feed, including the question mark.
    pub(crate) fn query(&self) -> String {
        let terms: Vec<String> = self.terms.iter().map(|(field, value)| format!("{field}={value}")).collect();
        format!("?{}", terms.join("&"))
    }

    /// Makes `count` distinct filters. Most filters select one task. The others select one kind, or combine
    /// two fields.
    pub(crate) fn distinct(count: u64) -> Vec<Self> {
        let terms = |n: u64| match n % 10 {
            0 => vec![("kind", kind(n / 10))],
            1 => vec![("module", module(n / 10)), ("status", STATUSES[(n / 10) as usize % 6].to_owned())],
            2 => vec![("source", SOURCES[(n / 10) as usize % 4].to_owned()), ("kind", kind(n / 10))],
            3 => vec![("status", STATUSES[(n / 10) as usize % 6].to_owned()), ("vtid", vtid(n))],
            _ => vec![("vtid", vtid(n))],
        };
        (0..count).map(|n| Self { terms: terms(n) }).collect()
    }
}

fn vtid(number: u64) -> String {
    format!("BENCH-CICDL-{:04}", number % VTIDS)
}

fn kind(number: u64) -> String {
    format!("pipeline.step_{:02}", number % KINDS)
}

fn module(number: u64) -> String {
    format!("SERVICE-{:02}", number % MODULES)
}

/// Maps consecutive numbers to values that look random. The same number always gives the same value.
fn spread(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

/// Appends events to the table in one database session.
pub(crate) struct Inserts<'a> {
    client: &'a Client,
    statement: Statement,
}

impl<'a> Inserts<'a> {
    pub(crate) async fn prepare(client: &'a Client) -> anyhow::Result<Self> {
        let sql = "INSERT INTO public.oasis_events \
                   (ts, vtid, layer, module, source, kind, status, title, ref, link) \
                   SELECT clock_timestamp(), vtid, 'CICDL', module, source, kind, status, title, ref, link \
                   FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], \
                               $5::text[], $6::text[], $7::text[], $8::text[]) \
                   AS rows (vtid, module, source, kind, status, title, ref, link)";
        Ok(Self { client, statement: client.prepare(sql).await? })
    }

    /// Appends the events in the given order, with one statement in one transaction.
    pub(crate) async fn append(&self, events: &[Event]) -> anyhow::Result<()> {
        let column = |of: fn(&Event) -> String| events.iter().map(of).collect::<Vec<String>>();
        let columns = [
            column(|event| event.vtid.clone()),
            column(|event| event.module.clone()),
            column(|event| event.source.to_owned()),
            column(|event| event.kind.clone()),
            column(|event| event.status.to_owned()),
            column(Event::title),
            column(Event::reference),
            column(Event::link),
        ];
        let params = columns.each_ref().map(|column| column as &(dyn ToSql + Sync));
        self.client.execute(&self.statement, &params).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_of_an_event_has_about_300_bytes_one_mark_and_the_number() {
        let json = Event::new(1_234).json();
        assert!((280..340).contains(&json.len()), "{} bytes: {json}", json.len());
        assert_eq!(memchr::memmem::find_iter(json.as_bytes(), MARK).count(), 1);
        assert_eq!(number_of(json.as_bytes()), Some(1_234));
        assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
    }

    #[test]
    fn filters_are_distinct_and_match_few_events() {
        let filters = Filter::distinct(100);
        let mut queries: Vec<String> = filters.iter().map(Filter::query).collect();
        queries.sort();
        queries.dedup();
        assert_eq!(queries.len(), 100);
        let events: Vec<Event> = (0..10_000).map(Event::new).collect();
        for filter in &filters {
            let matched = events.iter().filter(|event| filter.accepts(event)).count();
            assert!(matched < 700, "{}: {matched}", filter.query());
        }
    }
}
