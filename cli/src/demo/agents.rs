//! Runs the demo's agents. They work on the team's tasks, are idle, send nothing for a while, stop, or crash.
//! After a stop or a crash, they start again.

use std::time::Duration;

use anyhow::Context;
use heartbeat_agent::{Config, Destination, Ending, Heartbeat};
use oasis_core::Vtid;
use oasis_service::Shutdown;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::random::Seeded;

/// The agents' names and roles.
const AGENTS: [(&str, &str); 5] = [
    ("planner", "PLANNER"),
    ("coder-1", "CODER"),
    ("coder-2", "CODER"),
    ("reviewer", "REVIEWER"),
    ("release-bot", "RELEASER"),
];
/// The time between two beats of an agent. It is short, so that a missed beat is noticed within half a
/// minute.
const INTERVAL: Duration = Duration::from_secs(10);

/// Runs agents that send their beats to `destination`. At `shutdown`, the agents report that they stopped.
/// `task` is the team's current task.
pub(super) async fn run(
    destination: Destination,
    seed: u64,
    task: watch::Receiver<Option<Vtid>>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut agents = JoinSet::new();
    for (nth, (name, role)) in (0_u64..).zip(AGENTS) {
        let random = Seeded::new(seed.wrapping_add(nth));
        let agent = DemoAgent { name, role, destination: destination.clone(), task: task.clone(), random };
        agents.spawn(agent.run(shutdown.clone()));
    }
    while let Some(ended) = agents.join_next().await {
        ended.context("an agent of the demo failed")??;
    }
    Ok(())
}

struct DemoAgent {
    name: &'static str,
    role: &'static str,
    destination: Destination,
    task: watch::Receiver<Option<Vtid>>,
    random: Seeded,
}

/// How a run of an agent ends.
enum Exit {
    Crash,
    Stop(Ending),
}

impl DemoAgent {
    async fn run(mut self, shutdown: Shutdown) -> anyhow::Result<()> {
        // The agents do not all start at the same moment.
        let mut pause = self.seconds(0, 5);
        while timeout(pause, shutdown.triggered()).await.is_err() {
            let role = Some(self.role.to_owned());
            let config = Config::new(self.name, self.destination.clone());
            let config = Config { role, interval: INTERVAL, ..config };
            let heartbeat = Heartbeat::start(config).context("cannot start an agent of the demo")?;
            let end = tokio::select! {
                end = self.work(&heartbeat) => end,
                () = shutdown.triggered() => Exit::Stop(Ending::well()),
            };
            match end {
                Exit::Crash => heartbeat.vanish(),
                Exit::Stop(ending) => heartbeat.stop_as(ending).await,
            }
            pause = self.seconds(20, 40);
        }
        Ok(())
    }

    async fn work(&mut self, heartbeat: &Heartbeat) -> Exit {
        loop {
            sleep(self.seconds(5, 25)).await;
            let task = self.task.borrow().clone();
            heartbeat.set_vtid(task);
            sleep(self.seconds(15, 60)).await;
            match self.random.below(20) {
                0 => return Exit::Crash,
                1 => return Exit::Stop(Ending { exit_code: Some(1), ..Ending::badly() }),
                2 => return Exit::Stop(Ending::well()),
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

    fn seconds(&mut self, min: u64, max: u64) -> Duration {
        Duration::from_secs(min) + Duration::from_secs(max - min).mul_f64(self.random.unit())
    }
}
