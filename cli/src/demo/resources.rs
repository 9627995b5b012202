//! The resources of the demo: two clusters, their projects, and their workloads. The workloads of the
//! projects `platform` follow the team's runs and deploys (`RESOURCES`). The other resources follow a story
//! of their own, in which they are built, degrade, fail and heal.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use oasis_core::resource::ResourceEvent;
use oasis_core::{Invalid, Ts};
use oasis_service::Shutdown;
use oasis_store::{Appender, DatabaseArgs, Store};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::team::{ORGANIZATION, REPOSITORIES};
use crate::random::Seeded;

/// The clusters, each with the end of the ids of its projects and workloads.
const CLUSTERS: [(&str, &str); 2] = [("eu", ""), ("us", "-us")];
/// The workloads of the projects `shop`.
const SHOP: [&str; 3] = ["cart", "search", "checkout"];
/// The replicas of each workload of the projects `shop`.
const REPLICAS: u32 = 3;

/// The value of `RESOURCES` for the services of the demo. Builds and deployments on GitHub belong to the
/// first cluster, and deploys to Cloud Run belong to the second.
pub(crate) fn mapping() -> String {
    let entries = REPOSITORIES.iter().flat_map(|repository| {
        let name = repository.name;
        [
            format!("{ORGANIZATION}/{name}=cluster:eu/project:platform/workload:{name}"),
            format!("{name}=cluster:us/project:platform-us/workload:{name}-us"),
        ]
    });
    entries.collect::<Vec<_>>().join(",")
}

/// Stores the events of the story that `seed` determines, until `shutdown`.
pub(super) async fn run(database: DatabaseArgs, seed: u64, shutdown: Shutdown) -> anyhow::Result<()> {
    let store = Store::new(database, "oasis-demo").context("setting up the database")?;
    let appender = store.appender().context("setting up the database")?;
    let mut story = ResourceStory::new(seed);
    append(&appender, inventory()).await?;
    while timeout(story.pause(), shutdown.triggered()).await.is_err() {
        append(&appender, vec![story.next()]).await?;
    }
    Ok(())
}

/// Stores events that happen now. A failure of the database is only logged, because the story goes on.
async fn append(appender: &Appender, events: Vec<Value>) -> Result<(), Invalid> {
    let now = Ts::clamped(Timestamp::now());
    let events: Result<Vec<_>, Invalid> =
        events.into_iter().map(|fields| read(fields, now)?.into_event(None)).collect();
    if let Err(error) = appender.append(events?, Instant::now()).await {
        warn!(%error, "a resource event of the demo could not be stored");
    }
    Ok(())
}

fn read(fields: Value, now: Ts) -> Result<ResourceEvent, Invalid> {
    match fields {
        Value::Object(fields) => ResourceEvent::read(fields, now),
        _ => Err(Invalid::new("expected an object")),
    }
}

/// The first state of all resources.
fn inventory() -> Vec<Value> {
    let mut events = Vec::new();
    for (cluster, end) in CLUSTERS {
        events.push(of_cluster(cluster, "healthy", 3));
        for (project, workloads) in [
            ("shop", SHOP.map(str::to_owned).to_vec()),
            ("platform", REPOSITORIES.iter().map(|repository| repository.name.to_owned()).collect()),
        ] {
            let project = format!("{project}{end}");
            events.push(json!({
                "event_type": "project_status_update", "project_id": project, "cluster_id": cluster,
                "status": "Ready", "message": format!("The project {project} is ready."),
            }));
            let running = |name| {
                json!({
                    "event_type": "workload_status_update", "workload_id": format!("{name}{end}"),
                    "project_id": project, "cluster_id": cluster, "status": "Running",
                    "message": format!("The workload {name} runs."),
                })
            };
            events.extend(workloads.iter().map(running));
        }
    }
    events
}

fn of_cluster(cluster: &str, status: &str, nodes: u32) -> Value {
    json!({
        "event_type": "cluster_status_update", "cluster_id": cluster, "status": status, "node_count": nodes,
        "kubernetes_version": "1.33.4", "message": format!("{nodes} of 3 nodes are ready."),
    })
}

