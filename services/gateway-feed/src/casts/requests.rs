//! [`Casts`]: answers the requests about casts, except the stream. Its methods are in `open.rs`, `change.rs`
//! and `read.rs`.

use std::sync::Arc;

use oasis_core::CastState;
use oasis_core::cast::CastId;
use oasis_service::ApiError;
use oasis_store::{Appender, Store};

use super::errors::{no_such_cast, unavailable};
use crate::access::Lane;
use crate::directory::Directory;
use crate::turns::{Asker, Cost, Turns};

/// Answers the requests about casts. See the head of this file.
pub(crate) struct Casts {
    pub(super) store: Store,
    pub(super) appender: Appender,
    pub(super) directory: Arc<Directory<CastState>>,
    pub(super) turns: Turns,
}

impl Casts {
    pub(crate) fn new(
        store: Store,
        appender: Appender,
        directory: Arc<Directory<CastState>>,
        turns: Turns,
    ) -> Self {
        Self { store, appender, directory, turns }
    }

    /// The state of a cast, which contains every row that the tail has read. `None` if the cast does not
    /// exist.
    ///
    /// # Errors
    /// 503 if the table cannot be read.
    pub(crate) async fn known_state(&self, cast: &CastId) -> Result<Option<Arc<CastState>>, ApiError> {
        self.directory.state(cast.channel()).await.map_err(unavailable)
    }

    /// The last id that the tail has read.
    pub(crate) fn head(&self) -> i64 {
        self.directory.head()
    }

    /// The state of a cast, read from the table now. `None` if the cast does not exist.
    ///
    /// # Errors
    /// 503 if the table cannot be read.
    pub(super) async fn fresh_state(&self, cast: &CastId) -> Result<Option<Arc<CastState>>, ApiError> {
        self.directory.read(cast.channel()).await.map_err(unavailable)
    }

    /// The state of a cast, read from the table now.
    ///
    /// # Errors
    /// 404 if the cast does not exist; 503 if the table cannot be read.
    pub(super) async fn existing(&self, cast: &CastId) -> Result<Arc<CastState>, ApiError> {
        self.fresh_state(cast).await?.ok_or_else(|| no_such_cast(cast))
    }

    /// Checks that no other cast has the workflow run. Two requests at the same time may both pass this
    /// check.
    ///
    /// # Errors
    /// 409 if another cast has the run; 503 if the table cannot be read.
    pub(super) async fn check_run(
        &self,
        run_id: &str,
        cast: &CastId,
        lane: Lane<'_>,
    ) -> Result<(), ApiError> {
        let read = async { self.store.casts_of_run(run_id).await.map_err(|error| unavailable(error.into())) };
        let casts = self.turns.read(Asker::of_client(lane), Cost::Cheap, read).await?;
        match casts.iter().find(|other| other.channel != *cast.channel()) {
            None => Ok(()),
            Some(other) => {
                let other = other.channel.id().unwrap_or_default();
                Err(ApiError::conflict("run_taken", format!("the run {run_id} belongs to the cast {other}")))
            }
        }
    }
}
