//! The SQL of a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use oasis_core::{Source, Status, Ts};
use tokio_postgres::types::{ToSql, Type};

use super::query::{Columns, Order, PageQuery};
use crate::event::COLUMNS;
use crate::filter::Filter;

/// Rows that are looked at, newest first, before the bounds of a page on `ts` are given an index of their own.
const NEAR: i64 = 1_000;

/// How far the table goes, in one row. As a subquery the state is one row to the planner; as a table it would be thousands,
/// and such a plan be compiled (JIT) for longer than it runs.
const STATE: &str = "(SELECT coalesce((SELECT pruned_through FROM public.oasis_feed_state), 0) AS pruned_through, \
                     coalesce((SELECT max(id) FROM public.oasis_events), 0) AS newest) AS state";

pub(crate) enum Param {
    Id(i64),
    Text(String),
    Texts(Vec<String>),
    /// `None`: any value.
    Accepted(Option<Vec<String>>),
    Time(Timestamp),
}

impl Param {
    pub(crate) fn bind(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Id(id) => (id, Type::INT8),
            Self::Text(text) => (text, Type::TEXT),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Accepted(texts) => (texts, Type::TEXT_ARRAY),
            Self::Time(time) => (time, Type::TIMESTAMPTZ),
        }
    }
}

#[derive(Default)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

impl Statement {
    /// The statement of a page.
    pub(crate) fn of(query: &PageQuery<'_>) -> Self {
        match bounded(query) {
            Some(filter) if by_time_takes(filter) => Self::by_time(query, filter),
            _ => Self::by_id(query),
        }
    }

    /// One field leads: the first of those with an index that the filter names. For each of its values the newest
    /// (or oldest) matching rows are taken from that index in id order, which is fast however rare a value is, and
    /// the few candidates are merged. Everything else in the filter is a condition on the rows met on the way.
    fn by_id(query: &PageQuery<'_>) -> Self {
        let mut this = Self::default();
        let mut walk = Walk::of(query, &mut this);
        if let Some(bounds) = this.bounds(query, "e.ts") {
            walk.conditions.push(bounds);
        }
        let reach = this.param(Param::Id(query.limit.saturating_add(query.offset)));
        let found = walk.sql(&format!("{}, e.meta", fields("e")), &reach);
        let (bound, direction) = (walk.bound, walk.direction);
        let (limit, offset) = this.span(query);
        this.finish(
            query,
            "",
            &format!(
                "SELECT found.* FROM {found} WHERE {bound} ORDER BY found.id {direction} LIMIT {limit} OFFSET {offset}"
            ),
        );
        this
    }

    /// The statement that settles a page with bounds on `ts` if a walk over the newest of the rows that it asks for
    /// but for the bounds does, as it does for values that are rare and for times near the head. `None` when there
    /// are no bounds. It tells whether it did as `settled`.
    pub(crate) fn near(query: &PageQuery<'_>) -> Option<Self> {
        bounded(query)?;
        let mut this = Self::default();
        let walk = Walk::of(query, &mut this);
        let reach = query.limit.saturating_add(query.offset);
        let budget = this.param(Param::Id(reach.max(NEAR / walk.leads.lists)));
        let found = walk.sql("e.id, e.ts", &budget);
        let bounds = this.bounds(query, "near.ts").unwrap_or_default();
        let (limit, offset) = this.span(query);
        let reach = this.param(Param::Id(reach));
        this.sql = format!(
            "WITH near AS MATERIALIZED (SELECT found.* FROM {found} ORDER BY found.id DESC LIMIT {budget}), \
             settled AS MATERIALIZED ( \
               SELECT count(*) < {budget} OR count(*) FILTER (WHERE {bounds}) >= {reach} AS settled FROM near) "
        );
        this.finish(
            query,
            ", (SELECT settled FROM settled) AS settled",
            &format!(
                "SELECT {fields}, e.meta FROM ( \
                   SELECT near.id FROM near WHERE {bounds} ORDER BY near.id DESC LIMIT {limit} OFFSET {offset} \
                 ) AS hit JOIN public.oasis_events AS e ON e.id = hit.id WHERE (SELECT settled FROM settled)",
                fields = fields("e"),
            ),
        );
        Some(this)
    }

