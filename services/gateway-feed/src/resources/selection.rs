//! [`Selection`]: the resource events that a client asks for and may read.

use oasis_core::Channel;
use oasis_core::resource::{Place, RESOURCE_TYPE, RESOURCES, ResourceEventType, ResourceId, ResourceType};
use oasis_service::{ApiError, Query};
use oasis_store::{Filter, StoredEvent};

use crate::access::{Ids, Limits};
use crate::fanout::table::Selected;
use crate::query::params::{bad, list, values};

/// The word that selects every type of resource.
const ALL: &str = "all";
/// A selection with more ids reads all events: many short reads of one statement are slower.
const MOST_RANGES: usize = 50;

/// The resource events that a client asks for and may read. Clients with equal selections share a topic. An
/// event must match every part. `None` and an empty list of types accept any event.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Selection {
    workloads: Option<Ids>,
    projects: Option<Ids>,
    clusters: Option<Ids>,
    resource_type: Option<ResourceType>,
    event_types: Vec<ResourceEventType>,
}

/// A key for finding the topics of a row: one of the places of the row, or `All` for topics without a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    All,
    Place(Place, ResourceId),
}

impl Selection {
    /// Reads the selection of a request by a user with these limits.
    ///
    /// # Errors
    /// 400 for a bad parameter; 403 if the request names a project or a cluster outside the limits.
    pub(crate) fn read(query: &Query, limits: &Limits) -> Result<Self, ApiError> {
        let resource_type = match query.get(RESOURCE_TYPE) {
            None | Some(ALL) => None,
            Some(text) => {
                let parsed = text.parse();
                Some(parsed.map_err(|why| bad(RESOURCE_TYPE, format!("{why}, or {ALL}")))?)
            }
        };
        let mut event_types: Vec<ResourceEventType> = match query.get("event_types") {
            None => Vec::new(),
            Some("") => return Err(bad("event_types", "it is empty: leave it out to get every type")),
            Some(_) => values(query, "event_types")?,
        };
        event_types.sort_unstable();
        event_types.dedup();
        Ok(Self {
            workloads: asked(query, Place::Workload)?,
            projects: within(Place::Project, asked(query, Place::Project)?, limits.projects.as_ref())?,
            clusters: within(Place::Cluster, asked(query, Place::Cluster)?, limits.clusters.as_ref())?,
            resource_type,
            event_types,
        })
    }

    /// All events that a user with these limits may read.
    pub(crate) fn of_limits(limits: &Limits) -> Self {
        Self { projects: limits.projects.clone(), clusters: limits.clusters.clone(), ..Self::default() }
    }

    fn ids(&self, place: Place) -> Option<&Ids> {
        match place {
            Place::Workload => self.workloads.as_ref(),
            Place::Project => self.projects.as_ref(),
            Place::Cluster => self.clusters.as_ref(),
        }
    }

    /// The narrowest list of ids. Every event of the selection has one of these ids.
    fn narrowest(&self) -> Option<(Place, &Ids)> {
        Place::ALL.iter().find_map(|place| Some((*place, self.ids(*place)?)))
    }

    /// The keys under which the selection is found.
    pub(crate) fn keys(&self) -> Vec<Key> {
        match self.narrowest() {
            Some((place, ids)) => ids.iter().map(|id| Key::Place(place, id.clone())).collect(),
            None => vec![Key::All],
        }
    }

    /// Rows of the table that contain all events of the selection. They may contain other events, too. A
    /// read of them stops after a number of rows, so it must not skip rows: a read for a rare type of event
    /// would walk through all events of a place.
    pub(crate) fn rows(&self) -> Vec<Selected> {
        let all: Selected = Filter::all(Channel::stored(RESOURCES)).into();
        match self.narrowest() {
            Some((place, ids)) if ids.len() <= MOST_RANGES => {
                let of = |id: &ResourceId| Selected { place: Some((place, id.clone())), ..all.clone() };
                ids.iter().map(of).collect()
            }
            Some(_) | None => vec![all],
        }
    }

    /// Whether the selection contains the event of a row.
    pub(crate) fn contains(&self, row: &StoredEvent) -> bool {
        let Ok(event_type) = row.kind.as_str().parse::<ResourceEventType>() else { return false };
        (self.event_types.is_empty() || self.event_types.contains(&event_type))
            && self.resource_type.is_none_or(|wanted| resource_type(event_type, row) == Some(wanted))
            && Place::ALL.iter().all(|place| match self.ids(*place) {
                None => true,
                Some(ids) => id(row, *place).is_some_and(|id| ids.contains(&id)),
            })
    }
}

/// The keys under which the topics of a row are found.
pub(crate) fn keys_of(row: &StoredEvent) -> impl Iterator<Item = Key> {
    let places = Place::ALL.iter().filter_map(|place| Some(Key::Place(*place, id(row, *place)?)));
    [Key::All].into_iter().chain(places)
}

/// The id of the place to which the event of a row belongs. An invalid id counts as absent.
fn id(row: &StoredEvent, place: Place) -> Option<ResourceId> {
    let text = row.meta.as_ref()?.as_map().get(place.as_str())?.as_str()?;
    ResourceId::parse(text).ok()
}

fn resource_type(event_type: ResourceEventType, row: &StoredEvent) -> Option<ResourceType> {
    let own = || row.meta.as_ref()?.as_map().get(RESOURCE_TYPE)?.as_str()?.parse().ok();
    event_type.resource_type().or_else(own)
}

/// The ids in a parameter. `None` if the parameter is absent.
fn asked(query: &Query, place: Place) -> Result<Option<Ids>, ApiError> {
    let name = place.as_str();
    if query.get(name).is_none() {
        return Ok(None);
    }
    let parse = |text: &&str| ResourceId::parse(text).map_err(|why| bad(name, why));
    list(query, name)?.iter().map(parse).collect::<Result<_, _>>().map(Some)
}

/// The ids that a client asks for. If it asks for none, these are the ids of its limits.
///
/// # Errors
/// 403 if the client asks for an id outside its limits.
fn within(place: Place, asked: Option<Ids>, limit: Option<&Ids>) -> Result<Option<Ids>, ApiError> {
    let (Some(asked), Some(limit)) = (&asked, limit) else { return Ok(asked.or_else(|| limit.cloned())) };
    match asked.iter().find(|id| !limit.contains(id)) {
        None => Ok(Some(asked.clone())),
        Some(outside) => {
            let (name, id) = (place.as_str(), outside.as_str());
            let message = format!("`{name}`: this token may not read the events of {id}");
            Err(ApiError::forbidden("outside_the_claim", message)
                .hint("the claim oasis.resources of the token lists what it may read"))
        }
    }
}
