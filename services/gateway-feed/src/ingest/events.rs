//! Reads the events of one request: one event, or an array of events. Each event has one of four forms. If
//! one event is refused, the whole request is refused.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use hyper::header::{CONTENT_TYPE, HeaderMap};
use oasis_core::ping::{BACK, LOST};
use oasis_core::{NewEvent, Source, Ts, report};
use oasis_service::ApiError;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

use super::fields::Refusal;
use super::form::{self, Form};
use super::items::{ItemWords, Pauses, slices};
use super::json::{check_size, is_array, is_json, object};
use super::{cloud, strict};
use crate::access::Sender;
use crate::agents::Agents;
use crate::turns::{Asker, Cost, Turns};

const WORDS: ItemWords = ItemWords { one: "event", bad: "bad_event", too_many: "too_many_events" };
/// An event with more bytes is large. Most events are smaller, and a `meta` that is stored has no more.
const LARGE_BYTES: usize = 16 << 10;
/// The maximum number of bytes of the requests whose large events wait for their turn.
const MOST_WAITING_BYTES: usize = 64 << 20;
/// The turn to parse a large event. The process parses one large event at a time, because parsed JSON can
/// need a hundred times the memory of its text.
static LARGE: LazyLock<Turns> = LazyLock::new(|| Turns::new(1, MOST_WAITING_BYTES));

/// The events of one request.
pub(super) struct Received {
    pub(super) events: Vec<NewEvent>,
    /// Whether the answer is 201. Clients of some forms expect 200.
    pub(super) created: bool,
}

/// Reads the events of a request as ingest does, from a sender without a token, and without an agent that has
/// sent a ping before.
///
/// # Errors
/// 415 if the request is not JSON; 400 for any other mistake.
pub async fn read_events(headers: &HeaderMap, body: &[u8], now: Ts) -> Result<Vec<NewEvent>, ApiError> {
    let sender = Sender::anyone(IpAddr::from(Ipv4Addr::LOCALHOST));
    Ok(read(headers, body, now, (sender, &Agents::new())).await?.events)
}

/// Reads the events of a request that was received at `now` from a sender. [`Agents`] knows the last ping of
/// each agent.
///
/// # Errors
/// 415 if the request is not JSON; 503 if too many large events wait; 400 for any other mistake. The message
/// names the event and the field.
pub(super) async fn read(
    headers: &HeaderMap,
    body: &[u8],
    now: Ts,
    (sender, agents): (Sender<'_>, &Agents),
) -> Result<Received, ApiError> {
    if Form::is_binary(headers) {
        let event = cloud::binary(headers, body, now).map_err(|refusal| refused(None, &refusal))?;
        let event = signed(sender, event).map_err(|refusal| refused(None, &refusal))?;
        return Ok(Received { events: vec![event], created: true });
    }
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_json(content_type) {
        return Err(ApiError::unsupported_media_type("events must be sent as JSON")
            .hint("add the header Content-Type: application/json"));
    }
    if !is_array(body) {
        let (event, form) = one(None, body, body.len(), now, (sender, agents)).await?;
        return Ok(Received { events: vec![event], created: form.is_created() });
    }
    let slices = slices(body, &WORDS)?;
    let (mut events, mut created) = (Vec::with_capacity(slices.len()), true);
    let mut pauses = Pauses::default();
    for (nth, slice) in slices.into_iter().enumerate() {
        pauses.before(slice).await;
        let (event, form) = one(Some(nth), slice, body.len(), now, (sender, agents)).await?;
        created &= form.is_created();
        events.push(event);
    }
    Ok(Received { events, created })
}

/// Reads one event, and returns it with its form. `nth` is its place in the array. While the event waits for
/// its turn, the request holds `held` bytes.
async fn one(
    nth: Option<usize>,
    text: &[u8],
    held: usize,
    now: Ts,
    from: (Sender<'_>, &Agents),
) -> Result<(NewEvent, Form), ApiError> {
    // The form is not known before the text is parsed. Until then, the largest limit of all forms applies.
    check_size(text, form::MOST_LENIENT_BYTES).map_err(|refusal| refused(nth, &refusal))?;
    let parsed = if text.len() > LARGE_BYTES {
        let _turn = LARGE.take(Asker::of_client(from.0.lane()), Cost::Cheap, held).await?;
        beside_others(|| parse(text, now, from))
    } else {
        parse(text, now, from)
    };
    parsed.map_err(|refusal| refused(nth, &refusal))
}

/// Runs work that keeps a processor busy for a long time. The other tasks of this thread continue in another
/// thread, if the runtime has threads.
fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(work),
        _ => work(),
    }
}

