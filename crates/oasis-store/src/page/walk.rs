//! [`IndexWalk`]: SQL that reads the rows that pass a filter, in id order, along the index that serves the
//! filter best.

use oasis_core::{Source, Status};

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use crate::filter::Filter;

/// A walk along an index over the rows that pass a filter, in id order.
pub(super) struct IndexWalk {
    leading: LeadingFields,
    pub(super) conditions: Vec<String>,
    /// A condition on the rows that the walk found.
    pub(super) bound: String,
    /// The id as the index holds it.
    id: &'static str,
    direction: &'static str,
}

impl IndexWalk {
    pub(super) fn of(query: &PageQuery<'_>, params: &mut Params) -> Self {
        let mut conditions = vec!["true".to_owned()];
        let leading = match query.filter {
            Some(filter) => LeadingFields::of(filter, params, &mut conditions),
            None => LeadingFields::default(),
        };
        // Without a filter, the walk goes along the primary key. With a filter, `id + 0` keeps the planner
        // away from the primary key, where millions of other rows may lie between two rows of a channel.
        let id = if query.filter.is_some() { "(e.id + 0)" } else { "e.id" };
        let mut bound = "true".to_owned();
        match query.order {
            Order::NewestFirst { before: None } => {}
            Order::NewestFirst { before: Some(before) } => {
                let before = params.add(Param::Id(before));
                conditions.push(format!("{id} < {before}"));
            }
            Order::OldestFirst { after, upto } => {
                let after = params.add(Param::Id(after));
                conditions.push(format!("{id} > {after}"));
                // The upper bound is a condition outside the inner LIMIT, which gives the same rows. With
                // the bound inside, a planner without statistics expects few rows, so it collects and
                // sorts all that are left.
                if upto < i64::MAX {
                    let upto = params.add(Param::Id(upto));
                    bound = format!("found.id <= {upto}");
                }
            }
        }
        Self { leading, conditions, bound, id, direction: direction(query.order) }
    }

    /// A walk along an index of ids alone, back from the bound of `query`. It checks each row against
    /// `filter`, with expressions that no other index serves.
    pub(super) fn along_ids(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Self {
        let mut conditions = vec!["e.channel = 'devhub'".to_owned()];
        for (field, accepted) in filter.named() {
            let values = params.add(Param::Texts(accepted));
            conditions.push(format!("(e.{field} = ANY({values})) IS TRUE"));
        }
        if let Order::NewestFirst { before: Some(before) } = query.order {
            let before = params.add(Param::Id(before));
            conditions.push(format!("(e.id + 0) < {before}"));
        }
        let direction = direction(query.order);
        let leading = LeadingFields::default();
        Self { leading, conditions, bound: "true".to_owned(), id: "(e.id + 0)", direction }
    }

    /// How many combinations of leading values there are. Each combination is walked by itself.
    pub(super) fn combinations(&self) -> i64 {
        self.leading.combinations
    }

    /// An item of a FROM clause: the first `most` rows of each combination of leading values.
    pub(super) fn sql(&self, columns: &str, most: &str) -> String {
        let Self { leading, conditions, id, direction, .. } = self;
        let (items, conditions) = (&leading.items, conditions.join(" AND "));
        format!(
            "{items}LATERAL (SELECT {columns} FROM public.oasis_events AS e WHERE {conditions} \
             ORDER BY {id} {direction} LIMIT {most}) AS found"
        )
    }
}

/// The fields whose index a walk goes along, with the values that it visits.
struct LeadingFields {
    fields: Vec<&'static str>,
    /// The lists of values that are visited one by one, as items of a FROM clause.
    items: String,
    /// How many combinations of values there are.
    combinations: i64,
}

impl Default for LeadingFields {
    fn default() -> Self {
        Self { fields: Vec::new(), items: String::new(), combinations: 1 }
    }
}

impl LeadingFields {
    /// Adds the conditions of `filter` to `conditions`, and decides which fields lead.
    fn of(filter: &Filter, params: &mut Params, conditions: &mut Vec<String>) -> Self {
        let mut leading = Self::default();
        if !filter.channel.is_devhub() {
            conditions.push("e.channel <> 'devhub'".to_owned());
            leading.add(params, "channel", vec![filter.channel.as_str().to_owned()], conditions);
        } else if filter.is_open() {
            // Only the index oasis_events_devhub has this condition.
            conditions.push("coalesce(e.channel = 'devhub', false)".to_owned());
        } else {
            // A literal, because the conditions of the partial indexes are literals.
            conditions.push("e.channel = 'devhub'".to_owned());
        }
        for (field, accepted) in filter.named() {
            match (leading.any(), StatusAndSource::of(filter)) {
                (false, Some(pair)) if matches!(field, "status" | "source") => {
                    leading.add(params, "status", pair.status, conditions);
                    leading.add(params, "source", pair.source, conditions);
                }
                _ if leading.has(field) => {}
                (false, _) => leading.add(params, field, accepted, conditions),
                (true, _) => {
                    let values = params.add(Param::Texts(accepted));
                    conditions.push(format!("e.{field} = ANY({values})"));
                }
            }
        }
        leading
    }

    fn any(&self) -> bool {
        !self.fields.is_empty()
    }

    fn has(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }

    fn add(
        &mut self,
        params: &mut Params,
        field: &'static str,
        values: Vec<String>,
        conditions: &mut Vec<String>,
    ) {
        self.fields.push(field);
        self.combinations *= values.len().max(1) as i64;
        let value = match <[String; 1]>::try_from(values) {
            // The planner knows how frequent a single value is. For each value of a list, it assumes an
            // average frequency.
            Ok([value]) => params.add(Param::Text(value)),
            Err(values) => {
                let values = params.add(Param::Texts(values));
                self.items.push_str(&format!("unnest({values}) AS lead_{field} CROSS JOIN "));
                format!("lead_{field}")
            }
        };
        conditions.push(format!("e.{field} = {value}"));
    }
}

/// The values of the index on status and source. This index also serves filters that name only one of the two
/// fields. Both sets are closed, so the other field takes every member of its set.
pub(super) struct StatusAndSource {
    pub(super) status: Vec<String>,
    pub(super) source: Vec<String>,
}

impl StatusAndSource {
    /// `None` when the filter names neither.
    pub(super) fn of(filter: &Filter) -> Option<Self> {
        if filter.status.is_empty() && filter.source.is_empty() {
            return None;
        }
        fn or_all<T: ToString>(named: &[T], all: &[T]) -> Vec<String> {
            if named.is_empty() { all } else { named }.iter().map(ToString::to_string).collect()
        }
        Some(Self {
            status: or_all(&filter.status, Status::ALL),
            source: or_all(&filter.source, Source::ALL),
        })
    }
}

pub(super) fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst { .. } => "DESC",
        Order::OldestFirst { .. } => "ASC",
    }
}