    /// A page with bounds on `ts`, however far back: the function finds its ids by time.
    fn by_time(query: &PageQuery<'_>, filter: &Filter) -> Self {
        let mut this = Self::default();
        let mut time = |bound: Option<Ts>, open: &str| match bound {
            Some(bound) => this.param(Param::Time(bound.instant())),
            None => open.to_owned(),
        };
        let (since, until) = (time(query.since, "'-infinity'"), time(query.until, "'infinity'"));
        let before = match query.order {
            Order::NewestFirst { before: Some(before) } => before,
            _ => i64::MAX,
        };
        let mut named: BTreeMap<&str, Vec<String>> = filter.named().into_iter().collect();
        if let Some(pair) = Pair::of(filter) {
            named.extend([("status", pair.status), ("source", pair.source)]);
        }
        let mut params = vec![
            this.param(Param::Id(before)),
            this.param(Param::Id(query.limit.saturating_add(query.offset))),
        ];
        params.extend(BY_TIME.map(|field| this.param(Param::Accepted(named.remove(field)))));
        let params = params.join(", ");
        let (limit, offset) = this.span(query);
        this.finish(
            query,
            "",
            &format!(
                "SELECT {fields}, e.meta FROM ( \
                   SELECT timed.id FROM public.oasis_ids_between({since}, {until}, {params}) AS timed (id) \
                   ORDER BY timed.id DESC LIMIT {limit} OFFSET {offset} \
                 ) AS hit JOIN public.oasis_events AS e ON e.id = hit.id",
                fields = fields("e"),
            ),
        );
        this
    }

    /// Puts a page beside the state of the table: there is a row, with the state alone, even when no event matches.
    /// `meta` becomes text out here, where the rows that an offset passes over are gone.
    pub(super) fn finish(&mut self, query: &PageQuery<'_>, marks: &str, page: &str) {
        let meta = match query.columns {
            Columns::Ticker => "NULL::text",
            Columns::WithMeta => "page.meta::text",
            Columns::WithMetaOfAgents => "CASE WHEN page.source = 'agent.ping' THEN page.meta::text END",
        };
        let direction = direction(query.order);
        // Writing to a String has no way to fail.
        let _ = write!(
            self.sql,
            "SELECT {}, {meta} AS meta, state.pruned_through, state.newest{marks} \
             FROM {STATE} LEFT JOIN ({page}) AS page ON true ORDER BY page.id {direction}",
            fields("page"),
        );
    }

    pub(super) fn param(&mut self, param: Param) -> String {
        self.params.push(param);
        format!("${}", self.params.len())
    }

    fn span(&mut self, query: &PageQuery<'_>) -> (String, String) {
        (self.param(Param::Id(query.limit)), self.param(Param::Id(query.offset)))
    }

    fn bounds(&mut self, query: &PageQuery<'_>, ts: &str) -> Option<String> {
        let mut bounds = Vec::new();
        for (operator, bound) in [(">=", query.since), ("<=", query.until)] {
            if let Some(bound) = bound {
                let bound = self.param(Param::Time(bound.instant()));
                bounds.push(format!("{ts} {operator} {bound}"));
            }
        }
        (!bounds.is_empty()).then(|| bounds.join(" AND "))
    }
}

/// The fields of a filter that `oasis_ids_between` takes, in its order.
const BY_TIME: [&str; 6] = ["vtid", "status", "source", "kind", "module", "layer"];

fn by_time_takes(filter: &Filter) -> bool {
    filter.named().iter().all(|(field, _)| BY_TIME.contains(field))
}

/// The filter of a page for which `oasis_ids_between` is made: bounds on `ts`, newest first, in the public channel.
fn bounded<'a>(query: &PageQuery<'a>) -> Option<&'a Filter> {
    let filter = query.filter.filter(|filter| filter.channel.is_devhub())?;
    let newest = matches!(query.order, Order::NewestFirst { .. });
    (newest && (query.since.is_some() || query.until.is_some())).then_some(filter)
}

pub(crate) fn fields(table: &str) -> String {
    COLUMNS.map(|field| format!("{table}.{field}")).join(", ")
}

fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst { .. } => "DESC",
        Order::OldestFirst { .. } => "ASC",
    }
}

/// The index on status and source serves whoever names one of them: both sets are closed, so the other is every
/// member of its set.
struct Pair {
    status: Vec<String>,
    source: Vec<String>,
}