fn parse(text: &[u8], now: Ts, (sender, agents): (Sender<'_>, &Agents)) -> Result<(NewEvent, Form), Refusal> {
    let event = object(text)?;
    let form = Form::of(&event)?;
    check_size(text, form.most_bytes())?;
    let event = match form {
        Form::Strict => signed(sender, strict::read(event, now)?)?,
        Form::Agent => agents.mark_repeat(sender.sign_and_cut(report::agent(event, now))),
        Form::Telemetry => sender.sign_and_cut(report::telemetry(event, now)),
        Form::CloudEvent => signed(sender, cloud::structured(event, now)?)?,
    };
    match event.event.kind.as_str() {
        kind @ (LOST | BACK) if event.event.source == Source::AgentPing => Err(Refusal {
            hint: Some("send only pings: the gateways report agents that are lost or back".into()),
            ..Refusal::field("kind", format!("{kind} of source agent.ping is reserved for gateways"))
        }),
        _ => Ok((event, form)),
    }
}

/// Puts the sender into an event of a strict form.
fn signed(sender: Sender<'_>, event: NewEvent) -> Result<NewEvent, Refusal> {
    sender.sign(event).map_err(|why| Refusal::field("meta", format!("with `via` and `instance`: {why}")))
}

fn refused(nth: Option<usize>, refusal: &Refusal) -> ApiError {
    let at = nth.map_or_else(String::new, |nth| format!("event {nth}: "));
    let error = ApiError::bad_request("bad_event", format!("{at}{}", refusal.message));
    let error = match &refusal.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    };
    match nth {
        Some(_) if refusal.hint.is_none() => error.hint("no event of this request was stored"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use hyper::header::HeaderValue;

    use super::*;

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
    }

    fn event(bytes: usize) -> String {
        format!(r#"{{"type":"a","payload":"{}"}}"#, "x".repeat(bytes))
    }

    #[tokio::test]
    async fn only_large_events_wait_for_a_turn() {
        let (headers, now) = (headers(), "2026-01-02T03:04:05Z".parse().unwrap());
        let read = async |bytes| read_events(&headers, event(bytes).as_bytes(), now).await.unwrap().len();
        let turn = LARGE.take(Asker::of_client(Sender::anyone([127, 0, 0, 2].into()).lane()), Cost::Cheap, 1);
        let turn = turn.await.unwrap();
        assert_eq!(read(LARGE_BYTES / 2).await, 1);
        let mut large = std::pin::pin!(read(2 * LARGE_BYTES));
        tokio::select! {
            biased;
            _ = &mut large => panic!("a large event did not wait"),
            () = std::future::ready(()) => {}
        }
        drop(turn);
        assert_eq!(large.await, 1);
    }

    /// The runtime has one thread, and a task that comes later ends the work.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_continue_beside_long_work() {
        let (end, ended) = mpsc::channel();
        let work = tokio::spawn(async move {
            tokio::spawn(async move { end.send(()) });
            beside_others(|| ended.recv_timeout(Duration::from_secs(30)))
        });
        assert_eq!(work.await.unwrap(), Ok(()));
    }
}
