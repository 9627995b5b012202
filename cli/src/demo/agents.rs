//! The demo's agents: they work on what the team works on, idle, fall silent and come back, or die and are
//! started anew.

use std::time::Duration;

use anyhow::Context;
use heartbeat_agent::{Config, Destination, Ending, Heartbeat};
use oasis_core::Vtid;
use oasis_service::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::random::Seeded;

/// Names and roles, as a team of agents has them.
const AGENTS: [(&str, &str); 5] = [
    ("planner", "PLANNER"),
    ("coder-1", "CODER"),
    ("coder-2", "CODER"),
    ("reviewer", "REVIEWER"),
    ("release-bot", "RELEASER"),
];
/// How often they beat: often enough that one is missed within half a minute.
const INTERVAL: Duration = Duration::from_secs(10);

/// Has agents beat by `way` until `shutdown`, of which they take their leave. `task` is what the team is at.
pub(super) async fn run(
    way: Destination,
    seed: u64,
    task: watch::Receiver<Option<Vtid>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut agents = JoinSet::new();
    for (nth, (name, role)) in (0_u64..).zip(AGENTS) {
        let (way, task, random) = (way.clone(), task.clone(), Seeded::new(seed.wrapping_add(nth)));
        agents.spawn(Life { name, role, way, task, random }.live(shutdown.clone()));
    }
    while let Some(ended) = agents.join_next().await {
        ended.context("an agent of the demo failed")??;
    }
    Ok(())
}

struct Life {
    name: &'static str,
    role: &'static str,
    way: Destination,
    task: watch::Receiver<Option<Vtid>>,
    random: Seeded,
}

/// How a run of an agent ends.
enum End {
    Crash,
    Stop(Ending),
}

impl Life {
    async fn live(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        // One after the other, as they are started.
        let mut pause = self.seconds(0, 5);
        while timeout(pause, shutdown.triggered()).await.is_err() {
            let role = Some(self.role.to_owned());
            let config = Config { role, interval: INTERVAL, ..Config::new(self.name, self.way.clone()) };
            let heartbeat = Heartbeat::start(config).context("starting an agent of the demo")?;
            let end = tokio::select! {
                end = self.work(&heartbeat) => end,
                () = shutdown.triggered() => End::Stop(Ending::well()),
            };
            match end {
                End::Crash => heartbeat.vanish(),
                End::Stop(ending) => heartbeat.stop_as(ending).await,
            }
            pause = self.seconds(20, 40);
        }
        Ok(())
    }

    async fn work(&mut self, heartbeat: &Heartbeat) -> End {
        loop {
            sleep(self.seconds(5, 25)).await;
            let task = self.task.borrow().clone();
            heartbeat.set_vtid(task);
            sleep(self.seconds(15, 60)).await;
            match self.random.below(20) {
                0 => return End::Crash,
                1 => return End::Stop(Ending { exit_code: Some(1), ..Ending::badly() }),
                2 => return End::Stop(Ending::well()),
                3 | 4 => {
                    heartbeat.suspend(true);
                    sleep(self.seconds(40, 60)).await;
                    heartbeat.suspend(false);
                }
                _ => {}
            }
            heartbeat.set_vtid(None);
        }
    }

    fn seconds(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_secs(least) + Duration::from_secs(most - least).mul_f64(self.random.unit())
    }
}
