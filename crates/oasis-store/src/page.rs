//! Reading pages of the table: the one query behind replay, resume, filters and the query API.

use jiff::Timestamp;
use oasis_core::{Channel, Ticker, Ts};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::{Store, StoreError};

/// An event as the table holds it. Its fields passed the table's CHECK constraints and are not parsed again.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the contract")]
pub struct StoredEvent {
    pub id: i64,
    pub ts: String,
    pub vtid: String,
    pub layer: String,
    pub module: String,
    pub source: String,
    pub kind: String,
    pub status: String,
    pub title: String,
    pub reference: String,
    pub link: Option<String>,
    pub channel: String,
    pub recorded_at: Timestamp,
    /// JSON text; empty unless [`Columns::WithMeta`] was asked for.
    pub meta: String,
}

impl StoredEvent {
    /// The public view.
    pub fn ticker(&self) -> Ticker<'_> {
        Ticker {
            ts: &self.ts,
            vtid: &self.vtid,
            layer: &self.layer,
            module: &self.module,
            source: &self.source,
            kind: &self.kind,
            status: &self.status,
            title: &self.title,
            reference: &self.reference,
            link: self.link.as_deref(),
        }
    }

    pub(crate) fn from_row(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let ts: Timestamp = row.try_get(1)?;
        Ok(Self {
            id: row.try_get(0)?,
            ts: Ts::new(ts).map_or_else(|_| ts.to_string(), |ts| ts.to_string()),
            vtid: row.try_get(2)?,
            layer: row.try_get(3)?,
            module: row.try_get(4)?,
            source: row.try_get(5)?,
            kind: row.try_get(6)?,
            status: row.try_get(7)?,
            title: row.try_get(8)?,
            reference: row.try_get(9)?,
            link: row.try_get(10)?,
            channel: row.try_get(11)?,
            recorded_at: row.try_get(12)?,
            meta: row.try_get(13)?,
        })
    }
}

/// Which rows a reader wants: a channel, and for each field the values that it accepts (none: any value).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The stream.
    pub channel: Channel,
    /// Accepted VTIDs, `UNSET` and `IDLE` among them.
    pub vtid: Vec<String>,
    /// Accepted layers.
    pub layer: Vec<String>,
    /// Accepted modules.
    pub module: Vec<String>,
    /// Accepted sources.
    pub source: Vec<String>,
    /// Accepted kinds.
    pub kind: Vec<String>,
    /// Accepted statuses.
    pub status: Vec<String>,
}

impl Filter {
    /// Everything in `channel`.
    pub fn all(channel: Channel) -> Self {
        let none = Vec::new;
        Self {
            channel,
            vtid: none(),
            layer: none(),
            module: none(),
            source: none(),
            kind: none(),
            status: none(),
        }
    }

    /// Whether it accepts every event of its channel.
    pub fn is_open(&self) -> bool {
        self.fields().iter().all(|(_, accepted)| accepted.is_empty())
    }

    /// Whether it accepts `event`.
    pub fn accepts(&self, event: &StoredEvent) -> bool {
        let takes =
            |accepted: &[String], value: &str| accepted.is_empty() || accepted.iter().any(|a| a == value);
        self.channel.as_str() == event.channel
            && takes(&self.vtid, &event.vtid)
            && takes(&self.layer, &event.layer)
            && takes(&self.module, &event.module)
            && takes(&self.source, &event.source)
            && takes(&self.kind, &event.kind)
            && takes(&self.status, &event.status)
    }

    fn fields(&self) -> [(&'static str, &[String]); 6] {
        [
            ("vtid", &self.vtid),
            ("status", &self.status),
            ("source", &self.source),
            ("kind", &self.kind),
            ("module", &self.module),
            ("layer", &self.layer),
        ]
    }
}

/// Which way a page goes, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Descending ids, all below `before`.
    NewestFirst {
        /// Exclusive bound.
        before: Option<i64>,
    },
    /// Ascending ids above `after`, up to and with `upto`.
    OldestFirst {
        /// Exclusive bound.
        after: i64,
        /// Inclusive bound.
        upto: i64,
    },
}

/// How much of each row is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// The ticker's fields.
    Ticker,
    /// `meta` too.
    WithMeta,
}