impl Pair {
    /// `None` when the filter names neither.
    fn of(filter: &Filter) -> Option<Self> {
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

/// A walk over the rows that pass a filter, in id order.
pub(super) struct Walk {
    leads: Leads,
    pub(super) conditions: Vec<String>,
    /// A condition on what was found.
    bound: String,
    /// The id as the index that is walked has it.
    id: &'static str,
    direction: &'static str,
}

impl Walk {
    pub(super) fn of(query: &PageQuery<'_>, statement: &mut Statement) -> Self {
        let mut conditions = vec!["true".to_owned()];
        let leads =
            query.filter.map_or_else(Leads::default, |filter| Leads::of(filter, statement, &mut conditions));
        // Without a leading field the primary key serves the order; with one it must not.
        let id = if leads.any() { "(e.id + 0)" } else { "e.id" };
        let mut bound = "true".to_owned();
        match query.order {
            Order::NewestFirst { before: None } => {}
            Order::NewestFirst { before: Some(before) } => {
                let before = statement.param(Param::Id(before));
                conditions.push(format!("{id} < {before}"));
            }
            Order::OldestFirst { after, upto } => {
                let after = statement.param(Param::Id(after));
                conditions.push(format!("{id} > {after}"));
                // Outside the inner LIMIT it gives the same rows; inside, a planner without statistics takes the span
                // for so few rows that it gathers and sorts all that are left.
                if upto < i64::MAX {
                    let upto = statement.param(Param::Id(upto));
                    bound = format!("found.id <= {upto}");
                }
            }
        }
        Self { leads, conditions, bound, id, direction: direction(query.order) }
    }

    /// A walk along an index of ids alone, back from the bound of `query`: what `filter` asks for is looked at in each
    /// row, as expressions that no other index serves.
    pub(super) fn along_ids(query: &PageQuery<'_>, filter: &Filter, statement: &mut Statement) -> Self {
        let mut conditions = vec!["e.channel = 'devhub'".to_owned()];
        for (field, accepted) in filter.named() {
            let values = statement.param(Param::Texts(accepted));
            conditions.push(format!("(e.{field} = ANY({values})) IS TRUE"));
        }
        if let Order::NewestFirst { before: Some(before) } = query.order {
            let before = statement.param(Param::Id(before));
            conditions.push(format!("(e.id + 0) < {before}"));
        }
        let direction = direction(query.order);
        Self { leads: Leads::default(), conditions, bound: "true".to_owned(), id: "(e.id + 0)", direction }
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
    fn of(filter: &Filter, statement: &mut Statement, conditions: &mut Vec<String>) -> Self {
        let mut leads = Self::default();
        if !filter.channel.is_devhub() {
            conditions.push("e.channel <> 'devhub'".to_owned());
            leads.add(statement, "channel", vec![filter.channel.as_str().to_owned()], conditions);
        } else if filter.is_open() {
            // An expression, so that no partial index is taken for one that serves it: the primary key does.
            conditions.push("(e.channel = 'devhub') IS TRUE".to_owned());
        } else {
            // Literal, since the indexes are partial.
            conditions.push("e.channel = 'devhub'".to_owned());
        }
        for (field, accepted) in filter.named() {
            match (leads.any(), Pair::of(filter)) {
                (false, Some(pair)) if matches!(field, "status" | "source") => {
                    leads.add(statement, "status", pair.status, conditions);
                    leads.add(statement, "source", pair.source, conditions);
                }
                _ if leads.has(field) => {}
                (false, _) => leads.add(statement, field, accepted, conditions),
                (true, _) => {
                    let values = statement.param(Param::Texts(accepted));
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
        statement: &mut Statement,
        field: &'static str,
        values: Vec<String>,
        conditions: &mut Vec<String>,
    ) {
        self.fields.push(field);
        self.lists *= values.len().max(1) as i64;
        let value = match <[String; 1]>::try_from(values) {
            // The planner knows how often this one is; of a list it takes each for as rare as the average.
            Ok([value]) => statement.param(Param::Text(value)),
            Err(values) => {
                let values = statement.param(Param::Texts(values));
                self.items.push_str(&format!("unnest({values}) AS lead_{field} CROSS JOIN "));
                format!("lead_{field}")
            }
        };
        conditions.push(format!("e.{field} = {value}"));
    }
}
