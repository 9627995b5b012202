//! The rules, by what they look at.

pub(crate) mod catalogue;
pub(crate) mod change;
pub(crate) mod deploys;
pub(crate) mod names;
pub(crate) mod run_name;
