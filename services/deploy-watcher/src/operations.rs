//! [`Operations`]: groups the reports of a page by operation, and gives all events of an operation the same
//! task, layer and module.
//!
//! The request of an operation determines its task, layer and module. The entries of the outcome can have
//! other labels. The labels of an operation come from the first of these sources that exists:
//!
//! 1. an event of the operation in the table
//! 2. the request, if it is on the same page
//! 3. the newest request for the same service before the outcome, if the request or the outcome has no
//!    operation id; or the newest request before this request, if this request keeps the labels
//! 4. the service, in a report of the outcome
//! 5. the revision
//!
//! Entries can arrive late, so the request can arrive after the outcome. If only the labels of the revision
//! are known, a recent outcome is held: the next poll reads its entries again.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use oasis_core::{DedupKey, NewEvent};
use oasis_store::{Attribution, RequestLookup};

use crate::labels::{LabelSource, Labels};
use crate::logs::Listed;
use crate::report::{Operation, Report, Step, attributed};

/// An outcome is held until it is this old. A walk reads the entries of the last ten minutes again, so this
/// time must be shorter.
const HOLD: SignedDuration = SignedDuration::from_mins(1);
/// An operation takes less time than this. Cloud Run gives up sooner.
const LONGEST_OPERATION: SignedDuration = SignedDuration::from_hours(1);
/// The longest time between the request that set the labels of a service and a request that keeps them.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(24 * 400);

/// The operations that a page reports on, in the order of their first entries.
pub(crate) struct Operations<'e>(Vec<Group<'e>>);

/// The reports on one operation.
struct Group<'e> {
    operation: Operation,
    /// The reports in the order of the page.
    members: Vec<Member<'e>>,
    attribution: Option<Attribution>,
    /// The time of the stored event that reports the failure of the operation.
    failed_at: Option<Timestamp>,
}

struct Member<'e> {
    /// The place of the entry on the page.
    nth: usize,
    listed: &'e Listed,
    report: Report,
}

/// A request on the page.
struct RequestOnPage {
    key_prefix: String,
    at: Timestamp,
    has_operation_id: bool,
    attribution: Attribution,
}

/// The result of a page.
#[derive(Default)]
pub(crate) struct Settled<'e> {
    /// The events to store, in the order of the page, except that a request comes before its outcome.
    pub(crate) events: Vec<(&'e Listed, NewEvent)>,
    /// The entries that the next poll must read again.
    pub(crate) held: Vec<&'e Listed>,
}

impl<'e> Operations<'e> {
    /// Groups the reports of a page. The labels of the requests on the page apply to their operations.
    pub(crate) fn new(reports: Vec<(&'e Listed, Report)>) -> Self {
        let mut groups: Vec<Group<'e>> = Vec::new();
        let mut index = HashMap::new();
        for (nth, (listed, report)) in reports.into_iter().enumerate() {
            let operation = &report.operation;
            let at = *index.entry(operation.clone()).or_insert_with(|| {
                let operation = operation.clone();
                groups.push(Group { operation, members: Vec::new(), attribution: None, failed_at: None });
                groups.len() - 1
            });
            groups[at].members.push(Member { nth, listed, report });
        }
        for group in &mut groups {
            let requests = group.members.iter().map(|member| &member.report);
            let requests = requests
                .filter(|report| report.labels.source == LabelSource::Request && !report.keeps_labels);
            // The entry of the result can repeat the request.
            let request = requests.min_by_key(|report| !report.is_request());
            group.attribution = request.map(|report| report.labels.attribution(&report.service));
        }
        Self(groups)
    }

    /// The dedup keys of all events that the operations can have.
    pub(crate) fn keys(&self) -> Vec<DedupKey> {
        let of_group = |group: &Group<'_>| Step::ALL.map(|step| group.operation.key(step));
        self.0.iter().flat_map(of_group).flatten().collect()
    }

    /// Adds the events that the table has. These events are not stored again, and their operations keep the
    /// stored attribution.
    pub(crate) fn add_stored(&mut self, stored: &HashMap<String, (Timestamp, Attribution)>) {
        for group in &mut self.0 {
            let keys = Step::ALL.map(|step| group.operation.key(step));
            let found = keys.iter().flatten().find_map(|key| stored.get(key.as_str()));
            if let Some((_, attribution)) = found {
                group.attribution = Some(attribution.clone());
            }
            let failure = group.operation.key(Step::Failed).and_then(|key| stored.get(key.as_str()));
            group.failed_at = failure.map(|(at, _)| *at);
            for Member { report, .. } in &mut group.members {
                let is_stored = |key: &DedupKey| stored.contains_key(key.as_str());
                report.step.take_if(|(_, event)| event.dedup_key.as_ref().is_some_and(is_stored));
            }
        }
    }

    /// Describes the requests that may belong to the operations whose request is not known yet. Returns one
    /// lookup for each of these operations.
    pub(crate) fn lookups(&self) -> Vec<RequestLookup> {
        self.0.iter().filter_map(Group::lookup).collect()
    }

    /// Uses the stored requests that were found for [`Operations::lookups`]. If the page has a newer request
    /// for a lookup, that request is used instead.
    pub(crate) fn add_requests(&mut self, found: Vec<Option<(Timestamp, Attribution)>>) {
        let on_page: Vec<RequestOnPage> = self.0.iter().flat_map(Group::requests).collect();
        let mut found = found.into_iter();
        for group in &mut self.0 {
            let Some(lookup) = group.lookup() else { continue };
            let here = on_page.iter().filter(|request| request.fits(&lookup));
            let here = here.map(|request| (request.at, request.attribution.clone()));
            let newest = here.chain(found.next().flatten()).max_by_key(|(at, _)| *at);
            group.attribution = newest.map(|(_, attribution)| attribution);
        }
    }

    /// Makes the events. `now` determines which outcomes are recent.
    pub(crate) fn settle(self, now: Timestamp) -> Settled<'e> {
        let (mut events, mut held) = (Vec::new(), Vec::new());
        for group in self.0 {
            let Some(attribution) = group.attribution.clone().or_else(|| group.own_attribution(now)) else {
                held.extend(group.members.iter().map(|member| member.listed));
                continue;
            };
            let first = group.members.first().map_or(0, |member| member.nth);
            let failures = group.failures();
            let mut keys = HashSet::new();
            for Member { nth, listed, report } in group.members {
                let Some((step, event)) = report.step else { continue };
                if step == Step::Ready && failures.iter().any(|failure| soon_after(report.at, *failure)) {
                    continue;
                }
                if event.dedup_key.as_ref().is_none_or(|key| keys.insert(key.clone())) {
                    let order = if step == Step::Requested { (first, 0, nth) } else { (nth, 1, nth) };
                    events.push((order, listed, attributed(event, attribution.clone())));
                }
            }
        }
        events.sort_by_key(|(order, ..)| *order);
        Settled { events: events.into_iter().map(|(_, listed, event)| (listed, event)).collect(), held }
    }
}

