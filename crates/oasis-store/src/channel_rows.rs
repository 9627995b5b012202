//! Reads rows of many channels, or of many resources, with one statement. So thousands of readers that
//! reconnect at the same time need only a few statements.

use oasis_core::resource::{Place, ResourceId};
use oasis_core::{Channel, Kind};
use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::event::StoredEvent;
use crate::marks::Marks;
use crate::page::{STATE, fields};
use crate::resources::of_place;
use crate::store::Store;

/// The rows of one channel that a reader needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelRange {
    /// The channel, which must not be the ticker's.
    pub channel: Channel,
    /// Only the resource events of this workload, project or cluster. The channel must be `resources`.
    pub place: Option<(Place, ResourceId)>,
    /// Only rows of these kinds. An empty list accepts any kind.
    pub kinds: Vec<Kind>,
    /// Only rows with ids above this bound.
    pub after: i64,
    /// Only rows with ids up to this bound.
    pub upto: i64,
    /// The maximum number of rows.
    pub limit: i64,
}

/// Which rows of a range are read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeOrder {
    /// The rows with the lowest ids, in ascending order.
    OldestFirst,
    /// The rows with the highest ids, in descending order.
    NewestFirst,
}

/// The rows of some ranges, which were read in one snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelPages {
    /// A page for each range. `None` if the statement reached its limit of bytes before this range.
    pub pages: Vec<Option<ChannelPage>>,
    /// The id up to which each family of channels has been pruned.
    pub marks: Marks,
    /// The highest id in the table, over all channels. 0 if the table is empty.
    pub newest: i64,
}

/// The rows of one range.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChannelPage {
    /// The rows with their `meta`.
    pub rows: Vec<StoredEvent>,
    /// Whether the range has more rows.
    pub more: bool,
}

/// The maximum number of rows that one statement reads, unless there are more ranges than this.
const MOST_ROWS: i64 = 4_096;
/// The maximum total size of the `meta` of all rows, in bytes. The last row may exceed this limit.
const MOST_BYTES: i64 = 4 << 20;

impl Store {
    /// Reads rows of channels other than the ticker's. The first range always gets a page with at least one
    /// row, if it has rows. All ranges must be of the same kind: whole channels, or workloads, or projects,
    /// or clusters.
    ///
    /// # Errors
    /// When the database can't be reached or does not answer in time.
    pub async fn channel_rows(
        &self,
        ranges: &[ChannelRange],
        order: RangeOrder,
    ) -> Result<ChannelPages, StoreError> {
        let number = i64::try_from(ranges.len()).unwrap_or(i64::MAX).max(1);
        let share = (MOST_ROWS / number).max(1);
        let place = ranges.first().and_then(|first| Some(first.place.as_ref()?.0));
        let sql = self.sql(&statement(place, order));
        let name = |range: &ChannelRange| match &range.place {
            Some((_, id)) => id.as_str().to_owned(),
            None => range.channel.as_str().to_owned(),
        };
        let names: Vec<String> = ranges.iter().map(name).collect();
        let kinds = |range: &ChannelRange| {
            let kinds: Vec<&str> = range.kinds.iter().map(Kind::as_str).collect();
            kinds.join(",")
        };
        let kinds: Vec<String> = ranges.iter().map(kinds).collect();
        let afters: Vec<i64> = ranges.iter().map(|range| range.after).collect();
        let uptos: Vec<i64> = ranges.iter().map(|range| range.upto).collect();
        // One row more shows whether the range has more rows.
        let limits: Vec<i64> = ranges.iter().map(|range| range.limit.clamp(0, share) + 1).collect();
        let params: [(&(dyn ToSql + Sync), Type); 6] = [
            (&names, Type::TEXT_ARRAY),
            (&kinds, Type::TEXT_ARRAY),
            (&afters, Type::INT8_ARRAY),
            (&uptos, Type::INT8_ARRAY),
            (&limits, Type::INT8_ARRAY),
            (&MOST_BYTES, Type::INT8),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut found = ChannelPages {
            pages: vec![Some(ChannelPage::default()); ranges.len()],
            marks: Marks::default(),
            newest: 0,
        };
        let Some(first) = rows.first() else { return Ok(found) };
        found.marks = Marks::read(first.try_get("pruned_through")?, first.try_get("families")?)?;
        found.newest = first.try_get("newest")?;
        // If no range has rows, the result has one row with only the state of the table.
        let Some(all) = first.try_get::<_, Option<i64>>("found")? else { return Ok(found) };
        let mut last = 0;
        for row in &rows {
            let nth = usize::try_from(row.try_get::<_, i64>("nth")?).unwrap_or_default() - 1;
            let page = found.pages[nth].get_or_insert_default();
            if page.rows.len() as i64 + 1 < limits[nth] {
                page.rows.push(StoredEvent::from_row(row)?);
            } else {
                page.more = true;
            }
            last = nth;
        }
        if (rows.len() as i64) < all {
            // The statement reached its limit of bytes in the page of its last row, or after this page.
            if let Some(page) = &mut found.pages[last] {
                page.more = true;
            }
            found.pages[last + 1..].fill(None);
        }
        Ok(found)
    }
}

fn statement(place: Option<Place>, order: RangeOrder) -> String {
    let wanted = match place {
        Some(place) => of_place(place, "range.name"),
        None => "e.channel <> 'devhub' AND e.channel = range.name".to_owned(),
    };
    let direction = match order {
        RangeOrder::OldestFirst => "ASC",
        RangeOrder::NewestFirst => "DESC",
    };
    // OFFSET 0 keeps the planner from merging the subqueries, so `meta` is converted to text only once.
    format!(
        "SELECT {page}, page.meta, page.nth, page.found, \
           state.pruned_through, state.families, state.newest \
         FROM {STATE} LEFT JOIN ( \
           SELECT sized.* FROM ( \
             SELECT texts.*, count(*) OVER () AS found, sum(octet_length(texts.meta)) OVER ( \
               ORDER BY texts.nth, texts.id {direction} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) \
               AS before \
             FROM ( \
               SELECT {rows}, rows.meta::text AS meta, range.nth \
               FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY \
                 AS range (name, kinds, after, upto, most, nth) \
               CROSS JOIN LATERAL ( \
                 SELECT e.* FROM {{schema}}.oasis_events AS e \
                 WHERE {wanted} \
                   AND e.id + 0 > range.after AND e.id + 0 <= range.upto \
                   AND (range.kinds = '' OR e.kind = ANY (string_to_array(range.kinds, ','))) \
                 ORDER BY e.id + 0 {direction} LIMIT range.most) AS rows \
               OFFSET 0) AS texts \
           ) AS sized WHERE sized.before IS NULL OR sized.before <= $6 \
         ) AS page ON true ORDER BY page.nth, page.id {direction}",
        page = fields("page"),
        rows = fields("rows"),
    )
}
