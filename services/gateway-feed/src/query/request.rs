//! [`EventsRequest`] and [`FeedRequest`]: the parameters of a request to the query API, and to the feed.

use hyper::header::HeaderMap;
use oasis_core::Task;
use oasis_service::{ApiError, Query};
use oasis_store::{Columns, Filter, Order, PageQuery};

use super::begin::{FEED, begin};
use super::bounds::{Bounds, EVENTS, bounds};
use super::params;
use crate::fanout::source::Begin;
use crate::turns::Cost;

/// A page after a larger offset is expensive.
const CHEAP_OFFSET: i64 = 1_000;

/// The parameters of a request to the query API.
#[derive(Debug)]
pub struct EventsRequest {
    query: Query,
    filter: Filter,
    bounds: Bounds,
}

impl EventsRequest {
    /// Parses the query of a request.
    ///
    /// # Errors
    /// 400 for a bad parameter.
    pub fn parse(query: Option<&str>) -> Result<Self, ApiError> {
        let query = Query::parse(query, EVENTS)?;
        Ok(Self { filter: params::filter(&query)?, bounds: bounds(&query)?, query })
    }

    /// The page that the request asks for.
    pub fn page(&self) -> PageQuery<'_> {
        let Bounds { since, until, limit, offset, before } = self.bounds;
        PageQuery {
            offset,
            since,
            until,
            columns: Columns::WithMeta,
            ..PageQuery::ticker(Some(&self.filter), Order::NewestFirst { before }, limit)
        }
    }

    /// The address of the page after the event `last`, without the token. The address is relative to the
    /// address of the request, because the gateway does not know the whole path if a proxy removes a part of
    /// the path.
    pub fn next(&self, last: i64) -> String {
        let mut next = form_urlencoded::Serializer::new(String::new());
        let kept = self.query.iter().filter(|(name, _)| !matches!(*name, "before" | "offset" | "token"));
        next.extend_pairs(kept);
        next.append_pair("before", &last.to_string());
        format!("?{}", next.finish())
    }

    /// What the page costs the database.
    pub(super) fn cost(&self) -> Cost {
        let named = Filter::FIELDS.iter().filter(|field| self.query.get(field.name).is_some()).count();
        let Bounds { since, until, offset, .. } = self.bounds;
        let is_expensive = offset > CHEAP_OFFSET || named > 1 || since.is_some() || until.is_some();
        if is_expensive { Cost::Expensive } else { Cost::Cheap }
    }

    /// The tasks that the request asks for, as one text. `None` if the request has no parameter `vtid`.
    pub(super) fn tasks(&self) -> Option<String> {
        self.query.get("vtid")?;
        let vtids: Vec<&str> = self.filter.vtid.iter().map(Task::as_str).collect();
        Some(if vtids.is_empty() { "ALL".to_owned() } else { vtids.join(",") })
    }
}

/// The parameters of a request to the feed.
#[derive(Debug, PartialEq, Eq)]
pub struct FeedRequest {
    pub(crate) filter: Filter,
    pub(crate) begin: Begin,
}

impl FeedRequest {
    /// Parses the query and the header `Last-Event-ID` of a request.
    ///
    /// # Errors
    /// 400 for a bad parameter or a bad header.
    pub fn parse(query: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        let query = Query::parse(query, FEED)?;
        Ok(Self { filter: params::filter(&query)?, begin: begin(&query, headers)? })
    }

    /// Selects the events that the client wants.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }
}
