//! Reads casts together with the deliveries of their workflow runs. The function `oasis_casts_with_runs` in
//! `migrations/` selects them: at most 200 deliveries of a cast, and a run has about three for each attempt.

use jiff::Timestamp;
use oasis_core::{CastState, Channel, Meta, RunRow, Ts};
use tokio_postgres::types::{ToSql, Type};

use crate::channels::ChannelState;
use crate::error::StoreError;
use crate::store::Store;

/// Selects casts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectCasts {
    /// The casts whose runs these rows are about, or which these rows name. The ids are those of deliveries.
    OfDeliveries(Vec<i64>),
    /// These casts.
    Named(Vec<Channel>),
    /// The casts that a run may still drive, in the order of their channels.
    Driven {
        /// Only channels after this one. `None` for the first page.
        after: Option<Channel>,
        /// The maximum number of casts.
        most: i64,
    },
}

/// Casts with their runs, which were read in one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct CastsWithRuns {
    /// The casts. Casts that do not exist are left out.
    pub casts: Vec<CastWithRuns>,
    /// The highest id that is known to have been in the table at the time.
    pub head: i64,
    /// Whether the table has any cast.
    pub has_casts: bool,
}

/// A cast with the deliveries of its run. If it has no run yet, with the deliveries whose titles name it.
#[derive(Debug, Clone, PartialEq)]
pub struct CastWithRuns {
    /// The cast.
    pub cast: ChannelState<CastState>,
    /// The id, the time and the `meta` of each delivery, in any order.
    pub runs: Vec<(i64, Ts, Meta)>,
}

impl CastWithRuns {
    /// The deliveries.
    pub fn rows(&self) -> Vec<RunRow<'_>> {
        self.runs.iter().map(|(id, ts, meta)| RunRow { id: *id, ts: *ts, meta: meta.as_map() }).collect()
    }
}

impl Store {
    /// Reads casts together with the deliveries of their runs.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn casts_with_runs(&self, select: &SelectCasts) -> Result<CastsWithRuns, StoreError> {
        let sql = self.sql("SELECT * FROM {schema}.oasis_casts_with_runs($1, $2, $3, $4)");
        let (deliveries, channels, after, most) = match select {
            SelectCasts::OfDeliveries(ids) => (Some(ids.as_slice()), None, None, None),
            SelectCasts::Named(channels) => (None, Some(channels), None, None),
            SelectCasts::Driven { after, most } => {
                (None, None, Some(after.as_ref().map_or("", Channel::as_str)), Some(*most))
            }
        };
        let names: Option<Vec<&str>> =
            channels.map(|channels| channels.iter().map(Channel::as_str).collect());
        let params: [(&(dyn ToSql + Sync), Type); 4] = [
            (&deliveries, Type::INT8_ARRAY),
            (&names, Type::TEXT_ARRAY),
            (&after, Type::TEXT),
            (&most, Type::INT8),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut found = CastsWithRuns { casts: Vec::new(), head: 0, has_casts: false };
        for row in &rows {
            found.head = row.try_get("head")?;
            found.has_casts = row.try_get("has_casts")?;
            let Some(channel) = row.try_get::<_, Option<&str>>("channel")? else { continue };
            if found.casts.last().is_none_or(|last| last.cast.channel.as_str() != channel) {
                found.casts.push(CastWithRuns { cast: ChannelState::from_row(row)?, runs: Vec::new() });
            }
            if let (Some(id), Some(last)) = (row.try_get("run_row")?, found.casts.last_mut()) {
                let ts = Ts::clamped(row.try_get::<_, Timestamp>("run_ts")?);
                last.runs.push((id, ts, Meta::stored(row.try_get("run_meta")?)));
            }
        }
        Ok(found)
    }
}