/// A resource, and the events that will happen to it.
#[derive(Debug)]
struct Resource {
    /// The ids that all of its events have.
    ids: Vec<(&'static str, String)>,
    kind: Kind,
    plan: VecDeque<Value>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Workload,
    Addon,
    Cluster(&'static str),
}

/// An endless sequence of resource events, which depends only on its seed.
#[derive(Debug)]
struct ResourceStory {
    random: Seeded,
    resources: Vec<Resource>,
    builds: u32,
}

impl ResourceStory {
    fn new(seed: u64) -> Self {
        let mut resources = Vec::new();
        for (cluster, end) in CLUSTERS {
            let mut add = |kind, ids| resources.push(Resource { ids, kind, plan: VecDeque::new() });
            let (in_cluster, in_project) =
                (("cluster_id", cluster.to_owned()), ("project_id", format!("shop{end}")));
            for name in SHOP {
                let own = ("workload_id", format!("{name}{end}"));
                add(Kind::Workload, vec![own, in_project.clone(), in_cluster.clone()]);
            }
            let own = ("addon_id", format!("orders-db{end}"));
            add(Kind::Addon, vec![own, in_project, in_cluster.clone()]);
            add(Kind::Cluster(cluster), vec![in_cluster]);
        }
        Self { random: Seeded::new(seed), resources, builds: 0 }
    }

    /// The pause before the next event: 2 to 6 s.
    fn pause(&mut self) -> Duration {
        Duration::from_secs_f64(2.0 + 4.0 * self.random.unit())
    }

    /// The next event.
    fn next(&mut self) -> Value {
        loop {
            let index = self.random.below(self.resources.len());
            if self.resources[index].plan.is_empty() {
                self.resources[index].plan = self.plan(self.resources[index].kind).into();
            }
            let resource = &mut self.resources[index];
            if let Some(mut event) = resource.plan.pop_front() {
                for (name, id) in &resource.ids {
                    event[*name] = id.as_str().into();
                }
                return event;
            }
        }
    }

    /// What happens next to a resource. It always ends well.
    fn plan(&mut self, kind: Kind) -> Vec<Value> {
        let status = |event_type: &str, status: &str, available: u32, message: &str| {
            json!({
                "event_type": event_type, "status": status, "message": message, "replicas": REPLICAS,
                "available_replicas": available,
            })
        };
        let workload =
            |name: &str, available, message: &str| status("workload_status_update", name, available, message);
        let running = || workload("Running", REPLICAS, "3 of 3 replicas are ready.");
        match kind {
            Kind::Workload if self.random.chance(50) => {
                self.builds += 1;
                let build = format!("demo-{}", self.builds);
                let building = workload("Building", REPLICAS, "A build has started.");
                if self.random.chance(20) {
                    let failed = json!({
                        "event_type": "build_failed", "build_id": build, "error": "2 of 214 tests failed",
                        "message": "The build failed.",
                    });
                    return vec![building, failed, running()];
                }
                let seconds = 40 + self.random.below(200);
                let complete = json!({
                    "event_type": "build_complete", "build_id": build, "build_duration": seconds,
                    "image_digest": format!("sha256:{:016x}", self.random.bits()),
                    "message": format!("The build took {seconds} s."),
                });
                vec![
                    building,
                    complete,
                    workload("Deploying", 1, "1 of 3 replicas has the new version."),
                    running(),
                ]
            }
            Kind::Workload if self.random.chance(60) => {
                vec![workload("Degraded", 2, "1 of 3 replicas does not answer."), running()]
            }
            Kind::Workload => vec![
                workload("Degraded", 1, "2 of 3 replicas are out of memory."),
                workload("Failed", 0, "No replica answers."),
                workload("Pending", 0, "3 replicas wait for a node."),
                running(),
            ],
            Kind::Addon => vec![
                status("addon_status_update", "Degraded", 2, "A replica of the database lags behind."),
                status(
                    "addon_status_update",
                    "Running",
                    REPLICAS,
                    "All replicas of the database are in sync.",
                ),
            ],
            // Clusters seldom have a problem.
            Kind::Cluster(_) if self.random.chance(90) => Vec::new(),
            Kind::Cluster(id) => vec![of_cluster(id, "unhealthy", 2), of_cluster(id, "healthy", 3)],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use oasis_core::bridge::Mapping;

    use super::*;

    fn events(seed: u64, count: usize) -> Vec<Value> {
        let mut story = ResourceStory::new(seed);
        std::iter::repeat_with(|| story.next()).take(count).collect()
    }

    #[test]
    fn a_seed_determines_the_story() {
        assert_eq!(events(7, 200), events(7, 200));
        assert_ne!(events(7, 20), events(8, 20));
        let mut story = ResourceStory::new(1);
        let range = Duration::from_secs(2)..=Duration::from_secs(6);
        assert!((0..1_000).all(|_| range.contains(&story.pause())));
    }

    #[test]
    fn every_event_is_valid_and_names_its_cluster() {
        let now = Ts::clamped(Timestamp::UNIX_EPOCH);
        let mut seen = BTreeSet::new();
        for event in inventory().into_iter().chain(events(7, 2_000)) {
            let cluster = event["cluster_id"].as_str().unwrap_or_else(|| panic!("{event}")).to_owned();
            let (kind, status) = (event["event_type"].to_string(), event["status"].to_string());
            read(event.clone(), now).unwrap().into_event(None).unwrap();
            seen.insert((cluster, kind, status));
        }
        // Each cluster has three states of projects and clusters, six of workloads, two of add-ons, and
        // builds with both results.
        assert_eq!(seen.len(), 2 * (3 + 6 + 2 + 2), "{seen:#?}");
    }

    #[test]
    fn every_workload_that_degrades_or_fails_heals() {
        let mut states: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in events(7, 3_000) {
            if event["event_type"] == "workload_status_update" {
                let of = |name: &str| event[name].as_str().unwrap().to_owned();
                states.entry(of("workload_id")).or_default().push(of("status"));
            }
        }
        assert_eq!(states.len(), 2 * SHOP.len());
        for (workload, states) in states {
            let has = |state: &str| states.iter().any(|own| own == state);
            assert!(has("Degraded") && has("Failed"), "{workload}: {states:?}");
            // At most three other states come before it runs again.
            let heals = |part: &[String]| part.iter().any(|state| state == "Running");
            assert!(states.windows(4).all(heals), "{workload}: {states:?}");
        }
    }

    #[test]
    fn each_repository_and_each_service_has_a_workload() {
        let mapping: Mapping = mapping().parse().unwrap();
        for repository in &REPOSITORIES {
            let full_name = format!("{ORGANIZATION}/{}", repository.name);
            assert_eq!(mapping.of_repository(&full_name, None).len(), 1);
            assert_eq!(mapping.of_service("oasis-demo", "europe-west1", repository.name).len(), 1);
        }
    }
}
