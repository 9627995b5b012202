//! [`Batch`]: lookups that share statements. Lookups that arrive during a statement wait, and share the next
//! one. So each batch sends only one statement at a time, however many clients connect at the same time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use oasis_store::StoreError;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

/// The maximum number of lookups that share a statement.
const MOST_KEYS: usize = 500;

/// Lookups of values by their keys. Cheap to clone.
pub(crate) struct Batch<K, V>(Arc<Inner<K, V>>);

/// Why the table could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReadError {
    /// The database did not answer, or answered with an error.
    #[error(transparent)]
    Store(#[from] Arc<StoreError>),
    /// The connection pool and the tail may be connected to different servers.
    #[error("the database server that answered is behind the server that the tail reads")]
    Stale,
    /// The caller has stopped waiting.
    #[error("the database did not answer in time")]
    Late,
    /// The task that ran the lookup panicked, or was stopped.
    #[error("the lookup was interrupted")]
    Interrupted,
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

/// Looks up the values of some keys. The result has a value for each key, in the order of the keys.
type Lookup<K, V> = dyn Fn(Vec<K>) -> BoxFuture<'static, Result<Vec<V>, ReadError>> + Send + Sync;

struct Inner<K, V> {
    waiting: Mutex<Waiting<K, V>>,
    lookup: Box<Lookup<K, V>>,
}

struct Waiting<K, V> {
    lookups: Vec<(K, oneshot::Sender<Result<V, ReadError>>)>,
    /// Whether a task is sending statements.
    running: bool,
    pace: Pace,
}

/// Decides how long to wait after a statement. If many clients connect, for example after a restart, a short
/// pause lets more lookups share the next statement. Otherwise, each statement would have only the lookups
/// that arrived within about a millisecond, and PostgreSQL would plan thousands of statements.
struct Pace {
    window: Instant,
    /// The number of lookups since the beginning of the window.
    lookups: usize,
}

impl Pace {
    const WINDOW: Duration = Duration::from_millis(100);
    /// With more lookups than this in a window, there is a pause after each statement.
    const MOST: usize = 50;
    const PAUSE: Duration = Duration::from_millis(40);

    /// Counts the lookups of a statement, and returns the pause after this statement.
    fn pause_after(&mut self, lookups: usize, now: Instant) -> Option<Duration> {
        if now - self.window > Self::WINDOW {
            (self.window, self.lookups) = (now, 0);
        }
        self.lookups += lookups;
        (self.lookups > Self::MOST).then_some(Self::PAUSE)
    }
}

impl<K, V> Clone for Batch<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Send + 'static, V: Send + 'static> Batch<K, V> {
    pub(crate) fn new<F>(lookup: impl Fn(Vec<K>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<V>, ReadError>> + Send + 'static,
    {
        let pace = Pace { window: Instant::now(), lookups: 0 };
        let waiting = Mutex::new(Waiting { lookups: Vec::new(), running: false, pace });
        Self(Arc::new(Inner { waiting, lookup: Box::new(move |keys| Box::pin(lookup(keys))) }))
    }

    /// Looks up the value of `key`.
    pub(crate) async fn get(&self, key: K) -> Result<V, ReadError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = self.0.lock();
            waiting.lookups.push((key, answer));
            if !waiting.running {
                waiting.running = true;
                // A separate task sends the statements. So the lookups of other clients continue if this
                // client disconnects.
                tokio::spawn(self.0.clone().run());
            }
        }
        answered.await.unwrap_or(Err(ReadError::Interrupted))
    }
}

impl<K: Send + 'static, V: Send + 'static> Inner<K, V> {
    fn lock(&self) -> MutexGuard<'_, Waiting<K, V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends statements until no lookup waits.
    async fn run(self: Arc<Self>) {
        loop {
            let (mut next, pause) = {
                let mut waiting = self.lock();
                // A client that has disconnected needs no answer.
                waiting.lookups.retain(|(_, answer)| !answer.is_closed());
                if waiting.lookups.is_empty() {
                    waiting.running = false;
                    return;
                }
                let most = waiting.lookups.len().min(MOST_KEYS);
                let pause = waiting.pace.pause_after(most, Instant::now());
                (waiting.lookups.drain(..most).collect::<Vec<_>>(), pause)
            };
            let (keys, answers): (Vec<K>, Vec<_>) = next.drain(..).unzip();
            // A separate task runs the lookup. So a panic affects only this statement.
            let looked_up = tokio::spawn((self.lookup)(keys)).await;
            match looked_up.unwrap_or(Err(ReadError::Interrupted)) {
                Ok(values) => {
                    // Sending fails if the client has disconnected in the meantime.
                    answers.into_iter().zip(values).for_each(|(answer, value)| drop(answer.send(Ok(value))));
                }
                Err(error) => {
                    answers.into_iter().for_each(|answer| drop(answer.send(Err(error.clone()))));
                }
            }
            if let Some(pause) = pause {
                sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    /// A batch that answers each key with its double, and the number of keys of each statement so far. The
    /// key 7 causes an error, and the key 13,000 causes a panic.
    fn doubling() -> (Batch<usize, usize>, Arc<Mutex<Vec<usize>>>) {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = sizes.clone();
        let batch = Batch::new(move |keys: Vec<usize>| {
            seen.lock().unwrap().push(keys.len());
            async move {
                sleep(Duration::from_millis(10)).await;
                assert!(!keys.contains(&13_000), "a fault");
                if keys.contains(&7) {
                    return Err(ReadError::Stale);
                }
                Ok(keys.iter().map(|key| 2 * key).collect())
            }
        });
        (batch, sizes)
    }

    #[tokio::test(start_paused = true)]
    async fn lookups_that_arrive_during_a_statement_share_the_next_one() {
        let (batch, sizes) = doubling();
        let lookups = (10..1_110).map(|key| batch.get(key));
        let values = join_all(lookups).await;
        let values: Vec<usize> = values.into_iter().map(Result::unwrap).collect();
        assert_eq!(values, (10..1_110).map(|key| 2 * key).collect::<Vec<_>>());
        assert_eq!(*sizes.lock().unwrap(), [500, 500, 100]);
        assert_eq!(batch.get(1).await.unwrap(), 2, "a later lookup starts a new statement");
    }

    /// 2,000 clients connect within a second, and then one client per 50 ms.
    #[tokio::test(start_paused = true)]
    async fn a_crowd_shares_few_statements_and_a_single_client_does_not_wait() {
        let (batch, sizes) = doubling();
        let crowd = (10..2_010_u64).map(|key| {
            let batch = batch.clone();
            tokio::spawn(async move {
                sleep(Duration::from_micros(500 * key)).await;
                batch.get(key as usize).await.unwrap()
            })
        });
        join_all(crowd).await;
        let statements = sizes.lock().unwrap().len();
        assert!(statements <= 25, "{statements}");
        sleep(Duration::from_secs(1)).await;
        for key in 10..20 {
            let began = Instant::now();
            batch.get(key).await.unwrap();
            assert_eq!(began.elapsed(), Duration::from_millis(10));
            sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_statement_fails_its_own_lookups_only() {
        let (batch, _) = doubling();
        let first = batch.get(1);
        let (first, failed) = futures_util::future::join(first, batch.get(7)).await;
        assert!(first.is_err() && failed.is_err());
        assert_eq!(batch.get(2).await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_in_a_statement_does_not_stop_later_lookups() {
        let (batch, _) = doubling();
        assert!(matches!(batch.get(13_000).await, Err(ReadError::Interrupted)));
        assert_eq!(batch.get(2).await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_disconnects_does_not_stop_the_others() {
        let (batch, sizes) = doubling();
        let leaving = tokio::spawn({
            let batch = batch.clone();
            async move { batch.get(1).await }
        });
        sleep(Duration::from_millis(1)).await;
        let staying = batch.get(2);
        leaving.abort();
        assert_eq!(staying.await.unwrap(), 4);
        assert_eq!(sizes.lock().unwrap().len(), 2);
    }
}
