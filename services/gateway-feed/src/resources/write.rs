//! Writes resource events: one flat object or an array. Either all events of a request are stored, or none.

use jiff::Timestamp;
use oasis_core::resource::{RESOURCES, ResourceEvent};
use oasis_core::{NewEvent, Ts, parse_unique_json};
use oasis_service::{ApiError, Query, Request, RequestContext, Response};
use serde_json::Value;
use tokio::time::Instant;

use super::requests::{AGAIN, Resources};
use crate::access::{Caller, PrivateStream};
use crate::ingest::{ItemWords, KeyScope, Refusal, idempotency_key, items, json_body, store_items};

/// The maximum size of the body of a request, in bytes.
const MOST_BYTES: usize = 20 << 20;
/// The words for events in errors.
const WORDS: ItemWords = ItemWords { one: "event", bad: "bad_event", too_many: "too_many_events" };

impl Resources {
    /// Stores the events of a request.
    ///
    /// # Errors
    /// 400 or 413 for a bad body; 403 if the caller may not write; 415 if the body is not JSON; 503 if the
    /// table cannot be read or written.
    pub(crate) async fn write(
        &self,
        caller: Caller<'_>,
        request: Request,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        caller.check_service(PrivateStream::Resources)?;
        Query::parse(request.uri().query(), &[])?;
        let key = idempotency_key(request.headers())?;
        let body = json_body(request, context, MOST_BYTES).await?;
        // The time limit of the append does not include the time that a slow client needs for its body.
        let arrived = Instant::now();
        let now = Ts::clamped(Timestamp::now());
        let mut events = items(&body, &WORDS, |text| event(text, now)).await?;
        drop(body);
        self.fill(&mut events, caller.lane()).await?;
        let accepted = events.len();
        let mut rows: Vec<NewEvent> = Vec::with_capacity(accepted);
        for (nth, event) in events.into_iter().enumerate() {
            let at = if accepted == 1 { String::new() } else { format!("event {nth}: ") };
            let row = event.into_event(None);
            rows.push(row.map_err(|why| ApiError::bad_request(WORDS.bad, format!("{at}{why}")))?);
        }
        if let Some(key) = key {
            let scope = KeyScope { prefix: (RESOURCES, "event:"), target: "", caller: &caller, key: &key };
            // These ids may have been filled from other events when the request was sent before.
            scope.give(&self.store, &mut rows, &["project_id", "cluster_id"]).await?;
        }
        store_items(&self.appender.of(caller.lane()), rows, arrived, AGAIN).await
    }
}

fn event(text: &[u8], now: Ts) -> Result<ResourceEvent, Refusal> {
    match parse_unique_json(text) {
        Ok(Value::Object(fields)) => {
            // Programs that send events of other kinds often use this path by mistake.
            let is_other = !fields.contains_key("event_type") && fields.contains_key("vtid");
            ResourceEvent::read(fields, now).map_err(|why| Refusal {
                message: why.to_string(),
                hint: is_other.then(|| "events of other kinds go to POST /events/ingest".into()),
            })
        }
        Ok(_) => Err(Refusal::new("expected an event, which is a JSON object")),
        Err(why) => Err(Refusal::new(why.to_string())),
    }
}