/// One page that a reader asks for.
#[derive(Debug, Clone)]
pub struct PageQuery<'a> {
    /// Which rows; without a filter, those of every channel.
    pub filter: Option<&'a Filter>,
    /// Which way, and from where.
    pub order: Order,
    /// Most rows.
    pub limit: i64,
    /// Rows passed over first.
    pub offset: i64,
    /// Earliest `ts`, inclusive.
    pub since: Option<Ts>,
    /// Latest `ts`, inclusive.
    pub until: Option<Ts>,
    /// How much of each row.
    pub columns: Columns,
}

impl<'a> PageQuery<'a> {
    /// What the feed shows of the rows that pass `filter`.
    pub fn ticker(filter: Option<&'a Filter>, order: Order, limit: i64) -> Self {
        Self { filter, order, limit, offset: 0, since: None, until: None, columns: Columns::Ticker }
    }
}

/// A page, and what had been pruned when it was read (in the same snapshot).
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The rows in the order asked for.
    pub events: Vec<StoredEvent>,
    /// Ids up to this one are gone.
    pub pruned_through: i64,
    /// The highest id in the table, 0 when it is empty.
    pub newest: i64,
}

impl Store {
    /// Reads one page.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn page(&self, query: &PageQuery<'_>) -> Result<Page, StoreError> {
        let statement = Statement::of(query);
        let params: Vec<_> = statement.params.iter().map(|param| param.bind()).collect();
        let rows = self.read(async |client| client.query_typed(&statement.sql, &params).await).await?;
        Ok(page_of(&rows)?)
    }
}

/// Reads a result of [`Statement::of`]: there is a row, with the marks alone, even when no event matches.
pub(crate) fn page_of(rows: &[Row]) -> Result<Page, tokio_postgres::Error> {
    let mut page = Page { events: Vec::with_capacity(rows.len()), pruned_through: 0, newest: 0 };
    for row in rows {
        page.pruned_through = row.try_get("pruned_through")?;
        page.newest = row.try_get("newest")?;
        if row.try_get::<_, Option<i64>>(0)?.is_some() {
            page.events.push(StoredEvent::from_row(row)?);
        }
    }
    Ok(page)
}

pub(crate) enum Param {
    Id(i64),
    Texts(Vec<String>),
    Time(Timestamp),
}

impl Param {
    pub(crate) fn bind(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Id(id) => (id, Type::INT8),
            Self::Texts(texts) => (texts, Type::TEXT_ARRAY),
            Self::Time(time) => (time, Type::TIMESTAMPTZ),
        }
    }
}

pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

impl Statement {
    fn param(&mut self, param: Param) -> String {
        self.params.push(param);
        format!("${}", self.params.len())
    }

    /// Adds what `filter` asks for to `conditions`, and says which values lead.
    fn filter(&mut self, filter: &Filter, conditions: &mut Vec<String>) -> Leads {
        let mut leads = Leads::default();
        if filter.is_open() && filter.channel == Channel::devhub() {
            // An expression, so that no partial index is taken for one that serves it: the primary key does.
            conditions.push("e.channel || '' = 'devhub'".to_owned());
            return leads;
        }
        if filter.channel == Channel::devhub() {
            // Literal, since the indexes are partial.
            conditions.push("e.channel = 'devhub'".to_owned());
        } else {
            conditions.push("e.channel <> 'devhub'".to_owned());
            leads.add(self, "channel", vec![filter.channel.as_str().to_owned()], conditions);
        }
        for (field, accepted) in filter.fields() {
            // The index on status and source serves whoever names one of them: both sets are closed, so the other
            // is every member of its set.
            let pair = field == "status" && !(filter.status.is_empty() && filter.source.is_empty());
            if leads.any() || (accepted.is_empty() && !pair) {
                if !accepted.is_empty() && !leads.has(field) {
                    let values = self.param(Param::Texts(accepted.to_vec()));
                    conditions.push(format!("e.{field} = ANY({values})"));
                }
                continue;
            }
            if pair {
                let all = |set: &[String], members: Vec<String>| {
                    if set.is_empty() { members } else { set.to_vec() }
                };
                let statuses = oasis_core::Status::ALL.iter().map(ToString::to_string).collect();
                let sources = oasis_core::Source::ALL.iter().map(ToString::to_string).collect();
                leads.add(self, "status", all(&filter.status, statuses), conditions);
                leads.add(self, "source", all(&filter.source, sources), conditions);
            } else {
                leads.add(self, field, accepted.to_vec(), conditions);
            }
        }
        leads
    }

