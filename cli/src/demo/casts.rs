//! The casts of the demo: jobs of the user `alice`, some of which fail. `oasis token mint --sub alice` makes
//! a token that shows them.

use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use oasis_core::cast::{CastChange, CastFields, CastId, CastStatus, NewCastRow};
use oasis_core::{Invalid, Link, NewEvent, Task, Ts};
use oasis_service::Shutdown;
use oasis_store::{Appender, DatabaseArgs, Store};
use serde_json::{Map, Number, Value};
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::random::Seeded;

/// The user who owns the casts.
const OWNER: &str = "alice";
/// What the casts do.
const SPELLS: [&str; 4] = ["build the site", "train the model", "export the orders", "render the video"];
/// The maximum number of casts that run at the same time.
const MOST: usize = 3;

/// Stores the rows of the story that `seed` determines, until `shutdown`.
pub(super) async fn run(database: DatabaseArgs, seed: u64, shutdown: Shutdown) -> anyhow::Result<()> {
    let store = Store::new(database, "oasis-demo").context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let mut story = CastStory::new(seed);
    while timeout(story.pause(), shutdown.triggered()).await.is_err() {
        append(&appender, story.next(Ts::clamped(Timestamp::now()))?).await;
    }
    Ok(())
}

/// Stores a row. A failure of the database is only logged, because the story goes on.
async fn append(appender: &Appender, row: NewEvent) {
    if let Err(error) = appender.append(vec![row], Instant::now()).await {
        warn!(%error, "a cast of the demo could not be changed");
    }
}

/// A cast that has not ended.
#[derive(Debug)]
struct DemoCast {
    id: CastId,
    /// `None` until the cast has started.
    progress: Option<f64>,
}

/// An endless sequence of rows of casts, which depends only on its seed and on the times of the rows.
#[derive(Debug)]
struct CastStory {
    random: Seeded,
    open: Vec<DemoCast>,
    count: u32,
    /// Distinguishes the casts of this story from those of an earlier one.
    seed: u64,
}

impl CastStory {
    fn new(seed: u64) -> Self {
        Self { random: Seeded::new(seed), open: Vec::new(), count: 0, seed }
    }

    /// The pause before the next row: 1 to 4 s.
    fn pause(&mut self) -> Duration {
        Duration::from_secs_f64(1.0 + 3.0 * self.random.unit())
    }

    /// The next row.
    fn next(&mut self, now: Ts) -> Result<NewEvent, Invalid> {
        let row = |id: &CastId, change| {
            NewCastRow { ts: now, task: Task::Unset, owner: OWNER.into(), attempt: 1, change }.into_event(id)
        };
        let opens = self.open.is_empty() || (self.open.len() < MOST && self.random.unit() < 0.15);
        if opens {
            self.count += 1;
            let id = CastId::parse(&format!("demo-{:04x}-{}", self.seed & 0xffff, self.count))?;
            let name = SPELLS[self.random.below(SPELLS.len())];
            let spell = Map::from_iter([("name".to_owned(), Value::from(name))]);
            let cost_cents = Some(1 + self.random.below(500) as i64);
            let fields = CastFields { spell: Some(spell), cost_cents, ..CastFields::default() };
            let opened = row(&id, CastChange::Status(CastStatus::Queued, fields));
            self.open.push(DemoCast { id, progress: None });
            return opened;
        }
        let index = self.random.below(self.open.len());
        let cast = &mut self.open[index];
        match cast.progress {
            None => {
                cast.progress = Some(0.0);
                let fields = CastFields { started_at: Some(now), ..CastFields::default() };
                row(&cast.id, CastChange::Status(CastStatus::Running, fields))
            }
            Some(progress) if progress >= 100.0 || (progress > 0.0 && self.random.unit() < 0.04) => {
                let done = self.open.swap_remove(index);
                let mut fields = CastFields { finished_at: Some(now), ..CastFields::default() };
                let status = if progress >= 100.0 {
                    fields.artifact_url = Some(Link::parse(&format!("https://example.com/{}.zip", done.id))?);
                    CastStatus::Succeeded
                } else {
                    fields.error_message = Some("the disk of the worker is full".into());
                    CastStatus::Failed
                };
                row(&done.id, CastChange::Status(status, fields))
            }
            Some(progress) => {
                let further = (progress + 5.0 + 25.0 * self.random.unit()).min(100.0).round();
                cast.progress = Some(further);
                let message = Some(format!("step {} of 5", 1 + (further / 25.0) as u32));
                let progress = Number::from_f64(further);
                row(&cast.id, CastChange::Progress { progress, message })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use oasis_core::{CastState, StateRow};

    use super::*;

    #[test]
    fn casts_are_opened_start_and_end() {
        let mut story = CastStory::new(7);
        let mut states: BTreeMap<String, Option<CastState>> = BTreeMap::new();
        for id in 1..2_000 {
            let recorded_at = Ts::from_unix_seconds(1_750_000_000 + id).unwrap();
            let event = story.next(recorded_at).unwrap();
            let (kind, meta) = (event.event.kind.as_str(), event.meta.as_map());
            let state = states.entry(event.channel.as_str().to_owned()).or_default();
            *state = CastState::fold(state.take(), StateRow { id, kind, meta, recorded_at });
        }
        let of = |status| states.values().flatten().filter(|state| state.status == status).count();
        assert!(of(CastStatus::Succeeded) > 50 && of(CastStatus::Failed) > 10);
        assert!(of(CastStatus::Queued) + of(CastStatus::Running) <= MOST);
    }
}
