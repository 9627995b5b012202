//! A walk over the rows that pass a filter, in id order, along the index that serves it best.

use oasis_core::{Source, Status};

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use crate::filter::Filter;

/// A walk over the rows that pass a filter, in id order.
pub(super) struct Walk {
    leads: Leads,
    pub(super) conditions: Vec<String>,
    /// A condition on what was found.
    pub(super) bound: String,
    /// The id as the index that is walked has it.
    id: &'static str,
    direction: &'static str,
}

impl Walk {
    pub(super) fn of(query: &PageQuery<'_>, params: &mut Params) -> Self {
        let mut conditions = vec!["true".to_owned()];
        let leads =
            query.filter.map_or_else(Leads::default, |filter| Leads::of(filter, params, &mut conditions));
        // The rows of all channels are walked along the primary key, which must not serve a filter's order:
        // between two rows of a channel there may be millions of others.
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
                // Outside the inner LIMIT it gives the same rows; inside, a planner without statistics
                // takes the span for so few rows that it gathers and sorts all that are left.
                if upto < i64::MAX {
                    let upto = params.add(Param::Id(upto));
                    bound = format!("found.id <= {upto}");
                }
            }
        }
        Self { leads, conditions, bound, id, direction: direction(query.order) }
    }

    /// A walk along an index of ids alone, back from the bound of `query`: what `filter` asks for is looked
    /// at in each row, as expressions that no other index serves.
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
        Self { leads: Leads::default(), conditions, bound: "true".to_owned(), id: "(e.id + 0)", direction }
    }

    /// How many walks it is: one for each combination of leading values.
    pub(super) fn lists(&self) -> i64 {
        self.leads.lists
    }

    /// An item of a FROM clause: of each leading value the first `most` rows.
    pub(super) fn sql(&self, columns: &str, most: &str) -> String {
        let Self { leads, conditions, id, direction, .. } = self;
        let (items, conditions) = (&leads.items, conditions.join(" AND "));
        format!(
            "{items}LATERAL (SELECT {columns} FROM public.oasis_events AS e WHERE {conditions} \
             ORDER BY {id} {direction} LIMIT {most}) AS found"
        )
    }
}

/// The fields whose index a walk goes along.
struct Leads {
    fields: Vec<&'static str>,
    /// The lists of values that it goes through one by one, as items of a FROM clause.
    items: String,
    /// How many walks they make.
    lists: i64,
}

impl Default for Leads {
    fn default() -> Self {
        Self { fields: Vec::new(), items: String::new(), lists: 1 }
    }
}

impl Leads {
    /// Adds what `filter` asks for to `conditions`, and says which values lead.
    fn of(filter: &Filter, params: &mut Params, conditions: &mut Vec<String>) -> Self {
        let mut leads = Self::default();
        if !filter.channel.is_devhub() {
            conditions.push("e.channel <> 'devhub'".to_owned());
            leads.add(params, "channel", vec![filter.channel.as_str().to_owned()], conditions);
        } else if filter.is_open() {
            // The condition of the index oasis_events_devhub, and of no other.
            conditions.push("coalesce(e.channel = 'devhub', false)".to_owned());
        } else {
            // Literal, since the indexes are partial.
            conditions.push("e.channel = 'devhub'".to_owned());
        }
        for (field, accepted) in filter.named() {
            match (leads.any(), Pair::of(filter)) {
                (false, Some(pair)) if matches!(field, "status" | "source") => {
                    leads.add(params, "status", pair.status, conditions);
                    leads.add(params, "source", pair.source, conditions);
                }
                _ if leads.has(field) => {}
                (false, _) => leads.add(params, field, accepted, conditions),
                (true, _) => {
                    let values = params.add(Param::Texts(accepted));
                    conditions.push(format!("e.{field} = ANY({values})"));
                }
            }
        }
        leads
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
        self.lists *= values.len().max(1) as i64;
        let value = match <[String; 1]>::try_from(values) {
            // The planner knows how often this one is; of a list it takes each for as rare as the average.
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

/// The index on status and source serves whoever names one of them: both sets are closed, so the other is
/// every member of its set.
pub(super) struct Pair {
    pub(super) status: Vec<String>,
    pub(super) source: Vec<String>,
}

impl Pair {
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