    /// The statement of a page.
    ///
    /// One field leads: the first of those with an index that the filter names. For each of its values the newest
    /// (or oldest) matching rows are taken from that index in id order, which is fast however rare a value is, and
    /// the few candidates are merged. Everything else in the filter is a condition on the rows met on the way.
    pub(crate) fn of(query: &PageQuery<'_>) -> Self {
        let mut this = Self { sql: String::new(), params: Vec::new() };
        let mut conditions = vec!["true".to_owned()];
        let leads = query.filter.map_or_else(Leads::default, |filter| this.filter(filter, &mut conditions));
        // Without a leading field the primary key serves the order; with one it must not.
        let id = if leads.any() { "(e.id + 0)" } else { "e.id" };
        let leads = leads.0;
        let mut bound = "true".to_owned();
        let direction = match query.order {
            Order::NewestFirst { before } => {
                if let Some(before) = before {
                    let before = this.param(Param::Id(before));
                    conditions.push(format!("{id} < {before}"));
                }
                "DESC"
            }
            Order::OldestFirst { after, upto } => {
                let after = this.param(Param::Id(after));
                conditions.push(format!("{id} > {after}"));
                // Outside the inner LIMIT it gives the same rows; inside, a planner without statistics takes the span
                // for so few rows that it gathers and sorts all that are left.
                if upto < i64::MAX {
                    let upto = this.param(Param::Id(upto));
                    bound = format!("found.id <= {upto}");
                }
                "ASC"
            }
        };
        if let Some(since) = query.since {
            let since = this.param(Param::Time(since.instant()));
            conditions.push(format!("e.ts >= {since}"));
        }
        if let Some(until) = query.until {
            let until = this.param(Param::Time(until.instant()));
            conditions.push(format!("e.ts <= {until}"));
        }
        let reach = this.param(Param::Id(query.limit.saturating_add(query.offset)));
        let limit = this.param(Param::Id(query.limit));
        let offset = this.param(Param::Id(query.offset));
        let meta = match query.columns {
            Columns::Ticker => "''",
            Columns::WithMeta => "e.meta::text",
        };
        let conditions = conditions.join(" AND ");
        // The state as a subquery is one row to the planner; as a table it would be thousands, and such a plan be
        // compiled (JIT) for longer than it runs.
        this.sql = format!(
            "SELECT page.*, state.pruned_through, state.newest \
             FROM (SELECT coalesce((SELECT pruned_through FROM public.oasis_feed_state), 0) AS pruned_through, \
                          coalesce((SELECT max(id) FROM public.oasis_events), 0) AS newest) AS state \
             LEFT JOIN ( \
               SELECT found.* FROM {leads}LATERAL ( \
                 SELECT e.id, e.ts, e.vtid, e.layer, e.module, e.source, e.kind, e.status, e.title, e.ref, e.link, \
                        e.channel, e.recorded_at, {meta} AS meta \
                 FROM public.oasis_events AS e WHERE {conditions} ORDER BY {id} {direction} LIMIT {reach} \
               ) AS found WHERE {bound} ORDER BY found.id {direction} LIMIT {limit} OFFSET {offset} \
             ) AS page ON true ORDER BY page.id {direction}"
        );
        this
    }
}

/// The lists of values that a statement goes through one by one, as items of its FROM clause.
#[derive(Default)]
struct Leads(String);

impl Leads {
    fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn has(&self, field: &str) -> bool {
        self.0.contains(&format!("AS lead_{field} "))
    }

    fn add(
        &mut self,
        statement: &mut Statement,
        field: &str,
        values: Vec<String>,
        conditions: &mut Vec<String>,
    ) {
        let values = statement.param(Param::Texts(values));
        self.0.push_str(&format!("unnest({values}) AS lead_{field} CROSS JOIN "));
        conditions.push(format!("e.{field} = lead_{field}"));
    }
}
