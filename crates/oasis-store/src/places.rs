//! Places: how many streams of casts each user has open, over all gateways.
//!
//! Each gateway is a holder of places. It renews them, and frees each place when its stream ends. The
//! functions that `migrations/` defines let one session at a time change places, so the limits are exact.

use tokio_postgres::types::{ToSql, Type};

use crate::error::StoreError;
use crate::store::Store;

/// The maximum number of places of dead gateways that one statement finds.
pub const MOST_DEAD: usize = 1_000;

/// The limits of a user's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceLimits {
    /// The maximum number of places of a user at the same time.
    pub places: i32,
    /// How many times a user may connect in a minute with tokens.
    pub connects: i32,
    /// How many times a user may connect in a minute with API keys.
    pub connects_with_key: i32,
}

/// A place that a gateway holds, or wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The number of the place, which its gateway has chosen. A later place has a higher number.
    pub place: i64,
    /// The user whose place it is.
    pub user: String,
    /// What the audit log says about the stream, as a JSON object.
    pub about: String,
}

/// A request of a user to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceRequest {
    /// The place.
    pub place: Place,
    /// Whether the user has sent an API key.
    pub with_key: bool,
    /// Whether the request counts as a connection. A repeated request does not count again.
    pub counts: bool,
    /// Whether the request gets a place if the limits allow it. If not, it is only counted.
    pub wanted: bool,
}

/// What a request got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaceVerdict {
    /// How many times the user has connected in this minute, including this time.
    pub connects: i32,
    /// How many places the user held before.
    pub held: i32,
    /// Whether the request got the place.
    pub taken: bool,
    /// How long this minute still lasts, in milliseconds.
    pub left_ms: i32,
}

/// The answer of [`Store::take_places`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenPlaces {
    /// A verdict for each request, in their order.
    pub verdicts: Vec<PlaceVerdict>,
    /// Whether the gateway was not known, or counted as dead. Then it must write the places that it holds
    /// again.
    pub was_dead: bool,
}

/// The answer of [`Store::renew_places`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RenewedPlaces {
    /// Whether the gateway must write its places again.
    pub lost: bool,
    /// How many other gateways hold places.
    pub others: i64,
    /// The places of dead gateways, each with the name of its gateway.
    pub dead: Vec<(String, Place)>,
}

impl Store {
    /// Frees places of a gateway, and then takes places for requests, in their order.
    ///
    /// # Errors
    /// When the database can't be reached, does not answer in time, or allows no writes.
    pub async fn take_places(
        &self,
        holder: &str,
        freed: &[i64],
        requests: &[PlaceRequest],
        limits: PlaceLimits,
    ) -> Result<TakenPlaces, StoreError> {
        let sql = self
            .sql("SELECT * FROM {schema}.oasis_places_take($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
        let (places, users, abouts) = columns(requests.iter().map(|request| &request.place));
        let with_keys: Vec<bool> = requests.iter().map(|request| request.with_key).collect();
        let counts: Vec<bool> = requests.iter().map(|request| request.counts).collect();
        let wanted: Vec<bool> = requests.iter().map(|request| request.wanted).collect();
        let params: [(&(dyn ToSql + Sync), Type); 11] = [
            (&holder, Type::TEXT),
            (&freed, Type::INT8_ARRAY),
            (&places, Type::INT8_ARRAY),
            (&users, Type::TEXT_ARRAY),
            (&with_keys, Type::BOOL_ARRAY),
            (&counts, Type::BOOL_ARRAY),
            (&wanted, Type::BOOL_ARRAY),
            (&abouts, Type::TEXT_ARRAY),
            (&limits.places, Type::INT4),
            (&limits.connects, Type::INT4),
            (&limits.connects_with_key, Type::INT4),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut answer = TakenPlaces { verdicts: Vec::with_capacity(requests.len()), was_dead: false };
        for row in &rows {
            if row.try_get::<_, Option<i64>>("place")?.is_some() {
                answer.verdicts.push(PlaceVerdict {
                    connects: row.try_get("connects")?,
                    held: row.try_get("held")?,
                    taken: row.try_get("taken")?,
                    left_ms: row.try_get("left_ms")?,
                });
            } else {
                answer.was_dead = row.try_get("was_dead")?;
            }
        }
        Ok(answer)
    }

    /// Renews the places of a gateway that holds `number` places. If it `sweeps`, it also finds the places of
    /// dead gateways, at most [`MOST_DEAD`].
    ///
    /// # Errors
    /// As [`Store::take_places`].
    pub async fn renew_places(
        &self,
        holder: &str,
        number: i64,
        sweeps: bool,
    ) -> Result<RenewedPlaces, StoreError> {
        let sql = self.sql("SELECT * FROM {schema}.oasis_places_renew($1, $2, $3)");
        let params: [(&(dyn ToSql + Sync), Type); 3] =
            [(&holder, Type::TEXT), (&number, Type::INT8), (&sweeps, Type::BOOL)];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        let mut answer = RenewedPlaces::default();
        for row in &rows {
            answer.lost = row.try_get("lost")?;
            answer.others = row.try_get("others")?;
            if let Some(dead) = row.try_get("dead")? {
                let (place, user) = (row.try_get("place")?, row.try_get("user_id")?);
                answer.dead.push((dead, Place { place, user, about: row.try_get("about")? }));
            }
        }
        Ok(answer)
    }

    /// Forgets places of dead gateways.
    ///
    /// # Errors
    /// As [`Store::take_places`].
    pub async fn forget_places(&self, dead: &[(String, Place)]) -> Result<(), StoreError> {
        let sql = self.sql("SELECT {schema}.oasis_places_forget($1, $2)");
        let (holders, places): (Vec<&str>, Vec<i64>) =
            dead.iter().map(|(holder, place)| (holder.as_str(), place.place)).unzip();
        let params: [(&(dyn ToSql + Sync), Type); 2] =
            [(&holders, Type::TEXT_ARRAY), (&places, Type::INT8_ARRAY)];
        self.read(async |client| client.query_typed(&sql, &params).await).await?;
        Ok(())
    }

    /// Writes all places of a gateway again. Returns the places that the gateway has lost, because their
    /// users hold too many.
    ///
    /// # Errors
    /// As [`Store::take_places`].
    pub async fn rewrite_places(
        &self,
        holder: &str,
        all: &[Place],
        limits: PlaceLimits,
    ) -> Result<Vec<i64>, StoreError> {
        let sql = self.sql("SELECT * FROM {schema}.oasis_places_rewrite($1, $2, $3, $4, $5)");
        let (places, users, abouts) = columns(all.iter());
        let params: [(&(dyn ToSql + Sync), Type); 5] = [
            (&holder, Type::TEXT),
            (&places, Type::INT8_ARRAY),
            (&users, Type::TEXT_ARRAY),
            (&abouts, Type::TEXT_ARRAY),
            (&limits.places, Type::INT4),
        ];
        let rows = self.read(async |client| client.query_typed(&sql, &params).await).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }
}

/// The columns of places, as arrays.
fn columns<'a>(all: impl Iterator<Item = &'a Place>) -> (Vec<i64>, Vec<&'a str>, Vec<&'a str>) {
    let mut columns = (Vec::new(), Vec::new(), Vec::new());
    for Place { place, user, about } in all {
        columns.0.push(*place);
        columns.1.push(user.as_str());
        columns.2.push(about.as_str());
    }
    columns
}
