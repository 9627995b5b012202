//! [`IndexWalk`]: SQL that reads the rows that pass a filter, in id order, along the index that serves the
//! filter best.

use oasis_core::{Source, Status};

use super::param::{Param, Params};
use super::query::{Order, PageQuery};
use crate::filter::Filter;

/// Only the index oasis_events_devhub has exactly this condition, so the planner uses this index.
const TICKER: &str = "coalesce(e.channel = 'devhub', false)";

/// A walk along an index over the rows that pass a filter, in id order.
pub(super) struct IndexWalk {
    leading: LeadingFields,
    pub(super) conditions: Vec<String>,
    /// A condition on the rows that the walk finds.
    pub(super) bound: String,
    /// The SQL expression of the id in the index.
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
        // away from the primary key, because the primary key may have millions of other rows between two rows
        // of a channel.
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
                // The upper bound is applied outside of the inner LIMIT, which does not change the result. If
                // the bound were inside, a planner without statistics would expect few rows, and would
                // collect and sort all remaining rows.
                if upto < i64::MAX {
                    let upto = params.add(Param::Id(upto));
                    bound = format!("found.id <= {upto}");
                }
            }
        }
        Self { leading, conditions, bound, id, direction: direction(query.order) }
    }

    /// A walk along an index on the id alone. It starts at the bound of `query` and goes to older rows. The
    /// conditions of `filter` are written as expressions that no other index can serve.
    pub(super) fn along_ids(query: &PageQuery<'_>, filter: &Filter, params: &mut Params) -> Self {
        let mut conditions = vec!["e.channel = 'devhub'".to_owned()];
        for (field, accepted) in filter.named() {
            let values = params.add(Param::Texts(accepted));
            conditions.push(format!("(e.{field} = ANY({values})) IS TRUE"));
        }
        Self::of_conditions(query, conditions, params)
    }

    /// A walk over all rows of the ticker. It starts at the bound of `query` and goes to older rows.
    pub(super) fn along_the_ticker(query: &PageQuery<'_>, params: &mut Params) -> Self {
        Self::of_conditions(query, vec![TICKER.to_owned()], params)
    }

    /// A walk over the rows that pass these conditions, without leading fields.
    fn of_conditions(query: &PageQuery<'_>, mut conditions: Vec<String>, params: &mut Params) -> Self {
        if let Order::NewestFirst { before: Some(before) } = query.order {
            let before = params.add(Param::Id(before));
            conditions.push(format!("(e.id + 0) < {before}"));
        }
        let leading = LeadingFields::default();
        let direction = direction(query.order);
        Self { leading, conditions, bound: "true".to_owned(), id: "(e.id + 0)", direction }
    }

    /// The number of combinations of leading values. Each combination is walked separately.
    pub(super) fn combinations(&self) -> i64 {
        self.leading.combinations
    }

    /// An item of a FROM clause. It selects the first `most` rows of each combination of leading values. Its
    /// column `place` is the id as an expression of the index. PostgreSQL knows that the index returns the
    /// rows in the order of `place`. If a statement ordered the rows by `id`, PostgreSQL would sort them
    /// again.
    pub(super) fn sql(&self, columns: &str, most: &str) -> String {
        let Self { leading, conditions, id, direction, .. } = self;
        let (items, conditions) = (&leading.items, conditions.join(" AND "));
        format!(
            "{items}LATERAL (SELECT {columns}, {id} AS place FROM {{schema}}.oasis_events AS e \
             WHERE {conditions} ORDER BY {id} {direction} LIMIT {most}) AS found"
        )
    }
}

/// The fields of the index that a walk goes along, and the values that the walk visits.
struct LeadingFields {
    fields: Vec<&'static str>,
    /// The lists of values that are visited one by one, as items of a FROM clause.
    items: String,
    /// The number of combinations of values.
    combinations: i64,
}

impl Default for LeadingFields {
    fn default() -> Self {
        Self { fields: Vec::new(), items: String::new(), combinations: 1 }
    }
}

impl LeadingFields {
    /// Adds the conditions of `filter` to `conditions`, and chooses the leading fields.
    fn of(filter: &Filter, params: &mut Params, conditions: &mut Vec<String>) -> Self {
        let mut leading = Self::default();
        if !filter.channel.is_devhub() {
            conditions.push("e.channel <> 'devhub'".to_owned());
            leading.add(params, "channel", vec![filter.channel.as_str().to_owned()], conditions);
        } else if filter.is_open() {
            conditions.push(TICKER.to_owned());
        } else {
            // The channel is a literal, because the conditions of the partial indexes contain the same
            // literal.
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
            // A single value is passed as text, because the planner knows how frequent the value is. For the
            // values of a list, the planner assumes an average frequency.
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

/// The values that a walk visits in the index on status and source. If a filter names only one of the two
/// fields, the walk visits all values of the other field. This is possible because both fields have a fixed
/// set of values.
pub(super) struct StatusAndSource {
    pub(super) status: Vec<String>,
    pub(super) source: Vec<String>,
}

impl StatusAndSource {
    /// `None` if the filter names neither a status nor a source.
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
