//! [`Marks`]: the id up to which each family of channels has been pruned.

use std::collections::BTreeMap;
use std::sync::Arc;

use oasis_core::{Channel, Family};

use crate::error::StoreError;

/// The highest id that is known to have been in the table, as an SQL expression: the id of the newest row, or
/// the highest mark if that mark is higher.
pub(crate) const HEAD: &str = "greatest((SELECT max(id) FROM {schema}.oasis_events), \
    (SELECT greatest(pruned_through, (SELECT max(value::int8) FROM jsonb_each_text(families))) \
     FROM {schema}.oasis_feed_state), 0)";

/// The id up to which the rows of each family have been pruned. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marks {
    devhub: i64,
    /// The marks of all other families, by name.
    others: Arc<BTreeMap<String, i64>>,
}

impl Marks {
    /// The id up to which the rows of `family` have been pruned. 0 if no rows have been pruned.
    pub fn of(&self, family: &str) -> i64 {
        if family == Family::devhub().as_str() {
            self.devhub
        } else {
            self.others.get(family).copied().unwrap_or_default()
        }
    }

    /// The id up to which the rows of the family of `channel` have been pruned. 0 if no rows have been
    /// pruned.
    pub fn of_channel(&self, channel: &Channel) -> i64 {
        self.of(channel.family())
    }

    /// The highest mark of all families. 0 if no rows have been pruned.
    pub fn highest(&self) -> i64 {
        self.others.values().copied().fold(self.devhub, i64::max)
    }

    /// Makes the marks from the two columns of `oasis_feed_state`: `pruned_through`, and `families` as JSON
    /// text.
    pub(crate) fn read(devhub: i64, families: &str) -> Result<Self, StoreError> {
        let others = serde_json::from_str(families).map_err(StoreError::Marks)?;
        Ok(Self { devhub, others: Arc::new(others) })
    }
}

impl FromIterator<(Family, i64)> for Marks {
    fn from_iter<T: IntoIterator<Item = (Family, i64)>>(marks: T) -> Self {
        let mut others: BTreeMap<String, i64> =
            marks.into_iter().map(|(family, mark)| (family.as_str().to_owned(), mark)).collect();
        let devhub = others.remove(Family::devhub().as_str()).unwrap_or_default();
        Self { devhub, others: Arc::new(others) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_its_own_mark() {
        let marks = Marks::read(7, r#"{"room": 9, "cast": 3}"#).unwrap();
        for (channel, mark) in [("devhub", 7), ("room:a", 9), ("room:b", 9), ("cast:1", 3), ("audit", 0)] {
            let channel = Channel::parse(channel).unwrap();
            assert_eq!(marks.of_channel(&channel), mark);
            assert_eq!(marks.of(channel.family()), mark);
        }
        let family = |name| Family::parse(name).unwrap();
        let same = [(family("cast"), 3), (Family::devhub(), 7), (family("room"), 9)];
        assert_eq!(same.into_iter().collect::<Marks>(), marks);
        assert_eq!((marks.highest(), Marks::default().highest()), (9, 0));
        assert_eq!(Marks::read(12, "{}").unwrap().highest(), 12);
        for bad in ["", "[]", r#"{"room": "9"}"#] {
            assert!(Marks::read(0, bad).is_err(), "{bad}");
        }
    }
}
