//! Opens a stream: decides whether the viewer may read, and starts the subscriber.
//!
//! The decision may need the table. While the table cannot be read, the client gets status 200 and comments.
//! After any other status, an EventSource would never reconnect.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::StatusCode;
use hyper::body::Frame;
use oasis_service::ApiError;
use oasis_service::response::{Body, boxed};
use tokio::time::{sleep, timeout};

use crate::access::NotAdmitted;
use crate::fanout::admission::Admitted;
use crate::fanout::ends::{CloseReason, Ends};
use crate::fanout::frame;
use crate::fanout::source::Begin;
use crate::fanout::stream::Stream;
use crate::fanout::subscriber::{self, Subscriber};
use crate::fanout::topics::Topics;

/// How long a request waits for the decision. After this time, the stream begins with comments.
const DECIDE_WITHIN: Duration = Duration::from_secs(2);

/// A client's request to open a stream.
pub(crate) struct StreamRequest<S: Stream> {
    pub(crate) viewer: S::Viewer,
    pub(crate) topic: S::Topic,
    pub(crate) want: S::Want,
    pub(crate) begin: Begin,
}

/// A stream that is being opened.
pub(super) struct Opening<S: Stream> {
    pub(super) topics: Arc<Topics<S>>,
    pub(super) ends: Arc<Ends>,
    pub(super) request: StreamRequest<S>,
}

/// The state of a client's stream that began before the decision.
enum Phase<S: Stream> {
    /// The decision is pending. `begun` is true once the client has received its first comment.
    Pending {
        outcome: BoxFuture<'static, Outcome<S>>,
        begun: bool,
    },
    Open(Box<Subscriber<S>>),
    /// The last frame has been sent.
    Over,
}

/// The decision.
enum Outcome<S: Stream> {
    Admitted(Box<Subscriber<S>>),
    /// The client may not read, or the process is shutting down. This is the last frame.
    Closed(Bytes),
}

impl<S: Stream> Opening<S> {
    /// The body of the answer.
    ///
    /// # Errors
    /// The answer to a request that may not read.
    pub(super) async fn body(self) -> Result<Body, ApiError> {
        match timeout(DECIDE_WITHIN, self.admitted()).await {
            Ok(Ok(admitted)) => return Ok(self.subscriber(admitted).into_body()),
            Ok(Err(NotAdmitted::Refused(error))) => return Err(error),
            Ok(Err(NotAdmitted::Unavailable(error))) => {
                tracing::debug!(message = error.message(), "a stream waits for the database");
            }
            Err(_) => tracing::debug!("a stream waits for the database, which does not answer"),
        }
        let phase = Phase::Pending { outcome: Box::pin(self.decided()), begun: false };
        Ok(boxed(StreamBody::new(unfold(phase, |phase| async {
            let (bytes, phase) = phase.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(bytes)), phase))
        }))))
    }

    fn subscriber(self, admitted: Admitted<S::Permit>) -> Subscriber<S> {
        let StreamRequest { viewer: _, topic, want, begin } = self.request;
        Subscriber::new(&self.topics, (topic, want, begin), admitted)
    }

    /// Admits the viewer, and registers the subscriber so that a revocation can end it. If there was a
    /// revocation between these two steps, both steps are repeated, so that no revocation is missed.
    async fn admitted(&self) -> Result<Admitted<S::Permit>, NotAdmitted> {
        loop {
            let revocations = self.ends.revocations();
            let admission = self.topics.stream.admit(&self.request.viewer, &self.request.topic).await?;
            let admitted = Admitted::new(&self.ends, admission);
            if self.ends.revocations() == revocations {
                return Ok(admitted);
            }
        }
    }

    /// Tries to decide until the table can be read, or until the process shuts down.
    async fn decided(self) -> Outcome<S> {
        let close = |reason| Outcome::Closed(self.topics.stream.close(reason, subscriber::retry()));
        loop {
            if self.topics.state().closing {
                return close(CloseReason::Shutdown);
            }
            match timeout(DECIDE_WITHIN, self.admitted()).await {
                Ok(Ok(admitted)) => return Outcome::Admitted(Box::new(self.subscriber(admitted))),
                Ok(Err(NotAdmitted::Refused(error))) => {
                    let is_limit = error.status() == StatusCode::TOO_MANY_REQUESTS;
                    return close(if is_limit { CloseReason::TooMany } else { CloseReason::Refused });
                }
                Ok(Err(NotAdmitted::Unavailable(_))) | Err(_) => sleep(subscriber::RETRY).await,
            }
        }
    }
}

impl<S: Stream> Phase<S> {
    /// The next bytes for the client, and the next phase. `None` after the last frame.
    async fn next(self) -> Option<(Bytes, Self)> {
        let mut phase = self;
        loop {
            phase = match phase {
                Self::Over => return None,
                Self::Open(mut subscriber) => {
                    return subscriber.next().await.map(|bytes| (bytes, Self::Open(subscriber)));
                }
                Self::Pending { outcome, begun: false } => {
                    return Some((frame::waiting(), Self::Pending { outcome, begun: true }));
                }
                Self::Pending { mut outcome, begun: true } => {
                    let mut silence = pin!(sleep(subscriber::AWAY_COMMENT));
                    tokio::select! {
                        biased;
                        outcome = &mut outcome => match outcome {
                            Outcome::Admitted(subscriber) => Self::Open(subscriber),
                            Outcome::Closed(last) => return Some((last, Self::Over)),
                        },
                        () = &mut silence => {
                            return Some((frame::waiting(), Self::Pending { outcome, begun: true }));
                        }
                    }
                }
            };
        }
    }
}