/// Whether a success at `ready` is not the outcome, because the operation failed at `failed`, soon after the
/// success. For example, a revision can be ready although its service can't move the traffic to it.
fn soon_after(ready: Timestamp, failed: Timestamp) -> bool {
    (SignedDuration::ZERO..HOLD).contains(&failed.duration_since(ready))
}

impl RequestOnPage {
    fn fits(&self, lookup: &RequestLookup) -> bool {
        self.key_prefix == lookup.key_prefix
            && (lookup.from..=lookup.until).contains(&self.at)
            && (lookup.with_operation || !self.has_operation_id)
    }
}

impl Group<'_> {
    fn requests(&self) -> impl Iterator<Item = RequestOnPage> {
        let requests = self.members.iter().map(|member| &member.report).filter(|report| report.is_request());
        requests.filter_map(|report| {
            Some(RequestOnPage {
                key_prefix: self.operation.key_prefix(Step::Requested),
                at: report.at,
                has_operation_id: report.has_operation_id,
                attribution: self.attribution.clone()?,
            })
        })
    }

    /// The time of the first report that has an event to store.
    fn first_event_at(&self) -> Option<Timestamp> {
        let events = self.members.iter().filter(|member| member.report.step.is_some());
        events.map(|member| member.report.at).min()
    }

    /// The times at which the operation failed.
    fn failures(&self) -> Vec<Timestamp> {
        let reports = self.members.iter().map(|member| &member.report);
        let failed = reports.filter(|report| matches!(&report.step, Some((Step::Failed, _))));
        failed.map(|report| report.at).chain(self.failed_at).collect()
    }

    /// Describes the request of this operation, unless the attribution is known or there is no event to
    /// store.
    fn lookup(&self) -> Option<RequestLookup> {
        let until = self.first_event_at().filter(|_| self.attribution.is_none())?;
        let any = |test: fn(&Report) -> bool| self.members.iter().any(|member| test(&member.report));
        let keeps_labels = any(|report| report.keeps_labels);
        let longest = if keeps_labels { LONGEST_PAUSE } else { LONGEST_OPERATION };
        let from = until.checked_sub(longest).unwrap_or(Timestamp::MIN);
        let with_operation = keeps_labels || !any(|report| report.has_operation_id);
        let key_prefix = self.operation.key_prefix(Step::Requested);
        Some(RequestLookup { key_prefix, from, until, with_operation })
    }

    /// The attribution from the labels of the outcome. `None` if the operation is held.
    fn own_attribution(&self, now: Timestamp) -> Option<Attribution> {
        let mut labels: Vec<&Labels> = self.members.iter().map(|member| &member.report.labels).collect();
        labels.sort_by_key(|labels| Reverse(labels.source));
        let (best, weaker) = labels.split_first()?;
        let is_recent = |at: Timestamp| now.duration_since(at).abs() < HOLD;
        if best.source < LabelSource::Service && self.first_event_at().is_some_and(is_recent) {
            return None;
        }
        let labels = weaker.iter().fold((*best).clone(), |labels, weaker| labels.or(weaker));
        self.members.first().map(|member| labels.attribution(&member.report.service))
    }
}
