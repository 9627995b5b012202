//! The streams. Each stream has a separate file, which defines the rows that the stream shows, who may read
//! the rows, and how the stream's connections behave. This file connects all streams to one hub, and
//! opens streams for clients.

pub(crate) mod casts;
mod opening;
pub(crate) mod resources;
pub(crate) mod rooms;
mod slots;
pub(crate) mod ticker;

#[cfg(test)]
mod fanout_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod slow_tests;
#[cfg(any(test, feature = "test-stream"))]
pub(crate) mod test_stream;

use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use oasis_service::{ApiError, RequestContext, Response};
use oasis_store::Update;

use crate::access::Revocations;
use crate::fanout::budget::Budget;
use crate::fanout::ends::Ends;
use crate::fanout::hub::Hub;
use crate::fanout::stream::Stream;
use crate::fanout::table::Table;
use crate::fanout::topics::Topics;

use casts::CastEvents;
use opening::Opening;
use resources::ResourceEvents;
use rooms::RoomLogs;
use ticker::Ticker;

pub(crate) use opening::StreamRequest;

/// The maximum total size of the rings of all private topics, in bytes.
const PRIVATE_RINGS: usize = 32 << 20;

/// All streams of a gateway.
pub(crate) struct Streams {
    hub: Hub,
    pub(crate) ticker: Arc<Topics<Ticker>>,
    pub(crate) rooms: Arc<Topics<RoomLogs>>,
    pub(crate) resources: Arc<Topics<ResourceEvents>>,
    pub(crate) casts: Arc<Topics<CastEvents>>,
    #[cfg(feature = "test-stream")]
    pub(crate) test: Arc<Topics<test_stream::TestStream>>,
}

impl Streams {
    /// Makes the streams, which read `table`. The ticker and the stream of resource events each accept at
    /// most `most` clients. `rooms` and `casts` have their own limits. The ticker withholds e-mail addresses
    /// unless every reader must present a token (`readers_known`).
    pub(crate) fn new(
        table: Arc<dyn Table>,
        most: usize,
        readers_known: bool,
        revocations: Arc<Revocations>,
        rooms: RoomLogs,
        casts: CastEvents,
    ) -> Self {
        let budget = Arc::new(Budget::new(PRIVATE_RINGS));
        let ticker =
            Topics::new(Ticker::new(most, revocations.clone(), readers_known), table.clone(), budget.clone());
        let resources = ResourceEvents::new(revocations, most);
        let resources = Topics::new(resources, table.clone(), budget.clone());
        let rooms = Topics::new(rooms, table.clone(), budget.clone());
        let casts = Topics::new(casts, table.clone(), budget.clone());
        #[cfg(feature = "test-stream")]
        let test = Topics::new(test_stream::TestStream, table, budget);
        let hub = Hub::new(vec![
            ticker.clone(),
            rooms.clone(),
            resources.clone(),
            casts.clone(),
            #[cfg(feature = "test-stream")]
            test.clone(),
        ]);
        Self {
            hub,
            ticker,
            rooms,
            resources,
            casts,
            #[cfg(feature = "test-stream")]
            test,
        }
    }

    /// The open streams that a revocation can end.
    pub(crate) fn ends(&self) -> &Arc<Ends> {
        &self.hub.ends
    }

    /// Handles an update from the tail.
    pub(crate) async fn update(&self, update: Update) {
        self.hub.update(update).await;
    }

    /// Sends heartbeats and ticks, and ends subscribers at their deadlines, until the future is dropped.
    pub(crate) async fn keep_time(&self) {
        self.hub.keep_time().await;
    }

    /// Why the tail cannot read the table now; `None` while the tail can read the table.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.hub.trouble()
    }

    /// Whether the ticker has as many clients as it accepts.
    pub(crate) fn ticker_is_full(&self) -> bool {
        self.ticker.stream.is_full()
    }

    /// The private streams that have as many clients as they accept.
    pub(crate) fn full_private(&self) -> impl Iterator<Item = &'static str> {
        let streams = [
            ("rooms", self.rooms.stream.is_full()),
            ("resource events", self.resources.stream.is_full()),
            ("casts", self.casts.stream.is_full()),
        ];
        streams.into_iter().filter(|(_, is_full)| *is_full).map(|(name, _)| name)
    }

    /// Why the tail polls the table, although notifications should wake it.
    pub(crate) fn polls(&self) -> Option<String> {
        self.hub.polls()
    }

    /// Ends all current and future subscribers.
    pub(crate) fn close(&self) {
        self.hub.close();
    }

    /// Answers with a stream if the viewer may read the stream. The status is 200 even if the database is
    /// not available, because an EventSource never reconnects after any other status. In that case, the
    /// stream begins with comments, and ends if it turns out that the viewer may not read.
    ///
    /// A stream for which the connection has no place is refused first. So it takes no slot, counts towards
    /// no limit of the user, and is not in the audit log.
    pub(crate) async fn open<S: Stream>(
        &self,
        topics: &Arc<Topics<S>>,
        request: StreamRequest<S>,
        context: &RequestContext,
    ) -> Result<Response, ApiError> {
        context.reserve_stream()?;
        let opening = Opening { topics: topics.clone(), ends: self.hub.ends.clone(), request };
        let mut answer = Response::new(opening.body().await?);
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Proxies must neither cache, transform nor buffer the stream.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        Ok(answer)
    }
}
