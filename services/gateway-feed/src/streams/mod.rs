//! The streams. Each stream has a file of its own, which defines the rows that the stream shows, who may
//! read the rows, and how the stream's connections behave. This file connects all streams to one hub, and
//! opens streams for clients.

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
use oasis_service::{ApiError, Response};
use oasis_store::Update;

use crate::fanout::budget::Budget;
use crate::fanout::ends::{Ending, Ends};
use crate::fanout::hub::Hub;
use crate::fanout::source::Begin;
use crate::fanout::stream::{Admission, Stream};
use crate::fanout::subscriber::Subscriber;
use crate::fanout::table::Table;
use crate::fanout::topics::Topics;

use ticker::Ticker;

/// The maximum total size of the rings of all private topics, in bytes.
const PRIVATE_RINGS: usize = 32 << 20;

/// All streams of a gateway.
pub(crate) struct Streams {
    hub: Hub,
    pub(crate) ticker: Arc<Topics<Ticker>>,
    #[cfg(feature = "test-stream")]
    pub(crate) test: Arc<Topics<test_stream::TestStream>>,
}

/// A client's request to open a stream.
pub(crate) struct StreamRequest<S: Stream> {
    pub(crate) viewer: S::Viewer,
    pub(crate) topic: S::Topic,
    pub(crate) want: S::Want,
    pub(crate) begin: Begin,
}

impl Streams {
    /// Makes the streams, which read `table`. The ticker accepts at most `most` clients.
    pub(crate) fn new(table: Arc<dyn Table>, most: usize) -> Self {
        let budget = Arc::new(Budget::new(PRIVATE_RINGS));
        let ticker = Topics::new(Ticker::new(most), table.clone(), budget.clone());
        #[cfg(feature = "test-stream")]
        let test = Topics::new(test_stream::TestStream, table, budget);
        let hub = Hub::new(vec![
            ticker.clone(),
            #[cfg(feature = "test-stream")]
            test.clone(),
        ]);
        Self {
            hub,
            ticker,
            #[cfg(feature = "test-stream")]
            test,
        }
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

    /// Why the tail polls the table, although notifications should wake it.
    pub(crate) fn polls(&self) -> Option<String> {
        self.hub.polls()
    }

    /// Ends all current and future subscribers.
    pub(crate) fn close(&self) {
        self.hub.close();
    }

    /// Answers with a stream if the viewer may read the stream. The status is 200 even if the database is
    /// not available, because an EventSource never reconnects after any other status.
    pub(crate) async fn open<S: Stream>(
        &self,
        topics: &Arc<Topics<S>>,
        request: StreamRequest<S>,
    ) -> Result<Response, ApiError> {
        let StreamRequest { viewer, topic, want, begin } = request;
        let (permit, ending) = admitted(&topics.stream, &self.hub.ends, &viewer, &topic).await?;
        let subscriber = Subscriber::new(topics, (topic, want, begin), permit, ending);
        let mut answer = Response::new(subscriber.into_body());
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Proxies must neither cache, transform nor buffer the stream.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        Ok(answer)
    }
}

/// Admits a viewer and registers the end of its subscriber. If there was a revocation between these two
/// steps, both steps are repeated, so that no revocation is missed.
async fn admitted<S: Stream>(
    stream: &S,
    ends: &Arc<Ends>,
    viewer: &S::Viewer,
    topic: &S::Topic,
) -> Result<(S::Permit, Option<Ending>), ApiError> {
    loop {
        let revocations = ends.revocations();
        let Admission { permit, subjects, deadline } = stream.admit(viewer, topic).await?;
        let ending = ends.register(subjects, deadline);
        if ends.revocations() == revocations {
            return Ok((permit, ending));
        }
    }
}
