//! Adds the ids that events lack. They come from the last event that named the same workload or project:
//! from an earlier event of the same request, or else from the table.

use std::collections::BTreeSet;

use oasis_core::resource::{Place, ResourceEvent};
use oasis_service::ApiError;
use oasis_store::{KnownPlaces, WiderPlaces};

use super::requests::{AGAIN, Resources};
use crate::access::Lane;
use crate::turns::{Asker, Cost};

/// The events of a request are newer than all events of the table. No table ever has this id.
const AFTER_ALL_IDS: i64 = i64::MAX / 2;

impl Resources {
    /// Adds the ids that events lack.
    ///
    /// # Errors
    /// 503 if the table cannot be read.
    pub(super) async fn fill(&self, events: &mut [ResourceEvent], lane: Lane<'_>) -> Result<(), ApiError> {
        let mut known = self.known(events, lane).await?;
        for (now, event) in (AFTER_ALL_IDS..).zip(events) {
            complete(event, now, &mut known);
        }
        Ok(())
    }

    /// Reads what the table knows about the workloads and projects of the events that lack an id.
    async fn known(&self, events: &[ResourceEvent], lane: Lane<'_>) -> Result<KnownPlaces, ApiError> {
        let lacks = |event: &ResourceEvent, place| event.id(place).is_none();
        let lacking = |event: &&ResourceEvent| lacks(event, Place::Project) || lacks(event, Place::Cluster);
        let lacking: Vec<&ResourceEvent> = events.iter().filter(lacking).collect();
        let ids_of = |place| {
            let ids: BTreeSet<&str> = lacking.iter().filter_map(|event| event.id(place)).collect();
            Vec::from_iter(ids)
        };
        let (workloads, projects) = (ids_of(Place::Workload), ids_of(Place::Project));
        if workloads.is_empty() && projects.is_empty() {
            return Ok(KnownPlaces::default());
        }
        let read = async {
            self.store.wider_places(&workloads, &projects).await.map_err(|error| {
                let message = "the places of the events cannot be read now";
                ApiError::unavailable("database_unavailable", message, error).hint(AGAIN)
            })
        };
        self.turns.read(Asker::of_client(lane), Cost::Cheap, read).await
    }
}

/// Adds the ids that an event lacks, and records its ids for the events after it. `now` is the place of the
/// event in the order of all events.
fn complete(event: &mut ResourceEvent, now: i64, known: &mut KnownPlaces) {
    let KnownPlaces { workloads, projects } = known;
    let of = |event: &ResourceEvent, place| event.id(place).map(str::to_owned);
    let mut of_workload = None;
    if let Some(workload) = of(event, Place::Workload) {
        let known = workloads.entry(workload).or_default();
        // A workload may have moved to another cluster, and then its project is not known.
        let fits = event.id(Place::Cluster).is_none_or(|stated| known.cluster.as_deref() == Some(stated));
        if let Some(project) = known.project.as_deref().filter(|_| fits) {
            event.fill(Place::Project, project);
        }
        of_workload = Some(known);
    }
    let of_project = of(event, Place::Project).map(|project| projects.entry(project).or_default());
    let stated = of(event, Place::Cluster);
    let is_stated = stated.is_some();
    let (cluster, cluster_at) = match stated {
        Some(stated) => (Some(stated), now),
        None => {
            let project = event.id(Place::Project);
            let same = of_workload.as_deref().filter(|known| known.project.as_deref() == project);
            let all = [same, of_project.as_deref()].into_iter().flatten();
            let newest = all.max_by_key(|known| known.cluster_at);
            newest.map_or((None, 0), |newest| (newest.cluster.clone(), newest.cluster_at))
        }
    };
    if let Some(cluster) = &cluster {
        event.fill(Place::Cluster, cluster);
    }
    if let Some(known) = of_project.filter(|_| is_stated) {
        *known = WiderPlaces { project: None, cluster: cluster.clone(), cluster_at };
    }
    if let Some(known) = of_workload {
        *known = WiderPlaces { project: of(event, Place::Project), cluster, cluster_at };
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The project and the cluster of each event after it has been filled. An event is its workload,
    /// project and cluster; `-` stands for an id that it does not state.
    fn filled<const N: usize>(events: [&str; N]) -> [String; N] {
        let mut known = KnownPlaces::default();
        let mut now = 0;
        events.map(|text| {
            let mut fields = json!({"event_type": "error_report", "error_type": "x", "message": "m"});
            for (name, id) in ["workload_id", "project_id", "cluster_id"].into_iter().zip(text.split(' ')) {
                if id != "-" {
                    fields[name] = id.into();
                }
            }
            let Value::Object(fields) = fields else { unreachable!() };
            let mut event = ResourceEvent::read(fields, "2026-01-02T03:04:05Z".parse().unwrap()).unwrap();
            now += 1;
            complete(&mut event, now, &mut known);
            let id = |place| event.id(place).unwrap_or("-");
            format!("{} {}", id(Place::Project), id(Place::Cluster))
        })
    }

    #[test]
    fn the_last_event_of_a_workload_or_of_its_project_decides() {
        assert_eq!(filled(["w p c", "w - -", "w p -"]), ["p c", "p c", "p c"]);
        assert_eq!(filled(["w p -", "- p c", "w - -"]), ["p -", "p c", "p c"]);
        // The project has moved to another cluster since.
        assert_eq!(filled(["w p eu", "- p us", "w - -", "w - -"])[2..], ["p us", "p us"]);
        // The workload was named in another cluster since.
        assert_eq!(filled(["- p us", "w p eu", "w - -"])[2], "p eu");
    }

    #[test]
    fn a_workload_that_has_moved_keeps_neither_its_cluster_nor_its_project() {
        assert_eq!(filled(["w p c", "w q -", "w - -"]), ["p c", "q -", "q -"]);
        assert_eq!(filled(["w p eu", "w - us", "w - -"]), ["p eu", "- us", "- us"]);
        assert_eq!(filled(["w p -", "w - us"]), ["p -", "- us"]);
    }

    #[test]
    fn an_event_without_a_workload_or_project_is_not_filled() {
        assert_eq!(filled(["- - c", "- - -", "w - -"]), ["- c", "- -", "- -"]);
    }
}
