//! Who may do what: [`Readers`] may read, [`Senders`] may send events.

mod readers;
mod senders;

pub(crate) use readers::Readers;
pub(crate) use senders::Senders;
